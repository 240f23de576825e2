/** What a server offers in its answer to EHLO (RFC 5321 4.1.1.1), as far as we use it. */
import type { Reply } from './reply.ts';

export interface Offers {
  /** RFC 2920. */
  readonly pipelining: boolean;
  /** RFC 6152. */
  readonly eightBitMime: boolean;
  /** RFC 1870: whether SIZE= may be declared, and the largest message in bytes (Infinity: not said). */
  readonly size: boolean;
  readonly messageBytesMax: number;
  /** RFC 3207. */
  readonly starttls: boolean;
  /** RFC 4954: mechanisms in capitals. */
  readonly auth: readonly string[];
}

/** What a server has that knows only HELO. */
export const noOffers: Offers = {
  pipelining: false,
  eightBitMime: false,
  size: false,
  messageBytesMax: Number.POSITIVE_INFINITY,
  starttls: false,
  auth: [],
};

export function offersOf(ehlo: Reply): Offers {
  const keywords = new Map<string, string[]>();
  // The first line is the server's name and greeting. "AUTH=LOGIN" is how servers older than RFC 2554 say it.
  for (const line of ehlo.text.toUpperCase().split('\n').slice(1)) {
    const [keyword = '', ...parameters] = line.trim().split(/[ =]+/);
    keywords.set(keyword, [...(keywords.get(keyword) ?? []), ...parameters]);
  }
  return {
    pipelining: keywords.has('PIPELINING'),
    eightBitMime: keywords.has('8BITMIME'),
    size: keywords.has('SIZE'),
    messageBytesMax: Number(keywords.get('SIZE')?.[0]) || Number.POSITIVE_INFINITY,
    starttls: keywords.has('STARTTLS'),
    auth: keywords.get('AUTH') ?? [],
  };
}
