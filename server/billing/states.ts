/**
 * A payment's life, as data: from each state the states that may follow. A refund is a payment too, the other way round.
 * The CHECK constraint of the table and the diagram in ARCHITECTURE.md are tested against this. Whoever brings news (the
 * request that began it, a retry of it, the reconcile job, an event of the provider) moves it forward along these arrows or
 * not at all, so news may come twice, late and out of order.
 *
 * What a crash means is in the state: `intended` was never confirmed, so no money has moved; `sent` is written before the
 * request that moves money leaves, so it may have, and the provider is asked before anything else is done.
 */

export const PAYMENT_MOVES = {
  /** Written down; nothing that moves money was sent. */
  intended: ['sent', 'failed'],
  /** About to be confirmed, or confirmed a moment ago. */
  sent: ['succeeded', 'failed', 'pending', 'unknown', 'needs_review'],
  /** It was sent, and what came of it is not known yet. */
  unknown: ['succeeded', 'failed', 'pending', 'needs_review'],
  /** The provider works at it, or waits for its customer. */
  pending: ['succeeded', 'failed', 'needs_review'],
  /** Nobody could find out in time: a person decides. */
  needs_review: ['succeeded', 'failed'],
  succeeded: [],
  failed: [],
} as const satisfies Record<string, readonly string[]>;

export type PaymentState = keyof typeof PAYMENT_MOVES;

export const PAYMENT_STATES = Object.keys(PAYMENT_MOVES) as PaymentState[];

/** States from which a payment may move to `to`: the guard of every UPDATE. */
export function statesBefore(to: PaymentState): PaymentState[] {
  return PAYMENT_STATES.filter((from) => (PAYMENT_MOVES[from] as readonly string[]).includes(to));
}

export function isDecided(state: PaymentState): state is 'succeeded' | 'failed' {
  return state === 'succeeded' || state === 'failed';
}
