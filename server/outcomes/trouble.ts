/**
 * What a reply says of the address itself, and how much of it suppresses the address. Only a recipient's own fault counts;
 * what is not certain must repeat itself, in another campaign and some days later, with no acceptance in between.
 */
import type { Classification } from '../smtp/classification.ts';

/** `dead`: it is not there. `dead-domain`: its domain takes no mail. `ambiguous`, `soft`: perhaps. */
export type Trouble = 'dead' | 'dead-domain' | 'ambiguous' | 'soft';

/** Suppressed when `campaigns` campaigns met it, the first at least `days` before the last. */
export const SUPPRESS_AFTER: Readonly<Record<Trouble, { campaigns: number; days: number }>> = {
  dead: { campaigns: 1, days: 0 },
  'dead-domain': { campaigns: 2, days: 1 },
  ambiguous: { campaigns: 2, days: 3 },
  soft: { campaigns: 5, days: 14 },
};

/** What happened longer ago says nothing of the address any more. */
export const TROUBLE_DAYS_MAX = 180;

export function troubleOf({ class: kind, fault, action }: Classification): Trouble | null {
  if (fault !== 'recipient') return null;
  if (action.kind === 'suppress') return 'dead';
  if (kind === 'hard') return 'dead-domain';
  return kind === 'ambiguous' || kind === 'soft' ? kind : null;
}
