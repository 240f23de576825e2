/** Sending credits: what is left of them, what they cost, and open invoices for them. */
import Type, { type Static } from 'typebox';
import { audit } from '../accounts/audit.ts';
import type { OpenBilling } from '../billing/billing.ts';
import { PaymentRefused } from '../billing/charge.ts';
import { balance } from '../billing/credits.ts';
import type { Buyer } from '../billing/invoice-parties.ts';
import { openInvoice } from '../billing/open-invoice.ts';
import { created, endpoint, ok } from './endpoint.ts';
import { Problem } from './problem.ts';
import { Id, strict } from './schemas.ts';
import type { Services } from './services.ts';

const Line = Type.String({ minLength: 1, maxLength: 200 });

export const BuyerSchema = strict(
  {
    name: Type.String({ minLength: 1, maxLength: 200, description: 'The legal name.' }),
    address_line_1: Type.Optional(Line),
    address_line_2: Type.Optional(Line),
    post_code: Type.Optional(Line),
    city: Type.Optional(Line),
    country: Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2' }),
    vat_identifier: Type.Optional(Type.String({ pattern: '^[A-Z]{2}[A-Za-z0-9+*.]{2,15}$' })),
    email: Type.String({ minLength: 3, maxLength: 320, description: 'Where the invoice is mailed to.' }),
  },
  { $id: 'Buyer' },
);

export function buyerOf(body: Static<typeof BuyerSchema>): Buyer {
  const { name, email, address_line_1, address_line_2, post_code, city, country, vat_identifier } = body;
  return {
    name,
    email,
    countryCode: country,
    ...(address_line_1 === undefined ? {} : { addressLine1: address_line_1 }),
    ...(address_line_2 === undefined ? {} : { addressLine2: address_line_2 }),
    ...(post_code === undefined ? {} : { postCode: post_code }),
    ...(city === undefined ? {} : { city }),
    ...(vat_identifier === undefined ? {} : { vatIdentifier: vat_identifier }),
  };
}

/** The routes of billing are there only when it is on. */
export function billingOf({ billing }: Services): OpenBilling {
  if (!billing) throw new Error('billing is off');
  return billing;
}

export const credits = endpoint({
  summary: 'Sending credits that are left, and what more cost',
  description: 'One is spent for each message that a mail server accepted; counted within a minute.',
  scope: 'billing:read',
  idempotency: 'none',
  responses: {
    200: strict({
      balance: Type.Integer({ description: 'Below zero when what was queued has cost more.' }),
      prices: Type.Array(
        strict({
          credits: Type.Integer(),
          price_minor: Type.Integer({ description: 'Without tax.' }),
          currency: Type.String(),
        }),
      ),
    }),
  },
  async handle({ services, workspaceId }, tx) {
    return ok({
      balance: Number(await balance(tx, workspaceId)),
      prices: billingOf(services).prices.map(({ credits, price }) => ({
        credits: Number(credits),
        price_minor: Number(price.minor),
        currency: price.currency,
      })),
    });
  },
});

export const invoice = endpoint({
  summary: 'Get an open invoice for sending credits',
  description: 'The credits come when it is paid.',
  scope: 'billing:write',
  idempotency: 'required',
  body: strict({
    credits: Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 }),
    currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$' })),
    buyer: BuyerSchema,
  }),
  responses: { 201: strict({ id: Id, number: Type.String() }) },
  problems: ['refused'],
  async handle({ body, principal, services, workspaceId, address }, tx) {
    const order = {
      credits: BigInt(body.credits),
      currency: body.currency ?? null,
      buyer: buyerOf(body.buyer),
    };
    const work = openInvoice(tx, billingOf(services).prices, workspaceId, order);
    const { invoiceId: id, number } = await work.catch((error: unknown) => {
      throw error instanceof PaymentRefused ? new Problem('refused', error.message) : error;
    });
    await audit(tx, principal, { action: 'invoice.opened', subject: `invoice/${id}`, address });
    return created(`/v1/invoices/${id}`, { id, number });
  },
});
