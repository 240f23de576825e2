/**
 * Which TLS a connection to an MX host must have: DANE, then MTA-STS, then what the provider is known for, then as it
 * comes.
 *
 * A TlsPolicy is what is known of a domain before a host is tried (`tlsPolicyOf`). With what DANE finds of one host it
 * becomes that host's HostTls (`hostTls`), which mx-connection.ts carries out.
 */
import type { Scope } from '../kernel/scope.ts';
import { type DaneFinding, daneDemands } from './dane.ts';
import type { Tlsa } from './dns.ts';
import type { MtaSts } from './mta-sts.ts';
import { type StsPolicy, stsNames } from './mta-sts-policy.ts';

export interface TlsPolicy {
  /** TLSA records count: the resolver validates, and the domain's MX records were validated. */
  readonly dane: boolean;
  /** A policy in mode enforce. */
  readonly sts: StsPolicy | null;
  /** The provider's hosts all have TLS. */
  readonly required: boolean;
}

/** How one host must be met, and why. */
export type HostTls =
  /** Encrypted if it can be, whatever the certificate. */
  | { readonly kind: 'opportunistic' }
  /** Encrypted, whatever the certificate. */
  | { readonly kind: 'required'; readonly reason: string }
  /** The certificate is trusted and names the host. */
  | { readonly kind: 'verified'; readonly reason: string }
  /** The certificate matches one of the records. */
  | { readonly kind: 'dane'; readonly records: readonly Tlsa[]; readonly reason: string }
  /** Not now. */
  | { readonly kind: 'avoid'; readonly reason: string };

export interface TlsFacts {
  readonly domain: string;
  /** Whether its MX records were validated; false as well when CAMP_DANE is off. */
  readonly authenticated: boolean;
  /** What its provider is known for. */
  readonly provider: { readonly tls: 'opportunistic' | 'required' } | null;
}

/** Asks for what is not known yet; rejects only when a scope ends. */
export async function tlsPolicyOf(scope: Scope, mtaSts: MtaSts, facts: TlsFacts): Promise<TlsPolicy> {
  const sts = await mtaSts.policyOf(scope, facts.domain);
  return {
    dane: facts.authenticated,
    sts: sts?.mode === 'enforce' ? sts : null,
    required: facts.provider?.tls === 'required',
  };
}

export function hostTls(policy: TlsPolicy, host: string, dane: DaneFinding): HostTls {
  if (dane.kind === 'failed')
    return { kind: 'avoid', reason: `its TLSA records cannot be learned (${dane.error})` };
  if (dane.kind === 'usable')
    return {
      kind: 'dane',
      records: dane.records,
      reason: 'its TLSA records (DANE) ask for a certificate that matches',
    };
  if (policy.sts && !stsNames(policy.sts, host))
    return { kind: 'avoid', reason: 'the MTA-STS policy of the domain does not name it' };
  if (policy.sts)
    return { kind: 'verified', reason: 'the MTA-STS policy of the domain asks for a certificate to trust' };
  if (daneDemands[dane.kind] === 'encryption')
    return {
      kind: 'required',
      reason: 'its TLSA records (DANE) ask for TLS, though none of them can be used',
    };
  if (policy.required) return { kind: 'required', reason: 'its provider is known to have TLS everywhere' };
  return { kind: 'opportunistic' };
}

/** What an open connection has. */
export interface Protection {
  readonly host: string;
  /** Under which policy it was opened. */
  readonly policy: TlsPolicy;
  readonly level: 'clear' | 'encrypted' | 'verified' | 'dane';
}

/** Whether mail under `policy` may go over a connection that was opened under another one. */
export function suffices({ host, policy: openedUnder, level }: Protection, policy: TlsPolicy): boolean {
  if (policy.dane && level === 'dane') return true;
  if (policy.dane && !openedUnder.dane) return false;
  if (policy.sts) return level === 'verified' && stsNames(policy.sts, host);
  return level !== 'clear' || !policy.required;
}
