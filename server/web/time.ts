/** How a time in a body or a query becomes an instant. */
import { invalid } from './problem.ts';

/**
 * RFC 3339 has times that no clock of ours has: leap seconds, the year 0, and an offset that leads out of the year 9999.
 * `where`: JSON pointer of the field. Throws a Problem that names it.
 */
export function readTime(text: string, where: string): Date {
  const time = new Date(text);
  const year = time.getUTCFullYear();
  if (year >= 1 && year <= 9999) return time;
  throw invalid(where, 'must be a time in UTC from the year 1 to 9999, without a leap second');
}
