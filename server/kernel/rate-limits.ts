/**
 * Limits on how often something may be asked for, shared by all processes and spent from RAM.
 *
 * Postgres has the truth (the generic cell rate algorithm, one row a limit). A process takes a tenth of a second's worth
 * at a time and spends it here, so a busy client costs ten statements a second and not one a request. What is taken is
 * spent in Postgres already: all processes together never give out more than the limit. What a process took and did not
 * need within LEASE_MS is lost to the limit, which is less than it could be refused wrongly at a tenth of a second a
 * process.
 *
 * What is asked for in one tick is taken in one transaction. While the database is away nothing is limited: what the
 * request does next will say so.
 */
import { type Database, isRetryable } from './database.ts';
import { deleteUnspentLimits, type Take, type Taken, takeFromLimits } from './queries-limits.ts';

const TAKEN_SECONDS = 0.1;
const LEASE_MS = 5_000;
/** Of names in RAM; those whose lease is over make room. */
const NAMES_MAX = 20_000;

export interface Limit {
  name: string;
  perSecond: number;
  /** How many at once after a rest. */
  burst: number;
}

export type Admission =
  | { kind: 'admitted' }
  /** `name`: the limit that is spent. */
  | { kind: 'limited'; name: string; retryAfterMs: number };

/** What this process holds of one limit. */
interface Share {
  left: number;
  until: number;
  refusedUntil: number;
  taking: Promise<void> | undefined;
}

const ADMITTED: Admission = { kind: 'admitted' };

export class RateLimits {
  readonly #database: Database;
  readonly #namesMax: number;
  readonly #shares = new Map<string, Share>();
  /** How many names there are when old ones are looked for again. */
  #crowd: number;
  #asked: { takes: Take[]; taken: Promise<Map<string, Taken>> } | undefined;

  constructor(database: Database, { namesMax = NAMES_MAX } = {}) {
    this.#database = database;
    this.#namesMax = namesMax;
    this.#crowd = namesMax;
  }

  /** Spends one of each limit, or, when one of them is spent, none. */
  async admit(limits: readonly Limit[]): Promise<Admission> {
    // A share that makes room for others while it is asked for here is still the one that is filled and spent here.
    const held = limits.map((limit) => ({ limit, share: this.#shareOf(limit.name) }));
    for (;;) {
      const now = performance.now();
      const refused = held.find(({ share }) => share.refusedUntil > now && share.left < 1);
      if (refused) {
        const { limit, share } = refused;
        return { kind: 'limited', name: limit.name, retryAfterMs: Math.ceil(share.refusedUntil - now) };
      }
      const empty = held.filter(({ share }) => !hasOne(share, now));
      if (empty.length === 0) break;
      await Promise.all(empty.map(({ limit, share }) => this.#refill(limit, share)));
    }
    for (const { share } of held) share.left -= 1;
    return ADMITTED;
  }

  #shareOf(name: string): Share {
    const known = this.#shares.get(name);
    if (known) return known;
    if (this.#shares.size >= this.#crowd) this.#forgetOld();
    const share: Share = { left: 0, until: 0, refusedUntil: 0, taking: undefined };
    this.#shares.set(name, share);
    return share;
  }

  #forgetOld(): void {
    const now = performance.now();
    for (const [name, share] of this.#shares)
      if (share.until < now && share.refusedUntil < now && !share.taking) this.#shares.delete(name);
    // Twice as many before the next look, so that a crowd of newcomers does not cost a look each.
    this.#crowd = Math.max(this.#namesMax, 2 * this.#shares.size);
  }

  /** All who find it empty wait for the same refill. */
  #refill(limit: Limit, share: Share): Promise<void> {
    share.taking ??= this.#take(limit, share).finally(() => {
      share.taking = undefined;
    });
    return share.taking;
  }

  async #take({ name, perSecond, burst }: Limit, share: Share): Promise<void> {
    const wanted = Math.max(1, Math.min(burst, Math.floor(perSecond * TAKEN_SECONDS)));
    const taken = await this.#ask({ name, perSecond, burst, wanted });
    const now = performance.now();
    // Undefined: the database is away.
    const { granted, waitMs } = taken ?? { granted: wanted, waitMs: 0 };
    share.left = granted;
    share.until = now + LEASE_MS;
    if (granted < 1) share.refusedUntil = now + Math.max(1, waitMs);
  }

  /** With all that others ask for in the same tick. */
  async #ask(take: Take): Promise<Taken | undefined> {
    this.#asked ??= { takes: [], taken: nextTick().then(() => this.#takeAsked()) };
    this.#asked.takes.push(take);
    return (await this.#asked.taken).get(take.name);
  }

  async #takeAsked(): Promise<Map<string, Taken>> {
    const takes = this.#asked?.takes ?? [];
    this.#asked = undefined;
    try {
      const taken = await this.#database.withSystem((tx) => takeFromLimits(tx, takes));
      return new Map(taken.map((one) => [one.name, one]));
    } catch (error) {
      if (!isRetryable(error)) throw error;
      return new Map();
    }
  }
}

function hasOne(share: Share, now: number): boolean {
  return share.left >= 1 && share.until > now;
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Forgets limits of which nothing is spent; for a job. */
export async function purgeRateLimits(database: Database): Promise<void> {
  await database.withSystem((tx) => deleteUnspentLimits(tx));
}
