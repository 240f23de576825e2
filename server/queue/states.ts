/**
 * A message's life, as data: the states, and from each the states that may follow. The CHECK constraint of the table
 * and the diagram in ARCHITECTURE.md are tested against this.
 *
 * What a crash means is in the state: `claimed` cannot have been sent and goes back to the queue; `committing` may
 * have been, because only the bytes that end the message were still missing, and becomes `uncertain`.
 */

export const MESSAGE_MOVES = {
  queued: ['claimed', 'cancelled'],
  deferred: ['claimed', 'cancelled'],
  claimed: ['committing', 'queued', 'deferred', 'rejected', 'suppressed', 'cancelled', 'expired'],
  committing: ['accepted', 'queued', 'deferred', 'rejected', 'expired', 'uncertain'],
  uncertain: ['accepted', 'bounced', 'complained', 'queued'],
  accepted: ['bounced', 'complained'],
  rejected: [],
  suppressed: [],
  cancelled: [],
  expired: [],
  bounced: [],
  complained: [],
} as const satisfies Record<string, readonly string[]>;

export type MessageState = keyof typeof MESSAGE_MOVES;

export const MESSAGE_STATES = Object.keys(MESSAGE_MOVES) as MessageState[];

/** A campaign with a message in one of these is not finished. */
export const UNFINISHED_STATES = ['queued', 'deferred', 'claimed', 'committing'] as const;

export function mayMove(from: MessageState, to: MessageState): boolean {
  return (MESSAGE_MOVES[from] as readonly MessageState[]).includes(to);
}
