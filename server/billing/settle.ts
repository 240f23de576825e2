/**
 * Phase 6: what a verdict means, in one transaction. Success moves credits, issues the invoice or the credit note with the
 * jobs that render and mail it, and keeps the exact answer under the request's key; either all of it is there or none. The
 * payment's row is locked first and the counter of invoice numbers late, so whoever comes second sees a payment that is
 * decided, and settles nothing.
 */
import type { Tx } from '../kernel/database.ts';
import { finish, type HeldKey, park, reach, type StoredResponse } from '../kernel/idempotency.ts';
import { LeaseLost } from '../kernel/jobs.ts';
import { issueCreditNote, issueInvoice } from './invoices.ts';
import { book } from './ledger.ts';
import { type Charge, type Payment, paymentUrl, type Refund } from './payment.ts';
import * as queries from './queries.ts';
import { isDecided } from './states.ts';
import type { Verdict } from './ways.ts';

/** Who has the idempotency key of the request that asked for a payment. Each throws LeaseLost when somebody else has it. */
export interface KeyHolder {
  readonly held: HeldKey;
  reach(tx: Tx, recoveryPoint: string): Promise<void>;
  finish(tx: Tx, response: StoredResponse): Promise<void>;
  park(tx: Tx, resource: string): Promise<void>;
}

export function holderOf(held: HeldKey): KeyHolder {
  return {
    held,
    reach: (tx, recoveryPoint) => reach(tx, held, recoveryPoint),
    finish: (tx, response) => finish(tx, held, response),
    park: (tx, resource) => park(tx, held, resource),
  };
}

export interface Settlement {
  payment: Payment;
  verdict: Verdict | null;
  holder: KeyHolder | null;
  respond(payment: Payment): StoredResponse;
}

/** Gives the payment as it is afterwards. Throws LeaseLost when the key is somebody else's by now. */
export async function settlePayment(
  tx: Tx,
  { payment, verdict, holder, respond }: Settlement,
): Promise<Payment> {
  const current = await queries.lockPayment(tx, payment);
  if (!current) throw new Error(`there is no payment ${payment.id}`);
  if (isDecided(current.state) || !verdict) {
    await finishIfOurs(tx, holder ?? lastHolder(current), respond(current));
    return current;
  }
  const settled = await move(tx, current, verdict);
  if (!isDecided(settled.state)) {
    await holder?.park(tx, paymentUrl(settled.id));
  } else if (holder) await holder.finish(tx, respond(settled));
  else await finishIfOurs(tx, lastHolder(settled), respond(settled));
  return settled;
}

async function move(tx: Tx, payment: Payment, verdict: Verdict): Promise<Payment> {
  switch (verdict.kind) {
    case 'succeeded':
      return succeed(tx, payment, verdict.ref);
    case 'failed':
      return moved(await queries.movePayment(tx, payment, 'failed', { failure: verdict }), payment);
    case 'unknown':
    case 'pending':
    case 'needs_review': {
      const actionUrl = verdict.kind === 'pending' ? verdict.actionUrl : null;
      const note = verdict.kind === 'needs_review' ? { note: verdict.error } : {};
      // What was never sent stays as it was, and so does what is in that state already.
      return (await queries.movePayment(tx, payment, verdict.kind, { actionUrl, ...note })) ?? payment;
    }
  }
}

async function succeed(tx: Tx, payment: Payment, ref: string | null): Promise<Payment> {
  await bookCredits(tx, payment);
  const { invoiceId } =
    payment.kind === 'charge' ? await invoiceOf(tx, payment) : await creditNoteOf(tx, payment);
  const named = ref === null ? {} : { providerRef: ref };
  return moved(await queries.movePayment(tx, payment, 'succeeded', { invoiceId, ...named }), payment);
}

async function bookCredits(tx: Tx, { workspaceId, id: source, kind, credits }: Payment): Promise<void> {
  if (credits === 0n) return;
  if (kind === 'charge')
    await book(tx, { workspaceId, kind: 'purchase', source, from: 'bought', to: 'balance', credits });
  else await book(tx, { workspaceId, kind: 'refund', source, from: 'balance', to: 'bought', credits });
}

async function invoiceOf(tx: Tx, charge: Charge): Promise<{ invoiceId: string }> {
  const { workspaceId, id: paymentId, amount, terms, invoiceId } = charge;
  if (invoiceId !== null) return { invoiceId };
  if (!terms.sale) throw new Error(`payment ${paymentId} has neither an invoice nor anything to invoice`);
  return issueInvoice(tx, { workspaceId, paymentId, currency: amount.currency, ...terms.sale });
}

function creditNoteOf(tx: Tx, { workspaceId, id: refundId, amount, terms }: Refund) {
  const { invoiceId, reason } = terms;
  return issueCreditNote(tx, { workspaceId, invoiceId, refundId, amountMinor: amount.minor, reason });
}

function moved(payment: Payment | undefined, from: Payment): Payment {
  if (!payment) throw new Error(`payment ${from.id} cannot be moved from ${from.state}`);
  return payment;
}

function lastHolder({ workspaceId, request: { key, epoch } }: Payment): KeyHolder {
  return holderOf({ workspaceId, key, epoch });
}

/** The answer is the same whoever keeps it: another owner of the key will find the payment decided, and keep it. */
async function finishIfOurs(tx: Tx, holder: KeyHolder, response: StoredResponse): Promise<void> {
  try {
    await holder.finish(tx, response);
  } catch (error) {
    if (!(error instanceof LeaseLost)) throw error;
  }
}
