/**
 * When a campaign halts by itself: too many bounces, complaints or deferrals among the messages that were tried. Pure;
 * rollout.ts pauses it, and a person may let it go on. What was before that moment is judged by then and not counted
 * again (`since`).
 */
import type { MessageState } from '../queue/states.ts';

/** Shares of the messages that were tried, from 0 to 1; null: not watched. */
export interface HaltLimits {
  /** Refused for good, at once or later. */
  bounces: number | null;
  /** Readers who called it spam. */
  complaints: number | null;
  /** Refused for now, and waiting for another try. */
  deferrals: number | null;
}

/**
 * Of a rollout of which nobody said otherwise. Complaints: Gmail and Yahoo turn against senders above 0.3 %. Deferrals:
 * greylisting puts off a part of every mailing, and a provider that slows us down puts off nearly all.
 */
export const ROLLOUT_HALT_LIMITS: HaltLimits = { bounces: 0.05, complaints: 0.003, deferrals: 0.3 };

/** A share is one of at least so many messages, so that a few unlucky first ones do not halt a campaign. */
const HALT_SAMPLE_MIN: Record<keyof HaltLimits, number> = {
  bounces: 100,
  complaints: 1_000,
  deferrals: 100,
};

export type Counts = Readonly<Partial<Record<MessageState, number>>>;

const TRIED = ['accepted', 'rejected', 'uncertain', 'bounced', 'complained', 'expired', 'deferred'] as const;
const COUNTED: Record<keyof HaltLimits, readonly MessageState[]> = {
  bounces: ['rejected', 'bounced'],
  complaints: ['complained'],
  deferrals: ['deferred'],
};

/** A sentence that says which limit was passed, or undefined. */
export function haltReason(limits: HaltLimits, counts: Counts, since: Counts): string | undefined {
  const sum = (states: readonly MessageState[]) =>
    states.reduce((total, state) => total + (counts[state] ?? 0) - (since[state] ?? 0), 0);
  const tried = sum(TRIED);
  for (const kind of ['complaints', 'bounces', 'deferrals'] as const) {
    const limit = limits[kind];
    const found = sum(COUNTED[kind]);
    if (limit !== null && found > limit * Math.max(tried, HALT_SAMPLE_MIN[kind]))
      return `halted by itself: ${found} ${kind} among ${tried} messages that were tried (${percent(found / tried)}; the limit is ${percent(limit)}).`;
  }
  return undefined;
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}
