/**
 * Exponential back-off with full jitter: a random wait between zero and the capped exponential, so that a
 * thousand failures of one second do not come back in one second.
 */
export interface Backoff {
  baseMs: number;
  capMs: number;
}

/** Wait before try number `failures + 1`; `failures` counts from 1. At least a tenth of the step, so that it is a wait. */
export function backoffMs(failures: number, backoff: Backoff, random: () => number = Math.random): number {
  const step = Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(30, failures - 1));
  return Math.round(step * (0.1 + 0.9 * random()));
}
