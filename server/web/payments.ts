/**
 * Payments. What they promise is in billing/phases.ts; here is how HTTP says it: 201 when it succeeded and 402 when it did
 * not, both kept for every retry under the key; 202 while nobody can know, with the URL that will tell.
 */
import Type, { type Static } from 'typebox';
import { audit } from '../accounts/audit.ts';
import { cancelPayment } from '../billing/by-hand.ts';
import { type ChargeOrder, PaymentRefused, type PaymentRequest, pay } from '../billing/charge.ts';
import { takeEvent } from '../billing/events.ts';
import { type Payment, paymentUrl } from '../billing/payment.ts';
import { findPayment, paymentPage } from '../billing/queries.ts';
import { refund as giveBack } from '../billing/refund.ts';
import { isDecided, PAYMENT_STATES } from '../billing/states.ts';
import type { StoredResponse } from '../kernel/idempotency.ts';
import { answerOf, render } from './answer.ts';
import { BuyerSchema, billingOf, buyerOf } from './billing.ts';
import { type ApiRequest, accepted, created, endpoint, noContent, ok } from './endpoint.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { comeAgain, notFound, Problem } from './problem.ts';
import { Id, Nothing, nullable, oneOf, strict, Time } from './schemas.ts';

/** Time for the provider, with its retries, and for us. */
const DEADLINE_MS = 60_000;
const UNDER_WAY_MS = 2_000;
/** Where the provider posts its events. */
export const PROVIDER_EVENTS = '/v1/provider-events/stripe';
const EVENT_BYTES_MAX = 1_000_000;

const PaymentSchema = strict(
  {
    id: Id,
    kind: oneOf(['charge', 'refund']),
    state: oneOf(PAYMENT_STATES),
    amount_minor: Type.Integer({ description: 'With tax, in the currency’s smallest unit.' }),
    currency: Type.String({ description: 'ISO 4217' }),
    credits: Type.Integer({ description: 'What a charge brings, and a refund takes back.' }),
    reference: nullable(Type.String()),
    invoice_id: nullable(Type.String({ format: 'uuid', description: 'Of a refund: its credit note.' })),
    refund_of: nullable(Id),
    failure: nullable(strict({ code: Type.String(), message: Type.String() })),
    action_url: nullable(
      Type.String({
        description:
          'Where the customer has something to do, within 24 hours. Only with a `return_url` there is one.',
      }),
    ),
    note: nullable(
      Type.String({
        description:
          'What a person should know: why it needs review, a dispute, or that the provider says something else by now.',
      }),
    ),
    created_at: Time,
    decided_at: nullable(Time),
  },
  { $id: 'Payment' },
);

const Answers = {
  201: PaymentSchema,
  202: strict({ resource: Type.String({ description: 'The URL that will tell.' }) }),
};

export const create = endpoint({
  summary: 'Buy sending credits, or pay an open invoice',
  description:
    'Charges once for all requests with this key. A `reference`, or an invoice, is paid once whatever the key: use one to be safe also when a key gets lost.',
  scope: 'billing:write',
  idempotency: 'required',
  deadlineMs: DEADLINE_MS,
  body: Type.Union([
    strict({
      credits: Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 }),
      currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$' })),
      buyer: BuyerSchema,
      reference: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
      payment_method: Type.String({ minLength: 1, maxLength: 255 }),
      return_url: Type.Optional(Type.String({ format: 'uri', maxLength: 2_000 })),
    }),
    strict({
      invoice_id: Id,
      payment_method: Type.String({ minLength: 1, maxLength: 255 }),
      return_url: Type.Optional(Type.String({ format: 'uri', maxLength: 2_000 })),
    }),
  ]),
  responses: Answers,
  problems: ['payment-failed', 'payment-under-way', 'conflict', 'refused', 'not-found'],
  async run(request) {
    const { body, services, scope } = request;
    const order: ChargeOrder = {
      buys:
        'invoice_id' in body
          ? { kind: 'invoice', invoiceId: body.invoice_id }
          : {
              kind: 'credits',
              credits: BigInt(body.credits),
              currency: body.currency ?? null,
              buyer: buyerOf(body.buyer),
              reference: body.reference ?? null,
            },
      paymentMethod: body.payment_method,
      returnUrl: body.return_url ?? null,
    };
    const work = pay(billingOf(services), scope, paymentRequest(request, 'payment.created'), order);
    return answerTo(await work.catch(explain));
  },
});

export const refund = endpoint({
  summary: 'Give a payment back, or a part of it',
  scope: 'billing:write',
  idempotency: 'required',
  deadlineMs: DEADLINE_MS,
  params: { id: Id },
  body: strict({
    amount_minor: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000_000_000, description: 'Default: all that is left.' }),
    ),
    reason: Type.Optional(
      Type.String({ minLength: 1, maxLength: 200, description: 'Printed on the credit note.' }),
    ),
  }),
  responses: Answers,
  problems: ['payment-failed', 'conflict', 'not-found'],
  async run(request) {
    const { body, params, services, scope } = request;
    const order = {
      paymentId: params.id,
      amountMinor: body.amount_minor === undefined ? null : BigInt(body.amount_minor),
      reason: body.reason ?? 'Refund',
    };
    const work = giveBack(billingOf(services), scope, paymentRequest(request, 'payment.refunded'), order);
    return answerTo(await work.catch(explain));
  },
});

export const cancel = endpoint({
  summary: 'Cancel a payment that waits for its customer',
  description:
    'It is cancelled at the provider, and so it failed: what it was for may be paid otherwise. Without this, a payment that waits for its customer is cancelled after 24 hours. 409 when it has succeeded, or the provider is working at it.',
  scope: 'billing:write',
  idempotency: 'required',
  deadlineMs: DEADLINE_MS,
  params: { id: Id },
  responses: { 200: PaymentSchema },
  problems: ['payment-under-way', 'conflict', 'not-found'],
  async run({ params, services, scope, principal, workspaceId, address }) {
    const billing = billingOf(services);
    const payment = await cancelPayment(billing, scope, { workspaceId, id: params.id }).catch(explain);
    const entry = { action: 'payment.cancelled', subject: `payment/${payment.id}`, address };
    await services.database.withWorkspace(workspaceId, (tx) => audit(tx, principal, entry));
    return ok(jsonOf(payment));
  },
});

export const show = endpoint({
  summary: 'A payment, and how far it is',
  scope: 'billing:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: PaymentSchema },
  async handle({ params, workspaceId }, tx) {
    const payment = await findPayment(tx, { workspaceId, id: params.id });
    if (!payment) throw notFound('payment');
    return ok(jsonOf(payment));
  },
});

export const list = endpoint({
  summary: 'Payments and refunds, newest first',
  scope: 'billing:read',
  idempotency: 'none',
  query: PAGE_QUERY,
  responses: { 200: pageSchema(PaymentSchema) },
  async handle({ query, workspaceId }, tx) {
    const { limit, after } = readPage(query, Id);
    const rows = await paymentPage(tx, workspaceId, after, limit + 1);
    return ok(pageOf(rows, limit, { item: jsonOf, key: ({ id }) => id }));
  },
});

export const event = endpoint({
  summary: 'What the payment provider posts',
  description: 'Signed by it, over the bytes as they are sent.',
  scope: 'public',
  idempotency: 'none',
  load: 'intake',
  bodyBytesMax: EVENT_BYTES_MAX,
  upload: ['application/json'],
  responses: { 204: Nothing },
  async run({ upload, headers, services }) {
    const body = Buffer.concat(await upload.toArray());
    const isTaken = await takeEvent(billingOf(services), body, String(headers['stripe-signature'] ?? ''));
    if (!isTaken) throw new Problem('malformed-request', 'The provider has not signed this.');
    return noContent();
  },
});

/** What a decided payment is answered, now and under its key for as long as that is kept. */
export function respond(payment: Payment): StoredResponse {
  const answer =
    payment.state === 'succeeded'
      ? created(paymentUrl(payment.id), jsonOf(payment))
      : answerOf(failureOf(payment), payment.terms.requestId);
  const { status, headers, body } = render(answer);
  if (!Buffer.isBuffer(body)) throw new Error('an answer about a payment is bytes');
  return { status, headers, body };
}

function answerTo(payment: Payment) {
  const url = paymentUrl(payment.id);
  if (!isDecided(payment.state)) return accepted(url, { resource: url });
  if (payment.state === 'failed') throw failureOf(payment);
  return created(url, jsonOf(payment));
}

function failureOf({ id, failure }: Payment): Problem {
  return new Problem('payment-failed', failure?.message, { headers: { location: paymentUrl(id) } });
}

function paymentRequest(
  { once, principal, id: requestId, address, workspaceId }: ApiRequest,
  action: string,
): PaymentRequest {
  if (!once) throw new Error('a payment needs an idempotency key');
  return {
    workspaceId,
    holder: once,
    fingerprint: once.fingerprint,
    recoveryPoint: once.recoveryPoint,
    requestId,
    audit: (tx, paymentId) => audit(tx, principal, { action, subject: `payment/${paymentId}`, address }),
  };
}

function explain(error: unknown): never {
  if (!(error instanceof PaymentRefused)) throw error;
  switch (error.reason) {
    case 'not-found':
      throw new Problem('not-found', error.message);
    case 'conflict':
      throw new Problem('conflict', error.message);
    case 'under-way':
      throw comeAgain('payment-under-way', error.message, UNDER_WAY_MS);
    case 'refused':
      throw new Problem('refused', error.message);
  }
}

function jsonOf(payment: Payment): Static<typeof PaymentSchema> {
  return {
    id: payment.id,
    kind: payment.kind,
    state: payment.state,
    amount_minor: Number(payment.amount.minor),
    currency: payment.amount.currency,
    credits: Number(payment.credits),
    reference: payment.kind === 'charge' ? payment.reference : null,
    invoice_id: payment.invoiceId,
    refund_of: payment.kind === 'refund' ? payment.refundOf : null,
    failure: payment.failure,
    action_url: payment.actionUrl,
    note: payment.note,
    created_at: payment.createdAt.toISOString(),
    decided_at: payment.decidedAt?.toISOString() ?? null,
  };
}
