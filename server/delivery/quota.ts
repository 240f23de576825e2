/**
 * Quota: the limits of providers and sites, shared by all workers and spent from RAM.
 *
 * For each target a worker holds a lease: so many connections, such a part of the rate, so many of the day's messages. It
 * renews all of them in one transaction about twice a second (quota-renewal.ts), and at once when it begins to want a
 * target, has to give something back, or has heard something that changes a limit (shaping.ts). Between renewals every
 * question is answered from RAM (quota-target.ts). A worker that cannot renew stops by its own clock before others may
 * take what it held.
 *
 * Before: a way (queue/mx-way.ts) wants connections to a destination. After: mx-link.ts holds a permit for every
 * connection from before it is opened until it is closed, and spends a message before each MAIL.
 */
import { type Database, isRetryable } from '../kernel/database.ts';
import type { Log } from '../kernel/log.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Target } from './limits.ts';
import { declareTargets, type Report, renewShares } from './quota-renewal.ts';
import { TargetQuota } from './quota-target.ts';
import type { Reaction } from './shaping.ts';

const LEASE_MS = 5_000;
const RENEW_MS = 500;
/** What happens within it is said in one renewal. */
const GATHER_MS = 10;
const DATABASE_AWAY_RETRY_MS = 300;
/** Targets of one transaction. */
const TARGETS_MAX = 500;

export interface QuotaOptions {
  database: Database;
  log: Log;
  workerId: string;
  leaseMs?: number;
  renewMs?: number;
}

/** The right to one connection. */
export interface Permit {
  /** Asked after each message: there is one connection too many now, or the lease is over. */
  shouldClose(): boolean;
  /** The connection has ended. May be said again. */
  release(): void;
}

export interface Held {
  /** Unix milliseconds, by this machine's clock. */
  untilMs: number;
  /** A sentence for people. */
  reason: string;
}

export class Quota {
  readonly #options: Required<QuotaOptions>;
  readonly #targets = new Map<string, TargetQuota>();
  readonly #listeners: (() => void)[] = [];
  #wake: (() => void) | undefined;
  #nextRenewalAt = 0;
  #isAway = false;
  #announcing = false;

  constructor(options: QuotaOptions) {
    this.#options = { leaseMs: LEASE_MS, renewMs: RENEW_MS, ...options };
  }

  /** Renews the leases until the scope ends, and then gives them back: the scope has to outlast the connections. */
  async run(scope: Scope): Promise<void> {
    while (!scope.ended) {
      const renewed = await this.#tryRenew();
      await this.#rest(scope, renewed ? this.#nextRenewalAt - performance.now() : DATABASE_AWAY_RETRY_MS);
    }
    for (const target of this.#targets.values()) target.want(0, target.limits);
    this.#nextRenewalAt = 0;
    await this.#tryRenew();
  }

  /** Resolves when no connection holds a permit. */
  async released(): Promise<void> {
    while ([...this.#targets.values()].some(({ inUse }) => inUse > 0))
      await new Promise<void>((resolve) => this.onGrant(resolve));
  }

  /** How many connections this worker could use there now; 0 gives back what it holds. */
  want(target: Target, connections: number): void {
    const known = this.#of(target);
    known.want(connections, target.limits);
    if (known.urgent) this.#wake?.();
  }

  /** How many connections this worker may have there now. */
  granted(target: Target): number {
    return this.#of(target).granted(performance.now());
  }

  /** A connection needs room at all of its targets. Null: not now (see heldUntil and onGrant). */
  connect(targets: readonly Target[]): Permit | null {
    const now = performance.now();
    const known = this.#asked(targets, now);
    if (!known.every((target) => target.mayOpen(now))) return null;
    return new TargetsPermit(known, () => this.#released(known));
  }

  /** 0: one message may go now, and is counted; else the milliseconds after which to ask again. */
  spend(targets: readonly Target[]): number {
    const now = performance.now();
    const known = this.#asked(targets, now);
    const waitMs = Math.max(...known.map((target) => target.waitMs(now, this.#options.renewMs)));
    if (waitMs === 0) for (const target of known) target.spend(now);
    return waitMs;
  }

  messagesPerConnection(targets: readonly Target[]): number {
    const now = performance.now();
    return Math.min(...targets.map((target) => this.#of(target).inForce(now).messagesPerConnection));
  }

  /** Until when nothing goes there: suspended, in trouble, being probed, or the day's messages are sent. */
  heldUntil(targets: readonly Target[]): Held | null {
    const now = performance.now();
    const held = targets.flatMap((target) => this.#of(target).held(now) ?? []);
    return held.sort((a, b) => b.untilMs - a.untilMs)[0] ?? null;
  }

  /** For how long none of its hosts has let anybody in; 0: it is well, or nobody knows. */
  unreachableForMs(target: Target): number {
    return this.#of(target).unreachableForMs(performance.now());
  }

  /** A message was taken: evidence for more. */
  accepted(targets: readonly Target[]): void {
    for (const target of targets) this.#of(target).accepted();
  }

  /** Takes effect here at once, in Postgres within milliseconds, and at the other workers with their next renewal. */
  react(targets: readonly Target[], reaction: Reaction): void {
    const now = performance.now();
    const changed = targets.filter((target) => this.#of(target).react(reaction, now));
    if (changed.length === 0) return;
    const { kind, rule } = reaction;
    for (const { source, name: target } of changed)
      this.#options.log.warn({ event: 'limit_learned', source, target, reaction: kind, rule });
    this.#wake?.();
    this.#announce();
  }

  /** Called when there may be room that was not there before, or less. */
  onGrant(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** `want` speaks of the first target; the others are wanted, as much as the first was granted, because they are asked for. */
  #asked(targets: readonly Target[], now: number): TargetQuota[] {
    const known = targets.map((target) => this.#of(target));
    for (const target of known) target.ask(known[0]?.granted(now) || 1, now);
    if (known.some(({ urgent }) => urgent)) this.#wake?.();
    return known;
  }

  #of(target: Target): TargetQuota {
    const key = `${target.source} ${target.name}`;
    let known = this.#targets.get(key);
    if (!known) {
      known = new TargetQuota(target, performance.now());
      this.#targets.set(key, known);
    }
    return known;
  }

  #released(targets: readonly TargetQuota[]): void {
    if (targets.some(({ urgent }) => urgent)) this.#wake?.();
    this.#announce();
  }

  /** Once for all that happens together, and never in the middle of a caller's work. */
  #announce(): void {
    if (this.#announcing) return;
    this.#announcing = true;
    queueMicrotask(() => {
      this.#announcing = false;
      for (const listener of this.#listeners) listener();
    });
  }

  async #tryRenew(): Promise<boolean> {
    const { log } = this.#options;
    try {
      await this.#renew();
      this.#isAway = false;
      return true;
    } catch (error) {
      if (!isRetryable(error)) throw error;
      if (!this.#isAway) log.warn({ event: 'quota_not_renewed', error: (error as Error).message });
      this.#isAway = true;
      this.#nextRenewalAt = 0;
      return false;
    }
  }

  /** All targets when it is time, else those that cannot wait. */
  async #renew(): Promise<void> {
    const now = performance.now();
    const isTime = now >= this.#nextRenewalAt;
    for (const [key, target] of this.#targets) if (isTime && target.isIdle(now)) this.#targets.delete(key);
    const due = [...this.#targets.values()].filter(({ urgent }) => isTime || urgent);
    for (let at = 0; at < due.length; at += TARGETS_MAX)
      await this.#renewSome(due.slice(at, at + TARGETS_MAX));
    if (isTime) this.#nextRenewalAt = now + this.#options.renewMs;
  }

  async #renewSome(targets: readonly TargetQuota[]): Promise<void> {
    const { database } = this.#options;
    const sentAt = performance.now();
    const reports = targets.map((target) => target.report(sentAt));
    await this.#declare(targets, reports);
    const grants = await renewShares(database, this.#options, reports);
    const now = performance.now();
    let changed = false;
    targets.forEach((target, at) => {
      const [report, grant] = [reports[at], grants[at]];
      if (report && grant) changed = target.renewed(report, grant, sentAt, now) || changed;
      else target.declared = false;
    });
    if (changed) this.#announce();
  }

  async #declare(targets: readonly TargetQuota[], reports: readonly Report[]): Promise<void> {
    const unknown = reports.filter((_, at) => !targets[at]?.declared);
    if (unknown.length === 0) return;
    await declareTargets(this.#options.database, unknown);
    for (const target of targets) target.declared = true;
  }

  async #rest(scope: Scope, ms: number): Promise<void> {
    const rest = scope.child('renewal');
    this.#wake = () => rest.cancel('woken');
    const isUrgent = [...this.#targets.values()].some(({ urgent }) => urgent);
    if (!isUrgent) await rest.sleep(Math.max(0, ms)).catch(() => {});
    this.#wake = undefined;
    rest.cancel('done');
    await scope.sleep(GATHER_MS).catch(() => {});
  }
}

class TargetsPermit implements Permit {
  readonly #targets: readonly TargetQuota[];
  readonly #onRelease: () => void;
  #closing = false;
  #released = false;

  constructor(targets: readonly TargetQuota[], onRelease: () => void) {
    this.#targets = targets;
    this.#onRelease = onRelease;
    const now = performance.now();
    for (const target of targets) target.opened(this, now);
  }

  shouldClose(): boolean {
    const now = performance.now();
    if (this.#closing || !this.#targets.some((target) => target.hasTooMany(this, now))) return this.#closing;
    this.#closing = true;
    for (const target of this.#targets) target.closing += 1;
    return true;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const target of this.#targets) target.released(this, this.#closing);
    this.#onRelease();
  }
}
