/**
 * The brake on guessing, which stops whoever guesses and only slows the one whose account it is.
 *
 * Tries are counted before they are judged, so a thousand at once count as a thousand; a success is taken back.
 * By network address there is an end: so many in a quarter of an hour. By account there is none, only a delay that grows
 * to a few seconds, because an end would let anybody lock anybody out. A second factor has an end too: who tries codes
 * already has the password. An account that is not there is counted like one that is.
 */
import { isIPv6 } from 'node:net';
import type { Database } from '../kernel/database.ts';
import * as queries from './queries-throttle.ts';
import { hashToken } from './tokens.ts';

const WINDOW_SECONDS = 15 * 60;
const TRIES_OF_ADDRESS_MAX = 30;
const CODES_MAX = 10;
const RESETS_MAX = 3;
const TRIES_WITHOUT_DELAY = 5;
const DELAY_MS_FIRST = 250;
const DELAY_MS_MAX = 4_000;
const SWEPT_ROWS = 10;

export type Admission =
  | { kind: 'admitted'; delayMs: number }
  | { kind: 'too-many'; retryAfterSeconds: number };

/** May this try be made, and after what delay? `address`: where it comes from, when that is known. */
export async function admit(
  database: Database,
  email: string,
  address: string | undefined,
): Promise<Admission> {
  // One row a transaction: two sign-ins never wait for one another's two rows.
  const ofAddress = address === undefined ? undefined : await count(database, addressKey(address));
  if (ofAddress && ofAddress.tries > TRIES_OF_ADDRESS_MAX)
    return { kind: 'too-many', retryAfterSeconds: ofAddress.secondsLeft };
  const { tries } = await count(database, accountKey(email));
  const doublings = tries - TRIES_WITHOUT_DELAY - 1;
  const delayMs = doublings < 0 ? 0 : Math.min(DELAY_MS_MAX, DELAY_MS_FIRST * 2 ** doublings);
  return { kind: 'admitted', delayMs };
}

async function count(database: Database, key: string): Promise<queries.Tries> {
  // Apart: who deletes rows of others and waits for one of its own may wait in a circle.
  await database.withSystem((tx) => queries.deleteEndedTries(tx, SWEPT_ROWS));
  return database.withSystem((tx) => queries.countTry(tx, key, WINDOW_SECONDS));
}

/** After a success: the account has a clean slate, the address one try back. */
export async function forgive(database: Database, email: string, address: string | undefined): Promise<void> {
  await database.withSystem((tx) => queries.forgetTries(tx, accountKey(email)));
  if (address !== undefined) await database.withSystem((tx) => queries.uncountTry(tx, addressKey(address)));
}

/** May this code of a second factor be tried? */
export async function admitCode(database: Database, personId: string): Promise<Admission> {
  const { tries, secondsLeft } = await count(database, codeKey(personId));
  if (tries > CODES_MAX) return { kind: 'too-many', retryAfterSeconds: secondsLeft };
  return { kind: 'admitted', delayMs: 0 };
}

/** May a link for a new password be mailed? `enough`: a few are on their way already; who asks is not told. */
export async function admitReset(
  database: Database,
  email: string,
  address: string | undefined,
): Promise<Admission | { kind: 'enough' }> {
  const ofAddress = address === undefined ? undefined : await count(database, addressKey(address));
  if (ofAddress && ofAddress.tries > TRIES_OF_ADDRESS_MAX)
    return { kind: 'too-many', retryAfterSeconds: ofAddress.secondsLeft };
  const { tries } = await count(database, `reset ${hashToken(email).toString('hex')}`);
  return tries > RESETS_MAX ? { kind: 'enough' } : { kind: 'admitted', delayMs: 0 };
}

export async function forgiveCodes(database: Database, personId: string): Promise<void> {
  await database.withSystem((tx) => queries.forgetTries(tx, codeKey(personId)));
}

function accountKey(email: string): string {
  return `account ${hashToken(email).toString('hex')}`;
}

/** One line of a provider's customers has 2^64 addresses of IPv6. */
function addressKey(address: string): string {
  return `address ${isIPv6(address) ? prefix64(address) : address}`;
}

function prefix64(address: string): string {
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
  if (mapped !== undefined) return mapped;
  const [head = '', tail = ''] = address.toLowerCase().split('::');
  const [front, back] = [head, tail].map((part) => part.split(':').filter(Boolean)) as [string[], string[]];
  const zeros = Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0');
  return [...front, ...zeros, ...back]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}

function codeKey(personId: string): string {
  return `code ${personId}`;
}
