/** Words of the command line that mean more than their letters: senders, names, durations, times, `field=Column` pairs. */
import { normaliseEmail } from '../audience/email.ts';
import { usageError } from './errors.ts';

export interface Sender {
  name?: string;
  email: string;
}

/** `Acme News <news@acme.example>`, or the address alone. */
export function readSender(text: string, flag: string): Sender {
  const [, quotedName = '', address = ''] = /^(.*)<([^<>]*)>\s*$/.exec(text) ?? [];
  const name = quotedName.trim().replace(/^"(.*)"$/, '$1');
  const normalised = normaliseEmail(address || text);
  if (normalised.kind === 'invalid')
    throw usageError(
      `${flag} "${text}" cannot be used, because ${normalised.reason}: write "Acme News <news@acme.example>".`,
    );
  return name ? { name, email: normalised.email } : { email: normalised.email };
}

export function readName(text: string, flag: string): string {
  if (text.trim() === '') throw usageError(`${flag} is empty: write a name, such as ${flag} News.`);
  return text;
}

const UNIT_SECONDS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const DURATION_SECONDS_MAX = 30 * 86_400;

/** `90s`, `30m`, `48h`, `2d`. */
export function readDuration(text: string, flag: string): number {
  const [, amount = '', unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const seconds = Number(amount) * (UNIT_SECONDS[unit] ?? 0);
  if (seconds < 1 || seconds > DURATION_SECONDS_MAX)
    throw usageError(`${flag} "${text}" cannot be used: write a time up to 30 days, such as 30m, 48h or 2d.`);
  return seconds;
}

export function readTime(text: string, flag: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime()) || !/^\d{4}-\d\d-\d\d/.test(text))
    throw usageError(`${flag} "${text}" cannot be used: write a time such as 2030-01-31T09:00:00Z.`);
  return time;
}

export function readInteger(text: string, flag: string, min: number, max: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < min || number > max)
    throw usageError(`${flag} is "${text}", but must be a whole number from ${min} to ${max}.`);
  return number;
}

/** `["city=Town"]` → `{ city: "Town" }`. */
export function readPairs(pairs: readonly string[], flag: string): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1 || at === pair.length - 1)
        throw usageError(`${flag} "${pair}" cannot be used: write it as name=value.`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** For options that may be given several times. */
export function collect(value: string, earlier: string[] = []): string[] {
  return [...earlier, value];
}

export function readChoice<Choice extends string>(
  text: string,
  flag: string,
  choices: readonly Choice[],
): Choice {
  const found = choices.find((choice) => choice === text);
  if (found === undefined)
    throw usageError(`${flag} is "${text}", but must be one of: ${choices.join(', ')}.`);
  return found;
}
