/**
 * DANE for SMTP (RFC 7672): the TLSA records of an MX host say which certificate it has, in place of the authorities
 * that a system trusts.
 *
 * All of it stands on DNSSEC. `daneOf` takes nothing that was not validated, so whoever asks must know that the
 * resolver validates, and that the MX records that led to the host were validated too; what it finds is turned into
 * TLS by tls-policy.ts. `daneFault` judges the certificate when the handshake is done (tls.ts).
 *
 * The name that a certificate of a DANE-TA record must have is the host's; the domain of the recipient, which section
 * 3.2.2 allows too, is not taken, because one connection serves many domains. A host that is an alias is asked for
 * TLSA under its own name only.
 */
import { createPublicKey, hash, X509Certificate } from 'node:crypto';
import type { Scope } from '../kernel/scope.ts';
import type { DnsAnswer, Resolver, Tlsa } from './dns.ts';

export type DaneFinding =
  | { readonly kind: 'insecure' }
  | { readonly kind: 'none' }
  | { readonly kind: 'usable'; readonly records: readonly Tlsa[] }
  | { readonly kind: 'unusable' }
  | { readonly kind: 'failed'; readonly error: string };

/** What each finding asks of the connection (RFC 7672 sections 2.1.1 and 2.2). */
export const daneDemands = {
  /** Addresses or TLSA answer not validated: whatever it says could be anybody's. */
  insecure: 'nothing',
  /** Validated: there are no TLSA records. */
  none: 'nothing',
  usable: 'a certificate that matches',
  /** Records that nobody can use still say that the host has TLS. */
  unusable: 'encryption',
  /** Bogus or no answer: an attacker who suppresses the records gets no mail either. */
  failed: 'another host or another time',
} as const satisfies Record<DaneFinding['kind'], string>;

const CHAIN_MAX = 10;

/** What DNS says of the certificate of `host`, to which `addresses` is the resolver's answer. */
export async function daneOf(
  scope: Scope,
  resolver: Resolver,
  host: string,
  port: number,
  addresses: DnsAnswer<string>,
): Promise<DaneFinding> {
  // Servers of unsigned zones are known to fail on a TLSA query (RFC 7672 section 2.2.2): it is not asked.
  if (addresses.kind === 'failed' || !addresses.authenticated) return { kind: 'insecure' };
  const answer = await resolver.tlsa(scope, `_${port}._tcp.${host}`);
  if (answer.kind === 'failed') return answer;
  if (!answer.authenticated) return { kind: 'insecure' };
  if (answer.kind === 'none') return { kind: 'none' };
  const records = answer.records.filter(isUsable);
  return records.length > 0 ? { kind: 'usable', records } : { kind: 'unusable' };
}

/** Why the certificate of a server is not the one of `records`; null: it is. */
export function daneFault(
  records: readonly Tlsa[],
  certificate: X509Certificate | undefined,
  host: string,
): string | null {
  if (!certificate) return 'the server showed no certificate';
  // DANE-EE(3): the key or certificate itself; its names and dates have no say (RFC 7672 section 3.1.1).
  if (records.some((record) => record.usage === DANE_EE && describes(record, certificate))) return null;
  const anchors = records.filter(({ usage }) => usage === DANE_TA);
  if (anchors.length > 0 && certificate.checkHost(host) && isIssuedUnder(anchors, chainOf(certificate)))
    return null;
  return `the certificate of ${host} matches none of its ${records.length} TLSA records`;
}

const DANE_TA = 2;
const DANE_EE = 3;
const WHOLE_CERTIFICATE = 0;

const matching: Record<number, (data: Buffer) => Buffer> = {
  0: (data) => data,
  1: (data) => hash('sha256', data, 'buffer'),
  2: (data) => hash('sha512', data, 'buffer'),
};
const digestBytes: Record<number, number> = { 1: 32, 2: 64 };

/** RFC 7672 section 3.1.3: the usages that lean on public authorities are none for SMTP. */
function isUsable({ usage, selector, matchingType, certificate }: Tlsa): boolean {
  if (usage !== DANE_TA && usage !== DANE_EE) return false;
  if (selector !== 0 && selector !== 1) return false;
  if (matchingType !== 0) return certificate.length === digestBytes[matchingType];
  try {
    if (selector === WHOLE_CERTIFICATE) new X509Certificate(certificate);
    else createPublicKey({ key: certificate, format: 'der', type: 'spki' });
    return true;
  } catch {
    return false;
  }
}

function describes(record: Tlsa, certificate: X509Certificate): boolean {
  const data =
    record.selector === WHOLE_CERTIFICATE
      ? certificate.raw
      : certificate.publicKey.export({ type: 'spki', format: 'der' });
  return matching[record.matchingType]?.(data).equals(record.certificate) ?? false;
}

/** As the server sent it, its own certificate first. */
function chainOf(leaf: X509Certificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let at: X509Certificate | undefined = leaf; at && chain.length < CHAIN_MAX; at = at.issuerCertificate)
    chain.push(at);
  return chain;
}

/** DANE-TA(2): signatures lead from the first certificate to one that a record describes; all dates count. */
function isIssuedUnder(anchors: readonly Tlsa[], [leaf, ...sent]: readonly X509Certificate[]): boolean {
  const issuers = [...sent, ...anchors.flatMap(certificateIn)];
  const reached = leaf && isCurrent(leaf) ? [leaf] : [];
  for (const certificate of reached)
    for (const issuer of issuers) {
      if (reached.includes(issuer) || !isCurrent(issuer) || !hasSigned(issuer, certificate)) continue;
      if (anchors.some((record) => describes(record, issuer))) return true;
      reached.push(issuer);
    }
  return false;
}

/** A record may bring the certificate that the server did not send. */
function certificateIn({ selector, matchingType, certificate }: Tlsa): X509Certificate[] {
  return selector === WHOLE_CERTIFICATE && matchingType === 0 ? [new X509Certificate(certificate)] : [];
}

function hasSigned(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function isCurrent({ validFromDate, validToDate }: X509Certificate): boolean {
  const now = new Date();
  return validFromDate <= now && now <= validToDate;
}
