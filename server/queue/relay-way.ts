/**
 * The way through a relay. A relay that is down, refuses or is silent is in trouble (route-health.ts): what waits for it
 * goes back to the queue, and one message probes it when its pause is over.
 */
import type { Outcome } from '../delivery/outcome.ts';
import { RelayLink } from '../delivery/relay-link.ts';
import type { Database } from '../kernel/database.ts';
import type { Log } from '../kernel/log.ts';
import type { Scope } from '../kernel/scope.ts';
import type { RelayRoute } from '../senders/routes.ts';
import type { RouteTroubleRow } from './queries.ts';
import { RouteHealth } from './route-health.ts';
import { type Slot, Slots } from './slots.ts';
import { isIdle, readyMax, roomFor, type Way, type WayContext } from './way.ts';

/** Outcomes that the relay itself answered: it is well. */
const TELLS_OF_THE_RELAY = new Set<Outcome['kind']>(['accepted', 'deferred', 'rejected']);

export interface RelayWayOptions {
  database: Database;
  log: Log;
  /** Ends its connections. */
  scope: Scope;
  workspaceId: string;
  route: RelayRoute;
  heloName: string;
}

export class RelayWay implements Way {
  readonly slots: Slots;
  /** Its trouble is known by. */
  readonly name: string;
  readonly #health: RouteHealth;
  readonly #context: WayContext;
  /** Monotonic. */
  #shutUntil = 0;

  constructor({ database, log, scope, workspaceId, route, heloName }: RelayWayOptions, context: WayContext) {
    this.#context = context;
    this.name = `${workspaceId} ${route.name}`;
    this.#health = new RouteHealth(database, log, workspaceId, route.name);
    this.slots = new Slots({
      connections: () => context.share(),
      slotsMax: () => 2 * context.share(),
      byDomain: false,
      lowWater: () => Math.floor(readyMax(context.share()) / 2),
      openLink: () => new RelayLink(scope, { ...route.options, heloName }),
      send: (slot, message) => context.send(this, slot, message),
      onHungry: context.onHungry,
    });
  }

  get shut(): boolean {
    return performance.now() < this.#shutUntil;
  }

  get troubled(): boolean {
    return this.#health.troubled;
  }

  /** What all workers know of its trouble now. */
  hear(trouble: RouteTroubleRow | undefined): void {
    if (trouble) this.#health.probe();
    this.#shutUntil = trouble ? performance.now() + trouble.pausedMs : 0;
  }

  free(): number {
    if (this.shut) return 0;
    if (!this.troubled) return roomFor(this.slots, this.#context.share());
    return this.slots.ready.length === 0 && this.slots.scheduled.length === 0 ? 1 : 0;
  }

  /** A relay's trouble spends nobody's time: its age counts for no message. */
  lostFor(): null {
    return null;
  }

  learn(slot: Slot, outcome: Outcome): void {
    if (outcome.kind === 'released' && outcome.trouble) {
      if (this.#health.note(outcome.trouble)) this.#giveBack();
    } else if (TELLS_OF_THE_RELAY.has(outcome.kind)) {
      if (this.#health.succeeded(slot.busySince ?? 0)) this.slots.cutBeforeDot('parked');
    }
  }

  tend(): void {}

  /** When nothing was answered since then, the relay itself is silent. */
  parked(before: number): void {
    if (this.#health.lastSuccess >= before || isIdle(this.slots)) return;
    this.#health.note({ detail: 'no answer', certain: true });
    this.#giveBack();
  }

  #giveBack(): void {
    this.#context.giveBack(this.slots.takeBack(() => true));
  }
}
