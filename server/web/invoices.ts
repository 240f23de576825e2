/** Invoices and credit notes as they were issued, their PDFs, and how the mail stands that brings them. */
import Type, { type Static } from 'typebox';
import { audit } from '../accounts/audit.ts';
import { type InvoiceMail, mailAgain, mailOfInvoice, NotMailed } from '../billing/invoice-mail.ts';
import type { Invoice } from '../billing/invoice-snapshot.ts';
import { findInvoice, invoicePage, originalDocument } from '../billing/queries-invoices.ts';
import { STANDS } from '../queue/messages.ts';
import { MESSAGE_STATES } from '../queue/states.ts';
import { accepted, endpoint, ok } from './endpoint.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { comeAgain, notFound, Problem } from './problem.ts';
import { Id, media, nullable, oneOf, strict, Time } from './schemas.ts';
import type { Services } from './services.ts';

const RENDERING_MS = 1_000;

const FIELDS = {
  id: Id,
  kind: oneOf(['invoice', 'credit_note']),
  number: Type.String({ description: 'Without a gap within its series and year.' }),
  issued_at: Time,
  payment_id: nullable(
    Type.String({
      format: 'uuid',
      description: 'What it was paid with; null: issued to be paid, or a credit note.',
    }),
  ),
  corrects: nullable(
    strict({
      number: Type.String({ description: 'Of the invoice that a credit note gives back, or a part of it.' }),
      reason: Type.String(),
    }),
  ),
  buyer_name: Type.String(),
  buyer_email: Type.String(),
  currency: Type.String({ description: 'ISO 4217' }),
  net_minor: Type.Integer(),
  tax_minor: Type.Integer(),
  gross_minor: Type.Integer({ description: 'With tax, in the currency’s smallest unit.' }),
};

const InvoiceSchema = strict(FIELDS, { $id: 'Invoice' });

const MailSchema = strict(
  {
    times_again: Type.Integer({ description: 'How often it was mailed again; this is the last.' }),
    state: nullable(oneOf(MESSAGE_STATES, { description: 'Null: it is not queued yet.' })),
    state_in_words: Type.String({ description: 'For people; may change.' }),
    next_try_at: nullable(Type.String({ format: 'date-time', description: 'While it waits.' })),
  },
  { $id: 'InvoiceMail' },
);

const MailedInvoiceSchema = strict({ ...FIELDS, mail: MailSchema }, { $id: 'MailedInvoice' });

export const list = endpoint({
  summary: 'Invoices and credit notes, newest first',
  scope: 'billing:read',
  idempotency: 'none',
  query: PAGE_QUERY,
  responses: { 200: pageSchema(InvoiceSchema) },
  async handle({ query, workspaceId }, tx) {
    const { limit, after } = readPage(query, Id);
    const rows = await invoicePage(tx, workspaceId, after, limit + 1);
    return ok(pageOf(rows, limit, { item: jsonOf, key: ({ id }) => id }));
  },
});

export const show = endpoint({
  summary: 'An invoice or credit note, and how its mail stands',
  description: 'A mail that cannot be delivered is tried for five days, and then `expired`.',
  scope: 'billing:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: MailedInvoiceSchema },
  async run({ params, services, workspaceId }) {
    return ok(await mailedInvoice(services, workspaceId, params.id));
  },
});

export const pdf = endpoint({
  summary: 'The PDF that was mailed',
  description: 'The same bytes for ever. It is rendered in the seconds after it was issued; until then 409.',
  scope: 'billing:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: media('application/pdf') },
  problems: ['conflict', 'not-found'],
  async handle({ params, workspaceId }, tx) {
    const invoice = await findInvoice(tx, workspaceId, params.id);
    if (!invoice) throw notFound('invoice');
    const document = await originalDocument(tx, workspaceId, params.id);
    if (!document) throw comeAgain('conflict', 'It is being rendered at this moment.', RENDERING_MS);
    return ok(document.content, {
      'content-type': 'application/pdf',
      'content-disposition': `attachment; filename="${invoice.number}.pdf"`,
    });
  },
});

export const mail = endpoint({
  summary: 'Mail an invoice or credit note once more',
  description: 'To the buyer, as it was issued. While the last mail is on its way, 409.',
  scope: 'billing:write',
  idempotency: 'required',
  params: { id: Id },
  responses: { 202: MailedInvoiceSchema },
  problems: ['conflict', 'not-found'],
  async run({ params, services, principal, workspaceId, address }) {
    const { database } = services;
    // 404 before anything else.
    await mailedInvoice(services, workspaceId, params.id);
    const entry = { action: 'invoice.mailed_again', subject: `invoice/${params.id}`, address };
    const of = { workspaceId, invoiceId: params.id };
    await mailAgain(database, of, (tx) => audit(tx, principal, entry)).catch((error: unknown) => {
      throw error instanceof NotMailed ? new Problem('conflict', error.message) : error;
    });
    return accepted(`/v1/invoices/${params.id}`, await mailedInvoice(services, workspaceId, params.id));
  },
});

async function mailedInvoice(
  { database }: Services,
  workspaceId: string,
  invoiceId: string,
): Promise<Static<typeof MailedInvoiceSchema>> {
  const invoice = await database.readWorkspace(workspaceId, (tx) => findInvoice(tx, workspaceId, invoiceId));
  if (!invoice) throw notFound('invoice');
  return { ...jsonOf(invoice), mail: mailJson(await mailOfInvoice(database, { workspaceId, invoiceId })) };
}

function mailJson({ number, message }: InvoiceMail): Static<typeof MailSchema> {
  return {
    times_again: number,
    state: message?.state ?? null,
    state_in_words: message ? STANDS[message.state] : 'It is not queued yet.',
    next_try_at: message?.dueAt?.toISOString() ?? null,
  };
}

function jsonOf({ id, kind, number, issuedAt, paymentId, snapshot }: Invoice): Static<typeof InvoiceSchema> {
  const { buyer, currency, netMinor, taxMinor, grossMinor, corrects } = snapshot;
  return {
    id,
    kind,
    number,
    issued_at: issuedAt.toISOString(),
    payment_id: paymentId,
    corrects: corrects ? { number: corrects.number, reason: corrects.reason } : null,
    buyer_name: buyer.name,
    buyer_email: buyer.email,
    currency,
    net_minor: Number(netMinor),
    tax_minor: Number(taxMinor),
    gross_minor: Number(grossMinor),
  };
}
