/**
 * The way from one source to one destination: straight to its MX hosts, inside the limits that all workers share
 * (delivery/quota.ts). A destination that slows us down, blocks the source or does not answer shuts this way alone.
 */
import type { Target } from '../delivery/limits.ts';
import { MxLink, type MxLinkOptions, unreachableTooLong } from '../delivery/mx-link.ts';
import type { Outcome } from '../delivery/outcome.ts';
import type { Held } from '../senders/sources.ts';
import { type Slot, Slots } from './slots.ts';
import { readyMax, roomFor, type Way, type WayContext } from './way.ts';

/** A provider's sites that mail went to lately are the ones that its slots can be used for, and some for others. */
const SITE_MS_MAX = 10_000;
const SLOTS_FOR_OTHER_SITES = 2;

export class MxWay implements Way {
  readonly slots: Slots;
  readonly #options: Omit<MxLinkOptions, 'onSite'>;
  /** When a message went there last; monotonic. */
  readonly #sites = new Map<string, { site: Target; at: number }>();
  readonly #context: WayContext;

  constructor(options: Omit<MxLinkOptions, 'onSite'>, context: WayContext) {
    this.#options = options;
    this.#context = context;
    this.slots = new Slots({
      connections: () => this.#connections(),
      slotsMax: () => this.#connections(),
      mayOpen: () => context.mayOpen?.() ?? true,
      byDomain: true,
      lowWater: () => Math.floor(readyMax(this.#connections()) / 2),
      openLink: () => new MxLink({ ...options, onSite: (site) => this.#noteSite(site) }),
      send: (slot, message) => context.send(this, slot, message),
      onHungry: context.onHungry,
    });
  }

  /** Until when and why nothing may go this way; null: it may. */
  get held(): Held | null {
    return this.#options.quota.heldUntil([this.#options.target]);
  }

  get shut(): boolean {
    return this.held !== null;
  }

  /** After a trouble the quota itself grants one connection, to one worker. */
  get troubled(): boolean {
    return false;
  }

  /** Asking is wanting: what is granted is there at one of the next questions. */
  free(): number {
    const { quota, target } = this.#options;
    quota.want(target, this.#context.share());
    const connections = this.#connections();
    return this.shut || connections === 0 ? 0 : roomFor(this.slots, connections);
  }

  lostFor(giveUpMs: number): ReturnType<typeof unreachableTooLong> | null {
    const { quota, target } = this.#options;
    return quota.unreachableForMs(target) < giveUpMs ? null : unreachableTooLong(target);
  }

  learn(slot: Slot, outcome: Outcome): void {
    slot.link.learn?.(outcome);
    if (this.shut) this.#context.giveBack(this.slots.takeBack(() => true));
  }

  /** Nobody knows when what is shut opens, or what another worker has is granted here: others may be sooner. */
  tend(): void {
    if (this.shut || this.#connections() === 0) this.#context.giveBack(this.slots.takeBack(() => true));
  }

  /** A parked slot keeps its connection: the limits count it, and no other takes its place. */
  parked(): void {}

  /** Nobody sends this way any more, for now. */
  rest(): void {
    this.#options.quota.want(this.#options.target, 0);
  }

  #noteSite(site: Target): void {
    if (site.name !== this.#options.target.name) this.#sites.set(site.name, { site, at: performance.now() });
  }

  /** What the destination grants, as far as the sites that its mail goes to have room for it. */
  #connections(): number {
    const { quota, target } = this.#options;
    const granted = Math.min(this.#context.share(), quota.granted(target));
    if (!target.name.startsWith('provider ')) return granted;
    const since = performance.now() - SITE_MS_MAX;
    let atSites = SLOTS_FOR_OTHER_SITES;
    for (const [name, { site, at }] of this.#sites) {
      if (at < since) this.#sites.delete(name);
      else atSites += quota.granted(site);
    }
    return Math.min(granted, atSites);
  }
}
