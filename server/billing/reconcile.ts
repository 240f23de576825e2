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
 *   after that it never will be: it is cancelled there, and then it failed.
 * - `pending`: the provider will say, by an event; the looks go on daily, in case it gets lost. Whoever does not come back
 *   from their bank within 24 hours does not come any more: it is cancelled at the provider, and then it failed.
 * - After 20 h with no answer at all: `needs_review`, for a person (by-hand.ts).
 *
 * What is decided already and is told of again is compared (differences.ts).
 */
import { claim, type HeldKey, holdWhile, reach } from '../kernel/idempotency.ts';
import { type JobContext, type JobHandler, type JobOutcome, LeaseLost } from '../kernel/jobs.ts';
import { FIRST_LOOK_MS } from './charge.ts';
import { compare, lookForDisputes } from './differences.ts';
import type { Payment } from './payment.ts';
import { advance, type Billing, type Failure } from './phases.ts';
import * as queries from './queries.ts';
import { holderOf } from './settle.ts';
import { isDecided } from './states.ts';
import type { Verdict } from './ways.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** For a step at the customer's bank. */
const CUSTOMER_MS_MAX = DAY_MS;
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

/** Its key is an event's; it looks at the payment, or at the disputed charge, that the event told of. */
export function lookAfterEvent(billing: Billing): JobHandler {
  return async (job) => {
    const { paymentId, disputeOf } = job.args;
    if (disputeOf !== undefined) return lookForDisputes(billing, job.scope, String(disputeOf));
    const payment = await find(billing, job, String(paymentId));
    if (!payment) return { kind: 'done' };
    if (isDecided(payment.state)) return compare(billing, job.scope, payment);
    const moved = await pursue(billing, job, payment);
    return moved === 'in-flight' ? { kind: 'again', afterMs: IN_FLIGHT_AGAIN_MS } : { kind: 'done' };
  };
}

/** Neither has anything left for a machine to find out. */
function isOver({ state }: Payment): boolean {
  return isDecided(state) || state === 'needs_review';
}

/** In-flight: somebody works under its key. `giveUp`: as in phases.ts; by default what has waited too long. */
export async function pursue(
  billing: Billing,
  { scope }: Pick<JobContext, 'scope'>,
  payment: Payment,
  giveUp: Failure | null = hopeless(billing, payment),
): Promise<Payment | 'in-flight'> {
  const held = await own(billing, payment);
  if (held === 'in-flight') return held;
  const start = { payment, holder: held && holderOf(held), ...(giveUp && { giveUp }) };
  const go = () => advance(billing, scope, start);
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

function hopeless({ timing }: Billing, { kind, state, ageMs }: Payment): Failure | null {
  if (state === 'intended' && ageMs > timing.sendAgeMsMax) return ABANDONED;
  return kind === 'charge' && state === 'pending' && ageMs >= CUSTOMER_MS_MAX ? NOT_COMPLETED : null;
}

const ABANDONED: Failure = {
  code: 'abandoned',
  message: 'The provider could not be reached in time. Nothing was charged.',
};

const NOT_COMPLETED: Failure = {
  code: 'not_completed',
  message: 'The payment was not completed at the bank within a day. Nothing was charged.',
};

async function nextLook(billing: Billing, job: JobContext, payment: Payment): Promise<JobOutcome> {
  const { ageMs, state } = payment;
  const looks = state === 'pending' ? [...LOOKS_MS, CUSTOMER_MS_MAX] : LOOKS_MS;
  const next = looks.find((lookMs) => lookMs > ageMs);
  if (next !== undefined) return { kind: 'again', afterMs: next - ageMs };
  if (state === 'pending' && ageMs < PENDING_MS_MAX) return { kind: 'again', afterMs: DAY_MS };
  const error =
    state === 'pending' ? 'the provider was not done in 30 days' : 'the provider gave no answer in 20 hours';
  const verdict: Verdict = { kind: 'needs_review', error };
  await advance(billing, job.scope, { payment, holder: null, verdict });
  return { kind: 'done' };
}

function find({ database }: Billing, { workspaceId }: JobContext, id: string): Promise<Payment | undefined> {
  return database.withWorkspace(workspaceId, (tx) => queries.findPayment(tx, { workspaceId, id }));
}
