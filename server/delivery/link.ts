/**
 * One slot's way to whoever takes its messages next: a relay (relay-link.ts), or the MX hosts of one destination after
 * the other (mx-link.ts). It keeps a connection from message to message.
 */
import type { OpenResult } from '../smtp/connection.ts';
import type { DueMessage } from './deliver.ts';
import type { Outcome } from './outcome.ts';

export type LinkOpened =
  | (Extract<OpenResult, { kind: 'open' }> & { host: string | null })
  | (Extract<OpenResult, { kind: 'failed' }> & { host: string | null })
  /** The limits in force leave no room for another connection now. */
  | { kind: 'busy'; afterMs: number };

export interface Link {
  /** Finds where the message goes; an outcome when it does not go this way, or nowhere. Not there: one place for all. */
  route?(message: DueMessage): Promise<Outcome | undefined>;
  /** A connection that can take the routed message now; reuses the open one if it can. */
  connection(): Promise<LinkOpened>;
  /** Waits until the limits in force let one message through; an outcome when that is too long to wait. */
  limit?(): Promise<Outcome | undefined>;
  /** Changes the limits by what became of the last message. */
  learn?(outcome: Outcome): void;
  /** No message for now: the connection may stay for a while. */
  rest(): void;
  quit(): void;
  /** Cuts a transaction off where it stands. */
  close(): void;
}
