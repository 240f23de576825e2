/**
 * What the DNS has of a domain's records, against what dns-records.ts says it should have: for each a verdict, and one
 * sentence that says what to do.
 *
 * A record of somebody's own making is good when it does what ours would: an SPF record may name more senders than us, a
 * DMARC policy may be stricter or stand at the organizational domain.
 */
import type { Scope } from '../kernel/scope.ts';
import type { DnsAnswer, Resolver } from '../smtp/dns.ts';
import type { CheckedRecord, ExpectedRecord } from './dns-records.ts';
import { organizationalDomain } from './domain-names.ts';
import type { Installation } from './installation.ts';
import { readHostName } from './route-names.ts';
import { allows, isSpf, readSpf } from './spf.ts';

type Opinion = Pick<CheckedRecord, 'verdict' | 'advice'>;

const FINE: Opinion = { verdict: 'ok', advice: null };
const wrong = (advice: string): Opinion => ({ verdict: 'wrong', advice });
const warning = (advice: string): Opinion => ({ verdict: 'ok', advice });

/** What the DNS is asked with. */
export interface Asking {
  scope: Scope;
  resolver: Resolver;
}

/** `missing`: what to do when the record is not there. */
export async function checkDkim(
  { scope, resolver }: Asking,
  record: ExpectedRecord,
  missing: string,
): Promise<CheckedRecord> {
  const answer = await resolver.txt(scope, record.name);
  return opinionOf(record, answer, String, missing, (texts) => judgeDkim(record, texts));
}

function judgeDkim({ expected }: ExpectedRecord, texts: string[]): Opinion {
  const [text = ''] = texts;
  if (texts.length > 1) return wrong('Several records stand at this name: leave only this one.');
  const found = tagsOf(text);
  const ours = tagsOf(expected);
  const key = found.get('p')?.replaceAll(/\s/g, '');
  if (key === '') return wrong('The key is revoked (p= is empty): publish this record instead.');
  if (key !== ours.get('p'))
    return wrong('It is not our key, or not all of it: publish this record instead.');
  if ((found.get('k') ?? 'rsa') !== ours.get('k'))
    return wrong('The type of the key (k=) is wrong: publish this record instead.');
  if (
    found
      .get('t')
      ?.split(/\s*:\s*/)
      .includes('y')
  )
    return warning('It says that the key is only being tested: take the t=y out.');
  return FINE;
}

export async function checkSpf(
  asking: Asking,
  record: ExpectedRecord,
  { spf }: Installation,
): Promise<CheckedRecord> {
  const { scope, resolver } = asking;
  const answer = only(await resolver.txt(scope, record.name), isSpf);
  const missing =
    spf.length === 0
      ? `${UNKNOWN_SENDERS} Then publish the record that \`camp domain check\` shows.`
      : 'Publish this record: without it receivers do not know that this mail may come from here.';
  const opinion = answer.kind === 'found' ? await judgeSpf(asking, record, answer.records, spf) : FINE;
  return opinionOf(record, answer, String, missing, () => opinion);
}

const UNKNOWN_SENDERS =
  'Camp does not know what sends for this domain: set CAMP_SPF to what your relay asks for, such as include:relay.example.';

async function judgeSpf(
  { scope, resolver }: Asking,
  { name }: ExpectedRecord,
  [text = '', ...others]: string[],
  wanted: readonly string[],
): Promise<Opinion> {
  if (others.length > 0)
    return wrong(`${others.length + 1} SPF records make receivers take none: merge them into one.`);
  if (wanted.length === 0 && /^v=spf1 +[-~]all *$/i.test(text))
    return wrong('The record lets nobody send: put what your relay asks for into it, in front.');
  const { terms, fault, dnsError } = await readSpf(scope, resolver, name, text);
  const lacking = wanted.filter((mechanism) => !allows(terms, mechanism));
  if (lacking.length > 0 && dnsError !== null) return unanswered(dnsError);
  const ending = fault === null ? '' : ` (${fault})`;
  if (lacking.length > 0)
    return wrong(
      `The record does not let all of us send${ending}: put ${lacking.join(' ')} into it, in front.`,
    );
  if (fault !== null)
    return warning(`Receivers do not read the record to its end, because ${fault}: mend it.`);
  return wanted.length === 0 ? warning(UNKNOWN_SENDERS) : FINE;
}

/** `signingDomain`: d= of our signatures. */
export async function checkDmarc(
  { scope, resolver }: Asking,
  record: ExpectedRecord,
  names: { domain: string; signingDomain: string },
): Promise<CheckedRecord> {
  const organization = organizationalDomain(names.domain) ?? names.domain;
  const own = only(await resolver.txt(scope, record.name), isDmarc);
  const answer =
    own.kind === 'none' ? only(await resolver.txt(scope, `_dmarc.${organization}`), isDmarc) : own;
  const missing = 'Publish this record: without one, large providers refuse bulk mail.';
  return opinionOf(record, answer, String, missing, (texts) => judgeDmarc(texts, names));
}

function judgeDmarc(
  [text = '', ...others]: string[],
  { domain, signingDomain }: { domain: string; signingDomain: string },
): Opinion {
  if (others.length > 0)
    return wrong(`${others.length + 1} DMARC records make receivers take none: leave only one.`);
  const tags = tagsOf(text);
  const policy = tags.get('p');
  if (!/^(none|quarantine|reject)$/i.test(policy ?? ''))
    return wrong(
      `Its p= is ${policy === undefined ? 'missing' : `"${policy}"`}: write p=none, or a stricter policy.`,
    );
  if (tags.get('adkim')?.toLowerCase() === 's' && signingDomain !== domain)
    return wrong(
      `It wants signatures of ${domain} itself (adkim=s), and ${signingDomain} signs: run \`camp domain add ${domain}\`.`,
    );
  return FINE;
}

export async function checkBounceMx(
  { scope, resolver }: Asking,
  record: ExpectedRecord,
  { publicHost }: Installation,
): Promise<CheckedRecord> {
  const answer = await resolver.mx(scope, record.name);
  const asText = (mx: { preference: number; exchange: string }) => `${mx.preference} ${mx.exchange}`;
  const fault = faultOfHost(publicHost);
  return opinionOf(record, answer, asText, fault ?? 'Publish this record: bounces go there.', (found) =>
    found.some(({ exchange }) => exchange === publicHost)
      ? { verdict: 'ok', advice: fault }
      : wrong(fault ?? `Bounces do not come to ${publicHost}: publish this record instead.`),
  );
}

export async function checkTrackingCname(
  { scope, resolver }: Asking,
  record: ExpectedRecord,
  { publicHost }: Installation,
): Promise<CheckedRecord> {
  const answer = await resolver.cname(scope, record.name);
  const fault = faultOfHost(publicHost);
  const missing = fault ?? 'Publish this record, so that tracked links show your own domain.';
  return opinionOf(record, answer, String, missing, (hosts) =>
    hosts.includes(publicHost)
      ? { verdict: 'ok', advice: fault }
      : wrong(fault ?? `It does not lead to ${publicHost}: publish this record instead.`),
  );
}

function faultOfHost(publicHost: string): string | null {
  if (readHostName(publicHost) !== null) return null;
  return `${publicHost} is no name at which others reach Camp: set CAMP_PUBLIC_URL, then publish this record.`;
}

function opinionOf<R>(
  record: ExpectedRecord,
  answer: DnsAnswer<R>,
  asText: (found: R) => string,
  missing: string,
  judge: (found: R[]) => Opinion,
): CheckedRecord {
  const found = answer.kind === 'found' ? answer.records : [];
  const opinion =
    answer.kind === 'failed'
      ? unanswered(answer.error)
      : found.length === 0
        ? { verdict: 'missing' as const, advice: missing }
        : judge(found);
  return { ...record, found: found.map(asText), ...opinion };
}

function unanswered(error: string): Opinion {
  return { verdict: 'unknown', advice: `The DNS did not answer (${error}): try again later.` };
}

/** The answer without texts that are for others. */
function only(answer: DnsAnswer<string>, isOurs: (text: string) => boolean): DnsAnswer<string> {
  if (answer.kind !== 'found') return answer;
  const { ttlSeconds, authenticated } = answer;
  const records = answer.records.filter(isOurs);
  return records.length > 0
    ? { ...answer, records }
    : { kind: 'none', nxdomain: false, ttlSeconds, authenticated };
}

function isDmarc(text: string): boolean {
  return /^v\s*=\s*DMARC1\s*(;|$)/.test(text);
}

/** `tag=value; …` of DKIM and DMARC records (RFC 6376 section 3.2). */
function tagsOf(text: string): Map<string, string> {
  const pairs = text.split(';').map((pair): [string, string] => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at).trim().toLowerCase(), pair.slice(at + 1).trim()];
  });
  return new Map(pairs);
}
