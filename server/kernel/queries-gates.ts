/**
 * Gates: when the lanes of one key may be claimed, and how fast all of them together. dueLanes (queries.ts) passes over
 * the lanes of a gate that is shut; a claim of a paced lane takes its allowance here, under the lock of the gate.
 *
 * The pace is the generic cell rate algorithm: `spent_until` moves on by an hour / per_hour a row. What nobody used is
 * kept for a moment only, so that a claim that comes late loses nothing and an idle hour saves nothing up.
 */
import type { Tx } from './database.ts';
import { sql } from './sql.ts';

/** Longer than a lane may have to wait for a look at it: see POLL_MS_MAX and the pace in dueLanes. */
const SAVED_UP = sql`(interval '1 s' + interval '1 h' / per_hour)`;

export interface GateKey {
  workspaceId: string;
  key: string;
}

/** Without times it is open. */
export interface Gate {
  opensAt: Date | null;
  closesAt: Date | null;
  perHour: number | null;
}

export function insertGate(tx: Tx, of: GateKey, gate: Gate) {
  return tx.query(sql`
    INSERT INTO lane_gate (workspace_id, key, opens_at, closes_at, per_hour)
    VALUES (${of.workspaceId}, ${of.key}, coalesce(${gate.opensAt}::timestamptz, '-infinity'),
      coalesce(${gate.closesAt}::timestamptz, 'infinity'), ${gate.perHour})`);
}

export function deleteGate(tx: Tx, of: GateKey) {
  return tx.query(sql`DELETE FROM lane_gate WHERE workspace_id = ${of.workspaceId} AND key = ${of.key}`);
}

/** The next opening of a gate whose last one is over; somebody may have given it other times meanwhile. */
export function renewGateTimes(
  tx: Tx,
  of: GateKey,
  { opensAt, closesAt }: { opensAt: Date; closesAt: Date },
) {
  return tx.query(sql`UPDATE lane_gate SET opens_at = ${opensAt}, closes_at = ${closesAt}
    WHERE workspace_id = ${of.workspaceId} AND key = ${of.key} AND closes_at <= now()`);
}

/** Null: from ever, or for ever. */
export function setGateTimes(tx: Tx, of: GateKey, { opensAt, closesAt }: Pick<Gate, 'opensAt' | 'closesAt'>) {
  return tx.query(sql`
    INSERT INTO lane_gate (workspace_id, key, opens_at, closes_at)
    VALUES (${of.workspaceId}, ${of.key}, coalesce(${opensAt}::timestamptz, '-infinity'),
      coalesce(${closesAt}::timestamptz, 'infinity'))
    ON CONFLICT (workspace_id, key) DO UPDATE SET opens_at = excluded.opens_at, closes_at = excluded.closes_at`);
}

/** Null: as fast as can be. A row is changed in place: whoever waits for its lock keeps to the new pace. */
export function setGatePace(tx: Tx, of: GateKey, perHour: number | null) {
  return tx.query(sql`
    INSERT INTO lane_gate (workspace_id, key, per_hour) VALUES (${of.workspaceId}, ${of.key}, ${perHour})
    ON CONFLICT (workspace_id, key) DO UPDATE SET per_hour = excluded.per_hour`);
}

export interface GateState {
  perHour: number | null;
  /** When it opens; null while it is open, or closed and nobody has said yet until when. */
  opensAt: Date | null;
  isOver: boolean;
  /** By the clock of the database. */
  now: Date;
}

export async function findGate(tx: Tx, of: GateKey): Promise<GateState | undefined> {
  const [row] = await tx.query<GateState>(sql`
    SELECT per_hour AS "perHour", CASE WHEN opens_at > now() THEN opens_at END AS "opensAt",
      closes_at <= now() AS "isOver", now()
    FROM lane_gate WHERE workspace_id = ${of.workspaceId} AND key = ${of.key}`);
  return row;
}

/** The pace counts from now: what was not used before is not made up for. */
export function restartPace(tx: Tx, of: GateKey): void {
  tx.atCommit(sql`UPDATE lane_gate SET spent_until = greatest(spent_until, now())
    WHERE workspace_id = ${of.workspaceId} AND key = ${of.key} AND per_hour IS NOT NULL`);
}

/** How many rows may be claimed now. Nobody else claims of the key until the transaction ends. */
export async function lockAllowance(tx: Tx, of: GateKey): Promise<number> {
  // Intervals are whole microseconds: what is due to the microsecond must not be found a hair too early.
  const [row] = await tx.query<{ n: number }>(sql`
    SELECT greatest(0, floor(0.001 + per_hour / 3600.0
      * extract(epoch FROM least(clock_timestamp() - spent_until, ${SAVED_UP}))))::float8 AS n
    FROM lane_gate WHERE workspace_id = ${of.workspaceId} AND key = ${of.key} AND per_hour IS NOT NULL FOR UPDATE`);
  return row?.n ?? Number.POSITIVE_INFINITY;
}

export function spendAllowance(tx: Tx, of: GateKey, rows: number): void {
  tx.atCommit(sql`
    UPDATE lane_gate SET spent_until = greatest(spent_until, clock_timestamp() - ${SAVED_UP})
      + interval '1 h' * (${rows}::float8 / per_hour)
    WHERE workspace_id = ${of.workspaceId} AND key = ${of.key} AND per_hour IS NOT NULL`);
}

/** Rows that were claimed and given back as they were. To be called before the lanes are woken: claims lock them later. */
export function refundAllowance(tx: Tx, of: GateKey, rows: number): void {
  tx.atCommit(sql`UPDATE lane_gate SET spent_until = spent_until - interval '1 h' * (${rows}::float8 / per_hour)
    WHERE workspace_id = ${of.workspaceId} AND key = ${of.key} AND per_hour IS NOT NULL`);
}
