/** Identifiers: UUIDv7, so that keys made later sort later and a month of campaigns is one range of ids. */
import { createHash, randomUUIDv7 } from 'node:crypto';

export function newId(): string {
  return randomUUIDv7();
}

/** The same id for the same intent: UUIDv8 of a hash (RFC 9562 section 5.8), for what must be made once and has no key of its own. */
export function idOf(...intent: string[]): string {
  const hex = createHash('sha256').update(JSON.stringify(intent)).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The default workspace of a self-hosted installation: the first, and for most the only one. */
export const DEFAULT_WORKSPACE_ID = '00000000-0000-7000-8000-000000000001';
