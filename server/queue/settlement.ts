/**
 * What an outcome means for the message's row: the state it moves to, when it is due again, whether it spent a try, and
 * the event that tells of it. Pure; the writer makes it durable.
 */
import type { DueMessage } from '../delivery/deliver.ts';
import type { Outcome } from '../delivery/outcome.ts';
import { type Backoff, backoffMs } from '../kernel/backoff.ts';
import type { Owned, Result } from './writer.ts';

export type From = Result['from'];

/** A message that keeps losing its connection on a route that is well is itself suspect: then it spends a try. */
const LOST_CONNECTIONS_MAX = 10;

export interface Circumstances {
  /** Between the tries of one message. */
  retry: Backoff;
  routeTroubled: boolean;
}

export function settlement(message: DueMessage, from: From, outcome: Outcome, now: Circumstances): Result {
  switch (outcome.kind) {
    case 'held':
      return release(message, from, 0);
    case 'released':
      if (outcome.trouble && isSuspect(message, now))
        return defer(message, from, { detail: outcome.trouble.detail, rule: 'connection-lost' }, now);
      return release(message, from, outcome.afterMs);
    case 'deferred':
      return defer(message, from, outcome, now);
    default:
      return {
        message,
        from,
        to: outcome.kind,
        dueInMs: null,
        spent: false,
        event: { suppress: false, ...outcome },
      };
  }
}

/** Back to the queue as if it had not been claimed; not an event of the message. */
export function release(message: Owned & { deferrals: number }, from: From, afterMs: number): Result {
  const to = message.deferrals > 0 ? 'deferred' : 'queued';
  return { message, from, to, dueInMs: afterMs, spent: false, event: null };
}

function isSuspect(message: DueMessage, now: Circumstances): boolean {
  return !now.routeTroubled && message.attempt - message.deferrals > LOST_CONNECTIONS_MAX;
}

function defer(
  message: DueMessage,
  from: From,
  why: { detail: string; rule: string },
  now: Circumstances,
): Result {
  const waitMs = backoffMs(message.deferrals + 1, now.retry);
  const expired = waitMs / 1_000 > message.secondsLeft;
  const to = expired ? 'expired' : 'deferred';
  return {
    message,
    from,
    to,
    dueInMs: expired ? null : waitMs,
    spent: true,
    event: { kind: to, detail: why.detail, rule: why.rule, suppress: false },
  };
}
