/**
 * A subscription's life, as data: what each act makes of each status. `absent` is a contact who was never on the list.
 *
 * Only the person's own acts bring somebody back who left: an import is not one, so it moves nobody who is there
 * already. The CHECK constraint of the table is tested against this.
 */

export const SUBSCRIPTION_STATUSES = ['unconfirmed', 'subscribed', 'unsubscribed'] as const;

export type SubscriptionStatus = (typeof SUBSCRIPTION_STATUSES)[number];

/** Undefined: the act means nothing in this status and changes nothing. */
type Moves = { readonly [from in SubscriptionStatus | 'absent']?: SubscriptionStatus };

export const SUBSCRIPTION_ACTS = {
  /** The person asked for it, and the address is known to be theirs. */
  subscribe: {
    absent: 'subscribed',
    unconfirmed: 'subscribed',
    unsubscribed: 'subscribed',
  },
  /** Somebody else put them there: an import, a colleague, a program. Nobody who is there already is moved. */
  add: {
    absent: 'subscribed',
  },
  /** The person typed an address into a form: a link in a mail must confirm it. */
  request: {
    absent: 'unconfirmed',
    unsubscribed: 'unconfirmed',
  },
  /** The link in that mail was followed. */
  confirm: {
    unconfirmed: 'subscribed',
  },
  /** Somebody who was never on the list is noted too: a later import must not add them. */
  unsubscribe: {
    absent: 'unsubscribed',
    unconfirmed: 'unsubscribed',
    subscribed: 'unsubscribed',
  },
} as const satisfies Record<string, Moves>;

export type SubscriptionAct = keyof typeof SUBSCRIPTION_ACTS;

export function statusAfter(
  act: SubscriptionAct,
  from: SubscriptionStatus | 'absent',
): SubscriptionStatus | undefined {
  const moves: Moves = SUBSCRIPTION_ACTS[act];
  return moves[from];
}
