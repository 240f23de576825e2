/**
 * Exponential back-off with jitter: a random wait between a tenth of the capped exponential and all of it, so that a
 * thousand failures of one second do not come back in one second.
 */
export interface Backoff {
  baseMs: number;
  capMs: number;
}

/** Wait before try number `failures + 1`; `failures` counts from 1. */
export function backoffMs(failures: number, backoff: Backoff, random: () => number = Math.random): number {
  const step = Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(30, failures - 1));
  return Math.round(step * (0.1 + 0.9 * random()));
}
