/**
 * What a provider has in store for a recipient. The dice are the seed and the recipient, so the same audience meets the same
 * answers in every run, in whatever order and over however many connections it comes.
 */
import { seededRandom } from '../support/random.ts';
import { type Cut, FATES, type Fate, type Manner } from './spec.ts';

export class Mailboxes {
  readonly #seed: number;
  readonly #greylistMs: number;
  /** Attempts, only for what passes after some. */
  readonly #attempts = new Map<string, number>();
  /** When a source, sender and recipient were first seen together, in ms. */
  readonly #firstSeen = new Map<string, number>();

  constructor(seed: number, greylistMs: number) {
    this.#seed = seed;
    this.#greylistMs = greylistMs;
  }

  /** Counts an attempt and says what it meets; null: nothing. */
  meet(recipient: string, shares: Manner['shares']): Fate | null {
    const fate = prefixed(recipient) ?? this.#drawn(recipient, shares);
    if (!fate) return null;
    return this.#attempt(`${fate} ${recipient}`) <= FATES[fate].attemptsMax ? fate : null;
  }

  /** Whether this is where `subject`'s first attempt is cut. */
  isCut(cut: Cut, subject: string, cuts: Manner['cuts']): boolean {
    const share = cuts[cut] ?? 0;
    if (share === 0 || this.fraction(`cut ${cut} ${subject}`) >= share) return false;
    return this.#attempt(`${cut} ${subject}`) === 1;
  }

  /** How long until the triple passes; 0: now. */
  greylistedForMs(source: string, sender: string, recipient: string, nowMs: number): number {
    if (this.#greylistMs === 0) return 0;
    const triple = `${source} ${sender} ${recipient}`;
    const firstMs = this.#firstSeen.get(triple);
    if (firstMs === undefined) this.#firstSeen.set(triple, nowMs);
    return Math.max(0, (firstMs ?? nowMs) + this.#greylistMs - nowMs);
  }

  /** Between 0 and 1, always the same for the same text. */
  fraction(text: string): number {
    return seededRandom(this.#seed ^ hash(text))();
  }

  #drawn(recipient: string, shares: Manner['shares']): Fate | undefined {
    const drawn = this.fraction(recipient);
    let end = 0;
    return fatesOf(shares).find(([, share]) => {
      end += share;
      return drawn < end;
    })?.[0];
  }

  #attempt(what: string): number {
    const attempt = (this.#attempts.get(what) ?? 0) + 1;
    this.#attempts.set(what, attempt);
    return attempt;
  }
}

function prefixed(recipient: string): Fate | undefined {
  return allFates.find((fate) => recipient.startsWith(FATES[fate].prefix));
}

const allFates: readonly Fate[] = ['unknownUser', 'inactive', 'mailboxFull', 'overRate'];

function fatesOf(shares: Manner['shares']): [Fate, number][] {
  return allFates.map((fate) => [fate, shares[fate] ?? 0]);
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value;
}
