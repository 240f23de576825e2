/**
 * Work that is done one piece at a time, and everybody in turn: whoever has many pieces waiting gets one done, and then all
 * others who wait have one of theirs done. What one piece comes to is nobody else's matter.
 */

export class Turns {
  /** By who wants it done; the next one first. */
  readonly #waiting = new Map<string, (() => Promise<void>)[]>();
  #isBusy = false;

  /** Resolves or rejects as the work does, when it has had its turn. */
  take<T>(who: string, work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const turn = () => work().then(resolve, reject);
      const own = this.#waiting.get(who);
      if (own) own.push(turn);
      else this.#waiting.set(who, [turn]);
      if (!this.#isBusy) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    for (const [who, turns] of this.#waiting) {
      const turn = turns.shift();
      // Behind all others; a Map gives what is put into it while it is walked through.
      this.#waiting.delete(who);
      if (turns.length > 0) this.#waiting.set(who, turns);
      await turn?.();
    }
    this.#isBusy = false;
  }
}
