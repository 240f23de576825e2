/**
 * What the provider tells of a payment that is decided. We have settled it, so nothing here moves money, credits or invoices:
 * where the provider says something else by now (a refund that came back, money that was taken for what we call failed, a
 * dispute), it is noted at the payment, where the API shows it, and logged once as an error: for a person.
 *
 * As everywhere, an event is only the reason to ask.
 */
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import type { JobOutcome } from '../kernel/jobs.ts';
import type { Scope } from '../kernel/scope.ts';
import { formatMoney } from './money.ts';
import type { Payment } from './payment.ts';
import type { Billing } from './phases.ts';
import type { Dispute } from './provider.ts';
import * as queries from './queries.ts';
import { type Seen, wayOf } from './ways.ts';

/** Disputes name a charge and no workspace: their events are the operator's until the charge has told whose it is. */
export const DISPUTES_WORKSPACE_ID = DEFAULT_WORKSPACE_ID;
const ASK_AGAIN_MS = 3_600_000;

export async function compare(billing: Billing, scope: Scope, payment: Payment): Promise<JobOutcome> {
  const { kind, state, providerRef } = payment;
  // What has taken money stays so at the provider, and what it never heard of it has not taken.
  if (kind === 'charge' && (state === 'succeeded' || providerRef === null)) return { kind: 'done' };
  const seen = await wayOf(payment).look(billing.provider, scope);
  if (seen.kind === 'unknown') return { kind: 'again', afterMs: ASK_AGAIN_MS };
  const difference = differenceOf(payment, seen);
  if (difference !== null) await note(billing, payment, 'payment_differs', difference);
  return { kind: 'done' };
}

function differenceOf({ state }: Payment, seen: Seen): string | null {
  const isTaken = seen.kind === 'succeeded' || seen.kind === 'needs_review';
  if (state === 'failed') return isTaken ? 'The provider says that it succeeded.' : null;
  if (seen.kind === 'failed') return `The provider says that it failed: ${seen.message} (${seen.code})`;
  return seen.kind === 'untouched' ? 'The provider knows nothing of it any more.' : null;
}

export async function lookForDisputes(
  billing: Billing,
  scope: Scope,
  chargeRef: string,
): Promise<JobOutcome> {
  const { provider, database } = billing;
  const [charge, found] = await Promise.all([
    provider.retrieve(scope, chargeRef),
    provider.disputesOf(scope, chargeRef),
  ]);
  if (charge.kind !== 'charge' || found.kind !== 'disputes') return { kind: 'again', afterMs: ASK_AGAIN_MS };
  const { owner } = charge;
  if (!owner || found.disputes.length === 0) return { kind: 'done' };
  const { workspaceId, paymentId: id } = owner;
  const payment = await database.withWorkspace(workspaceId, (tx) =>
    queries.findPayment(tx, { workspaceId, id }),
  );
  // Another installation's, on the same account.
  if (payment) await note(billing, payment, 'payment_disputed', found.disputes.map(sentenceOn).join(' '));
  return { kind: 'done' };
}

function sentenceOn({ ref, amount, reason, status }: Dispute): string {
  return `Disputed: ${formatMoney(amount.minor, amount.currency)}, ${reason}, ${status} (${ref}).`;
}

async function note(
  { database, log }: Billing,
  payment: Payment,
  event: 'payment_differs' | 'payment_disputed',
  text: string,
): Promise<void> {
  const { workspaceId, id, state } = payment;
  const isNew = await database.withWorkspace(workspaceId, (tx) => queries.setNote(tx, payment, text));
  if (isNew) log.error({ event, payment: id, workspace: workspaceId, state, error: text });
}
