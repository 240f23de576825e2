/**
 * Which failure the sandbox answers with, and when.
 *
 * The dice are a hash of the seed and the recipient's address, so that a run can be repeated: the same audience
 * meets the same failures. Temporary ones strike the first attempts for a recipient and then pass. The 421 comes at
 * MAIL, where the recipient is not known yet, so its dice are the number of MAILs so far.
 */
import { createHash } from 'node:crypto';

export const FAILURE_KINDS = [
  'unknownUser',
  'mailboxFull',
  'slowDown',
  'cutBeforeDot',
  'cutAfterDot',
  'slowReply',
] as const;

export type FailureKind = (typeof FAILURE_KINDS)[number];

type RecipientFailure = Exclude<FailureKind, 'slowDown'>;

interface Share {
  kind: RecipientFailure;
  /** Recipients of 100,000 that meet it. */
  per100k: number;
  /** The attempts that it strikes; a later one succeeds. */
  attemptsMax: number;
}

const SHARES: Share[] = [
  { kind: 'unknownUser', per100k: 1_000, attemptsMax: Number.POSITIVE_INFINITY },
  { kind: 'mailboxFull', per100k: 700, attemptsMax: 2 },
  { kind: 'cutBeforeDot', per100k: 400, attemptsMax: 1 },
  { kind: 'slowReply', per100k: 400, attemptsMax: 1 },
  { kind: 'cutAfterDot', per100k: 30, attemptsMax: 1 },
];

const SLOW_DOWN_PER_100K = 500;

export class Dice {
  readonly #seed: number;
  /** Only of recipients that meet a failure: about one of forty. */
  readonly #attempts = new Map<string, number>();
  #mails = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Counts an attempt for this recipient and says what it meets; undefined: nothing. */
  rollRecipient(address: string): RecipientFailure | undefined {
    const recipient = address.toLowerCase();
    const share = shareAt(this.#roll(recipient));
    if (!share) return undefined;
    const attempt = (this.#attempts.get(recipient) ?? 0) + 1;
    this.#attempts.set(recipient, attempt);
    return attempt <= share.attemptsMax ? share.kind : undefined;
  }

  rollMail(): 'slowDown' | undefined {
    this.#mails += 1;
    return this.#roll(`mail ${this.#mails}`) < SLOW_DOWN_PER_100K ? 'slowDown' : undefined;
  }

  /** Between 0 and 1, always the same for the same text. */
  fraction(text: string): number {
    return this.#roll(text) / 100_000;
  }

  #roll(text: string): number {
    const digest = createHash('sha1').update(`${this.#seed} ${text}`).digest();
    return digest.readUInt32BE() % 100_000;
  }
}

function shareAt(roll: number): Share | undefined {
  let end = 0;
  return SHARES.find((share) => {
    end += share.per100k;
    return roll < end;
  });
}
