/**
 * Tokens: what is shown once and kept as its SHA-256. One round is enough, because what is hashed is chance: 192 bits and
 * more for keys and links, 80 for a recovery code that a person types.
 */
import { createHash, randomBytes } from 'node:crypto';

const TOKEN_BYTES = 32;

/** Of cookies and links: 256 bits, in the letters that both may carry. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** The greatest multiple of 62 in a byte: a byte beyond it would favour the first letters. */
const BASE62_BYTE_MAX = 248;

export function randomBase62(length: number): string {
  let text = '';
  while (text.length < length)
    for (const byte of randomBytes(length))
      if (byte < BASE62_BYTE_MAX && text.length < length) text += BASE62[byte % BASE62.length];
  return text;
}

/** RFC 4648 section 6, in lower case: no letter looks like a digit of it. */
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

export function randomBase32(length: number): string {
  return Array.from(randomBytes(length), (byte) => BASE32[byte % BASE32.length]).join('');
}
