/** Answers of the DNS in memory, each for its time to live; the one that was not asked for longest gives way. */
import type { DnsAnswer, DnsRecord } from './dns-answer.ts';

/** A failure is remembered for a breath, so that a thousand messages to one domain do not ask a thousand times. */
export const FAILED_SECONDS = 5;
const ANSWERS_MAX = 20_000;

interface Kept {
  answer: DnsAnswer<DnsRecord>;
  /** Monotonic milliseconds. */
  until: number;
}

export class DnsCache {
  /** In the order of last use. */
  readonly #kept = new Map<string, Kept>();
  readonly #answersMax: number;

  constructor(answersMax = ANSWERS_MAX) {
    this.#answersMax = answersMax;
  }

  /** The answer with the seconds that it has left. */
  get(key: string, now = performance.now()): DnsAnswer<DnsRecord> | undefined {
    const kept = this.#kept.get(key);
    if (!kept) return undefined;
    this.#kept.delete(key);
    if (kept.until <= now) return undefined;
    this.#kept.set(key, kept);
    if (kept.answer.kind === 'failed') return kept.answer;
    return { ...kept.answer, ttlSeconds: Math.ceil((kept.until - now) / 1_000) };
  }

  set(key: string, answer: DnsAnswer<DnsRecord>, now = performance.now()): void {
    const seconds = answer.kind === 'failed' ? FAILED_SECONDS : answer.ttlSeconds;
    this.#kept.delete(key);
    this.#kept.set(key, { answer, until: now + seconds * 1_000 });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > this.#answersMax && oldest !== undefined) this.#kept.delete(oldest);
  }
}
