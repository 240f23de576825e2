/** What is in force at every target, who shares it, and why it is not what the rules say; and the end of what is old. */
import type { Database } from '../kernel/database.ts';
import type { Limits } from '../smtp/providers.ts';
import { type Door, doorOf, explain, inForce, type Reason } from './limits.ts';
import * as queries from './queries.ts';

const KEPT_DAYS = 30;

export interface LimitReport {
  source: string;
  target: string;
  rule: Limits;
  inForce: Limits;
  door: Door['kind'];
  /** On this day (UTC); null when the messages of a day are not limited. */
  sentToday: number | null;
  workers: { id: string; connections: number; messagesPerSecond: number | null }[];
  reasons: Reason[];
}

/** Of all targets that are in use or that something was learned of. */
export function limitsInForce(database: Database): Promise<LimitReport[]> {
  return database.withSystem(async (tx) => {
    const shapes = await queries.shapesInUse(tx);
    const shares = Map.groupBy(await queries.liveShares(tx), ({ source, target }) => `${source} ${target}`);
    return shapes.map((row) => reportOf(row, shares.get(`${row.source} ${row.target}`) ?? []));
  });
}

/**
 * Lets messages go again to a target that was suspended or paused; what else was learned of it stays. Workers hear of it
 * with their next renewal. False: nothing is known of the target, or nothing stands in its way.
 */
export function resumeTarget(database: Database, key: queries.TargetKey): Promise<boolean> {
  return database.withSystem(async (tx) => {
    const [row] = await queries.lockShapes(tx, [key]);
    if (!row?.learned.suspension && !row?.learned.pause) return false;
    const { suspension, pause, ...learned } = row.learned;
    queries.saveShapes(tx, [{ ...row, learned }]);
    return true;
  });
}

/** Part of the daily maintenance. */
export function forgetOldLimits(database: Database): Promise<void> {
  return database.withSystem(async (tx) => {
    await queries.deleteExpiredShares(tx);
    await queries.deleteOldShapes(tx, KEPT_DAYS);
  });
}

function reportOf(
  row: queries.ShapeRow & { nowMs: number },
  shares: readonly queries.ShareRow[],
): LimitReport {
  const { source, target, learned, successes, slowedAtMs, nowMs } = row;
  const { connections, messagesPerConnection, messagesPerSecond, messagesPerDay } = row;
  const rule = { connections, messagesPerConnection, messagesPerSecond, messagesPerDay };
  const shape = { limits: rule, learned, successes, slowedAtMs };
  const now = inForce(shape, nowMs);
  const isToday = row.day === new Date(nowMs).toISOString().slice(0, 10);
  return {
    source,
    target,
    rule,
    inForce: now,
    door: doorOf(learned, nowMs).kind,
    sentToday: messagesPerDay === null ? null : isToday ? row.sentToday : 0,
    workers: shares.map((share) => ({
      id: share.workerId,
      connections: share.connections,
      messagesPerSecond: now.messagesPerSecond === null ? null : share.perSecond,
    })),
    reasons: explain(shape, nowMs),
  };
}
