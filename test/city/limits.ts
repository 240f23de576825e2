/**
 * The limits of one provider, for each source address: what is over them, and who broke them.
 *
 * A breach is what the client did, not what it was told: the sixth connection where five are allowed, the fifty-first MAIL of
 * a connection that may carry fifty, a message above the published rate. A rate is a leaky bucket that holds two seconds'
 * worth, so that a client that keeps to the rate is never guilty because its messages arrived in a bunch.
 */
import type { Limits } from './spec.ts';

export interface Breach {
  atMs: number;
  limit: 'connections' | 'messagesPerConnection' | 'messagesPerSecond';
  source: string;
  allowed: number;
  /** For the rate: messages in the bucket, of which `allowed` fit. */
  seen: number;
}

export type Admission = 'admitted' | 'tooManyMessages' | 'throttled';

interface Source {
  open: number;
  published: Bucket;
  unpublished: Bucket;
}

const EXAMPLES_MAX = 20;
const RATE_BURST_S = 2;

export class LimitBook {
  readonly examples: Breach[] = [];
  broken = 0;
  /** The most connections that one source had at a time. */
  connectionsMax = 0;
  readonly #limits: Limits;
  readonly #sources = new Map<string, Source>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** A connection has come. */
  enter(source: string): void {
    this.#of(source).open += 1;
  }

  leave(source: string): void {
    this.#of(source).open -= 1;
  }

  /** More connections than are allowed; it may be that one of them has said goodbye and was not heard yet. */
  crowded(source: string): boolean {
    return this.#of(source).open > this.#limits.connections;
  }

  /** Judges a connection that has come. False: it is one too many. */
  admitConnection(source: string): boolean {
    const { open } = this.#of(source);
    this.connectionsMax = Math.max(this.connectionsMax, open);
    if (!this.crowded(source)) return true;
    this.#break('connections', source, this.#limits.connections, open);
    return false;
  }

  /** Judges the `ordinal`th MAIL of a connection, from 1. */
  admitMessage(source: string, ordinal: number, nowMs: number): Admission {
    const { messagesPerConnection } = this.#limits;
    if (ordinal > messagesPerConnection) {
      this.#break('messagesPerConnection', source, messagesPerConnection, ordinal);
      return 'tooManyMessages';
    }
    const { published, unpublished } = this.#of(source);
    if (!published.take(nowMs)) {
      this.#break('messagesPerSecond', source, published.size, published.size + 1);
      return 'throttled';
    }
    return unpublished.take(nowMs) ? 'admitted' : 'throttled';
  }

  #of(source: string): Source {
    const known = this.#sources.get(source);
    if (known) return known;
    const { messagesPerSecond, throttledAbovePerSecond } = this.#limits;
    const fresh = {
      open: 0,
      published: new Bucket(messagesPerSecond),
      unpublished: new Bucket(throttledAbovePerSecond),
    };
    this.#sources.set(source, fresh);
    return fresh;
  }

  #break(limit: Breach['limit'], source: string, allowed: number, seen: number): void {
    this.broken += 1;
    if (this.examples.length < EXAMPLES_MAX)
      this.examples.push({ atMs: Date.now(), limit, source, allowed, seen });
  }
}

/** Leaks `perSecond`; null: without end. What does not fit is not in it. */
class Bucket {
  readonly size: number;
  readonly #perSecond: number;
  #level = 0;
  #atMs = 0;

  constructor(perSecond: number | null) {
    this.#perSecond = perSecond ?? Number.POSITIVE_INFINITY;
    this.size = this.#perSecond * RATE_BURST_S;
  }

  take(nowMs: number): boolean {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return true;
    this.#level = Math.max(0, this.#level - ((nowMs - this.#atMs) / 1000) * this.#perSecond);
    this.#atMs = nowMs;
    if (this.#level + 1 > this.size) return false;
    this.#level += 1;
    return true;
  }
}
