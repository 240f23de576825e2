/**
 * What this process remembers of the mail hosts that it spoke to, for whoever opens the next connection.
 *
 * Nothing here is needed to be right: a host that is not remembered is met as a stranger. So it is in RAM only, and
 * bounded; the host that was not heard of for longest is forgotten first.
 */
import type { Offers } from './offers.ts';
import type { OpenFailed } from './session.ts';

export interface HostFacts {
  /** What it offered when it was last met, inside TLS if there was TLS. */
  readonly offers: Offers | null;
  /** Until then its TLS is known not to work, while it can be reached without; Unix milliseconds. */
  readonly tlsBrokenUntilMs: number;
  /** After how many messages it last closed a connection that had not rested. */
  readonly messagesPerConnection: number | null;
  /** The last opening failed, like this; null when it went well. */
  readonly lastFailure: { readonly atMs: number; readonly failure: OpenFailed } | null;
}

const HOSTS_MAX = 10_000;
const TLS_BROKEN_MS = 3 * 86_400_000;
/** A host that did not answer is tried after the others for this long (RFC 5321 section 4.5.4.1). */
const UNREACHABLE_MS = 5 * 60_000;
/** A close after a longer rest tells of the server's patience, not of its limit. */
const RESTED_MS_MAX = 5_000;

const stranger: HostFacts = {
  offers: null,
  tlsBrokenUntilMs: 0,
  messagesPerConnection: null,
  lastFailure: null,
};

export class HostMemory {
  /** In the order of last change. */
  readonly #facts = new Map<string, HostFacts>();
  readonly #hostsMax: number;
  readonly #now: () => number;

  constructor({ hostsMax = HOSTS_MAX, now = Date.now } = {}) {
    this.#hostsMax = hostsMax;
    this.#now = now;
  }

  of(host: string): HostFacts {
    return this.#facts.get(host) ?? stranger;
  }

  isTlsBroken(host: string): boolean {
    return this.#now() < this.of(host).tlsBrokenUntilMs;
  }

  /** The same hosts; those that could not be reached a short while ago are last. */
  reachableFirst(hosts: readonly string[]): string[] {
    const groups = Object.groupBy(hosts, (host) => (this.#isUnreachable(host) ? 'last' : 'first'));
    return [...(groups.first ?? []), ...(groups.last ?? [])];
  }

  noteOpened(host: string, offers: Offers): void {
    this.#change(host, { offers, lastFailure: null });
  }

  noteFailed(host: string, failure: OpenFailed): void {
    this.#change(host, { lastFailure: { atMs: this.#now(), failure } });
  }

  /** Only for a host that could be used without TLS right after: everything else might be the network's trouble. */
  noteTlsBroken(host: string): void {
    this.#change(host, { tlsBrokenUntilMs: this.#now() + TLS_BROKEN_MS });
  }

  noteClosedBetween(host: string, messages: number, restedMs: number): void {
    if (restedMs <= RESTED_MS_MAX) this.#change(host, { messagesPerConnection: messages });
  }

  #isUnreachable(host: string): boolean {
    const { lastFailure } = this.of(host);
    if (lastFailure?.failure.phase !== 'connect') return false;
    return this.#now() < lastFailure.atMs + UNREACHABLE_MS;
  }

  #change(host: string, change: Partial<HostFacts>): void {
    const facts = { ...this.of(host), ...change };
    this.#facts.delete(host);
    this.#facts.set(host, facts);
    const [oldest] = this.#facts.keys();
    if (this.#facts.size > this.#hostsMax && oldest !== undefined) this.#facts.delete(oldest);
  }
}
