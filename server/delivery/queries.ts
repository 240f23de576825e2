/**
 * The SQL of the limits that all workers share: one function a statement. Rows of a target are locked in the order of
 * the key, so that two renewals never wait for one another in a circle.
 */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { Limits } from '../smtp/providers.ts';
import type { Learned } from './limits.ts';
import type { Share } from './quota-shares.ts';

export interface TargetKey {
  source: string;
  target: string;
}

export interface ShapeRow extends TargetKey, Limits {
  learned: Learned;
  successes: number;
  slowedAtMs: number;
  nextAtMs: number;
  /** As 2027-02-28. */
  day: string;
  sentToday: number;
}

export interface ShareRow extends TargetKey, Share {}

/** A transaction that waits for a lock, or that its worker forgot, must not hold up everybody's renewals. */
export function limitLocks(tx: Tx, waitMsMax: number) {
  return tx.query(sql`SELECT set_config('lock_timeout', ${String(waitMsMax)}, true),
    set_config('idle_in_transaction_session_timeout', ${String(waitMsMax)}, true)`);
}

/** Makes the rows of targets that nobody used before. */
export function declareShapes(tx: Tx, targets: readonly (TargetKey & Limits)[]) {
  return tx.query(sql`
    INSERT INTO shape (source, target, connections, messages_per_connection, messages_per_second, messages_per_day)
    SELECT source, target, connections, "messagesPerConnection", "messagesPerSecond", "messagesPerDay"
    FROM jsonb_to_recordset(${JSON.stringify(targets)}::jsonb) AS t(source text, target text, connections integer,
      "messagesPerConnection" integer, "messagesPerSecond" float8, "messagesPerDay" integer)
    ORDER BY source, target ON CONFLICT DO NOTHING`);
}

/** Locks the shapes until the transaction ends. The time is read under each lock. */
export function lockShapes(tx: Tx, keys: readonly TargetKey[]) {
  const { sources, targets } = columnsOf(keys);
  return tx.query<ShapeRow & { nowMs: number }>(sql`
    SELECT source, target, ${SHAPE}, extract(epoch FROM clock_timestamp())::float8 * 1000 AS "nowMs"
    FROM shape WHERE (source, target) IN (SELECT * FROM unnest(${sources}::text[], ${targets}::text[]))
    ORDER BY source, target FOR UPDATE`);
}

const SHAPE = sql`connections, messages_per_connection AS "messagesPerConnection",
  messages_per_second AS "messagesPerSecond", messages_per_day AS "messagesPerDay", learned, successes,
  coalesce(extract(epoch FROM slowed_at)::float8 * 1000, 0) AS "slowedAtMs",
  coalesce(extract(epoch FROM next_at)::float8 * 1000, 0) AS "nextAtMs", day::text, sent_today AS "sentToday"`;

/** A statement of its own, after the lock: it sees what the one who held it before has written. */
export function sharesOf(tx: Tx, keys: readonly TargetKey[]) {
  const { sources, targets } = columnsOf(keys);
  return tx.query<ShareRow & { expired: boolean }>(sql`
    SELECT source, target, ${SHARE}, expires_at <= clock_timestamp() AS expired
    FROM share WHERE (source, target) IN (SELECT * FROM unnest(${sources}::text[], ${targets}::text[]))`);
}

const SHARE = sql`worker_id AS "workerId", wanted, connections, wanted_per_second AS "wantedPerSecond",
  per_second AS "perSecond", sent_per_second AS "sentPerSecond", tokens`;

export function saveShapes(tx: Tx, shapes: readonly ShapeRow[]): void {
  tx.atCommit(sql`
    UPDATE shape s SET connections = t.connections, messages_per_connection = t."messagesPerConnection",
      messages_per_second = t."messagesPerSecond", messages_per_day = t."messagesPerDay", learned = t.learned,
      successes = t.successes, slowed_at = to_timestamp(nullif(t."slowedAtMs", 0) / 1000),
      next_at = to_timestamp(nullif(t."nextAtMs", 0) / 1000), day = t.day, sent_today = t."sentToday", changed_at = now()
    FROM jsonb_to_recordset(${JSON.stringify(shapes)}::jsonb) AS t(source text, target text, connections integer,
      "messagesPerConnection" integer, "messagesPerSecond" float8, "messagesPerDay" integer, learned jsonb,
      successes integer, "slowedAtMs" float8, "nextAtMs" float8, day date, "sentToday" integer)
    WHERE s.source = t.source AND s.target = t.target`);
}

export function saveShares(tx: Tx, shares: readonly ShareRow[], leaseMs: number): void {
  tx.atCommit(sql`
    INSERT INTO share (source, target, worker_id, wanted, connections, wanted_per_second, per_second, sent_per_second,
      tokens, expires_at)
    SELECT source, target, "workerId", wanted, connections, "wantedPerSecond", "perSecond", "sentPerSecond", tokens,
      clock_timestamp() + ${leaseMs} * interval '1 ms'
    FROM jsonb_to_recordset(${JSON.stringify(shares)}::jsonb) AS t(source text, target text, "workerId" uuid,
      wanted integer, connections integer, "wantedPerSecond" float8, "perSecond" float8, "sentPerSecond" float8,
      tokens integer)
    ON CONFLICT (source, target, worker_id) DO UPDATE SET wanted = excluded.wanted, connections = excluded.connections,
      wanted_per_second = excluded.wanted_per_second, per_second = excluded.per_second,
      sent_per_second = excluded.sent_per_second, tokens = excluded.tokens, expires_at = excluded.expires_at`);
}

export function deleteShares(
  tx: Tx,
  shares: readonly Pick<ShareRow, 'source' | 'target' | 'workerId'>[],
): void {
  tx.atCommit(sql`
    DELETE FROM share s USING jsonb_to_recordset(${JSON.stringify(shares)}::jsonb)
      AS t(source text, target text, "workerId" uuid)
    WHERE s.source = t.source AND s.target = t.target AND s.worker_id = t."workerId"`);
}

/** All limits that are in use, or that something was learned of. */
export function shapesInUse(tx: Tx) {
  return tx.query<ShapeRow & { nowMs: number }>(sql`
    SELECT source, target, ${SHAPE}, extract(epoch FROM now())::float8 * 1000 AS "nowMs"
    FROM shape s WHERE learned <> '{}' OR EXISTS (SELECT FROM share h
      WHERE h.source = s.source AND h.target = s.target AND h.expires_at > now())
    ORDER BY target, source`);
}

export function liveShares(tx: Tx) {
  return tx.query<ShareRow>(
    sql`SELECT source, target, ${SHARE} FROM share WHERE expires_at > now() ORDER BY worker_id`,
  );
}

/** What nothing was learned of for so long is what the rules say. */
export function deleteOldShapes(tx: Tx, olderThanDays: number) {
  return tx.query(sql`
    DELETE FROM shape s WHERE changed_at < now() - ${olderThanDays} * interval '1 day'
      AND NOT EXISTS (SELECT FROM share h WHERE h.source = s.source AND h.target = s.target AND h.expires_at > now())`);
}

/** Of workers that died. */
export function deleteExpiredShares(tx: Tx) {
  return tx.query(sql`DELETE FROM share WHERE expires_at < now() - interval '1 day'`);
}

function columnsOf(keys: readonly TargetKey[]): { sources: string[]; targets: string[] } {
  return { sources: keys.map(({ source }) => source), targets: keys.map(({ target }) => target) };
}
