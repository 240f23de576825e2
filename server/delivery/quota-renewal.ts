/**
 * One renewal: a worker says what it holds, wants and has heard, and learns what it may do, for many targets in one
 * transaction. What each target's row and parts become is pure (`renew`); the lock makes it one truth for all workers.
 *
 * Two round trips: the locks and what they guard, then what has changed together with the COMMIT.
 */
import type { Database, Tx } from '../kernel/database.ts';
import type { Limits } from '../smtp/providers.ts';
import { doorOf, inForce, type Shape } from './limits.ts';
import * as queries from './queries.ts';
import { partOf, type Share } from './quota-shares.ts';
import { grow, type Reaction, react, type Usage } from './shaping.ts';

/** Less than a lease: who waits longer would come too late. */
const LOCK_WAIT_MS_MAX = 2_000;
/** A worker that should probe and does not is not asked for ever. */
const PROBE_TURN_MS = 60_000;
/** A shorter wait for the next message is not worth writing down. */
const NEXT_MS_MIN = 100;

/** What a worker says of one target. */
export interface Report extends Omit<Share, 'workerId'> {
  source: string;
  target: string;
  limits: Limits;
  /** Until its own next message, by its part of the rate. */
  nextInMs: number;
  /** Sent since the last renewal, of those that are counted by the day. */
  spent: number;
  wantedTokens: number;
  accepted: number;
  /** `begunAt` relative to now. */
  reactions: readonly Reaction[];
}

export interface Grant {
  connections: number;
  perSecond: number | null;
  /** Who gets a part of the rate anew begins so much later. */
  beginsInMs: number;
  /** Messages of the day in hand; null: they are not counted. */
  tokens: number | null;
  /** All messages of the day are sent. */
  dayIsOver: boolean;
  shape: Shape;
  /** Of the others. */
  usage: Usage;
  /** Of the database's clock. */
  nowMs: number;
  leaseMs: number;
}

export interface Renewer {
  workerId: string;
  /** What it holds expires so long after its last renewal. */
  leaseMs: number;
}

/** In the order of the reports; undefined for a target that nobody declared. */
export async function renewShares(
  database: Database,
  renewer: Renewer,
  reports: readonly Report[],
): Promise<(Grant | undefined)[]> {
  return database.withSystem(async (tx) => {
    const keys = reports.map(({ source, target }) => ({ source, target }));
    const [, locked, held] = await Promise.all([
      queries.limitLocks(tx, LOCK_WAIT_MS_MAX),
      queries.lockShapes(tx, keys),
      queries.sharesOf(tx, keys),
    ]);
    const rows = new Map(locked.map((row) => [keyOf(row), row]));
    const shares = Map.groupBy(held, keyOf);
    const renewals = reports.map((report) => {
      const row = rows.get(keyOf(report));
      return row && renew(row, shares.get(keyOf(report)) ?? [], report, renewer);
    });
    save(tx, renewer, renewals);
    return renewals.map((renewal) => renewal?.grant);
  });
}

export function declareTargets(database: Database, reports: readonly Report[]) {
  const targets = reports.map(({ source, target, limits }) => ({ source, target, ...limits }));
  return database.withSystem((tx) => queries.declareShapes(tx, targets));
}

type ShapeRow = queries.ShapeRow & { nowMs: number };
type ShareRow = queries.ShareRow & { expired: boolean };

export interface Renewal {
  /** Null: it stays as it is. */
  shape: queries.ShapeRow | null;
  share: queries.ShareRow;
  expired: readonly queries.ShareRow[];
  grant: Grant;
}

export function renew(
  row: ShapeRow,
  held: readonly ShareRow[],
  report: Report,
  { workerId, leaseMs }: Renewer,
): Renewal {
  const { nowMs } = row;
  const foreign = held.filter((share) => share.workerId !== workerId);
  const others = foreign.filter(({ expired }) => !expired);
  const expired = foreign.filter((share) => share.expired);
  const shape = learn(row, usageOf(others), report);
  const day = countDay(row, expired, report);
  const nextAtMs = Math.max(row.nextAtMs, report.nextInMs > NEXT_MS_MIN ? nowMs + report.nextInMs : 0);
  const { tokens, dayIsOver } = tokensOf(day.sentToday, others, report);
  const part = partNow(shape, tokens, others, { ...report, workerId }, nowMs);
  const grant = {
    ...part,
    tokens,
    dayIsOver,
    beginsInMs: Math.max(0, nextAtMs - nowMs),
    shape,
    usage: usageOf(others),
    nowMs,
    leaseMs,
  };
  const { learned, successes, slowedAtMs } = shape;
  const renewed = { ...row, ...report.limits, learned, successes, slowedAtMs, ...day, nextAtMs };
  return {
    shape: isSame(row, renewed) ? null : renewed,
    share: shareOf(report, grant, workerId),
    expired,
    grant,
  };
}

function learn(row: ShapeRow, others: Usage, report: Report): Shape {
  const { nowMs, learned, successes, slowedAtMs } = row;
  const known = { limits: report.limits, learned, successes, slowedAtMs };
  const usage = {
    connections: others.connections + report.connections,
    messagesPerSecond: others.messagesPerSecond + report.sentPerSecond,
  };
  const grown = report.accepted > 0 ? grow(known, report.accepted, nowMs) : known;
  return report.reactions.reduce(
    (shape, reaction) => react(shape, { ...reaction, begunAt: nowMs + reaction.begunAt }, usage, nowMs),
    grown,
  );
}

/** What a dead worker had in hand counts as sent: nobody knows. */
function countDay(
  { day, sentToday, nowMs }: ShapeRow,
  expired: readonly Share[],
  { limits, spent }: Report,
): Pick<ShapeRow, 'day' | 'sentToday'> {
  if (limits.messagesPerDay === null) return { day, sentToday };
  const today = new Date(nowMs).toISOString().slice(0, 10);
  const lost = expired.reduce((sum, { tokens }) => sum + tokens, 0);
  return { day: today, sentToday: (day === today ? sentToday : 0) + spent + lost };
}

/** An equal part of what is left of the day, as far as it is wanted now. */
function tokensOf(
  sentToday: number,
  others: readonly Share[],
  { limits, tokens, wantedTokens }: Report,
): { tokens: number | null; dayIsOver: boolean } {
  if (limits.messagesPerDay === null) return { tokens: null, dayIsOver: false };
  const inHand = others.reduce((sum, share) => sum + share.tokens, tokens);
  const left = Math.max(0, limits.messagesPerDay - sentToday - inHand);
  const sharers = 1 + others.filter(({ wanted }) => wanted > 0).length;
  const more = Math.min(Math.max(0, wantedTokens - tokens), Math.ceil(left / sharers));
  return { tokens: tokens + more, dayIsOver: inHand + left === 0 };
}

function partNow(
  shape: Shape,
  tokens: number | null,
  others: readonly Share[],
  own: Report & Share,
  nowMs: number,
) {
  const door = doorOf(shape.learned, nowMs);
  if (door.kind === 'shut' || tokens === 0) return { connections: 0, perSecond: 0 };
  const now = inForce(shape, nowMs);
  if (door.kind === 'open') return partOf(own.target, now, own, others, Infinity);
  return partOf(`${own.target} ${Math.floor(nowMs / PROBE_TURN_MS)}`, now, own, others, 1);
}

function usageOf(shares: readonly Share[]): Usage {
  return {
    connections: shares.reduce((sum, { connections }) => sum + connections, 0),
    messagesPerSecond: shares.reduce((sum, { sentPerSecond }) => sum + sentPerSecond, 0),
  };
}

/** Postgres keeps the greater of what is held and what may be held: see quota-shares.ts. */
function shareOf(report: Report, grant: Grant, workerId: string): queries.ShareRow {
  const { source, target, wanted, wantedPerSecond, sentPerSecond } = report;
  return {
    source,
    target,
    workerId,
    wanted,
    connections: Math.max(report.connections, grant.connections),
    wantedPerSecond,
    perSecond: Math.max(report.perSecond, grant.perSecond ?? 0),
    sentPerSecond,
    tokens: grant.tokens ?? 0,
  };
}

function isSame(a: queries.ShapeRow, b: queries.ShapeRow): boolean {
  return SAVED.every((column) => a[column] === b[column]);
}

const SAVED = [
  'connections',
  'messagesPerConnection',
  'messagesPerSecond',
  'messagesPerDay',
  'learned',
  'successes',
  'slowedAtMs',
  'nextAtMs',
  'day',
  'sentToday',
] as const;

function save(tx: Tx, { leaseMs }: Renewer, all: readonly (Renewal | undefined)[]): void {
  const renewals = all.filter((renewal) => renewal !== undefined);
  const shapes = renewals.flatMap(({ shape }) => shape ?? []);
  const [kept, dropped] = partition(
    renewals.map(({ share }) => share),
    ({ wanted, connections, tokens }) => wanted > 0 || connections > 0 || tokens > 0,
  );
  const gone = [...dropped, ...renewals.flatMap(({ expired }) => expired)];
  if (shapes.length > 0) queries.saveShapes(tx, shapes);
  if (kept.length > 0) queries.saveShares(tx, kept, leaseMs);
  if (gone.length > 0) queries.deleteShares(tx, gone);
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}

function keyOf({ source, target }: queries.TargetKey): string {
  return `${source} ${target}`;
}
