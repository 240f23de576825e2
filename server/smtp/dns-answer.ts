/**
 * What a DNS response means: the records at the end of the CNAME chain, or that there are none, and for how long.
 *
 * A resolver puts the whole chain into its answer. What it says of other names than those of the chain is not read.
 */
import type { Answer, DecodedPacket, OptAnswer, Question } from 'dns-packet';

/** What the DNS says about one name and type. `ttlSeconds` is how much longer the resolver keeps it. */
export type DnsAnswer<R> =
  | {
      kind: 'found';
      /** Those that can be used; empty when there are records and not one of them can. */
      records: R[];
      ttlSeconds: number;
      /** The DNS server says that it validated the answer (AD, RFC 4035 section 3.2.3). */
      authenticated: boolean;
    }
  | { kind: 'none'; nxdomain: boolean; ttlSeconds: number; authenticated: boolean }
  /** SERVFAIL, REFUSED, silence: temporary. */
  | { kind: 'failed'; error: string };

/** A resource record that holds data: every one but EDNS's own. */
export type DnsRecord = Exclude<Answer, OptAnswer>;

/** A name that stands in no zone, kept as short as its kind allows. */
export const TTL_FLOOR_SECONDS = 10;
export const TTL_CAP_SECONDS = 3_600;
/** RFC 2308 section 5 asks for a cap of hours; ours is short, because people wait for their new records. */
export const NEGATIVE_TTL_CAP_SECONDS = 900;

/** A TTL with the top bit set counts as 0 (RFC 2181 section 8). */
const TTL_MAX_SECONDS = 2 ** 31 - 1;
const CNAMES_MAX = 16;

/** Reads a response whose code is NOERROR or, when `nxdomain`, NXDOMAIN. */
export function readAnswer(
  packet: DecodedPacket,
  question: Question,
  nxdomain: boolean,
): DnsAnswer<DnsRecord> {
  const answers = (packet.answers ?? []).filter(isData);
  const chain = question.type === 'CNAME' ? [] : cnameChain(answers, question.name);
  const owner = chain.at(-1)?.target ?? question.name;
  const records = answers.filter((record) => record.type === question.type && lower(record.name) === owner);
  const authenticated = packet.flag_ad;
  const ttls = chain.map(({ ttlSeconds }) => ttlSeconds);
  if (records.length > 0 && !nxdomain) {
    const ttlSeconds = clamp(Math.min(...ttls, ...records.map(ttlOf)), TTL_CAP_SECONDS);
    return { kind: 'found', records, ttlSeconds, authenticated };
  }
  const ttlSeconds = clamp(Math.min(...ttls, negativeTtl(packet)), NEGATIVE_TTL_CAP_SECONDS);
  return { kind: 'none', nxdomain, ttlSeconds, authenticated };
}

function isData(record: Answer): record is DnsRecord {
  return record.type !== 'OPT' && record.class === 'IN';
}

interface Alias {
  target: string;
  ttlSeconds: number;
}

function cnameChain(answers: readonly DnsRecord[], name: string): Alias[] {
  const chain: Alias[] = [];
  let owner = name;
  while (chain.length < CNAMES_MAX) {
    const alias = answers.find((record) => record.type === 'CNAME' && lower(record.name) === owner);
    if (alias?.type !== 'CNAME') break;
    owner = lower(alias.data);
    chain.push({ target: owner, ttlSeconds: ttlOf(alias) });
  }
  return chain;
}

/** RFC 2308 section 5: the lesser of the SOA record's own TTL and its MINIMUM; without an SOA as short as can be. */
function negativeTtl(packet: DecodedPacket): number {
  const soa = packet.authorities?.find((record) => record.type === 'SOA');
  return soa ? Math.min(ttlOf(soa), soa.data.minimum ?? 0) : 0;
}

function ttlOf(record: DnsRecord): number {
  const ttl = record.ttl ?? 0;
  return ttl > TTL_MAX_SECONDS ? 0 : ttl;
}

function clamp(seconds: number, cap: number): number {
  return Math.min(Math.max(seconds, TTL_FLOOR_SECONDS), cap);
}

function lower(name: string): string {
  return name.toLowerCase();
}
