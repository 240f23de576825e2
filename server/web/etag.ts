/** ETags: which version of a thing a client has seen, so that nobody overwrites what they have not read (RFC 9110 section 13). */
import type { IncomingHttpHeaders } from 'node:http';
import { Problem } from './problem.ts';

/** `version`: what changes with every change, such as a counter or the time of the last change. */
export function etagOf(version: string | number): string {
  return `"${version}"`;
}

/**
 * Throws a Problem unless If-Match names the current version, or is `*`. To be asked in the transaction of the change, with
 * the row locked.
 */
export function requireMatch({ 'if-match': header }: IncomingHttpHeaders, current: string): void {
  if (header === undefined) throw new Problem('precondition-required');
  const named = header.split(',').map((tag) => tag.trim());
  if (!named.includes('*') && !named.includes(current)) throw new Problem('precondition-failed');
}
