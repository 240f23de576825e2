/**
 * Many who ask the same at the same time share one answer, and it is never older than their question: who comes while a
 * look is under way waits for the next one, which begins when that ends. At rest everybody looks for themselves at once.
 */
export class Coalesced<T> {
  readonly #look: (key: string) => Promise<T>;
  readonly #underWay = new Map<string, Promise<T>>();
  readonly #next = new Map<string, Promise<T>>();

  constructor(look: (key: string) => Promise<T>) {
    this.#look = look;
  }

  ask(key: string): Promise<T> {
    const next = this.#next.get(key);
    if (next) return next;
    const underWay = this.#underWay.get(key);
    if (!underWay) return this.#begin(key);
    const later = underWay.then(noop, noop).then(() => {
      this.#next.delete(key);
      return this.#begin(key);
    });
    this.#next.set(key, later);
    return later;
  }

  #begin(key: string): Promise<T> {
    const look = this.#look(key).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, look);
    return look;
  }
}

function noop(): void {}
