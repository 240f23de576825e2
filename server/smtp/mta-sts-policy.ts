/** The two texts of MTA-STS (RFC 8461): the record that says that there is a policy, and the policy. Pure. */
import { dnsName } from './dns-names.ts';

export interface StsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none';
  /** Patterns of host names, lower case: "mx.example.com" or "*.example.com". */
  readonly mx: readonly string[];
  readonly maxAgeSeconds: number;
}

/** A policy that does not follow section 3.2; the message says how. */
export class StsPolicyError extends Error {
  override readonly name = 'StsPolicyError';
}

/** About a year (section 3.2). */
const MAX_AGE_SECONDS_MAX = 31_557_600;

const RECORD_ID = /^v=STSv1[ \t]*;(?:.*;)?[ \t]*id=([A-Za-z0-9]{1,32})[ \t]*(?:;|$)/;
const FIELD = /^([a-z0-9][a-z0-9_.-]{0,31}):[ \t]*(.*?)[ \t]*$/i;

/** The id of the policy, from the texts at _mta-sts.DOMAIN; null unless exactly one of them announces a policy. */
export function stsIdOf(texts: readonly string[]): string | null {
  const announcements = texts.filter((text) => /^v=STSv1[ \t]*;/.test(text));
  const [only, ...others] = announcements;
  if (only === undefined || others.length > 0) return null;
  return RECORD_ID.exec(only)?.[1] ?? null;
}

/** Reads a policy file. Throws StsPolicyError. */
export function parseStsPolicy(text: string): StsPolicy {
  const fields = fieldsOf(text);
  const version = fields.get('version')?.[0];
  const mode = fields.get('mode')?.[0];
  const maxAge = fields.get('max_age')?.[0] ?? '';
  const mx = (fields.get('mx') ?? []).map((pattern) => pattern.toLowerCase());
  if (version !== 'STSv1') throw new StsPolicyError('it has no "version: STSv1"');
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none')
    throw new StsPolicyError('its mode is not enforce, testing or none');
  if (!/^\d{1,10}$/.test(maxAge)) throw new StsPolicyError('its max_age is not a number of seconds');
  if (mode !== 'none' && mx.length === 0) throw new StsPolicyError('it names no mx');
  const odd = mx.find((pattern) => dnsName(pattern.replace(/^\*\./, '')) === null);
  if (odd !== undefined) throw new StsPolicyError(`its mx "${odd}" is no host name`);
  return { mode, mx, maxAgeSeconds: Math.min(Number(maxAge), MAX_AGE_SECONDS_MAX) };
}

/** By key, in order: of a key that may not repeat, the first value counts. */
function fieldsOf(text: string): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (const line of text.replace(/(?:\r?\n)+$/, '').split(/\r?\n/)) {
    const [, key, value] = FIELD.exec(line) ?? [];
    if (key === undefined || value === undefined)
      throw new StsPolicyError(`this line is no "key: value": ${JSON.stringify(line.slice(0, 80))}`);
    fields.set(key, [...(fields.get(key) ?? []), value]);
  }
  return fields;
}

/** Whether a policy's patterns name `host`; "*." stands for one label (section 4.1). */
export function stsNames(policy: StsPolicy, host: string): boolean {
  const parent = host.slice(host.indexOf('.') + 1);
  return policy.mx.some((pattern) => pattern === host || (host.includes('.') && pattern === `*.${parent}`));
}
