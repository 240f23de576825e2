/**
 * How a payment goes from an intent to a decision, whatever dies on the way.
 *
 *     phase      what                                                    a crash after it
 *     1 claim    the idempotency key is ours, with an epoch              nothing has happened
 *     2 intent   the payment, its terms and its reconcile job            a retry or the reconcile job goes on
 *     3 create   at the provider, unconfirmed: no money moves            created again under the same key
 *     4 sent     its ref and `sent` are committed: from here on it may   the provider is asked before anything is done
 *                have happened
 *     5 confirm  money moves; its own deadline, whoever has left         as 4
 *     6 settle   ONE transaction: state, credits, invoice, jobs and      all or nothing; a replay settles once
 *                the exact answer under the key
 *     7 answer   those bytes                                             a retry gets them
 *
 * 1 and 2 are the request's own (charge.ts, refund.ts), 7 is whoever listens. 3 to 6 are here, each passing through what it
 * has nothing to do for, so that a retry, the reconcile job and an event of the provider take the same way from wherever
 * the payment stands. No transaction is open while the provider is asked.
 *
 * The fence is the key's epoch, in 4 and 6. When the key is parked or gone, the payment's state is the only one: two jobs that
 * meet there may both ask the provider, under the same keys of its own, and one of them settles.
 */
import { type Backoff, backoffMs } from '../kernel/backoff.ts';
import type { Database, Tx } from '../kernel/database.ts';
import { faultPoint } from '../kernel/fault-point.ts';
import type { StoredResponse } from '../kernel/idempotency.ts';
import { LeaseLost } from '../kernel/jobs.ts';
import type { Log } from '../kernel/log.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Payment } from './payment.ts';
import type { Answer, PaymentProvider, Rejected } from './provider.ts';
import * as queries from './queries.ts';
import { type KeyHolder, settlePayment } from './settle.ts';
import { isDecided } from './states.ts';
import { CANCELED, type Seen, type Verdict, type Way, wayOf } from './ways.ts';

export interface Billing {
  database: Database;
  log: Log;
  provider: PaymentProvider;
  timing: Timing;
  /** What the request that asked for it is answered. The same payment makes the same bytes. */
  respond(payment: Payment): StoredResponse;
}

export interface Timing {
  /** Phase 3, with its retries. */
  createMs: number;
  /** Phase 5, with its retries and looks. */
  decideMs: number;
  /** Nobody is charged for what they asked for longer ago; what is unconfirmed then never will be. */
  sendAgeMsMax: number;
}

export const TIMING: Timing = { createMs: 15_000, decideMs: 30_000, sendAgeMsMax: 3_600_000 };

const RETRY: Backoff = { baseMs: 200, capMs: 2_000 };

export interface Start {
  payment: Payment;
  /** Null: the request's key is parked, or gone. */
  holder: KeyHolder | null;
  /** It is known already what becomes of it. */
  verdict?: Verdict;
  /** It shall fail with that, unless the provider has taken the money or is about to: there it is cancelled first. */
  giveUp?: Failure;
}

export interface Failure {
  code: string;
  message: string;
}

/** A payment on its way. */
interface Run extends Start {
  /** It was on its way before: the provider may know more than we do. */
  isResumed: boolean;
  /** Created, and not written down yet. */
  createdRef?: string;
  /** Of performance.now(): nothing that moves money is sent after it. Counted from before a process may have been frozen. */
  oldAt: number;
}

type Phase = (billing: Billing, run: Run, scope: Scope) => Promise<Run>;

const PHASES: readonly (readonly [name: string, phase: Phase])[] = [
  ['created', create],
  ['sent', markSent],
  ['confirmed', confirm],
  ['settled', settle],
];

/** As far as it goes now. Throws LeaseLost when the key is somebody else's; ScopeEnded when the caller left before 4. */
export async function advance(billing: Billing, scope: Scope, start: Start): Promise<Payment> {
  const { payment, giveUp } = start;
  const isUnsent = payment.state === 'intended';
  const oldAt = performance.now() + billing.timing.sendAgeMsMax - payment.ageMs;
  let run: Run = { ...start, isResumed: !isUnsent, oldAt };
  // What was created for it nobody can confirm: its ref was never known to anybody.
  if (giveUp && isUnsent) run = { ...run, verdict: { kind: 'failed', ...giveUp } };
  for (const [name, phase] of PHASES) {
    run = await phase(billing, run, scope);
    await faultPoint(name);
  }
  return run.payment;
}

async function create(billing: Billing, run: Run, scope: Scope): Promise<Run> {
  const { payment } = run;
  const way = wayOf(payment);
  if (run.verdict || payment.state !== 'intended' || !way.create) return run;
  const { create } = way;
  const trying = scope.child('create', { deadlineMs: billing.timing.createMs });
  try {
    for (let failures = 1; ; failures += 1) {
      const answer = await post(billing, payment, (key) => create(billing.provider, trying, key));
      if (answer.kind === 'created') return { ...run, createdRef: answer.ref };
      if (answer.kind === 'rejected') return { ...run, verdict: rejected(billing, payment, answer) };
      const isTimeLeft = await slept(trying, failures);
      scope.throwIfEnded();
      if (!isTimeLeft) return { ...run, verdict: answer };
    }
  } finally {
    trying.cancel('done');
  }
}

/** The point of no return: durable before a byte that moves money leaves. */
async function markSent(billing: Billing, run: Run): Promise<Run> {
  const { payment, holder, createdRef } = run;
  if (run.verdict || payment.state !== 'intended') return run;
  const sent = await inWorkspace(billing, payment, async (tx) => {
    const details = createdRef === undefined ? {} : { providerRef: createdRef };
    const moved = await queries.movePayment(tx, payment, 'sent', details);
    await holder?.reach(tx, payment.id);
    return moved;
  });
  if (!sent) throw new LeaseLost(`payment ${payment.id} was not ours to send`);
  return { ...run, payment: sent };
}

/** Follows nobody: a caller that hangs up now must not turn a definite outcome into an unknown one. */
async function confirm(billing: Billing, run: Run, scope: Scope): Promise<Run> {
  if (run.verdict || isDecided(run.payment.state)) return run;
  const deciding = scope.detached('confirm', { deadlineMs: billing.timing.decideMs });
  try {
    return { ...run, verdict: await decide(billing, run, deciding) };
  } finally {
    deciding.cancel('done');
  }
}

/** Sends, looks what came of it, and sends again only what is known not to have happened. */
async function decide(billing: Billing, run: Run, scope: Scope): Promise<Verdict> {
  const { payment, isResumed, giveUp } = run;
  const { provider } = billing;
  const way = wayOf(payment);
  let seen: Seen = isResumed ? await way.look(provider, scope) : await send(billing, run, scope);
  for (let failures = 1; ; failures += 1) {
    switch (seen.kind) {
      case 'rejected':
        if (!seen.isUnheard || (!isResumed && failures === 1)) return rejected(billing, payment, seen);
        seen = { kind: 'unknown', error: seen.error, answered: false };
        break;
      case 'untouched':
        if (!giveUp && performance.now() <= run.oldAt) seen = await send(billing, run, scope);
        else if (!way.cancel) return { kind: 'failed', ...(giveUp ?? NOT_CONFIRMED) };
        else seen = await cancel(billing, run, scope, way.cancel);
        break;
      case 'pending':
        if (!giveUp || !way.cancel || seen.waitsFor !== 'customer') return seen;
        seen = await cancel(billing, run, scope, way.cancel);
        break;
      case 'unknown':
        if (!(await slept(scope, failures))) return seen;
        seen = await way.look(provider, scope);
        break;
      default:
        return seen;
    }
  }
}

/** The last look at the clock is right before the bytes leave: a process that was frozen sends nothing that others gave up. */
function send(billing: Billing, { payment, oldAt }: Run, scope: Scope): Promise<Seen> {
  return post(billing, payment, async (key) =>
    scope.remainingMs() === 0 || performance.now() > oldAt
      ? { kind: 'unknown', error: 'unsent', answered: false }
      : wayOf(payment).send(billing.provider, scope, key),
  );
}

async function cancel(
  billing: Billing,
  { payment, giveUp }: Run,
  scope: Scope,
  ask: NonNullable<Way['cancel']>,
): Promise<Seen> {
  const seen = await post(billing, payment, (key) => ask(billing.provider, scope, key));
  const isCanceled = seen.kind === 'failed' && seen.code === CANCELED;
  return isCanceled ? { kind: 'failed', ...(giveUp ?? NOT_CONFIRMED) } : seen;
}

/** False: the scope ended meanwhile. */
function slept(scope: Scope, failures: number): Promise<boolean> {
  return scope.sleep(backoffMs(failures, RETRY)).then(
    () => true,
    () => false,
  );
}

const NOT_CONFIRMED: Failure = {
  code: 'not_confirmed',
  message: 'The payment did not reach the provider in time. Nothing was charged.',
};

async function settle(billing: Billing, run: Run): Promise<Run> {
  const { payment, holder, verdict } = run;
  if (!verdict && !isDecided(payment.state)) throw new Error(`payment ${payment.id} has no verdict`);
  const settled = await inWorkspace(billing, payment, (tx) =>
    settlePayment(tx, { respond: billing.respond, payment, holder, verdict: verdict ?? null }),
  );
  const { id, state, failure, kind } = settled;
  if (verdict?.kind === 'needs_review' && state === 'needs_review')
    billing.log.error({ event: 'payment_needs_review', payment: id, error: verdict.error });
  billing.log.info({ event: 'payment_settled', payment: id, kind, state, failure: failure?.code });
  return { ...run, payment: settled };
}

/** One POST under the key of the attempt, and what came of it is written down. */
async function post<A extends Answer<{ kind: string }>>(
  billing: Billing,
  payment: Payment,
  ask: (key: string) => Promise<A>,
): Promise<A> {
  const attempt = await inWorkspace(billing, payment, (tx) => openAttempt(tx, payment));
  const answer = await ask(attempt.providerKey);
  await inWorkspace(billing, payment, (tx) =>
    queries.noteAttempt(tx, payment, attempt.number, outcomeOf(answer)),
  );
  return answer;
}

/** The last one, unless the provider would answer it with the same failure again. */
async function openAttempt(tx: Tx, payment: Payment): Promise<{ number: number; providerKey: string }> {
  const last = await queries.lastAttempt(tx, payment);
  if (last && last.outcome !== 'answered') return last;
  const number = (last?.number ?? 0) + 1;
  // From the payment and not from the request: whoever goes on with it has the same keys.
  const attempt = { number, providerKey: `pay_${payment.id}_${number}` };
  await queries.insertAttempt(tx, payment, attempt);
  return attempt;
}

function outcomeOf(answer: { kind: string; answered?: boolean; error?: string; message?: string }) {
  const { kind, answered = false, error, message } = answer;
  return { outcome: answered ? 'answered' : kind, error: error ?? message ?? null };
}

/** Our mistake as a rule: somebody should know. */
function rejected({ log }: Billing, { id }: Payment, { code, message, error }: Rejected): Verdict {
  log.error({ event: 'payment_rejected', payment: id, code, error });
  return { kind: 'failed', code, message };
}

function inWorkspace<T>({ database }: Billing, { workspaceId }: Payment, work: (tx: Tx) => Promise<T>) {
  return database.withWorkspace(workspaceId, work);
}
