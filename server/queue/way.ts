/**
 * A way out, as one worker uses it: a relay (relay-way.ts), or a source to a destination (mx-way.ts). It has slots of its
 * own, so that a way that is slow or shut holds up no other.
 */
import type { DueMessage } from '../delivery/deliver.ts';
import type { Outcome } from '../delivery/outcome.ts';
import type { Slot, Slots } from './slots.ts';

const READY_PER_CONNECTION = 5;
const READY_MIN = 50;

export interface Way {
  readonly slots: Slots;
  /** Nothing may go this way now. */
  readonly shut: boolean;
  /** In trouble: what goes this way is a probe. */
  readonly troubled: boolean;
  /** How many messages more it can take now. */
  free(): number;
  /** Why messages that may wait for so long are not to be waited with any longer; null: they are. */
  lostFor(giveUpMs: number): Extract<Outcome, { kind: 'expired' }> | null;
  /** A message of its slots has ended. */
  learn(slot: Slot, outcome: Outcome): void;
  /** Looks after what waits, a few times a second. */
  tend(): void;
  /** Some of its slots have waited for an answer since before then. */
  parked(before: number): void;
}

/** What a way needs of the pump. */
export interface WayContext {
  /** Connections that this way may have: the worker's, shared by the ways that are in use. */
  share(): number;
  /** Whether the worker has room for one more of its kind; not asked: it has. */
  mayOpen?(): boolean;
  send(way: Way, slot: Slot, message: DueMessage): Promise<void>;
  giveBack(messages: DueMessage[]): void;
  onHungry(): void;
}

/** How many messages may wait ready for so many connections. */
export function readyMax(connections: number): number {
  return Math.max(READY_MIN, connections * READY_PER_CONNECTION);
}

/** Claims are for batches: nothing until half of what may be ready has gone. */
export function roomFor(slots: Slots, connections: number): number {
  const room = readyMax(connections) - slots.ready.length;
  return room < readyMax(connections) / 2 ? 0 : room;
}

export function isIdle({ ready, underWay }: Slots): boolean {
  return ready.length === 0 && underWay.length === 0;
}
