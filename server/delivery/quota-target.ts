/**
 * One target as one worker sees it: what it was granted, what it uses and wants, and what it has to say at the next
 * renewal. In RAM, synchronous. Times are performance.now() unless they end in a name that says otherwise.
 *
 * A reaction takes effect here at once, by the same function that decides it in Postgres. When the lease could not be
 * renewed nothing is granted any more, a little before others may take it.
 */
import type { Limits } from '../smtp/providers.ts';
import { type Door, doorOf, inForce, type Shape, type Target } from './limits.ts';
import { Demand } from './quota-demand.ts';
import { Pace } from './quota-pace.ts';
import type { Grant, Report } from './quota-renewal.ts';
import { type Reaction, react, type Usage } from './shaping.ts';

/** A lease is over here when so much of it has passed; in Postgres, when all of it has. */
const LEASE_SHARE = 0.9;
/** Who asked for a connection without having said how many it wants, wants it for so long. */
const ASKED_MS = 2_000;
/** After a first question the answer is there. */
const FIRST_MS = 30;
/** Others send there now, or probe the way: nobody knows how long. */
const OTHERS_TURN_MS = 3_000;
/** Of the rate: who has so much less now says so at once, because somebody waits for it. */
const LESS_PER_SECOND_MIN = 5;
/** Who has nothing to send holds no more of a day's messages. */
const TOKENS_MIN = 2;
const DAY_MS = 86_400_000;

export class TargetQuota {
  readonly source: string;
  readonly name: string;
  limits: Limits;
  /** Whether Postgres has a row of it. */
  declared = false;
  /** Something is to be said before the next regular renewal. */
  urgent = true;
  /** Connections that have a permit, and of those the ones that were told to close. */
  inUse = 0;
  closing = 0;
  /** The permit of the connection that probes the way. */
  probe: object | undefined;

  #wanted: number | null = null;
  #asked = 0;
  #askedAt = -Infinity;
  #connections = 0;
  readonly #pace = new Pace();
  #tokens: number | null = null;
  #wantedTokens = 0;
  #dayIsOver = false;
  #leaseUntil = 0;
  #shape: Shape;
  #usage: Usage = { connections: 0, messagesPerSecond: 0 };
  /** The database's clock is so far ahead of performance.now(). */
  #clockAhead = Date.now() - performance.now();
  /** What Postgres knows us to hold. */
  #written = 0;
  #accepted = 0;
  #spent = 0;
  #reactions: Reaction[] = [];
  readonly #demand: Demand;

  constructor({ source, name, limits }: Target, now: number) {
    this.source = source;
    this.name = name;
    this.limits = limits;
    this.#shape = { limits, learned: {}, successes: 0, slowedAtMs: 0 };
    this.#demand = new Demand(now);
  }

  inForce(now: number): Limits {
    return inForce(this.#shape, this.#databaseMs(now));
  }

  /** How many connections this worker may have there now. */
  granted(now: number): number {
    if (now >= this.#leaseUntil) return 0;
    const door = this.#door(now);
    if (door.kind === 'shut') return 0;
    const connections = Math.min(this.#connections, this.inForce(now).connections);
    return door.kind === 'probing' ? Math.min(1, connections) : connections;
  }

  want(connections: number, limits: Limits): void {
    if (connections > 0 && !this.#wanted) this.urgent = true;
    if (connections > 0) this.limits = limits;
    this.#wanted = connections;
  }

  /** A connection is asked for; how many it wants was not said. */
  ask(connections: number, now: number): void {
    if (this.#wanted !== null) return;
    if (this.wanted(now) === 0) this.urgent = true;
    this.#asked = connections;
    this.#askedAt = now;
  }

  wanted(now: number): number {
    if (this.#wanted !== null) return this.#wanted;
    return now < this.#askedAt + ASKED_MS ? Math.max(this.#asked, this.inUse) : this.inUse;
  }

  mayOpen(now: number): boolean {
    if (this.#door(now).kind === 'probing') return this.probe === undefined && this.granted(now) > 0;
    return this.inUse < this.granted(now);
  }

  opened(permit: object, now: number): void {
    this.inUse += 1;
    if (this.#door(now).kind === 'probing') this.probe = permit;
  }

  hasTooMany(permit: object, now: number): boolean {
    const granted = this.granted(now);
    if (this.#door(now).kind === 'probing') return granted === 0 || this.probe !== permit;
    return this.inUse - this.closing > granted;
  }

  /** A connection has ended. */
  released(permit: object, wasClosing: boolean): void {
    this.inUse -= 1;
    if (wasClosing) this.closing -= 1;
    if (this.probe === permit) this.probe = undefined;
    if (this.#holds() < this.#written) this.urgent = true;
  }

  /** 0: one message may go; else milliseconds to wait. */
  waitMs(now: number, renewMs: number): number {
    const door = this.#door(now);
    if (door.kind === 'shut') return Math.max(renewMs, door.untilMs - this.#databaseMs(now));
    if (this.granted(now) === 0) return this.#leaseUntil === 0 ? FIRST_MS : OTHERS_TURN_MS;
    if (this.#tokens === 0) return renewMs;
    const paceMs = this.#pace.waitMs(now);
    const waitMs = paceMs === Infinity ? renewMs : paceMs;
    this.#demand.waits(now, waitMs);
    return waitMs;
  }

  spend(now: number): void {
    this.#pace.spend(now);
    this.#demand.sent();
    if (this.#tokens === null) return;
    this.#tokens -= 1;
    this.#spent += 1;
  }

  accepted(): void {
    this.#accepted += 1;
  }

  /** False when it says nothing new. */
  react(reaction: Reaction, now: number): boolean {
    const changed = this.#reacted(this.#shape, reaction, now);
    if (changed === this.#shape) return false;
    this.#shape = changed;
    this.#reactions.push(reaction);
    this.urgent = true;
    return true;
  }

  /** Until when, by the wall clock of this machine, and why nothing goes there; null: it may. */
  held(now: number): { untilMs: number; reason: string } | null {
    const door = this.#door(now);
    const wallMs = (databaseMs: number) => Date.now() + databaseMs - this.#databaseMs(now);
    if (door.kind === 'shut') return { untilMs: wallMs(door.untilMs), reason: door.reason };
    if (door.kind === 'probing' && !this.mayOpen(now))
      return { untilMs: Date.now() + OTHERS_TURN_MS, reason: `probing the way: ${door.reason}` };
    if (this.#dayIsOver) {
      const reason = `the ${this.limits.messagesPerDay} messages of its day (UTC) are sent`;
      return { untilMs: wallMs(nextMidnight(this.#databaseMs(now))), reason };
    }
    return null;
  }

  unreachableForMs(now: number): number {
    const { pause } = this.#shape.learned;
    const nowMs = this.#databaseMs(now);
    // A pause that is over is no answer: then a probe goes first.
    return pause?.cause === 'trouble' && !pause.probed && nowMs < pause.untilMs ? nowMs - pause.firstMs : 0;
  }

  /** Nothing to say and nothing held: it may be forgotten. */
  isIdle(now: number): boolean {
    const unsaid = this.#accepted + this.#spent + this.#reactions.length;
    return unsaid + this.wanted(now) + this.inUse + this.#written + (this.#tokens ?? 0) === 0;
  }

  report(now: number): Report {
    if (now >= this.#leaseUntil) this.#lapse();
    const wanted = this.wanted(now);
    this.#wantedTokens = Math.max(TOKENS_MIN, 4 * this.#spent, this.#wantedTokens / 2);
    const wantedTokens = wanted > 0 ? Math.ceil(this.#wantedTokens) : 0;
    this.#connections = Math.min(this.#connections, Math.max(wanted, this.inUse));
    if (this.#tokens !== null) this.#tokens = Math.min(this.#tokens, wantedTokens);
    if (wanted === 0) this.#pace.perSecond = 0;
    this.#demand.measure(now);
    this.urgent = false;
    return {
      source: this.source,
      target: this.name,
      limits: this.limits,
      wanted,
      connections: this.#holds(),
      wantedPerSecond: this.#demand.wantedPerSecond(this.#pace.perSecond),
      perSecond: this.#pace.perSecond ?? 0,
      sentPerSecond: this.#demand.sentPerSecond,
      nextInMs: this.#pace.nextInMs(now),
      tokens: this.#tokens ?? 0,
      wantedTokens,
      spent: this.#spent,
      accepted: this.#accepted,
      reactions: this.#reactions.map((reaction) => ({ ...reaction, begunAt: reaction.begunAt - now })),
    };
  }

  /** The answer to a report of `sentAt`; true when something changed for those who wait. */
  renewed(report: Report, grant: Grant, sentAt: number, now: number): boolean {
    const before = this.#summary(now);
    this.#accepted -= report.accepted;
    this.#spent -= report.spent;
    this.#reactions.splice(0, report.reactions.length);
    this.#leaseUntil = sentAt + LEASE_SHARE * grant.leaseMs;
    this.#clockAhead = grant.nowMs - now;
    this.#usage = grant.usage;
    this.#shape = this.#reactions.reduce(
      (shape, reaction) => this.#reacted(shape, reaction, now),
      grant.shape,
    );
    this.#connections = grant.connections;
    this.#written = Math.max(grant.connections, report.connections);
    this.#dayIsOver = grant.dayIsOver;
    this.#tokens = grant.tokens === null ? null : Math.max(0, grant.tokens - this.#spent);
    this.#setPace(grant, now);
    if (this.#holds() < this.#written) this.urgent = true;
    return this.#summary(now) !== before;
  }

  /** What was leased may be others' by now. */
  #lapse(): void {
    this.#connections = 0;
    this.#pace.perSecond = 0;
    if (this.#tokens !== null) this.#tokens = 0;
  }

  #setPace({ perSecond, beginsInMs }: Grant, now: number): void {
    if (!this.#pace.perSecond) this.#pace.begin(now + beginsInMs);
    const less = (this.#pace.perSecond ?? 0) - (perSecond ?? Infinity);
    if (less > LESS_PER_SECOND_MIN) this.urgent = true;
    this.#pace.perSecond = perSecond;
  }

  #reacted(shape: Shape, reaction: Reaction, now: number): Shape {
    const usage = {
      connections: this.#usage.connections + this.#holds(),
      messagesPerSecond: this.#usage.messagesPerSecond + this.#demand.sentPerSecond,
    };
    const begunAt = this.#databaseMs(reaction.begunAt);
    return react(shape, { ...reaction, begunAt }, usage, this.#databaseMs(now));
  }

  /** What it may use and what it uses, whichever is more. */
  #holds(): number {
    return Math.max(this.inUse, this.#connections);
  }

  #door(now: number): Door {
    return doorOf(this.#shape.learned, this.#databaseMs(now));
  }

  #databaseMs(at: number): number {
    return at + this.#clockAhead;
  }

  #summary(now: number): string {
    return `${this.granted(now)} ${this.#door(now).kind} ${this.#pace.perSecond === 0}`;
  }
}

function nextMidnight(nowMs: number): number {
  return (Math.floor(nowMs / DAY_MS) + 1) * DAY_MS;
}
