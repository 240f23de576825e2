/**
 * The DNS records that a sending domain needs, exactly as they are to be published. Pure; record-checks.ts compares them
 * with what the DNS has.
 *
 *     SELECTOR._domainkey.DOMAIN  TXT    the public key, one record a key (RFC 6376 section 3.6.1)
 *     DOMAIN                      TXT    SPF: who may send for the domain (RFC 7208)
 *     _dmarc.DOMAIN               TXT    DMARC: what a receiver does with mail that is neither (RFC 7489)
 *     bounce.DOMAIN               MX     where bounces go
 *     track.DOMAIN                CNAME  the host of tracked links
 */
import type { Installation } from './installation.ts';
import type { KeyRow } from './queries.ts';

export type Purpose = 'dkim' | 'spf' | 'dmarc' | 'bounce' | 'tracking';

/** A record that somebody has to publish. */
export interface ExpectedRecord {
  purpose: Purpose;
  type: 'TXT' | 'MX' | 'CNAME';
  /** Without a trailing dot. */
  name: string;
  /** TXT: its text in one piece. MX: preference and host. CNAME: host. */
  expected: string;
  /** The record as a line of a zone file; texts in strings of 255 bytes at most. */
  zone: string;
  /** False for what mail can do without: a key that does not sign yet or any more, the bounce domain, the tracking host. */
  required: boolean;
}

/** `ok`: it does what it must. `unknown`: the DNS did not answer. */
export type Verdict = 'ok' | 'missing' | 'wrong' | 'unknown';

export interface CheckedRecord extends ExpectedRecord {
  /** What the DNS has, in the form of `expected`. */
  found: string[];
  verdict: Verdict;
  /** One sentence that says what to do; null: nothing. A verdict `ok` with advice is a warning. */
  advice: string | null;
}

const TTL_SECONDS = 3_600;
/** RFC 1035 section 3.3. */
const STRING_BYTES_MAX = 255;
const BOUNCE_PREFERENCE = 10;

export function dkimRecord(key: KeyRow, required: boolean): ExpectedRecord {
  const type = key.algorithm === 'rsa-sha256' ? 'rsa' : 'ed25519';
  const text = `v=DKIM1; k=${type}; p=${key.publicKey}`;
  return txtRecord('dkim', `${key.selector}._domainkey.${key.domain}`, text, required);
}

/** Without a mechanism that Camp knows of, the record says nothing about anybody, and does no harm. */
export function spfRecord(domain: string, { spf }: Installation): ExpectedRecord {
  const text = spf.length === 0 ? 'v=spf1 ?all' : `v=spf1 ${spf.join(' ')} ~all`;
  return txtRecord('spf', domain, text, true);
}

export function dmarcRecord(domain: string): ExpectedRecord {
  return txtRecord('dmarc', `_dmarc.${domain}`, 'v=DMARC1; p=none', true);
}

export function bounceRecord(domain: string, { publicHost }: Installation): ExpectedRecord {
  const value = `${BOUNCE_PREFERENCE} ${publicHost}`;
  return record('bounce', 'MX', `bounce.${domain}`, value, `${value}.`, false);
}

export function trackingRecord(domain: string, { publicHost }: Installation): ExpectedRecord {
  return record('tracking', 'CNAME', `track.${domain}`, publicHost, `${publicHost}.`, false);
}

/** All our texts are ASCII, without quotation marks or backslashes. */
function txtRecord(purpose: Purpose, name: string, text: string, required: boolean): ExpectedRecord {
  const strings = text.match(new RegExp(`.{1,${STRING_BYTES_MAX}}`, 'g')) ?? [];
  return record(purpose, 'TXT', name, text, strings.map((string) => `"${string}"`).join(' '), required);
}

function record(
  purpose: Purpose,
  type: ExpectedRecord['type'],
  name: string,
  expected: string,
  zoneValue: string,
  required: boolean,
): ExpectedRecord {
  return { purpose, type, name, expected, zone: `${name}. ${TTL_SECONDS} IN ${type} ${zoneValue}`, required };
}
