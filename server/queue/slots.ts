/**
 * Slots: how many messages are sent at a time, and which are next.
 *
 * A slot sends one message after the other over one connection. A slot that waits long for the relay's answer is
 * parked: another takes its place in the schedule, and it goes on waiting, for the answer to the final dot up to
 * 600 s (RFC 5321 4.5.3.2.6). There are never more than twice as many slots as connections were asked for.
 */
import type { DueMessage } from '../delivery/deliver.ts';
import type { RelayLink } from '../delivery/relay-link.ts';

export interface Slot {
  readonly link: RelayLink;
  message: DueMessage | null;
  /** Monotonic; null while it has no message. */
  busySince: number | null;
  /** The mark was made, so the dot may have left. */
  dotSent: boolean;
  parked: boolean;
}

export interface SlotsOptions {
  connections: number;
  /** So few messages ready make it hungry. */
  lowWater: number;
  openLink(): RelayLink;
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

  get underWay(): DueMessage[] {
    return [...this.#slots].flatMap((slot) => slot.message ?? []);
  }

  /** Under way in a slot that is not parked. */
  get scheduled(): DueMessage[] {
    return [...this.#slots].flatMap((slot) => (slot.parked ? [] : (slot.message ?? [])));
  }

  give(messages: DueMessage[]): void {
    this.#ready.push(...messages);
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

  /** Starts nothing more; resolves when what is under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const next of this.#waiting.splice(0)) next(undefined);
    await Promise.all(this.#running);
  }

  /** Hands ready messages to slots that wait, and opens slots while there is work for them. */
  #feed(): void {
    while (this.#ready.length > 0 && this.#waiting.length > 0) this.#waiting.shift()?.(this.#ready.shift());
    const { connections } = this.#options;
    const scheduled = [...this.#slots].filter((slot) => !slot.parked).length;
    const wanted = Math.min(connections - scheduled, 2 * connections - this.#slots.size, this.#ready.length);
    for (let opened = 0; opened < wanted; opened += 1) this.#open();
  }

  #open(): void {
    const slot: Slot = {
      link: this.#options.openLink(),
      message: null,
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

  async #run(slot: Slot): Promise<void> {
    while (!slot.parked) {
      const message = await this.#next(slot);
      if (!message) return;
      slot.message = message;
      slot.busySince = performance.now();
      slot.dotSent = false;
      await this.#options.send(slot, message);
      slot.message = null;
      slot.busySince = null;
    }
  }

  #next(slot: Slot): DueMessage | undefined | Promise<DueMessage | undefined> {
    if (this.#closed) return undefined;
    const message = this.#ready.shift();
    if (this.#ready.length === this.#options.lowWater) this.#options.onHungry();
    if (message) return message;
    slot.link.rest();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
