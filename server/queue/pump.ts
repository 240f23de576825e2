/**
 * The pump: takes due messages from lanes, hands them to their ways out, and has the outcomes written down.
 *
 * Claimed messages wait in memory only for a moment: what is ready is bounded, and every control tick gives back what
 * belongs to a campaign that was paused or cancelled meanwhile. What a server answers tells about the message and
 * about the way: ways.ts decides what may be claimed for which of them.
 *
 * Before: queue/claim.ts. One message: delivery/deliver.ts. After: queue/settlement.ts, queue/writer.ts.
 */
import { type DueMessage, deliver } from '../delivery/deliver.ts';
import type { MxContext } from '../delivery/mx-link.ts';
import type { Outcome } from '../delivery/outcome.ts';
import type { Backoff } from '../kernel/backoff.ts';
import { type Database, isRetryable } from '../kernel/database.ts';
import { ClaimLoop, type LaneReader } from '../kernel/lanes.ts';
import type { Log } from '../kernel/log.ts';
import { allWorkspaceIds, closedLanes, type DueLane, setLanesOpen } from '../kernel/queries.ts';
import { Scope, ScopeEnded } from '../kernel/scope.ts';
import type { Resolver } from '../smtp/dns.ts';
import { SHARDS } from '../stats/counters.ts';
import type { CampaignContent, CampaignContents } from './campaign-content.ts';
import { claim, LaneHints } from './claim.ts';
import { Destinations } from './destinations.ts';
import * as queries from './queries.ts';
import { type From, moveTo, release, type Settled, settlement } from './settlement.ts';
import type { Slot } from './slots.ts';
import { Sorter } from './sorter.ts';
import { readyMax, type Way } from './way.ts';
import { UNSORTED, Ways } from './ways.ts';
import { type Owned, Writer } from './writer.ts';

const CLAIM_ROWS_MAX = 500;
const CONTROL_MS = 200;
const PARK_AFTER_MS = 30_000;
/** On a drain: how long a transaction that has not sent the dot may still take. */
const DRAIN_BEFORE_DOT_MS = 10_000;
/** A recipient's own temporary failures are tried again up to this far apart. */
const RETRY_MS_CAP = 4 * 3_600_000;

export interface PumpOptions {
  database: Database;
  log: Log;
  workerId: string;
  contents: CampaignContents;
  /** To relays, and to MX hosts. */
  connections: number;
  mxConnections: number;
  heloName: string;
  retryBaseMs: number;
  /** Null: this worker sends nothing straight to MX hosts. */
  mx: MxContext | null;
}

export class Pump {
  readonly #options: PumpOptions;
  readonly #writer: Writer;
  readonly #ways: Ways;
  readonly #sorter: Sorter | null;
  readonly #destinations: Destinations;
  readonly #loop: ClaimLoop<DueMessage>;
  readonly #hints = new LaneHints();
  readonly #retry: Backoff;
  readonly #noWay = new Set<string>();
  /** Ends the connections: after the drain, or at once when this worker was declared dead. */
  readonly #work = Scope.root('pump');
  readonly #claimShard = 1 + Math.floor(Math.random() * (SHARDS - 1));

  constructor(options: PumpOptions) {
    const { database, log, mx, heloName, connections, mxConnections } = options;
    this.#options = options;
    this.#retry = { baseMs: options.retryBaseMs, capMs: RETRY_MS_CAP };
    this.#writer = new Writer(options);
    this.#loop = new ClaimLoop({ ...options, reader: this.#reader() });
    this.#destinations = new Destinations(database);
    this.#sorter = mx && this.#newSorter(mx.resolver);
    this.#ways = new Ways({
      database,
      log,
      scope: this.#work,
      connections,
      mxConnections,
      heloName,
      mx: mx && this.#sorter && { ...mx, sorter: this.#sorter },
      destinations: this.#destinations,
      send: (way, slot, message) => this.#send(way, slot, message),
      giveBack: (messages) => this.#giveBack(messages),
      giveUp: (message, why) => this.#settle(message, 'claimed', why, false),
      onHungry: () => this.#loop.wake(),
    });
    mx?.quota.onGrant(() => {
      this.#ways.grow();
      this.#loop.wake();
    });
  }

  /** Sends until the scope ends, then drains: gives back what is not under way and waits for what is. */
  async run(scope: Scope): Promise<void> {
    const writer = this.#writer.run(this.#work);
    const control = this.#control(this.#work);
    const leases = Scope.root('leases');
    const quota = this.#options.mx?.quota.run(leases);
    await this.#loop.run(scope);
    const slots = this.#ways.all().map((way) => way.slots);
    for (const each of slots) this.#giveBack(each.takeBack(() => true));
    const cutAll = () => {
      for (const each of slots) each.cutBeforeDot('all');
    };
    const cut = setTimeout(cutAll, DRAIN_BEFORE_DOT_MS);
    await Promise.all([...slots.map((each) => each.close()), this.#sorter?.idle()]);
    clearTimeout(cut);
    if (!this.#work.ended) await this.#writer.flushed();
    this.#work.cancel('drained');
    // What a connection holds can be given back when it has closed, a moment after its scope has ended.
    await this.#options.mx?.quota.released();
    leases.cancel('drained');
    await Promise.all([writer, control, quota]);
  }

  /** This worker was declared dead: its rows are others' by now. */
  abandon(): void {
    for (const { slots } of this.#ways.all()) slots.takeBack(() => true);
    this.#work.cancel('declared dead');
  }

  #newSorter(resolver: Resolver): Sorter {
    return new Sorter({
      scope: this.#work,
      resolver,
      destinations: this.#destinations,
      move: (message, destinationId) => this.#writer.settle(moveTo(message, destinationId)),
      giveBack: (message) => this.#giveBack([message]),
      settle: (message, outcome) => this.#settle(message, 'claimed', outcome, false),
    });
  }

  #reader(): LaneReader<DueMessage> {
    const { workerId } = this.#options;
    return {
      queue: 'message',
      workerId,
      free: () => this.#free(),
      turn: (lane, limit) => Math.min(limit, CLAIM_ROWS_MAX, this.#turn(lane)),
      look: (tx) => this.#ways.look(tx),
      prepare: (lane) => this.#prepare(lane),
      claim: (tx, lane, limit) =>
        claim(tx, lane, { workerId, limit, shard: this.#claimShard, hints: this.#hints }),
      earliestDue: (tx, lane) => queries.earliestDueMessage(tx, { ...campaignOf(lane), lane: lane.number }),
      accept: (messages, lane) => this.#accept(messages, lane),
      releaseLost: () => this.#releaseLost(),
    };
  }

  /** Every way is held to its share by itself; this holds the sum. */
  #free(): number {
    const ways = this.#ways.all();
    const ready = ways.reduce((sum, { slots }) => sum + slots.ready.length, 0);
    const { connections, mx, mxConnections } = this.#options;
    return readyMax(connections + (mx ? mxConnections : 0)) + ways.length * readyMax(1) - ready;
  }

  #turn(lane: DueLane): number {
    const content = this.#options.contents.get(lane.key);
    return content ? this.#ways.free(lane, content) : 0;
  }

  #accept(messages: DueMessage[], lane: DueLane): void {
    const content = this.#options.contents.get(lane.key);
    if (content) this.#ways.give(messages, lane, content);
    else this.#giveBack(messages);
  }

  /** A campaign whose template cannot be compiled now is held: nothing of it is claimed, and its status says why. */
  async #prepare(lane: DueLane): Promise<boolean> {
    try {
      if (lane.number !== UNSORTED) await this.#destinations.load(lane.number);
      await this.#options.contents.load(campaignOf(lane));
      this.#warnOfNoWay(lane);
      return true;
    } catch (error) {
      if (isRetryable(error)) throw error;
      await this.#hold(campaignOf(lane), (error as Error).message);
      return false;
    }
  }

  /** Once a campaign: this worker can do nothing for it, others perhaps can. */
  #warnOfNoWay({ key }: DueLane): void {
    const plan = this.#options.contents.get(key)?.plan;
    if (!plan || this.#noWay.has(key) || plan.levels.some((level) => level.length > 0)) return;
    this.#noWay.add(key);
    const reasons =
      plan.problems.length > 0 ? plan.problems : ['this machine has none of the sources of its route'];
    this.#options.log.warn({ event: 'no_way_out', campaign: key, reasons });
  }

  async #send(way: Way, slot: Slot, message: DueMessage): Promise<void> {
    const outcome = refusedIfHeld(
      await this.#deliver(slot, message),
      this.#options.contents.get(message.campaignId),
    );
    way.learn(slot, outcome);
    const from = slot.dotSent ? 'committing' : 'claimed';
    if (outcome.kind === 'moved') return this.#move(message, outcome.destination);
    this.#settle(message, from, outcome, way.troubled);
    if (outcome.kind === 'held') await this.#hold(message, outcome.detail).catch(unlessRetryable);
  }

  #deliver(slot: Slot, message: DueMessage): Promise<Outcome> {
    const content: CampaignContent | undefined = this.#options.contents.get(message.campaignId);
    if (!content) return Promise.resolve({ kind: 'released', afterMs: 0, trouble: null });
    return deliver({
      message,
      content: content.message,
      envelopeFrom: content.envelopeFrom,
      dkimKeys: content.dkimKeys,
      link: slot.link,
      data: '',
      beforeDot: async () => {
        slot.dotSent = await this.#writer.mark(message);
        return slot.dotSent;
      },
    }).catch(releasedIfEnded);
  }

  #settle(message: DueMessage, from: From, outcome: Settled, wayTroubled: boolean): void {
    this.#writer.settle(settlement(message, from, outcome, { retry: this.#retry, wayTroubled }));
  }

  /** The domain went to another provider since it was sorted. */
  async #move(message: DueMessage, destination: string): Promise<void> {
    const id = await this.#destinations.idOf(destination).catch(unlessRetryable);
    this.#writer.settle(id === undefined ? release(message, 'claimed', 0) : moveTo(message, id));
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

  #giveBack(messages: DueMessage[]): void {
    for (const message of messages) this.#writer.settle(release(message, 'claimed', 0));
  }

  /** Rows that the database says are ours and that we do not know: a claim's answer was lost. */
  async #releaseLost(): Promise<void> {
    const { database, workerId } = this.#options;
    const held = this.#ways.all().flatMap(({ slots }) => [...slots.ready, ...slots.underWay]);
    const sorted = this.#sorter?.underWay ?? [];
    const known = new Set([...held, ...sorted, ...this.#writer.unwritten()].map(nameOf));
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
      this.#ways.tend();
      this.#park();
      await this.#giveBackClosed().catch(unlessRetryable);
    }
  }

  /** A pause or a cancellation reaches rows that are claimed and not yet under way. */
  async #giveBackClosed(): Promise<void> {
    const ways = this.#ways.all();
    const campaignIds = new Set(
      ways.flatMap(({ slots }) => slots.ready.map((message) => message.campaignId)),
    );
    if (campaignIds.size === 0) return;
    const rows = await this.#options.database.withSystem((tx) => closedLanes(tx, [...campaignIds]));
    const closed = new Set(rows.map((row) => row.key));
    if (closed.size === 0) return;
    for (const { slots } of ways) this.#giveBack(slots.takeBack((message) => closed.has(message.campaignId)));
  }

  #park(): void {
    const before = performance.now() - PARK_AFTER_MS;
    for (const way of this.#ways.all()) if (way.slots.park(before)) way.parked(before);
  }
}

/** This worker was declared dead, or has drained: nothing happened. */
function releasedIfEnded(error: unknown): Outcome {
  if (!(error instanceof ScopeEnded)) throw error;
  return { kind: 'released', afterMs: 0, trouble: null };
}

/** A sender that is refused holds its campaign; of a stream only this message ends, and whoever sent it is told. */
function refusedIfHeld(outcome: Outcome, content: CampaignContent | undefined): Outcome {
  if (outcome.kind !== 'held' || !content?.isTransactional) return outcome;
  return { kind: 'rejected', detail: outcome.detail, rule: 'sender-refused', metAt: null, trouble: null };
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
