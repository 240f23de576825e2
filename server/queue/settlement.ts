/**
 * What an outcome means for the message's row: the state it moves to, when it is due again, whether it spent a try, and
 * the event that tells of it. Pure; the writer makes it durable.
 */
import type { DueMessage } from '../delivery/deliver.ts';
import type { Judged, Outcome } from '../delivery/outcome.ts';
import { type Backoff, backoffMs } from '../kernel/backoff.ts';
import type { Owned, Result } from './writer.ts';

export type From = Result['from'];
/** What is not only a matter of lanes. */
export type Settled = Exclude<Outcome, { kind: 'moved' }>;

/** A message that keeps losing its connection on a route that is well is itself suspect: then it spends a try. */
const LOST_CONNECTIONS_MAX = 10;

export interface Circumstances {
  /** Between the tries of one message. */
  retry: Backoff;
  wayTroubled: boolean;
}

export function settlement(message: DueMessage, from: From, outcome: Settled, now: Circumstances): Result {
  switch (outcome.kind) {
    case 'held':
      return release(message, from, 0);
    case 'released':
      // A reply about limits is about everybody's messages.
      if (outcome.trouble && !outcome.shaping && isSuspect(message, now))
        return defer(message, from, connectionLost(outcome.trouble.detail), now);
      return release(message, from, outcome.afterMs);
    case 'deferred':
      return defer(message, from, outcome, now);
    case 'suppressed':
    case 'expired':
      return end(message, from, { metAt: null, trouble: null, ...outcome });
    default:
      return end(message, from, outcome);
  }
}

type Ended = Extract<Outcome, { kind: 'accepted' | 'rejected' | 'uncertain' }>;
type Unsent = Extract<Outcome, { kind: 'suppressed' | 'expired' }> & Omit<Judged, 'detail' | 'rule'>;

function end(message: DueMessage, from: From, outcome: Ended | Unsent): Result {
  return { message, from, to: outcome.kind, dueInMs: null, spent: false, toLane: null, event: outcome };
}

/** Up to an eighth shorter: messages that wait equally long are written in one statement. */
function coarse(waitMs: number): number {
  const step = 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, waitMs))) - 3);
  return Math.floor(waitMs / step) * step;
}

function connectionLost(detail: string): Judged & { waitMs: null } {
  return { detail, rule: 'connection-lost', metAt: null, trouble: null, waitMs: null };
}

/** Back to the queue as if it had not been claimed; not an event of the message. */
export function release(message: Owned & { deferrals: number }, from: From, afterMs: number): Result {
  const to = message.deferrals > 0 ? 'deferred' : 'queued';
  return { message, from, to, dueInMs: afterMs, spent: false, toLane: null, event: null };
}

/** Back to the queue, in the lane of its destination. */
export function moveTo(message: Owned & { deferrals: number }, lane: number): Result {
  return { ...release(message, 'claimed', 0), toLane: lane };
}

function isSuspect(message: DueMessage, now: Circumstances): boolean {
  return !now.wayTroubled && message.attempt - message.deferrals > LOST_CONNECTIONS_MAX;
}

function defer(
  message: DueMessage,
  from: From,
  { waitMs: toldMs, detail, rule, metAt, trouble }: Judged & { waitMs: number | null },
  now: Circumstances,
): Result {
  const waitMs = coarse(toldMs ?? backoffMs(message.deferrals + 1, now.retry));
  const expired = waitMs / 1_000 > message.secondsLeft;
  const to = expired ? 'expired' : 'deferred';
  return {
    message,
    from,
    to,
    dueInMs: expired ? null : waitMs,
    spent: true,
    toLane: null,
    event: { kind: to, detail, rule, metAt, trouble },
  };
}
