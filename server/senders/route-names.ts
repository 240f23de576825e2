/** What relays, pools, hosts and domains may be called, and how it is said that something cannot be done with them. */
import { domainToASCII } from 'node:url';

/** conflict: in another state it could be done. */
export type RefusalReason = 'refused' | 'not-found' | 'conflict';

/** One sentence that says why a route, a relay or a source cannot be as it was asked for. */
export class RouteRefused extends Error {
  override readonly name = 'RouteRefused';
  readonly reason: RefusalReason;

  constructor(message: string, reason: RefusalReason = 'refused') {
    super(message);
    this.reason = reason;
  }
}

const WEIGHT_MAX = 1_000;

/** A name that can stand in a route. Throws RouteRefused. */
export function checkName(name: string, what: 'relay' | 'pool'): string {
  if (NAME.test(name)) return name;
  throw new RouteRefused(
    `"${name}" cannot be the name of a ${what}: write small letters, digits and hyphens, 40 at most, such as ${what}-1.`,
  );
}

const NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;

/** A whole number from 1. Throws RouteRefused. */
export function readWeight(text: string): number {
  const weight = Number(text);
  if (/^\d+$/.test(text) && weight >= 1 && weight <= WEIGHT_MAX) return weight;
  throw new RouteRefused(
    `The weight "${text}" cannot be used: write a whole number from 1 to ${WEIGHT_MAX}.`,
  );
}

/** A domain or host name with at least one dot, in lower case and ASCII; null: it is none. */
export function readHostName(text: string): string | null {
  const name = domainToASCII(text);
  return HOST_NAME.test(name) ? name : null;
}

const HOST_NAME =
  /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+(?![0-9]+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
