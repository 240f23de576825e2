/**
 * What a row of the reply table is made of: when it matches, and its verdict. Rows are data; replies.ts reads them, in
 * the order session and providers (replies-rules-providers.ts), words (replies-rules-text.ts), codes
 * (replies-rules-code.ts).
 *
 * When adding a row: testdata/replies.txt wants a reply that reaches it and a near miss that does not.
 */
import type { Action, Classification, Phase, Shaping } from './classification.ts';

export interface Verdict {
  readonly class: Classification['class'];
  readonly fault: Classification['fault'];
  /** Without it the first digit decides: 4 retry, 5 reject. */
  readonly action?: Action;
  /** Without it the first digit decides: 4 temporary, 5 permanent. */
  readonly duration?: Classification['duration'];
}

/** All conditions that are given must hold. */
export interface Rule extends Verdict {
  readonly rule: string;
  readonly source: string;
  /** The other side: a relay that knows us, or an MX host that does not. */
  readonly via?: 'relay' | 'mx';
  /** Suffixes of the MX hosts that speak so. */
  readonly mx?: readonly string[];
  /** With `mx`: said by nobody else, so that it also counts when a relay passes it on. */
  readonly unmistakable?: true;
  readonly phases?: readonly Phase[];
  readonly code?: RegExp;
  /** Sees '' when the reply has none. */
  readonly enhanced?: RegExp;
  readonly text?: RegExp;
}

const HOUR_MS = 3_600_000;

export const sessionPhases: readonly Phase[] = ['connect', 'greeting', 'ehlo', 'starttls', 'auth', 'rset'];
export const messagePhases: readonly Phase[] = ['mail', 'rcpt', 'data', 'dot'];
/** Where the server has heard who the recipient is. */
export const recipientPhases: readonly Phase[] = ['rcpt', 'data', 'dot'];

/** Not about policy (x.7.x): blocked senders are often told that the mailbox is unavailable. */
export const notPolicy = /^(?!.\.7\.)/;

/** Wants a 5xx: a temporary refusal never suppresses. */
export const hard = { class: 'hard', fault: 'recipient', action: { kind: 'suppress' } } as const;
export const deadDomain = { ...hard, action: { kind: 'suppress-on-repeat' } } as const;
export const ambiguous = { ...deadDomain, class: 'ambiguous' } as const;
export const softRecipient = {
  class: 'soft',
  fault: 'recipient',
  duration: 'temporary',
  action: { kind: 'retry' },
} as const;
/** A mailbox that is full says so with a 5xx: not this message, and it counts as soft. */
export const softRefusal = { class: 'soft', fault: 'recipient', duration: 'temporary' } as const;
export const softDestination = { ...softRecipient, fault: 'destination' } as const;
export const greylisted = { ...softDestination, class: 'greylist' } as const;
export const unwanted = { class: 'policy', fault: 'content' } as const;
export const identity = { class: 'auth', fault: 'sender', action: { kind: 'hold-campaign' } } as const;
export const ours = { class: 'ours', fault: 'us', duration: 'temporary', action: { kind: 'retry' } } as const;
/** The relay takes nothing from us. */
export const estranged = { class: 'ours', fault: 'transport', action: { kind: 'pause-route' } } as const;
export const unclassified = { class: 'unclassified', fault: 'none' } as const;

export function blocked(hours: number): Verdict {
  return { class: 'block', fault: 'source', action: { kind: 'suspend', forMs: hours * HOUR_MS } };
}

/** `fault`: 'destination' when it is busy, 'source' when it holds our name against us. */
export function throttled(
  kind: Exclude<Shaping['kind'], 'suspend'>,
  fault: 'destination' | 'source' = 'destination',
): Verdict {
  const action = kind === 'one-connection' ? { kind, forMs: HOUR_MS } : { kind };
  return { class: 'throttle', fault, duration: 'temporary', action };
}
