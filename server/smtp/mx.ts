/**
 * Which hosts take a domain's mail, in the order to try them (RFC 5321 section 5.1), and the name of their set.
 *
 * Below it is the resolver; above it the choice of a destination and of a connection, which resolves the hosts'
 * addresses one by one. What DNS says for good (no such domain, null MX) is told from what may pass.
 */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { Scope } from '../kernel/scope.ts';
import type { Mx, Resolver } from './dns.ts';
import { dnsName } from './dns-names.ts';

export type MailHosts =
  | {
      kind: 'hosts';
      /** In the order to try; shuffled within a preference at each call. Lower case, no trailing dot. */
      hosts: readonly string[];
      /** See siteOf(). */
      site: string;
      /** The DNS server validated that these are the hosts. */
      authenticated: boolean;
      ttlSeconds: number;
    }
  /** No mail can be sent there; `detail` is a sentence. */
  | { kind: 'none'; reason: 'null-mx' | 'no-such-domain' | 'no-mail-host'; detail: string }
  /** Temporary. */
  | { kind: 'failed'; error: string };

const SITE_HASH_DIGITS = 8;

/** Without any MX record the domain's own addresses take its mail; with records that cannot be used they do not. */
export async function mailHostsOf(scope: Scope, resolver: Resolver, domain: string): Promise<MailHosts> {
  const name = dnsName(domain);
  if (name === null) return noSuchDomain(domain);
  const answer = await resolver.mx(scope, name);
  if (answer.kind === 'failed') return answer;
  if (answer.kind === 'none')
    return answer.nxdomain ? noSuchDomain(name) : implicitHost(scope, resolver, name, answer);
  const { records, ttlSeconds, authenticated } = answer;
  const hosts = inOrder(records.filter(({ exchange }) => exchange !== '' && !isIP(exchange)));
  if (hosts.length > 0) return { kind: 'hosts', hosts, site: siteOf(hosts), authenticated, ttlSeconds };
  if (records.some(({ exchange }) => exchange === ''))
    return { kind: 'none', reason: 'null-mx', detail: `${name} says that it takes no mail (null MX)` };
  return { kind: 'none', reason: 'no-mail-host', detail: `the MX records of ${name} name no host` };
}

function noSuchDomain(domain: string): MailHosts {
  return { kind: 'none', reason: 'no-such-domain', detail: `there is no domain ${domain}` };
}

/** Of a domain that has no MX record: `none` is what was said about those. */
async function implicitHost(
  scope: Scope,
  resolver: Resolver,
  domain: string,
  none: { ttlSeconds: number; authenticated: boolean },
): Promise<MailHosts> {
  const answer = await resolver.addresses(scope, domain);
  if (answer.kind === 'failed') return answer;
  if (answer.kind === 'none') {
    const detail = `${domain} has neither an MX record nor an address`;
    return { kind: 'none', reason: 'no-mail-host', detail };
  }
  return {
    kind: 'hosts',
    hosts: [domain],
    site: siteOf([domain]),
    authenticated: none.authenticated && answer.authenticated,
    ttlSeconds: Math.min(none.ttlSeconds, answer.ttlSeconds),
  };
}

/** Each host once, at its best preference; equal preferences in a random order, which spreads the load. */
function inOrder(records: readonly Mx[]): string[] {
  const drawn = records.map((record) => ({ ...record, lot: Math.random() }));
  drawn.sort((a, b) => a.preference - b.preference || a.lot - b.lot);
  return [...new Set(drawn.map(({ exchange }) => exchange))];
}

/**
 * The name of a set of hosts, the same whatever their order: a lone host's own name; for more the one that comes
 * first in the alphabet, "+" and a hash of them all, such as "mx1.acme.example+5c1d0a9e".
 */
function siteOf(hosts: readonly string[]): string {
  const sorted = hosts.toSorted();
  const [first = ''] = sorted;
  if (sorted.length === 1) return first;
  const hash = createHash('sha256').update(sorted.join(' ')).digest('hex');
  return `${first}+${hash.slice(0, SITE_HASH_DIGITS)}`;
}
