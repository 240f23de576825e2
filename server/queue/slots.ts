/**
 * Slots: how many messages are sent one way at a time, and which are next.
 *
 * A slot sends one message after the other over one link. A slot that waits long for an answer is parked: another takes
 * its place in the schedule, if the way has room for one more, and it goes on waiting, for the answer to the final dot up
 * to 600 s (RFC 5321 4.5.3.2.6). How many may be at work can change at any time: a slot too many ends after its message.
 */
import type { DueMessage } from '../delivery/deliver.ts';
import { domainOf } from '../delivery/destination.ts';
import type { Link } from '../delivery/link.ts';

/** How far a slot looks ahead for a message to the domain that it has a connection to. */
const LOOK_AHEAD_MAX = 100;

export interface Slot {
  readonly link: Link;
  message: DueMessage | null;
  /** Of the message before. */
  domain: string | null;
  /** Monotonic; null while it has no message. */
  busySince: number | null;
  /** The mark was made, so the dot may have left. */
  dotSent: boolean;
  parked: boolean;
}

export interface SlotsOptions {
  /** How many may be at work now, and how many there may be with those that are parked. */
  connections(): number;
  slotsMax(): number;
  /** Asked before each that is opened. */
  mayOpen?(): boolean;
  /** A link serves one domain better than several. */
  byDomain: boolean;
  /** So few messages ready make it hungry. */
  lowWater(): number;
  openLink(): Link;
  /** Sends one message and has its outcome written; never fails. */
  send(slot: Slot, message: DueMessage): Promise<void>;
  /** Half of what was ready is gone. */
  onHungry(): void;
}

export class Slots {
  readonly #options: SlotsOptions;
  readonly #slots = new Set<Slot>();
  readonly #running = new Set<Promise<void>>();
  #ready: DueMessage[] = [];
  #waiting: ((message: DueMessage | undefined) => void)[] = [];
  #closed = false;

  constructor(options: SlotsOptions) {
    this.#options = options;
  }

  /** Messages that wait here for a slot. */
  get ready(): readonly DueMessage[] {
    return this.#ready;
  }

  get size(): number {
    return this.#slots.size;
  }

  get underWay(): DueMessage[] {
    return [...this.#slots].flatMap((slot) => slot.message ?? []);
  }

  /** Under way in a slot that is not parked. */
  get scheduled(): DueMessage[] {
    return [...this.#slots].flatMap((slot) => (slot.parked ? [] : (slot.message ?? [])));
  }

  /** `first`: before all that waits here. */
  give(messages: DueMessage[], first = false): void {
    if (first) this.#ready.unshift(...messages);
    else this.#ready.push(...messages);
    this.#feed();
  }

  /** Takes messages back that wait for a slot. */
  takeBack(which: (message: DueMessage) => boolean): DueMessage[] {
    const back = this.#ready.filter(which);
    this.#ready = this.#ready.filter((message) => !which(message));
    return back;
  }

  /** Parks the slots that have waited since before then; true when there were any. */
  park(before: number): boolean {
    const late = [...this.#slots].filter(
      (slot) => !slot.parked && slot.busySince !== null && slot.busySince < before,
    );
    for (const slot of late) slot.parked = true;
    this.#feed();
    return late.length > 0;
  }

  /** Cuts off what has not sent the dot: nothing was sent, and another connection can do it. */
  cutBeforeDot(which: 'parked' | 'all'): void {
    for (const slot of this.#slots)
      if (slot.busySince !== null && !slot.dotSent && (slot.parked || which === 'all')) slot.link.close();
  }

  /** More may be at work than before. */
  grow(): void {
    this.#feed();
  }

  /** Starts nothing more; resolves when what is under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const next of this.#waiting.splice(0)) next(undefined);
    await Promise.all(this.#running);
  }

  /** Hands ready messages to slots that wait, and opens slots while there is work for them. */
  #feed(): void {
    while (this.#ready.length > 0 && this.#waiting.length > 0) this.#waiting.shift()?.(this.#ready.shift());
    const room = Math.min(
      this.#options.connections() - this.#scheduledCount(),
      this.#options.slotsMax() - this.#slots.size,
    );
    const wanted = this.#closed ? 0 : Math.min(room, this.#ready.length);
    for (let opened = 0; opened < wanted && this.#options.mayOpen?.() !== false; opened += 1) this.#open();
  }

  #open(): void {
    const slot: Slot = {
      link: this.#options.openLink(),
      message: null,
      domain: null,
      busySince: null,
      dotSent: false,
      parked: false,
    };
    this.#slots.add(slot);
    const run = this.#run(slot).finally(() => {
      slot.link.quit();
      this.#slots.delete(slot);
      this.#running.delete(run);
    });
    this.#running.add(run);
  }

  #scheduledCount(): number {
    let count = 0;
    for (const slot of this.#slots) if (!slot.parked) count += 1;
    return count;
  }

  async #run(slot: Slot): Promise<void> {
    while (!slot.parked && this.#scheduledCount() <= this.#options.connections()) {
      const message = await this.#next(slot);
      if (!message) return;
      slot.message = message;
      slot.busySince = performance.now();
      slot.dotSent = false;
      await this.#options.send(slot, message);
      slot.domain = domainOf(message.email);
      slot.message = null;
      slot.busySince = null;
    }
  }

  #next(slot: Slot): DueMessage | undefined | Promise<DueMessage | undefined> {
    if (this.#closed) return undefined;
    const message = this.#takeFor(slot);
    if (this.#ready.length === this.#options.lowWater()) this.#options.onHungry();
    if (message) return message;
    slot.link.rest();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The first that is ready, but rather one to the domain that the slot served last. */
  #takeFor(slot: Slot): DueMessage | undefined {
    if (!this.#options.byDomain || slot.domain === null) return this.#ready.shift();
    const ahead = this.#ready.slice(0, LOOK_AHEAD_MAX);
    const index = ahead.findIndex(({ email }) => domainOf(email) === slot.domain);
    return this.#ready.splice(Math.max(index, 0), 1)[0];
  }
}
