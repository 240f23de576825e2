/** Who issues the invoices for sending credits: one for the whole installation. */
import Type, { type Static } from 'typebox';
import { isSellerSet, type Seller } from '../billing/invoice-parties.ts';
import { sellerOf } from '../billing/invoices.ts';
import { SellerRefused, setSeller } from '../billing/seller.ts';
import { BuyerSchema, buyerOf } from './billing.ts';
import { endpoint, ok } from './endpoint.ts';
import { auditAlone } from './installation.ts';
import { Problem } from './problem.ts';
import { strict } from './schemas.ts';

const Text = Type.String({ minLength: 1, maxLength: 200 });
const Series = Type.String({ pattern: '^[A-Z0-9]{1,12}$', description: 'Begins the numbers.' });

const SellerSchema = strict(
  {
    ...BuyerSchema.properties,
    registration: Type.Optional({ ...Text, description: 'Number in the companies register.' }),
    tax_rate_basis_points: Type.Integer({
      minimum: 0,
      maximum: 10_000,
      description: 'VAT at home: 1900 is 19 %. Without a VAT identifier none is charged.',
    }),
    payment_terms: Type.Optional({
      ...Text,
      description: 'How an open invoice is paid, such as a bank account.',
    }),
    invoice_series: Series,
    credit_note_series: Series,
  },
  { $id: 'Seller' },
);

export const show = endpoint({
  summary: 'What the next invoice will say about the seller',
  scope: 'installation:read',
  idempotency: 'none',
  responses: {
    200: strict({
      is_set: Type.Boolean({
        description: 'False: nobody has said who sells, and nothing is sold until somebody does.',
      }),
      seller: SellerSchema,
    }),
  },
  async run({ services }) {
    const seller = await services.database.withSystem((tx) => sellerOf(tx));
    return ok({ is_set: isSellerSet(seller), seller: jsonOf(seller) });
  },
});

export const set = endpoint({
  summary: 'Say who issues invoices from now on',
  description: 'Replaces all that was said before. An invoice that was issued stays as it is.',
  scope: 'installation:write',
  idempotency: 'none',
  body: SellerSchema,
  responses: { 200: SellerSchema },
  problems: ['refused'],
  async run(request) {
    const { body, services } = request;
    const { registration, payment_terms: paymentTerms } = body;
    const said: Seller = {
      ...buyerOf(body),
      ...(registration === undefined ? {} : { registration }),
      ...(paymentTerms === undefined ? {} : { paymentTerms }),
      taxRateBasisPoints: body.tax_rate_basis_points,
      invoiceSeries: body.invoice_series,
      creditNoteSeries: body.credit_note_series,
    };
    const seller = await setSeller(services.database, said).catch((error: unknown) => {
      throw error instanceof SellerRefused ? new Problem('refused', error.message) : error;
    });
    await auditAlone(request, { action: 'seller.set', subject: 'installation', after: jsonOf(seller) });
    return ok(jsonOf(seller));
  },
});

function jsonOf(seller: Seller): Static<typeof SellerSchema> {
  const { name, addressLine1, addressLine2, postCode, city, countryCode, vatIdentifier, email } = seller;
  const { registration, paymentTerms, taxRateBasisPoints, invoiceSeries, creditNoteSeries } = seller;
  return {
    name,
    ...(addressLine1 === undefined ? {} : { address_line_1: addressLine1 }),
    ...(addressLine2 === undefined ? {} : { address_line_2: addressLine2 }),
    ...(postCode === undefined ? {} : { post_code: postCode }),
    ...(city === undefined ? {} : { city }),
    country: countryCode,
    ...(vatIdentifier === undefined ? {} : { vat_identifier: vatIdentifier }),
    email,
    ...(registration === undefined ? {} : { registration }),
    tax_rate_basis_points: taxRateBasisPoints,
    ...(paymentTerms === undefined ? {} : { payment_terms: paymentTerms }),
    invoice_series: invoiceSeries,
    credit_note_series: creditNoteSeries,
  };
}
