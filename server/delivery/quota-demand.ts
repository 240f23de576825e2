/**
 * How many messages a second a worker could send to a target: what it asks for when the rate is divided. In RAM; times
 * are performance.now().
 *
 * Who waits for the rate most of the time could send more than it may; who does not, needs little more than it sent.
 * Step by step, so that a worker that is a little short does not take from the others what it cannot use.
 */

/** Time constants of the means: of the rate of sending, and of how much of the time somebody waits for it. */
const SENT_MEAN_MS = 2_000;
const WAITED_MEAN_MS = 500;
const SENT_HEADROOM = 1.05;
const SENT_SPARE = 1;
const WAITED_GROWTH = 1.5;
const WAITED_SPARE = 2;

export class Demand {
  sentPerSecond = 0;
  /** How much of the time a message waited, from 0 to 1. At first nobody knows, and there may be many. */
  #waited = 1;
  #sent = 0;
  #waitedMs = 0;
  #waitsUntil = 0;
  #measuredAt: number;

  constructor(now: number) {
    this.#measuredAt = now;
  }

  sent(): void {
    this.#sent += 1;
  }

  /** A message waits from now on; what waits at the same time counts once. */
  waits(now: number, ms: number): void {
    this.#waitedMs += Math.max(0, now + ms - Math.max(now, this.#waitsUntil));
    this.#waitsUntil = Math.max(this.#waitsUntil, now + ms);
  }

  measure(now: number): void {
    const tookMs = now - this.#measuredAt;
    if (tookMs <= 0) return;
    const weight = (meanMs: number) => 1 - Math.exp(-tookMs / meanMs);
    this.sentPerSecond += weight(SENT_MEAN_MS) * ((1_000 * this.#sent) / tookMs - this.sentPerSecond);
    this.#waited += weight(WAITED_MEAN_MS) * (Math.min(1, this.#waitedMs / tookMs) - this.#waited);
    this.#sent = 0;
    this.#waitedMs = 0;
    this.#measuredAt = now;
  }

  /** Beside what it may send now; null: as much as there is. */
  wantedPerSecond(perSecond: number | null): number | null {
    if (this.#waited < 0.5) return this.sentPerSecond * SENT_HEADROOM + SENT_SPARE;
    return perSecond ? perSecond * WAITED_GROWTH + WAITED_SPARE : null;
  }
}
