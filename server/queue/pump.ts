/**
 * The pump: takes due messages from lanes, hands them to slots, and has the outcomes written down.
 *
 * Claimed messages wait in memory only for a moment: what is ready is bounded, and every control tick gives back what
 * belongs to a campaign that was paused or cancelled meanwhile. What the relay answers tells about the message and
 * about the route: a route in trouble gets its messages taken back and one probe at a time.
 *
 * Before: queue/claim.ts. One message: delivery/deliver.ts. After: queue/settlement.ts, queue/writer.ts.
 */
import { type DueMessage, deliver } from '../delivery/deliver.ts';
import type { Outcome } from '../delivery/outcome.ts';
import { RelayLink } from '../delivery/relay-link.ts';
import type { Backoff } from '../kernel/backoff.ts';
import { type Database, isRetryable } from '../kernel/database.ts';
import { ClaimLoop, type LaneReader } from '../kernel/lanes.ts';
import type { Log } from '../kernel/log.ts';
import { allWorkspaceIds, closedLanes, type DueLane, setLanesOpen } from '../kernel/queries.ts';
import { Scope } from '../kernel/scope.ts';
import type { OpenOptions } from '../smtp/session.ts';
import { SHARDS } from '../stats/counters.ts';
import type { CampaignContents } from './campaign-content.ts';
import { claim, LaneHints } from './claim.ts';
import * as queries from './queries.ts';
import { RouteHealth } from './route-health.ts';
import { release, settlement } from './settlement.ts';
import { type Slot, Slots } from './slots.ts';
import { type Owned, Writer } from './writer.ts';

export const RELAY_ROUTE = 'relay';

const CLAIM_ROWS_MAX = 500;
const READY_PER_CONNECTION = 5;
const READY_MIN = 50;
const CONTROL_MS = 200;
const PARK_AFTER_MS = 30_000;
/** On a drain: how long a transaction that has not sent the dot may still take. */
const DRAIN_BEFORE_DOT_MS = 10_000;
/** A recipient's own temporary failures are tried again up to this far apart. */
const RETRY_MS_CAP = 4 * 3_600_000;

/** Outcomes that the relay itself answered: it is well. */
const TELLS_OF_THE_ROUTE = new Set<Outcome['kind']>(['accepted', 'deferred', 'rejected']);

export interface PumpOptions {
  database: Database;
  log: Log;
  workerId: string;
  contents: CampaignContents;
  relay: OpenOptions;
  connections: number;
  retryBaseMs: number;
}

export class Pump {
  readonly #options: PumpOptions;
  readonly #writer: Writer;
  readonly #slots: Slots;
  readonly #loop: ClaimLoop<DueMessage>;
  readonly #hints = new LaneHints();
  readonly #health = new Map<string, RouteHealth>();
  readonly #retry: Backoff;
  /** Ends the connections: after the drain, or at once when this worker was declared dead. */
  readonly #work = Scope.root('pump');
  readonly #claimShard = 1 + Math.floor(Math.random() * (SHARDS - 1));

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#retry = { baseMs: options.retryBaseMs, capMs: RETRY_MS_CAP };
    this.#writer = new Writer(options);
    this.#loop = new ClaimLoop({ ...options, reader: this.#reader() });
    this.#slots = new Slots({
      connections: options.connections,
      lowWater: Math.floor(readyMax(options) / 2),
      openLink: () => new RelayLink(this.#work, options.relay),
      send: (slot, message) => this.#send(slot, message),
      onHungry: () => this.#loop.wake(),
    });
  }

  /** Sends until the scope ends, then drains: gives back what is not under way and waits for what is. */
  async run(scope: Scope): Promise<void> {
    const writer = this.#writer.run(this.#work);
    const control = this.#control(this.#work);
    await this.#loop.run(scope);
    this.#giveBack(() => true);
    const cut = setTimeout(() => this.#slots.cutBeforeDot('all'), DRAIN_BEFORE_DOT_MS);
    await this.#slots.close();
    clearTimeout(cut);
    if (!this.#work.ended) await this.#writer.flushed();
    this.#work.cancel('drained');
    await Promise.all([writer, control]);
  }

  /** This worker was declared dead: its rows are others' by now. */
  abandon(): void {
    this.#slots.takeBack(() => true);
    this.#work.cancel('declared dead');
  }

  #reader(): LaneReader<DueMessage> {
    const { workerId } = this.#options;
    const max = readyMax(this.#options);
    const free = () => max - this.#slots.ready.length;
    return {
      queue: 'message',
      workerId,
      free: () => (free() < max / 2 ? 0 : free()),
      turn: (lane, limit) => this.#turn(lane, Math.min(limit, CLAIM_ROWS_MAX)),
      prepare: (lane) => this.#prepare(lane),
      claim: (tx, lane, limit) =>
        claim(tx, lane, { workerId, limit, shard: this.#claimShard, hints: this.#hints }),
      earliestDue: (tx, lane) => queries.earliestDueMessage(tx, { ...campaignOf(lane), lane: lane.number }),
      accept: (messages) => this.#slots.give(messages),
      releaseLost: () => this.#releaseLost(),
    };
  }

  /** A route in trouble gets one message at a time: the probe. */
  #turn(lane: DueLane, free: number): number {
    const health = this.#healthOf(lane.workspaceId);
    if (lane.routeFailures > 0) health.probe();
    if (!health.troubled) return free;
    const probing = [...this.#slots.ready, ...this.#slots.scheduled].some(
      ({ workspaceId }) => workspaceId === lane.workspaceId,
    );
    return probing ? 0 : Math.min(free, 1);
  }

  /** A campaign whose template cannot be compiled now is held: nothing of it is claimed, and its status says why. */
  async #prepare(lane: DueLane): Promise<boolean> {
    try {
      await this.#options.contents.load(campaignOf(lane));
      return true;
    } catch (error) {
      if (isRetryable(error)) throw error;
      await this.#hold(campaignOf(lane), (error as Error).message);
      return false;
    }
  }

  async #send(slot: Slot, message: DueMessage): Promise<void> {
    const outcome = await this.#deliver(slot, message);
    const health = this.#healthOf(message.workspaceId);
    if (outcome.kind === 'released' && outcome.trouble) {
      if (health.note(outcome.trouble))
        this.#giveBack(({ workspaceId }) => workspaceId === message.workspaceId);
    } else if (TELLS_OF_THE_ROUTE.has(outcome.kind)) {
      if (health.succeeded(slot.busySince ?? 0)) this.#slots.cutBeforeDot('parked');
    }
    const from = slot.dotSent ? 'committing' : 'claimed';
    const now = { retry: this.#retry, routeTroubled: health.troubled };
    this.#writer.settle(settlement(message, from, outcome, now));
    if (outcome.kind === 'held') await this.#hold(message, outcome.detail).catch(unlessRetryable);
  }

  #deliver(slot: Slot, message: DueMessage): Promise<Outcome> {
    const content = this.#options.contents.get(message.campaignId);
    if (!content) return Promise.resolve({ kind: 'released', afterMs: 0, trouble: null });
    return deliver({
      message,
      content: content.message,
      envelopeFrom: content.envelopeFrom,
      link: slot.link,
      data: '',
      beforeDot: async () => {
        slot.dotSent = await this.#writer.mark(message);
        return slot.dotSent;
      },
    });
  }

  async #hold(campaign: queries.CampaignKey, reason: string): Promise<void> {
    const { database, log } = this.#options;
    const { workspaceId, campaignId } = campaign;
    await database.withWorkspace(workspaceId, async (tx) => {
      const held = await queries.holdCampaign(tx, { workspaceId, campaignId }, reason);
      if (held.length > 0) await setLanesOpen(tx, workspaceId, campaignId, false);
    });
    log.error({ event: 'campaign_held', campaign: campaignId, reason });
  }

  #giveBack(which: (message: DueMessage) => boolean): void {
    for (const message of this.#slots.takeBack(which)) this.#writer.settle(release(message, 'claimed', 0));
  }

  /** Rows that the database says are ours and that we do not know: a claim's answer was lost. */
  async #releaseLost(): Promise<void> {
    const { database, workerId } = this.#options;
    const known = new Set(
      [...this.#slots.ready, ...this.#slots.underWay, ...this.#writer.unwritten()].map(nameOf),
    );
    const workspaceIds = await database.withSystem((tx) => allWorkspaceIds(tx));
    for (const workspaceId of workspaceIds) {
      const rows = await database.withWorkspace(workspaceId, (tx) =>
        queries.claimedBy(tx, workspaceId, workerId),
      );
      for (const row of rows) if (!known.has(nameOf(row))) this.#writer.settle(release(row, 'claimed', 0));
    }
  }

  async #control(scope: Scope): Promise<void> {
    while (!scope.ended) {
      await scope.sleep(CONTROL_MS).catch(() => {});
      this.#park();
      await this.#giveBackClosed().catch(unlessRetryable);
    }
  }

  /** A pause or a cancellation reaches rows that are claimed and not yet under way. */
  async #giveBackClosed(): Promise<void> {
    const campaignIds = [...new Set(this.#slots.ready.map((message) => message.campaignId))];
    if (campaignIds.length === 0) return;
    const rows = await this.#options.database.withSystem((tx) => closedLanes(tx, campaignIds));
    const closed = new Set(rows.map((row) => row.key));
    if (closed.size > 0) this.#giveBack((message) => closed.has(message.campaignId));
  }

  /** When a slot had to be parked and nothing was answered since it began, the route itself is silent. */
  #park(): void {
    const before = performance.now() - PARK_AFTER_MS;
    if (!this.#slots.park(before)) return;
    for (const health of this.#health.values())
      if (health.lastSuccess < before) {
        health.note({ detail: `no answer for ${PARK_AFTER_MS / 1_000} s`, certain: true });
        this.#giveBack(() => true);
      }
  }

  #healthOf(workspaceId: string): RouteHealth {
    const { database, log } = this.#options;
    let health = this.#health.get(workspaceId);
    if (!health) {
      health = new RouteHealth(database, log, workspaceId, RELAY_ROUTE);
      this.#health.set(workspaceId, health);
    }
    return health;
  }
}

function readyMax({ connections }: PumpOptions): number {
  return Math.max(READY_MIN, connections * READY_PER_CONNECTION);
}

function campaignOf(lane: DueLane): queries.CampaignKey {
  return { workspaceId: lane.workspaceId, campaignId: lane.key };
}

function nameOf(message: Owned): string {
  return `${message.campaignId} ${message.contactId} ${message.attempt}`;
}

function unlessRetryable(error: unknown): void {
  if (!isRetryable(error)) throw error;
}
