/**
 * What became of one attempt at one message: a value. A delivery returns it; only the queue writes it down.
 */
import type { MetAt } from '../outcomes/record.ts';
import type { Trouble } from '../outcomes/trouble.ts';
import type { Shaping } from '../smtp/classification.ts';

export type Outcome =
  /** The server said 2xx to the final dot: it owns the message now. */
  | ({ kind: 'accepted' } & Judged)
  /**
   * The message's own temporary failure: it waits and spends a try. `waitMs`: as long as the reply said. `unreachable`: none
   * of its mail hosts let us in.
   */
  | ({ kind: 'deferred'; waitMs: number | null; unreachable: boolean } & Judged)
  /** Never. */
  | ({ kind: 'rejected' } & Judged)
  /** The dot left and no answer came: the server may own the message, or not. Never sent again by itself. */
  | ({ kind: 'uncertain' } & Judged)
  /** Not to be sent: the recipient left, or the address is on the suppression list. */
  | { kind: 'suppressed'; detail: string; rule: string }
  /** Older than the campaign's give-up age. */
  | { kind: 'expired'; detail: string; rule: string }
  /** Nothing happened that is the message's own: back to the queue without spending a try. */
  | { kind: 'released'; afterMs: number; trouble: RouteTrouble | null; shaping?: ShapingReply }
  /** Its domain's mail goes elsewhere now: into the line of that destination. */
  | { kind: 'moved'; destination: string }
  /** No message of this campaign can go this way (its sender is refused): back to the queue, and the campaign waits. */
  | { kind: 'held'; detail: string };

/** What was said or done, and what is made of it: kept with the event, so that a wrong rule can be found and run again. */
export interface Judged {
  /** The raw reply, or the error. */
  detail: string;
  rule: string;
  /** Where a refusal was met; null: it is none. */
  metAt: MetAt | null;
  /** What it says of the address. */
  trouble: Trouble | null;
}

export interface RouteTrouble {
  detail: string;
  /** The route takes nothing at all (no connection, no login): stop at once. Else it counts towards stopping. */
  certain: boolean;
}

/** A reply that is about the limits of a destination. */
export interface ShapingReply {
  action: Shaping;
  reply: string;
  rule: string;
}
