/**
 * Passwords: Argon2id, off the event loop, with parameters that may grow.
 *
 * What is kept is a PHC string, `$argon2id$v=19$m=…,t=…,p=…$SALT$HASH`: it verifies with the parameters that it was made
 * with, and a sign-in replaces it when ours have grown. A password that belongs to nobody is verified as well, so that the
 * time tells nothing about who is there. A hash takes 46 MiB and a thread, so only a few are computed at a time: who
 * floods the sign-in makes it slow, and takes nobody's memory.
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { isCommon } from './common-passwords.ts';

/** NIST SP 800-63B rev. 4: 15 for a password that stands alone; we ask for no less than 12 and recommend 15. */
export const PASSWORD_LENGTH_MIN = 12;
const PASSWORD_LENGTH_RECOMMENDED = 15;
const PASSWORD_LENGTH_MAX = 256;

interface Parameters {
  memoryKib: number;
  passes: number;
  parallelism: number;
}

/** Of what OWASP gives as equally strong, the one with the most memory. */
const PARAMETERS: Parameters = { memoryKib: 47_104, passes: 1, parallelism: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const AT_ONCE_MAX = 2;
const WAITING_MAX = 50;

/** So many sign-ins wait already that this one would wait too long: try again in a second. */
export class SignInBusy extends Error {
  override readonly name = 'SignInBusy';
}

/** Why a new password cannot be taken, as a sentence; null when it can. */
export function passwordFault(password: string, email: string): string | null {
  const { length } = [...normalise(password)];
  if (length < PASSWORD_LENGTH_MIN)
    return `The password has ${length} characters: ${PASSWORD_LENGTH_MIN} are needed, and ${PASSWORD_LENGTH_RECOMMENDED} are better.`;
  if (length > PASSWORD_LENGTH_MAX) return `The password is longer than ${PASSWORD_LENGTH_MAX} characters.`;
  if (isCommon(password)) return 'The password is one of those that are tried first: take another one.';
  if (isMostly(password.toLowerCase(), email))
    return 'The password is little more than the e-mail address: take another one.';
  return null;
}

const OWN_LENGTH_MIN = 8;

function isMostly(password: string, email: string): boolean {
  const [name = '', domain = ''] = email.split('@');
  const [site = ''] = domain.split('.');
  const rest = [email, name, site]
    .filter((part) => part.length > 2)
    .reduce((left, part) => left.replaceAll(part, ''), password);
  return rest !== password && rest.length < OWN_LENGTH_MIN;
}

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password, salt, PARAMETERS);
  const { memoryKib, passes, parallelism } = PARAMETERS;
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${parallelism}$${base64(salt)}$${base64(hash)}`;
}

export interface Verified {
  ok: boolean;
  /** It was made with parameters that are not ours any more. */
  isOutdated: boolean;
}

/** `stored` is null for somebody who is not there, or has no password: the work is the same, the answer no. */
export async function verifyPassword(password: string, stored: string | null): Promise<Verified> {
  const kept = stored === null ? nobodys() : parse(stored);
  const hash = await derive(password, kept.salt, kept.parameters);
  const ok = timingSafeEqual(hash, kept.hash) && stored !== null;
  return { ok, isOutdated: JSON.stringify(kept.parameters) !== JSON.stringify(PARAMETERS) };
}

interface Kept {
  parameters: Parameters;
  salt: Buffer;
  hash: Buffer;
}

function nobodys(): Kept {
  return { parameters: PARAMETERS, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) };
}

function parse(stored: string): Kept {
  const [, m, t, p, salt = '', hash = ''] =
    /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/.exec(stored) ?? [];
  if (hash === '') throw new Error('a stored password is not in the format that we write');
  return {
    parameters: { memoryKib: Number(m), passes: Number(t), parallelism: Number(p) },
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
}

/** The PHC format leaves the padding out. */
function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}

/** Two keyboards write one letter in different ways: they are the same password. */
function normalise(password: string): string {
  return password.normalize('NFKC');
}

let running = 0;
const waiting: (() => void)[] = [];

async function derive(password: string, salt: Buffer, parameters: Parameters): Promise<Buffer> {
  if (running >= AT_ONCE_MAX) {
    if (waiting.length >= WAITING_MAX) throw new SignInBusy('Many people sign in right now: try again.');
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else running += 1;
  try {
    return await argon2id(password, salt, parameters);
  } finally {
    // Whoever waits longest takes our place.
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
}

function argon2id(password: string, salt: Buffer, parameters: Parameters): Promise<Buffer> {
  const { memoryKib: memory, passes, parallelism } = parameters;
  const message = normalise(password);
  return new Promise((resolve, reject) => {
    argon2(
      'argon2id',
      { message, nonce: salt, parallelism, tagLength: HASH_BYTES, memory, passes },
      (error, hash) => (error ? reject(error) : resolve(hash)),
    );
  });
}
