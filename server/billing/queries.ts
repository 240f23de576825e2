/** Billing's SQL: payments, their attempts, and the provider's events. */
import type { Tx } from '../kernel/database.ts';
import { insertIntoOutbox } from '../kernel/queries-outbox.ts';
import { sql } from '../kernel/sql.ts';
import type { NewPayment, Payment, PaymentKey } from './payment.ts';
import type { ProviderEvent } from './provider.ts';
import { type PaymentState, statesBefore } from './states.ts';

/** False: a live payment pays that invoice or has that reference; one that is being written is waited for. */
export async function insertPayment(tx: Tx, payment: NewPayment): Promise<boolean> {
  const { workspaceId, id, kind, amount, credits, terms, invoiceId, provider, request } = payment;
  const reference = kind === 'charge' ? payment.reference : null;
  const refundOf = kind === 'refund' ? payment.refundOf : null;
  const rows = await tx.query(sql`
    INSERT INTO payment (workspace_id, id, kind, amount_minor, currency, credits, terms, invoice_id, reference, refund_of,
      provider, idempotency_key, key_fingerprint, key_epoch)
    VALUES (${workspaceId}, ${id}, ${kind}, ${amount.minor}, ${amount.currency}, ${credits}, ${termsToJson(terms)},
      ${invoiceId}, ${reference}, ${refundOf}, ${provider}, ${request.key}, ${request.fingerprint}, ${request.epoch})
    ON CONFLICT DO NOTHING RETURNING id`);
  return rows.length === 1;
}

const COLUMNS = sql`id, workspace_id AS "workspaceId", kind, state, amount_minor AS "amountMinor", currency, credits,
  terms::text, invoice_id AS "invoiceId", reference, refund_of AS "refundOf", provider, provider_ref AS "providerRef",
  idempotency_key AS key, key_fingerprint AS fingerprint, key_epoch AS epoch, failure_code AS "failureCode",
  failure_message AS "failureMessage", action_url AS "actionUrl", note, created_at AS "createdAt", sent_at AS "sentAt",
  decided_at AS "decidedAt", extract(epoch FROM now() - created_at)::float8 * 1000 AS "ageMs"`;

export async function findPayment(tx: Tx, of: PaymentKey): Promise<Payment | undefined> {
  const rows = await tx.query<PaymentRow>(
    sql`SELECT ${COLUMNS} FROM payment WHERE workspace_id = ${of.workspaceId} AND id = ${of.id}`,
  );
  return rows.map(paymentOf)[0];
}

/** Others that would move it wait until the transaction ends. */
export async function lockPayment(tx: Tx, of: PaymentKey): Promise<Payment | undefined> {
  const rows = await tx.query<PaymentRow>(
    sql`SELECT ${COLUMNS} FROM payment WHERE workspace_id = ${of.workspaceId} AND id = ${of.id} FOR UPDATE`,
  );
  return rows.map(paymentOf)[0];
}

/** The live payment that stands in the way of another one. Indexes: payment_live_invoice, payment_live_reference. */
export async function findLivePayment(
  tx: Tx,
  workspaceId: string,
  { invoiceId, reference }: { invoiceId: string | null; reference: string | null },
): Promise<Payment | undefined> {
  const rows = await tx.query<PaymentRow>(sql`
    SELECT ${COLUMNS} FROM payment WHERE workspace_id = ${workspaceId} AND state <> 'failed'
      AND (invoice_id = ${invoiceId} AND kind = 'charge' OR reference = ${reference}) LIMIT 1`);
  return rows.map(paymentOf)[0];
}

/** Newest first; a page of them, older than `before`. */
export async function paymentPage(
  tx: Tx,
  workspaceId: string,
  before: string | null,
  limit: number,
): Promise<Payment[]> {
  const rows = await tx.query<PaymentRow>(sql`
    SELECT ${COLUMNS} FROM payment WHERE workspace_id = ${workspaceId}
      AND id < coalesce(${before}::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY id DESC LIMIT ${limit}`);
  return rows.map(paymentOf);
}

export async function refundsOf(tx: Tx, of: PaymentKey): Promise<Payment[]> {
  const rows = await tx.query<PaymentRow>(
    sql`SELECT ${COLUMNS} FROM payment WHERE workspace_id = ${of.workspaceId} AND refund_of = ${of.id} ORDER BY id`,
  );
  return rows.map(paymentOf);
}

/** Those that are not decided, oldest first. Index: payment_open. */
export async function openPayments(tx: Tx, workspaceId: string): Promise<Payment[]> {
  const rows = await tx.query<PaymentRow>(sql`
    SELECT ${COLUMNS} FROM payment WHERE workspace_id = ${workspaceId} AND state NOT IN ('succeeded', 'failed')
    ORDER BY id`);
  return rows.map(paymentOf);
}

/** Asked for so long ago at most, and decided so long ago at least. Index: payment_age. */
export function succeededCharges(tx: Tx, workspaceId: string, ageMsMax: number, decidedMs: number) {
  return tx.query<{ id: string; providerRef: string }>(sql`
    SELECT id, provider_ref AS "providerRef" FROM payment
    WHERE workspace_id = ${workspaceId} AND kind = 'charge' AND state = 'succeeded'
      AND created_at > now() - ${ageMsMax} * interval '1 ms' AND decided_at < now() - ${decidedMs} * interval '1 ms'`);
}

/** What a move writes beside the state. What is not named stays. */
export interface MoveDetails {
  providerRef?: string;
  invoiceId?: string;
  failure?: { code: string; message: string };
  actionUrl?: string | null;
  note?: string;
}

/** Forward only: undefined when the payment is in no state from which it may move to `to`. */
export async function movePayment(
  tx: Tx,
  of: PaymentKey,
  to: PaymentState,
  { providerRef, invoiceId, failure, actionUrl, note }: MoveDetails = {},
): Promise<Payment | undefined> {
  const rows = await tx.query<PaymentRow>(sql`
    WITH moved AS (
      UPDATE payment SET state = ${to},
        sent_at = CASE WHEN ${to} = 'sent' THEN now() ELSE sent_at END,
        decided_at = CASE WHEN ${to} IN ('succeeded', 'failed') THEN now() END,
        provider_ref = coalesce(${providerRef ?? null}, provider_ref),
        invoice_id = coalesce(${invoiceId ?? null}, invoice_id),
        failure_code = ${failure?.code ?? null}, failure_message = ${failure?.message ?? null},
        action_url = ${actionUrl ?? null}, note = coalesce(${note ?? null}, note)
      WHERE workspace_id = ${of.workspaceId} AND id = ${of.id} AND state = ANY(${statesBefore(to)}::text[])
      RETURNING *),
    announced AS (${insertIntoOutbox(of.workspaceId, {
      type: sql`('payment.' || moved.state)`,
      data: sql`jsonb_build_object('payment_id', moved.id, 'kind', moved.kind, 'amount_minor', moved.amount_minor,
        'currency', moved.currency, 'invoice_id', moved.invoice_id, 'failure_code', moved.failure_code)`,
      from: sql`moved`,
    })})
    SELECT ${COLUMNS} FROM moved`);
  return rows.map(paymentOf)[0];
}

/** False: that was noted before. */
export async function setNote(tx: Tx, of: PaymentKey, note: string): Promise<boolean> {
  const rows = await tx.query(sql`
    UPDATE payment SET note = ${note}
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.id} AND note IS DISTINCT FROM ${note} RETURNING id`);
  return rows.length === 1;
}

/** The request is another process's now. */
export function setKeyEpoch(tx: Tx, of: PaymentKey, epoch: number) {
  return tx.query(
    sql`UPDATE payment SET key_epoch = ${epoch} WHERE workspace_id = ${of.workspaceId} AND id = ${of.id}`,
  );
}

export interface Attempt {
  number: number;
  providerKey: string;
  /** `answered`: by a failure of the provider's, which it may repeat to the same key. */
  outcome: string | null;
}

export async function lastAttempt(tx: Tx, of: PaymentKey): Promise<Attempt | undefined> {
  const [row] = await tx.query<Attempt>(sql`
    SELECT number, provider_key AS "providerKey", outcome FROM payment_attempt
    WHERE workspace_id = ${of.workspaceId} AND payment_id = ${of.id} ORDER BY number DESC LIMIT 1`);
  return row;
}

export function insertAttempt(tx: Tx, of: PaymentKey, { number, providerKey }: Omit<Attempt, 'outcome'>) {
  return tx.query(sql`
    INSERT INTO payment_attempt (workspace_id, payment_id, number, provider_key)
    VALUES (${of.workspaceId}, ${of.id}, ${number}, ${providerKey}) ON CONFLICT DO NOTHING`);
}

export function noteAttempt(
  tx: Tx,
  of: PaymentKey,
  number: number,
  { outcome, error }: { outcome: string; error: string | null },
) {
  return tx.query(sql`
    UPDATE payment_attempt SET outcome = ${outcome}, error = ${error}
    WHERE workspace_id = ${of.workspaceId} AND payment_id = ${of.id} AND number = ${number}`);
}

/** False: it was kept before. */
export async function insertEvent(
  tx: Tx,
  workspaceId: string,
  { id, type }: ProviderEvent,
  body: Buffer,
): Promise<boolean> {
  const rows = await tx.query(sql`
    INSERT INTO provider_event (workspace_id, id, type, body) VALUES (${workspaceId}, ${id}, ${type}, ${body})
    ON CONFLICT (workspace_id, id) DO NOTHING RETURNING id`);
  return rows.length === 1;
}

export function deleteOldEvents(tx: Tx, workspaceId: string, olderThanDays: number) {
  return tx.query(sql`DELETE FROM provider_event
    WHERE workspace_id = ${workspaceId} AND received_at < now() - ${olderThanDays} * interval '1 day'`);
}

interface PaymentRow {
  id: string;
  workspaceId: string;
  kind: Payment['kind'];
  state: PaymentState;
  amountMinor: string;
  currency: string;
  credits: string;
  terms: string;
  failureCode: string | null;
  failureMessage: string | null;
  key: string;
  fingerprint: Buffer;
  epoch: number;
}

/** int8 comes as text: a number would round it. */
function paymentOf(row: PaymentRow): Payment {
  const {
    amountMinor,
    currency,
    credits,
    terms,
    failureCode,
    failureMessage,
    key,
    fingerprint,
    epoch,
    ...same
  } = row;
  return {
    ...same,
    amount: { minor: BigInt(amountMinor), currency },
    credits: BigInt(credits),
    terms: termsFromJson(terms),
    failure: failureCode === null ? null : { code: failureCode, message: failureMessage ?? '' },
    request: { key, fingerprint, epoch },
    // The kind decides which terms they are.
  } as Payment;
}

function termsToJson(terms: Payment['terms']): string {
  return JSON.stringify(terms, (_, value) => (typeof value === 'bigint' ? String(value) : value));
}

const BIGINTS = /^quantity$|^priceBaseQuantity$|Minor$/;

function termsFromJson(json: string): Payment['terms'] {
  return JSON.parse(json, (key, value) => (BIGINTS.test(key) ? BigInt(value) : value));
}
