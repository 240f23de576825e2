/**
 * Payments that nobody waits for any more: the reconcile job, which is made with each payment, and the job of an event that
 * the provider posted. Both take the payment along the phases from where it stands, as a client would that comes back with
 * the same key: where the key is free they take it over, where somebody works under it they wait, and where it is parked
 * nobody else is left.
 *
 * The reconcile job looks after 2 min, 10 min, 1 h, 6 h and 20 h.
 *
 * - `intended`: nothing was sent. Creating again is harmless, and up to an hour after it was asked for, so is confirming.
 *   Later than that nobody is charged any more: it failed.
 * - `sent`, `unknown`: its ref is known, so a look is definite. What is still unconfirmed is sent again up to an hour, and
 *   after that it never will be: it failed.
 * - `pending`: the provider will say, by an event; the looks go on daily, in case it gets lost.
 * - After 20 h with no answer at all: `needs_review`, for a person.
 */
import { claim, type HeldKey, holdWhile, reach } from '../kernel/idempotency.ts';
import { type JobContext, type JobHandler, type JobOutcome, LeaseLost } from '../kernel/jobs.ts';
import { FIRST_LOOK_MS } from './charge.ts';
import type { Payment } from './payment.ts';
import { advance, type Billing } from './phases.ts';
import * as queries from './queries.ts';
import { holderOf } from './settle.ts';
import { isDecided } from './states.ts';
import type { Verdict } from './ways.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LOOKS_MS = [FIRST_LOOK_MS, 600_000, HOUR_MS, 6 * HOUR_MS, 20 * HOUR_MS] as const;
const PENDING_MS_MAX = 30 * DAY_MS;
const IN_FLIGHT_AGAIN_MS = 2_000;

/** Its key is the payment's id. */
export function reconcile(billing: Billing): JobHandler {
  return async (job) => {
    const payment = await find(billing, job, job.key ?? '');
    if (!payment || isOver(payment)) return { kind: 'done' };
    const moved = await pursue(billing, job, payment);
    if (moved === 'in-flight') return { kind: 'again', afterMs: IN_FLIGHT_AGAIN_MS };
    return isOver(moved) ? { kind: 'done' } : nextLook(billing, job, moved);
  };
}

/** Its key is an event's; it looks at the payment that the event told of. */
export function lookAfterEvent(billing: Billing): JobHandler {
  return async (job) => {
    const payment = await find(billing, job, String(job.args.paymentId));
    if (!payment || isDecided(payment.state)) return { kind: 'done' };
    const moved = await pursue(billing, job, payment);
    return moved === 'in-flight' ? { kind: 'again', afterMs: IN_FLIGHT_AGAIN_MS } : { kind: 'done' };
  };
}

/** Neither has anything left for a machine to find out. */
function isOver({ state }: Payment): boolean {
  return isDecided(state) || state === 'needs_review';
}

async function pursue(
  billing: Billing,
  { scope }: JobContext,
  payment: Payment,
): Promise<Payment | 'in-flight'> {
  const held = await own(billing, payment);
  if (held === 'in-flight') return held;
  const isAbandoned = payment.state === 'intended' && payment.ageMs > billing.timing.sendAgeMsMax;
  const verdict = isAbandoned ? { verdict: ABANDONED } : {};
  const go = () => advance(billing, scope, { payment, holder: held && holderOf(held), ...verdict });
  try {
    return await (held ? holdWhile(billing.database, held, scope, go) : go());
  } catch (error) {
    if (error instanceof LeaseLost) return 'in-flight';
    throw error;
  }
}

/** Null: nobody can own it any more; it is parked, or was forgotten. */
async function own({ database }: Billing, payment: Payment): Promise<HeldKey | null | 'in-flight'> {
  const { workspaceId, request } = payment;
  const { key, fingerprint } = request;
  const claimed = await claim(database, { workspaceId, key, fingerprint });
  if (claimed.kind === 'in-flight') return 'in-flight';
  if (claimed.kind !== 'fresh') return null;
  await database.withWorkspace(workspaceId, async (tx) => {
    await queries.setKeyEpoch(tx, payment, claimed.held.epoch);
    await reach(tx, claimed.held, payment.id);
  });
  return claimed.held;
}

const ABANDONED: Verdict = {
  kind: 'failed',
  code: 'abandoned',
  message: 'The provider could not be reached in time. Nothing was charged.',
};

async function nextLook(billing: Billing, job: JobContext, payment: Payment): Promise<JobOutcome> {
  const { ageMs, state } = payment;
  const next = LOOKS_MS.find((lookMs) => lookMs > ageMs);
  if (next !== undefined) return { kind: 'again', afterMs: next - ageMs };
  if (state === 'pending' && ageMs < PENDING_MS_MAX) return { kind: 'again', afterMs: DAY_MS };
  billing.log.error({ event: 'payment_needs_review', payment: payment.id });
  const verdict: Verdict = { kind: 'needs_review', error: 'the provider gave no answer in 20 hours' };
  await advance(billing, job.scope, { payment, holder: null, verdict });
  return { kind: 'done' };
}

function find({ database }: Billing, { workspaceId }: JobContext, id: string): Promise<Payment | undefined> {
  return database.withWorkspace(workspaceId, (tx) => queries.findPayment(tx, { workspaceId, id }));
}
