/**
 * Load shedding: a process that does not keep up refuses work while it still can, the least urgent first.
 *
 * Two signals say that it does not keep up: the event loop comes late, and transactions wait for a connection. A class of
 * requests is refused while either is beyond the class's limit. What recipients and receivers do (unsubscribing, clicking,
 * bouncing) is refused last: it cannot be asked for again.
 */
import type { Database } from '../kernel/database.ts';
import type { LoadClass } from './endpoint.ts';

const LOOK_EVERY_MS = 50;

interface Tolerance {
  lagMs: number;
  waitMs: number;
}

const TOLERANCES: Readonly<Record<LoadClass, Tolerance>> = {
  bulk: { lagMs: 200, waitMs: 1_000 },
  interactive: { lagMs: 700, waitMs: 3_000 },
  intake: { lagMs: 3_000, waitMs: 8_000 },
  probe: { lagMs: Infinity, waitMs: Infinity },
};

export class Load {
  readonly #database: Pick<Database, 'waitMs'>;
  readonly #sheds: boolean;
  #timer: NodeJS.Timeout | undefined;
  #lookAt = 0;
  #lagMs = 0;

  constructor(database: Pick<Database, 'waitMs'>, { sheds = true } = {}) {
    this.#database = database;
    this.#sheds = sheds;
  }

  /** When the process is ready: what its start took is no load. */
  start(): void {
    this.#lookAt = performance.now() + LOOK_EVERY_MS;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** By how much the event loop comes late; what is over fades within a moment. */
  get lagMs(): number {
    return this.#lagMs;
  }

  get waitMs(): number {
    return this.#database.waitMs();
  }

  isTooMuchFor(loadClass: LoadClass): boolean {
    const tolerance = TOLERANCES[loadClass];
    return this.#sheds && (this.lagMs > tolerance.lagMs || this.waitMs > tolerance.waitMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    this.#lagMs = Math.max(0, now - this.#lookAt, this.#lagMs / 2);
    this.#lookAt = now + LOOK_EVERY_MS;
  }
}
