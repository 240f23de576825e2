/** Identifiers: UUIDv7, so that keys made later sort later and a month of campaigns is one range of ids. */
import { randomUUIDv7 } from 'node:crypto';

export function newId(): string {
  return randomUUIDv7();
}

/** The default workspace of a self-hosted installation: the first, and for most the only one. */
export const DEFAULT_WORKSPACE_ID = '00000000-0000-7000-8000-000000000001';
