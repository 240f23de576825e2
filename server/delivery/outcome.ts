/**
 * What became of one attempt at one message: a value. A delivery returns it; only the queue writes it down.
 */

export type Outcome =
  /** The relay said 2xx to the final dot: it owns the message now. */
  | { kind: 'accepted'; detail: string; rule: string }
  /** The message's own temporary failure: it waits and spends a try. */
  | { kind: 'deferred'; detail: string; rule: string }
  /** Never: `suppress` when the address itself is at fault. */
  | { kind: 'rejected'; detail: string; rule: string; suppress: boolean }
  /** The dot left and no answer came: the relay may own the message, or not. Never sent again by itself. */
  | { kind: 'uncertain'; detail: string; rule: string }
  /** Not to be sent: the recipient left, or the address is on the suppression list. */
  | { kind: 'suppressed'; detail: string; rule: string }
  /** Older than the campaign's give-up age. */
  | { kind: 'expired'; detail: string; rule: string }
  /** Nothing happened that is the message's own: back to the queue without spending a try. */
  | { kind: 'released'; afterMs: number; trouble: RouteTrouble | null }
  /** No message of this campaign can go this way (its sender is refused): back to the queue, and the campaign waits. */
  | { kind: 'held'; detail: string };

export interface RouteTrouble {
  detail: string;
  /** The route takes nothing at all (no connection, no login): stop at once. Else it counts towards stopping. */
  certain: boolean;
}
