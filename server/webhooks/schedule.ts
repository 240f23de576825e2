/** When a delivery that failed is tried again: ten tries in about 75 hours, and then it has failed. */
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Before each try, from the first on. */
export const STEPS_MS: readonly number[] = [
  0,
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
];

/** So much later at most: what failed in one second does not come back in one. */
export const JITTER = 0.1;

/** After so many tries that failed; null: that was the last. */
export function waitMs(tries: number, random: () => number = Math.random): number | null {
  const stepMs = STEPS_MS[tries];
  return stepMs === undefined ? null : Math.round(stepMs * (1 + JITTER * random()));
}
