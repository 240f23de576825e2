/**
 * The pump: takes due messages from lanes, hands each to a slot, and has the outcome written down.
 *
 * A slot sends one message after the other over one connection. Claimed messages wait in memory only for a moment:
 * `#ready` is bounded, and every control tick gives back those whose campaign was paused or cancelled meanwhile. A slot
 * that waits long for the relay's answer is parked: another takes its place in the schedule, and it goes on waiting,
 * for the answer to the final dot up to 600 s (RFC 5321 4.5.3.2.6). A parked slot that has not sent the dot is cut
 * off as soon as the route is well again: nothing was sent, and another connection can do it.
 *
 * Before: queue/claim.ts. One message: delivery/deliver.ts. After: queue/writer.ts.
 */
import { type DueMessage, deliver } from '../delivery/deliver.ts';
import type { Outcome } from '../delivery/outcome.ts';
import { RelayLink } from '../delivery/relay-link.ts';
import { type Backoff, backoffMs } from '../kernel/backoff.ts';
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
import { type Owned, Writer } from './writer.ts';

export const RELAY_ROUTE = 'relay';

const CLAIM_ROWS_MAX = 500;
const READY_PER_SLOT = 10;
const CONTROL_MS = 200;
const PARK_AFTER_MS = 30_000;
/** A message that keeps losing its connection on a route that is well is itself suspect: then it spends a try. */
const LOST_CONNECTIONS_MAX = 10;
/** On a drain: how long a transaction that has not sent the dot may still take. */
const DRAIN_BEFORE_DOT_MS = 10_000;
/** A recipient's own temporary failures are tried again up to this far apart. */
const RETRY_MS_CAP = 4 * 3_600_000;

/** Outcomes that the relay itself answered: it is well. */
const TELLS_OF_THE_ROUTE = new Set<Outcome['kind']>(['accepted', 'deferred', 'rejected']);

type From = 'claimed' | 'committing';

export interface PumpOptions {
  database: Database;
  log: Log;
  workerId: string;
  contents: CampaignContents;
  relay: OpenOptions;
  connections: number;
  retryBaseMs: number;
}

interface Slot {
  link: RelayLink;
  message: DueMessage | null;
  /** Monotonic; null while it has no message. */
  busySince: number | null;
  dotSent: boolean;
  parked: boolean;
}

export class Pump {
  readonly #options: PumpOptions;
  readonly #writer: Writer;
  readonly #loop: ClaimLoop<DueMessage>;
  readonly #hints = new LaneHints();
  readonly #health = new Map<string, RouteHealth>();
  readonly #slots = new Set<Slot>();
  readonly #running = new Set<Promise<void>>();
  readonly #retry: Backoff;
  /** Ends the connections: after the drain, or at once when this worker was declared dead. */
  readonly #work = Scope.root('pump');
  readonly #claimShard = 1 + Math.floor(Math.random() * (SHARDS - 1));
  #ready: DueMessage[] = [];
  #waiting: ((message: DueMessage | undefined) => void)[] = [];
  #draining = false;

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#writer = new Writer(options);
    this.#retry = { baseMs: options.retryBaseMs, capMs: RETRY_MS_CAP };
    this.#loop = new ClaimLoop({ ...options, reader: this.#reader() });
  }

  /** Sends until the scope ends, then drains: gives back what is not under way and waits for what is. */
  async run(scope: Scope): Promise<void> {
    const writer = this.#writer.run(this.#work);
    const control = this.#control(this.#work);
    await this.#loop.run(scope);
    this.#draining = true;
    this.#giveBack(() => true);
    for (const next of this.#waiting.splice(0)) next(undefined);
    const cut = setTimeout(() => this.#cutBeforeDot(() => true), DRAIN_BEFORE_DOT_MS);
    await Promise.all(this.#running);
    clearTimeout(cut);
    if (!this.#work.ended) await this.#writer.flushed();
    this.#work.cancel('drained');
    await Promise.all([writer, control]);
  }

  /** This worker was declared dead: its rows are others' by now. */
  abandon(): void {
    this.#ready = [];
    this.#work.cancel('declared dead');
  }

  #reader(): LaneReader<DueMessage> {
    const { workerId, connections } = this.#options;
    const readyMax = Math.max(50, connections * READY_PER_SLOT);
    return {
      queue: 'message',
      free: () => (this.#ready.length > readyMax / 2 ? 0 : readyMax - this.#ready.length),
      turn: (lane, free) => this.#turn(lane, Math.min(free, CLAIM_ROWS_MAX)),
      claim: (tx, lane, limit) =>
        claim(tx, lane, { workerId, limit, shard: this.#claimShard, hints: this.#hints }),
      earliestDue: (tx, lane) =>
        queries.earliestDueMessage(tx, {
          workspaceId: lane.workspaceId,
          campaignId: lane.key,
          lane: lane.number,
        }),
      prepare: (lane) => this.#prepare(lane),
      accept: (messages) => {
        this.#ready.push(...messages);
        this.#feed();
      },
      releaseLost: () => this.#releaseLost(),
    };
  }

  /** A route in trouble gets one message at a time: the probe. */
  #turn(lane: DueLane, free: number): number {
    const health = this.#healthOf(lane.workspaceId);
    if (lane.routeFailures > 0) health.probe();
    if (!health.troubled) return free;
    const active = [...this.#slots].some((slot) => slot.busySince !== null && !slot.parked);
    return active || this.#ready.length > 0 ? 0 : Math.min(free, 1);
  }

  /** A campaign whose template cannot be compiled now is held: nothing of it is claimed, and its status says why. */
  async #prepare(lane: DueLane): Promise<boolean> {
    const campaign = { workspaceId: lane.workspaceId, campaignId: lane.key };
    try {
      await this.#options.contents.load(campaign);
      return true;
    } catch (error) {
      if (isRetryable(error)) throw error;
      await this.#hold(campaign, (error as Error).message);
      return false;
    }
  }

  async #hold(campaign: queries.CampaignKey, reason: string): Promise<void> {
    const { database, log } = this.#options;
    await database.withWorkspace(campaign.workspaceId, async (tx) => {
      const held = await queries.holdCampaign(tx, campaign, reason);
      if (held.length > 0) await setLanesOpen(tx, campaign.workspaceId, campaign.campaignId, false);
    });
    log.error({ event: 'campaign_held', campaign: campaign.campaignId, reason });
  }

  async #releaseLost(): Promise<void> {
    const { database, workerId } = this.#options;
    const known = new Set(this.#known().map(nameOf));
    const workspaceIds = await database.withSystem((tx) => allWorkspaceIds(tx));
    for (const workspaceId of workspaceIds) {
      const rows = await database.withWorkspace(workspaceId, (tx) =>
        queries.claimedBy(tx, workspaceId, workerId),
      );
      for (const row of rows) if (!known.has(nameOf(row))) this.#release(row, 'claimed', 0);
    }
  }

  /** Every message that this worker answers for. */
  #known(): Owned[] {
    const underWay = [...this.#slots].flatMap((slot) => slot.message ?? []);
    return [...this.#ready, ...underWay, ...this.#writer.unwritten()];
  }

  /** Hands ready messages to slots that wait, and opens slots while there is work for them. */
  #feed(): void {
    while (this.#ready.length > 0 && this.#waiting.length > 0) this.#waiting.shift()?.(this.#ready.shift());
    const { connections } = this.#options;
    const active = [...this.#slots].filter((slot) => !slot.parked).length;
    const wanted = Math.min(connections - active, 2 * connections - this.#slots.size, this.#ready.length);
    for (let opened = 0; opened < wanted; opened += 1) this.#openSlot();
  }

  #openSlot(): void {
    const link = new RelayLink(this.#work, this.#options.relay);
    const slot: Slot = { link, message: null, busySince: null, dotSent: false, parked: false };
    this.#slots.add(slot);
    const run = this.#runSlot(slot).finally(() => {
      slot.link.quit();
      this.#slots.delete(slot);
      this.#running.delete(run);
    });
    this.#running.add(run);
  }

  async #runSlot(slot: Slot): Promise<void> {
    while (!slot.parked) {
      const message = await this.#next(slot);
      if (!message) return;
      slot.message = message;
      slot.busySince = performance.now();
      slot.dotSent = false;
      this.#settle(message, slot, await this.#deliver(slot, message));
      slot.message = null;
      slot.busySince = null;
    }
  }

  #next(slot: Slot): DueMessage | undefined | Promise<DueMessage | undefined> {
    if (this.#draining || this.#work.ended) return undefined;
    const message = this.#ready.shift();
    if (this.#ready.length === 0) this.#loop.wake();
    if (message) return message;
    slot.link.rest();
    return new Promise((resolve) => this.#waiting.push(resolve));
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

  #settle(message: DueMessage, slot: Slot, outcome: Outcome): void {
    const from = slot.dotSent ? 'committing' : 'claimed';
    this.#noteHealth(message, outcome);
    if (outcome.kind === 'held') {
      this.#release(message, from, 0);
      void this.#hold(message, outcome.detail).catch((error) => {
        if (!isRetryable(error)) throw error;
      });
    } else if (outcome.kind === 'released') {
      const { afterMs, trouble } = outcome;
      if (trouble && this.#suspects(message)) this.#defer(message, from, trouble.detail, 'connection-lost');
      else this.#release(message, from, afterMs);
    } else if (outcome.kind === 'deferred') this.#defer(message, from, outcome.detail, outcome.rule);
    else {
      const event = { suppress: false, ...outcome };
      this.#writer.settle({ message, from, to: outcome.kind, dueInMs: null, spent: false, event });
    }
  }

  #noteHealth(message: DueMessage, outcome: Outcome): void {
    const health = this.#healthOf(message.workspaceId);
    if (outcome.kind === 'released') {
      if (outcome.trouble && health.note(outcome.trouble)) this.#giveBack(sameWorkspace(message));
    } else if (TELLS_OF_THE_ROUTE.has(outcome.kind)) this.#wellAgain(health);
  }

  /** The route is well and this message loses its connection again and again. */
  #suspects(message: DueMessage): boolean {
    const lost = message.attempt - message.deferrals;
    return lost > LOST_CONNECTIONS_MAX && !this.#healthOf(message.workspaceId).troubled;
  }

  #defer(message: DueMessage, from: From, detail: string, rule: string): void {
    const waitMs = backoffMs(message.deferrals + 1, this.#retry);
    const expired = waitMs / 1_000 > message.secondsLeft;
    this.#writer.settle({
      message,
      from,
      to: expired ? 'expired' : 'deferred',
      dueInMs: expired ? null : waitMs,
      spent: true,
      event: { kind: expired ? 'expired' : 'deferred', detail, rule, suppress: false },
    });
  }

  #release(message: Owned & { deferrals: number }, from: From, afterMs: number): void {
    const to = message.deferrals > 0 ? 'deferred' : 'queued';
    this.#writer.settle({ message, from, to, dueInMs: afterMs, spent: false, event: null });
  }

  #giveBack(which: (message: DueMessage) => boolean): void {
    const back = this.#ready.filter(which);
    this.#ready = this.#ready.filter((message) => !which(message));
    for (const message of back) this.#release(message, 'claimed', 0);
  }

  #wellAgain(health: RouteHealth): void {
    const wasTroubled = health.troubled;
    health.succeeded();
    if (wasTroubled) this.#cutBeforeDot((slot) => slot.parked);
  }

  #cutBeforeDot(which: (slot: Slot) => boolean): void {
    for (const slot of this.#slots)
      if (slot.busySince !== null && !slot.dotSent && which(slot)) slot.link.close();
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

  async #control(scope: Scope): Promise<void> {
    while (!scope.ended) {
      await scope.sleep(CONTROL_MS).catch(() => {});
      this.#park();
      await this.#giveBackClosed().catch((error) => {
        if (!isRetryable(error)) throw error;
      });
    }
  }

  /** A pause or a cancellation reaches rows that are claimed and not yet under way. */
  async #giveBackClosed(): Promise<void> {
    const campaignIds = [...new Set(this.#ready.map((message) => message.campaignId))];
    if (campaignIds.length === 0) return;
    const rows = await this.#options.database.withSystem((tx) => closedLanes(tx, campaignIds));
    const closed = new Set(rows.map((row) => row.key));
    if (closed.size > 0) this.#giveBack((message) => closed.has(message.campaignId));
  }

  #park(): void {
    const before = performance.now() - PARK_AFTER_MS;
    let parked = false;
    for (const slot of this.#slots) {
      if (slot.parked || slot.busySince === null || slot.busySince > before) continue;
      slot.parked = true;
      parked = true;
    }
    if (!parked) return;
    for (const health of this.#health.values())
      if (health.lastSuccess < before) {
        health.note({ detail: `no answer for ${PARK_AFTER_MS / 1_000} s`, certain: true });
        this.#giveBack(() => true);
      }
    this.#feed();
  }
}

function nameOf(message: Owned): string {
  return `${message.campaignId} ${message.contactId}`;
}

function sameWorkspace(message: DueMessage): (other: DueMessage) => boolean {
  return (other) => other.workspaceId === message.workspaceId;
}
