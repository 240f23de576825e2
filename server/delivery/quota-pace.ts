/**
 * Sends evenly: the generic cell rate algorithm (ITU-T I.371), virtual scheduling. All times are performance.now().
 *
 * In any stretch of W seconds it lets through at most perSecond × (W + catch-up) + 1 messages. The catch-up forgives a
 * sender that came late, because its timer did or the process was busy.
 */

const CATCH_UP_MS = 100;

export class Pace {
  /** Null: there is no limit. */
  perSecond: number | null = 0;
  /** When the next message is due (the theoretical arrival time). */
  #nextAt = 0;

  /** Nothing was saved up before. */
  begin(at: number): void {
    this.#nextAt = Math.max(this.#nextAt, at + CATCH_UP_MS);
  }

  /** Infinity while the rate is 0. */
  waitMs(now: number): number {
    if (this.perSecond === null) return 0;
    return this.perSecond === 0 ? Infinity : Math.max(0, this.#nextAt - CATCH_UP_MS - now);
  }

  spend(now: number): void {
    if (this.perSecond !== null && this.perSecond > 0)
      this.#nextAt = Math.max(this.#nextAt, now) + 1_000 / this.perSecond;
  }

  /** Until a message may go that nobody was late for. */
  nextInMs(now: number): number {
    return Math.max(0, this.#nextAt - now);
  }
}
