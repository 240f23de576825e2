/**
 * A resolver of our own, because the system's cannot be cancelled and Node's tells no TTL and no AD flag.
 *
 * It is a stub: it asks servers that do the work (dns-query.ts), and trusts their AD flag as far as the way to them
 * can be trusted. Above it are mx.ts, TLS policies and the check of sending domains. The hosts file is not read.
 *
 * - Answers are kept for their TTL (dns-cache.ts), failures for seconds.
 * - A question that is under way is asked once, however many wait for the answer. Each waits as long as its own scope
 *   lasts; when the last one leaves, the question is dropped with its sockets and timers.
 * - Answers come from strangers: what is no IP address or no host name is not handed on.
 */
import { getServers } from 'node:dns';
import { isIP } from 'node:net';
import type { RecordType, TlsaData, TxtData } from 'dns-packet';
import { type Endpoint, parseEndpoint } from '../kernel/network.ts';
import { Scope } from '../kernel/scope.ts';
import { type DnsAnswer, type DnsRecord, TTL_CAP_SECONDS } from './dns-answer.ts';
import { DnsCache, FAILED_SECONDS } from './dns-cache.ts';
import { dnsName, reverseName } from './dns-names.ts';
import { query } from './dns-query.ts';

export type { DnsAnswer } from './dns-answer.ts';

/** An MX record. `exchange` is lower case without a trailing dot; '' is the null MX (RFC 7505). */
export interface Mx {
  preference: number;
  exchange: string;
}

/** A TLSA record (RFC 6698 section 2.1). */
export type Tlsa = TlsaData;

export interface ResolverOptions {
  /** "IP:PORT" or "[IPv6]:PORT", asked in turn. */
  servers: readonly string[];
  /** How long a server has to answer: in the first round, the second, and so on. */
  triesMs?: readonly number[];
}

const TRIES_MS: readonly number[] = [2_000, 3_000, 5_000];
const DNS_PORT = 53;

/** A question that is under way. It belongs to all who wait for it. */
interface Flight {
  scope: Scope;
  answer: Promise<DnsAnswer<DnsRecord>>;
  waiting: number;
}

export class Resolver {
  readonly #servers: readonly Endpoint[];
  readonly #triesMs: readonly number[];
  readonly #cache = new DnsCache();
  readonly #flights = new Map<string, Flight>();

  constructor({ servers, triesMs = TRIES_MS }: ResolverOptions) {
    this.#servers = servers.map(serverEndpoint);
    this.#triesMs = triesMs;
  }

  mx(scope: Scope, domain: string): Promise<DnsAnswer<Mx>> {
    return this.#records(scope, dnsName(domain), 'MX', (record) => {
      if (record.type !== 'MX') return null;
      const { preference = 0, exchange } = record.data;
      const host = exchange === '.' ? '' : dnsName(exchange);
      return host === null ? null : { preference, exchange: host };
    });
  }

  /** IPv4 addresses first, then IPv6. Found as soon as one of the two is, even if the other failed. */
  async addresses(scope: Scope, host: string): Promise<DnsAnswer<string>> {
    const name = dnsName(host);
    const [v4, v6] = await Promise.all([
      this.#records(scope, name, 'A', (record) => (record.type === 'A' ? addressIn(record.data) : null)),
      this.#records(scope, name, 'AAAA', (record) =>
        record.type === 'AAAA' ? addressIn(record.data) : null,
      ),
    ]);
    return eitherFamily(v4, v6);
  }

  /** One text a record: its strings, joined. */
  txt(scope: Scope, name: string): Promise<DnsAnswer<string>> {
    return this.#records(scope, dnsName(name), 'TXT', (record) =>
      record.type === 'TXT' ? textIn(record.data) : null,
    );
  }

  cname(scope: Scope, name: string): Promise<DnsAnswer<string>> {
    return this.#records(scope, dnsName(name), 'CNAME', (record) =>
      record.type === 'CNAME' ? dnsName(record.data) : null,
    );
  }

  tlsa(scope: Scope, name: string): Promise<DnsAnswer<Tlsa>> {
    return this.#records(scope, dnsName(name), 'TLSA', (record) =>
      record.type === 'TLSA' ? record.data : null,
    );
  }

  /** The host names of an IP address. */
  ptr(scope: Scope, address: string): Promise<DnsAnswer<string>> {
    return this.#records(scope, reverseName(address), 'PTR', (record) =>
      record.type === 'PTR' ? dnsName(record.data) : null,
    );
  }

  /** `name` is null for what cannot be one: then nothing is asked, and there is no such name. */
  async #records<R>(
    scope: Scope,
    name: string | null,
    type: RecordType,
    read: (record: DnsRecord) => R | null,
  ): Promise<DnsAnswer<R>> {
    if (name === null)
      return { kind: 'none', nxdomain: true, ttlSeconds: TTL_CAP_SECONDS, authenticated: false };
    const answer = await this.#answer(scope, name, type);
    if (answer.kind !== 'found') return answer;
    return { ...answer, records: answer.records.map(read).filter((record) => record !== null) };
  }

  async #answer(scope: Scope, name: string, type: RecordType): Promise<DnsAnswer<DnsRecord>> {
    scope.throwIfEnded();
    const key = `${type} ${name}`;
    const kept = this.#cache.get(key);
    if (kept) return kept;
    const flight = this.#flights.get(key) ?? this.#begin(key, name, type);
    flight.waiting += 1;
    try {
      return await untilEnd(scope, flight.answer);
    } finally {
      flight.waiting -= 1;
      if (flight.waiting === 0) this.#end(key, flight);
    }
  }

  #begin(key: string, name: string, type: RecordType): Flight {
    const scope = Scope.root(`dns ${key}`);
    const asked = query(scope, this.#servers, { name, type }, this.#triesMs);
    const answer = asked.then((heard) => {
      this.#cache.set(key, heard);
      return heard;
    });
    const flight = { scope, answer, waiting: 0 };
    this.#flights.set(key, flight);
    return flight;
  }

  #end(key: string, flight: Flight): void {
    flight.scope.cancel('nobody waits');
    this.#flights.delete(key);
  }
}

/** The servers of this machine (resolv.conf), as "IP:PORT". */
export function systemServers(): string[] {
  return getServers().map((server) => {
    if (parseEndpoint(server)) return server;
    return isIP(server) === 6 ? `[${server}]:${DNS_PORT}` : `${server}:${DNS_PORT}`;
  });
}

function serverEndpoint(server: string): Endpoint {
  const endpoint = parseEndpoint(server);
  if (!endpoint) throw new Error(`a DNS server is given as IP:PORT, not as ${server}`);
  return endpoint;
}

function addressIn(data: string): string | null {
  return isIP(data) ? data : null;
}

function textIn(data: TxtData): string {
  const strings = [data].flat().map((string) => Buffer.from(string));
  return Buffer.concat(strings).toString();
}

function eitherFamily(v4: DnsAnswer<string>, v6: DnsAnswer<string>): DnsAnswer<string> {
  const answered = [v4, v6].filter((answer) => answer.kind !== 'failed');
  const records = answered.flatMap((answer) => (answer.kind === 'found' ? answer.records : []));
  const authenticated = answered.every((answer) => answer.authenticated);
  if (records.length === 0 && v4.kind === 'failed') return v4;
  if (records.length === 0 && v6.kind === 'failed') return v6;
  const ttls = answered.map((answer) => answer.ttlSeconds);
  const ttlSeconds = Math.min(...ttls, answered.length < 2 ? FAILED_SECONDS : TTL_CAP_SECONDS);
  if (records.length > 0) return { kind: 'found', records, ttlSeconds, authenticated };
  const nxdomain = answered.every((answer) => answer.kind === 'none' && answer.nxdomain);
  return { kind: 'none', nxdomain, ttlSeconds, authenticated };
}

function untilEnd<T>(scope: Scope, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const release = scope.onEnd(reject);
    promise.finally(release).then(resolve, reject);
  });
}
