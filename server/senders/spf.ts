/**
 * SPF (RFC 7208): does a domain's record let something send? Follows include and redirect as a receiver does, asks for
 * the addresses of `a` and `mx`, and counts the DNS lookups, of which a receiver makes ten at most.
 *
 * The record becomes a tree of terms in the order in which a receiver tries them, up to the first that it cannot read.
 * Macros are not expanded: what is behind one is not followed.
 */
import { BlockList, isIP } from 'node:net';
import type { Scope } from '../kernel/scope.ts';
import type { Resolver } from '../smtp/dns.ts';

export interface SpfTerm {
  /** In lower case, without the qualifier: `include:relay.example`. */
  text: string;
  /** It lets those send whom it matches. */
  passes: boolean;
  /** What it matches, as far as that is a matter of addresses: `192.0.2.0/24`. */
  networks: readonly string[];
  /** Of an include: the terms of the record that it leads to. */
  included: readonly SpfTerm[];
}

export interface SpfPolicy {
  terms: readonly SpfTerm[];
  /** Half a sentence that says why receivers do not read the record to its end. */
  fault: string | null;
  /** The DNS did not tell all that was asked. */
  dnsError: string | null;
}

/** RFC 7208 section 4.6.4. */
const LOOKUPS_MAX = 10;
const EVERYBODY = ['0.0.0.0/0', '::/0'];

export function isSpf(text: string): boolean {
  return /^v=spf1( |$)/i.test(text);
}

export async function readSpf(
  scope: Scope,
  resolver: Resolver,
  domain: string,
  record: string,
): Promise<SpfPolicy> {
  const reader = new SpfReader(scope, resolver);
  const terms = await reader.read(domain, record);
  return { terms, fault: reader.fault, dnsError: reader.dnsError };
}

/** Whether whoever `mechanism` names may send: it stands in the record, or an address is among what the record lets send. */
export function allows(terms: readonly SpfTerm[], mechanism: string): boolean {
  const wanted = mechanism.toLowerCase();
  const network = /^ip[46]:(.+)$/.exec(wanted)?.[1];
  return network === undefined ? names(terms, wanted) : admits(terms, network);
}

function names(terms: readonly SpfTerm[], wanted: string): boolean {
  return terms.some(({ text, passes, included }) => passes && (text === wanted || names(included, wanted)));
}

/** The first term that matches decides; an include matches what its record lets send (section 5.2). */
function admits(terms: readonly SpfTerm[], network: string): boolean {
  const first = terms.find(
    ({ networks, included }) =>
      networks.some((outer) => contains(outer, network)) || admits(included, network),
  );
  return first?.passes ?? false;
}

interface Mechanism {
  name: string;
  passes: boolean;
  /** What stands after the colon; the domain of the record where nothing does. */
  target: string;
  /** Prefix lengths, with their slashes: for IPv4, and for IPv6. */
  cidr4: string;
  cidr6: string;
  text: string;
}

class SpfReader {
  fault: string | null = null;
  dnsError: string | null = null;
  readonly #scope: Scope;
  readonly #resolver: Resolver;
  #lookups = 0;

  constructor(scope: Scope, resolver: Resolver) {
    this.#scope = scope;
    this.#resolver = resolver;
  }

  /** As far as the first fault, or the first question that the DNS does not answer. */
  async read(domain: string, record: string): Promise<SpfTerm[]> {
    const terms: SpfTerm[] = [];
    const words = record.trim().split(/ +/).slice(1);
    for (const word of words.filter((candidate) => !MODIFIER.test(candidate))) {
      const mechanism = parseMechanism(word, domain);
      if (!mechanism) this.fault ??= `"${word}" is no SPF term`;
      if (!mechanism || this.fault !== null || this.dnsError !== null) return terms;
      terms.push(await this.#termOf(mechanism));
      // Nothing behind it is ever tried, and a redirect is not followed (section 5.1).
      if (mechanism.name === 'all') return terms;
    }
    const redirect = words.map((word) => /^redirect=(.+)$/i.exec(word)?.[1]).find(Boolean);
    return redirect === undefined ? terms : [...terms, ...(await this.#follow(redirect, 'redirect='))];
  }

  async #termOf({ name, passes, target, cidr4, cidr6, text }: Mechanism): Promise<SpfTerm> {
    const term = { text, passes, networks: [], included: [] };
    if (name === 'all') return { ...term, networks: EVERYBODY };
    if (name === 'ip4' || name === 'ip6') return { ...term, networks: [target + cidr4] };
    if (name === 'include') return { ...term, included: await this.#follow(target, 'include:') };
    // `ptr` and `exists` are counted, but what they match depends on who asks.
    if (!this.#count() || (name !== 'a' && name !== 'mx')) return term;
    const hosts = name === 'a' ? [target] : await this.#mailHosts(target);
    const addresses = await Promise.all(hosts.map((host) => this.#addresses(host)));
    const networks = addresses.flat().map((address) => address + (isIP(address) === 4 ? cidr4 : cidr6));
    return { ...term, networks };
  }

  async #follow(domain: string, how: string): Promise<SpfTerm[]> {
    if (!this.#count() || domain.includes('%')) return [];
    const answer = await this.#resolver.txt(this.#scope, domain);
    if (answer.kind === 'failed') {
      this.dnsError ??= answer.error;
      return [];
    }
    const records = answer.kind === 'found' ? answer.records.filter(isSpf) : [];
    const [record] = records;
    if (record !== undefined && records.length === 1) return this.read(domain, record);
    this.fault ??= `${how}${domain} leads to ${records.length === 0 ? 'no SPF record' : 'more than one SPF record'}`;
    return [];
  }

  async #addresses(host: string): Promise<string[]> {
    const answer = await this.#resolver.addresses(this.#scope, host);
    if (answer.kind === 'failed') this.dnsError ??= answer.error;
    return answer.kind === 'found' ? answer.records : [];
  }

  async #mailHosts(domain: string): Promise<string[]> {
    const answer = await this.#resolver.mx(this.#scope, domain);
    if (answer.kind === 'failed') this.dnsError ??= answer.error;
    const hosts = answer.kind === 'found' ? answer.records.map(({ exchange }) => exchange) : [];
    return hosts.slice(0, LOOKUPS_MAX);
  }

  /** False: a receiver stops here. */
  #count(): boolean {
    this.#lookups += 1;
    if (this.#lookups > LOOKUPS_MAX) this.fault ??= `it needs more than ${LOOKUPS_MAX} DNS lookups`;
    return this.fault === null;
  }
}

const MODIFIER = /^[a-z][a-z0-9._-]*=/i;
const MECHANISM = /^([+?~-]?)(all|include|a|mx|ptr|exists|ip4|ip6)(?::([^/]+))?(\/\d{1,3})?(\/\/\d{1,3})?$/;
const IPV4_BITS = 32;
const IPV6_BITS = 128;

function parseMechanism(word: string, domain: string): Mechanism | null {
  const lower = word.toLowerCase();
  const [, qualifier, name = '', value, cidr4 = '', cidr6 = ''] = MECHANISM.exec(lower) ?? [];
  if (name === '' || (/^(include|exists|ip[46])$/.test(name) && value === undefined)) return null;
  if (/^ip[46]$/.test(name) && isIP(value ?? '') !== Number(name.slice(2))) return null;
  const bits4Max = name === 'ip6' ? IPV6_BITS : IPV4_BITS;
  if (Number(cidr4.slice(1)) > bits4Max || Number(cidr6.slice(2)) > IPV6_BITS) return null;
  return {
    name,
    passes: qualifier === '' || qualifier === '+',
    target: value ?? domain,
    cidr4,
    cidr6: cidr6.replace('//', '/'),
    text: lower.replace(/^[+?~-]/, ''),
  };
}

function contains(outer: string, inner: string): boolean {
  const [outerAddress, outerBits] = networkOf(outer);
  const [innerAddress, innerBits] = networkOf(inner);
  if (outerBits > innerBits) return false;
  const list = new BlockList();
  list.addSubnet(outerAddress, outerBits, isIP(outerAddress) === 4 ? 'ipv4' : 'ipv6');
  return list.check(innerAddress, isIP(innerAddress) === 4 ? 'ipv4' : 'ipv6');
}

function networkOf(text: string): [address: string, bits: number] {
  const [address = '', bits] = text.split('/');
  return [address, bits === undefined ? (isIP(address) === 4 ? IPV4_BITS : IPV6_BITS) : Number(bits)];
}
