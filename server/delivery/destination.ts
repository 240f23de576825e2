/**
 * Where a domain's mail goes: its MX hosts, and the line in which it waits for them. Pure but for DNS.
 *
 * A destination is a mailbox provider, or, for everybody else, a site: one set of MX hosts. Its name decides the lane of
 * a message (queue/destinations.ts gives the name a number). Limits stand on two levels: the provider's over all its
 * sites, and the site's own.
 */
import type { Scope } from '../kernel/scope.ts';
import type { Resolver } from '../smtp/dns.ts';
import { mailHostsOf } from '../smtp/mx.ts';
import { defaultLimits, type Limits, type Provider, providerOf, providers } from '../smtp/providers.ts';
import type { Target } from './limits.ts';

/** Where one domain's mail goes now. */
export interface Whereabouts {
  kind: 'found';
  destination: string;
  domain: string;
  provider: Provider | null;
  site: string;
  /** In the order to try. */
  hosts: readonly string[];
  /** Whether DNSSEC validated the MX records. */
  authenticated: boolean;
}

export type Lookup =
  | Whereabouts
  /** The domain takes no mail: permanent. */
  | { kind: 'none'; reason: string; detail: string }
  /** DNS did not answer: temporary. */
  | { kind: 'failed'; error: string };

/** For a provider that is held to limits at each of its sites only. */
const UNLIMITED: Limits = {
  connections: 10_000,
  messagesPerConnection: 1_000_000,
  messagesPerSecond: null,
  messagesPerDay: null,
};

export async function lookUp(scope: Scope, resolver: Resolver, domain: string): Promise<Lookup> {
  const mail = await mailHostsOf(scope, resolver, domain);
  if (mail.kind !== 'hosts') return mail;
  const { hosts, site, authenticated } = mail;
  const provider = providerOf(domain, hosts);
  const destination = provider ? `provider ${provider.name}` : `site ${site}`;
  return { kind: 'found', destination, domain, provider, site, hosts, authenticated };
}

export function domainOf(email: string): string {
  return email.slice(email.lastIndexOf('@') + 1);
}

/** The limits of the destination as a whole. `perDay`: a warm-up's, when the source has one. */
export function destinationTarget(source: string, destination: string, perDay: number | null): Target {
  const provider = providers.find(({ name }) => destination === `provider ${name}`);
  const limits = provider ? (provider.overall ?? UNLIMITED) : defaultLimits;
  return {
    source,
    name: destination,
    limits: perDay === null ? limits : { ...limits, messagesPerDay: perDay },
  };
}

/** The destination's own target, and behind it the site's when the destination is a provider. */
export function targetsOf(own: Target, { provider, site }: Whereabouts): Target[] {
  if (!provider) return [own];
  return [own, { source: own.source, name: `site ${site}`, limits: provider.site }];
}
