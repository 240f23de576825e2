/**
 * All ways out that this worker uses, and which of them a message takes.
 *
 * A campaign's route plan (senders/routes.ts) names relays and pools of sources, by weight and by level. Of the relays the
 * trouble is read together with the due lanes; of destinations the quota knows it. A message keeps to its way as long as
 * that is usable, whoever sends it: the plan is asked with the contact as key.
 */
import type { DueMessage } from '../delivery/deliver.ts';
import { destinationTarget } from '../delivery/destination.ts';
import type { MxContext } from '../delivery/mx-link.ts';
import type { Tx } from '../kernel/database.ts';
import type { DueLane } from '../kernel/queries.ts';
import { pickRoute, type Route, type RoutePlan } from '../senders/routes.ts';
import { chooseSource, type Source, usableHere } from '../senders/sources.ts';
import { dayOf, warmUpPerDay } from '../senders/warm-up.ts';
import type { Destinations } from './destinations.ts';
import { MxWay } from './mx-way.ts';
import * as queries from './queries.ts';
import { RelayWay, type RelayWayOptions } from './relay-way.ts';
import type { Sorter } from './sorter.ts';
import { isIdle, type Way, type WayContext } from './way.ts';

/** Lane of the messages that are not sorted by destination. */
export const UNSORTED = 0;
/** A way that nobody used for so long is forgotten. */
const IDLE_MS_MAX = 10_000;
/** Given up at a time. */
const LOST_MESSAGES_MAX = 500;

export interface WaysOptions extends Omit<RelayWayOptions, 'workspaceId' | 'route'> {
  /** Connections of this worker to relays, and to MX hosts. */
  connections: number;
  mxConnections: number;
  /** Null: this worker has no resolver, and sends nothing straight to MX hosts. */
  mx: (MxContext & { sorter: Sorter }) | null;
  destinations: Destinations;
  send: WayContext['send'];
  giveBack: WayContext['giveBack'];
  giveUp(message: DueMessage, why: NonNullable<ReturnType<Way['lostFor']>>): void;
  onHungry: WayContext['onHungry'];
}

interface Taker {
  give(messages: DueMessage[], first: boolean): void;
}

/** Where a campaign's messages may go, and for how long they may wait for it. */
export interface Itinerary {
  plan: RoutePlan;
  giveUpMs: number;
  isTransactional: boolean;
}

type Known = { way: RelayWay | MxWay; usedAt: number };

export class Ways {
  readonly #options: WaysOptions;
  readonly #known = new Map<string, Known>();
  /** Plans are read again and again; most relays stay what they were. */
  readonly #names = new WeakMap<Route, string>();
  #troubles = new Map<string, queries.RouteTroubleRow>();
  #relayShare: number;
  #mxShare: number;

  constructor(options: WaysOptions) {
    this.#options = options;
    this.#relayShare = options.connections;
    this.#mxShare = options.mxConnections;
  }

  all(): Way[] {
    return [...this.#known.values()].map(({ way }) => way);
  }

  /** Reads the trouble of all relays. */
  async look(tx: Tx): Promise<void> {
    const rows = await queries.routesInTrouble(tx);
    this.#troubles = new Map(rows.map((row) => [`${row.workspaceId} ${row.name}`, row]));
    for (const { way } of this.#known.values())
      if (way instanceof RelayWay) way.hear(this.#troubles.get(way.name));
  }

  /** How many messages of the lane can go somewhere now. A relay that is probed does not hold up the next level. */
  free(lane: DueLane, { plan, giveUpMs }: Itinerary): number {
    let free = 0;
    for (const level of plan.levels) {
      const rooms = level.map((route) => this.#room(lane, route));
      free += rooms.reduce((sum, room) => sum + room.free, 0);
      if (rooms.some(({ well }) => well)) return free;
    }
    return free === 0 && this.#lost(lane, plan, giveUpMs) ? LOST_MESSAGES_MAX : free;
  }

  /** Each message to the way that its plan picks; what none of them takes now is given back, or given up. */
  give(messages: DueMessage[], lane: DueLane, { plan, giveUpMs, isTransactional }: Itinerary): void {
    const unsorted: DueMessage[] = [];
    for (const message of messages) {
      const route = pickRoute(plan, (candidate) => this.#takes(lane, candidate), message.contactId);
      const taker = route && this.#takerOf(lane, route, message.contactId);
      const lost = taker ? null : this.#lost(lane, plan, giveUpMs);
      if (taker === this.#options.mx?.sorter) unsorted.push(message);
      else if (taker) taker.give([message], isTransactional);
      else if (lost) this.#options.giveUp(message, lost);
      else this.#options.giveBack([message]);
    }
    // Together, so that a domain is looked up once.
    if (unsorted.length > 0) this.#options.mx?.sorter.give(unsorted);
  }

  /** Why nothing of the lane is to be waited with any longer: all its ways have been shut for too long. */
  #lost(lane: DueLane, plan: RoutePlan, giveUpMs: number): ReturnType<Way['lostFor']> {
    const reasons = plan.levels
      .flat()
      .filter((route) => route.kind === 'relay' || lane.number !== UNSORTED)
      .flatMap((route) => this.#waysOf(lane, route))
      .map((way) => way.lostFor(giveUpMs));
    return reasons.includes(null) ? null : (reasons[0] ?? null);
  }

  /** Shares the worker's connections among the ways in use, and forgets the others. */
  tend(): void {
    const now = performance.now();
    let [relays, destinations] = [0, 0];
    for (const [name, known] of this.#known) {
      known.way.tend();
      if (!isIdle(known.way.slots)) known.usedAt = now;
      if (now - known.usedAt >= IDLE_MS_MAX) this.#forget(name, known.way);
      else if (known.way instanceof RelayWay) relays += 1;
      else destinations += 1;
    }
    this.#relayShare = shareOf(this.#options.connections, relays);
    this.#mxShare = shareOf(this.#options.mxConnections, destinations);
    this.grow();
  }

  /** More may be at work than before. */
  grow(): void {
    for (const { way } of this.#known.values()) way.slots.grow();
  }

  #forget(name: string, way: RelayWay | MxWay): void {
    if (way instanceof MxWay) way.rest();
    void way.slots.close();
    this.#known.delete(name);
  }

  #room(lane: DueLane, route: Route): { free: number; well: boolean } {
    if (route.kind === 'direct' && lane.number === UNSORTED) {
      const free = this.#options.mx?.sorter.free() ?? 0;
      return { free, well: this.#options.mx !== null };
    }
    const ways = this.#waysOf(lane, route);
    return {
      free: ways.reduce((sum, way) => sum + way.free(), 0),
      well: ways.some((way) => !way.shut && !way.troubled),
    };
  }

  #takes(lane: DueLane, route: Route): boolean {
    if (route.kind === 'direct' && lane.number === UNSORTED) return this.#options.mx !== null;
    return this.#waysOf(lane, route).some((way) => !way.shut && (!way.troubled || way.free() > 0));
  }

  #takerOf(lane: DueLane, route: Route, key: string): Taker | undefined {
    if (route.kind === 'relay') return this.#relayWay(lane.workspaceId, route).slots;
    if (lane.number === UNSORTED) return this.#options.mx?.sorter;
    const chosen = chooseSource(route.sources, (source) => this.#mxWay(lane, source)?.held ?? null, key);
    return chosen.kind === 'source' ? this.#mxWay(lane, chosen.source)?.slots : undefined;
  }

  #waysOf(lane: DueLane, route: Route): Way[] {
    if (route.kind === 'relay') return [this.#relayWay(lane.workspaceId, route)];
    return route.sources.flatMap((source) => this.#mxWay(lane, source) ?? []);
  }

  #relayWay(workspaceId: string, route: Extract<Route, { kind: 'relay' }>): RelayWay {
    let name = this.#names.get(route);
    if (name === undefined) {
      name = `${workspaceId} ${JSON.stringify(route)}`;
      this.#names.set(route, name);
    }
    return this.#use(name, () => {
      const context = { ...this.#options, share: () => this.#relayShare };
      const way = new RelayWay({ ...this.#options, workspaceId, route }, context);
      way.hear(this.#troubles.get(way.name));
      return way;
    });
  }

  #mxWay(lane: DueLane, source: Source): MxWay | undefined {
    const { mx, scope, heloName, destinations, mxConnections } = this.#options;
    const destination = destinations.nameOf(lane.number);
    if (mx === null || destination === undefined) return undefined;
    const provider = /^provider (.*)/.exec(destination)?.[1] ?? null;
    const perDay = warmUpPerDay(source, provider, dayOf(new Date()));
    // A warm-up grows at midnight: that is another way then.
    return this.#use(`${source.address} ${perDay} ${destination}`, () => {
      const localAddress = source.address === '' ? null : source.address;
      const target = destinationTarget(source.address, destination, perDay);
      const options = { ...mx, scope, target, localAddress, heloName: source.heloName || heloName };
      const context = {
        ...this.#options,
        share: () => this.#mxShare,
        mayOpen: () => this.#mxSlots() < mxConnections,
      };
      return new MxWay(options, context);
    });
  }

  /** All that are open, over all destinations. */
  #mxSlots(): number {
    let count = 0;
    for (const { way } of this.#known.values()) if (way instanceof MxWay) count += way.slots.size;
    return count;
  }

  #use<W extends RelayWay | MxWay>(name: string, make: () => W): W {
    const known = this.#known.get(name);
    if (known) {
      known.usedAt = performance.now();
      return known.way as W;
    }
    const way = make();
    this.#known.set(name, { way, usedAt: performance.now() });
    return way;
  }
}

function shareOf(connections: number, ways: number): number {
  return Math.max(1, Math.floor(connections / Math.max(1, ways)));
}

/** The plan as far as this machine can follow it: sources that it has, and its own choice of address for a pool of none. */
export function planHere(plan: RoutePlan): RoutePlan {
  const here = (route: Route): Route[] => {
    if (route.kind === 'relay') return [route];
    if (route.sources.length === 0) return [{ ...route, sources: [DEFAULT_SOURCE] }];
    const sources = route.sources.filter((source) => usableHere(source));
    return sources.length === 0 ? [] : [{ ...route, sources }];
  };
  return { ...plan, levels: plan.levels.map((level) => level.flatMap(here)) };
}

const DEFAULT_SOURCE: Source = { address: '', heloName: '', pool: '', weight: 1, warmUps: [] };
