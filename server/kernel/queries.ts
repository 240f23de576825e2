/** The kernel's SQL: migrations, worker processes, lanes, jobs. One function a statement. */
import type { Tx } from './database.ts';
import { sql } from './sql.ts';

const MIGRATION_LOCK = 7205759403792793600n;

/** A migration, and the wait for another process's, may take as long as it needs. */
export function liftStatementTimeout(tx: Tx) {
  return tx.query(sql`SET LOCAL statement_timeout = 0`);
}

export function lockMigrations(tx: Tx) {
  return tx.query(sql`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
}

export async function hasMigrationTable(tx: Tx): Promise<boolean> {
  const [row] = await tx.query<{ there: boolean }>(
    sql`SELECT to_regclass('public.migration') IS NOT NULL AS there`,
  );
  return row?.there ?? false;
}

export function createMigrationTable(tx: Tx) {
  return tx.query(sql`CREATE TABLE IF NOT EXISTS public.migration (
    name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
}

export interface AppliedMigration {
  name: string;
  sha256: string;
}

export function appliedMigrations(tx: Tx) {
  return tx.query<AppliedMigration>(sql`SELECT name, sha256 FROM public.migration ORDER BY name`);
}

export function recordMigration(tx: Tx, name: string, sha256: string) {
  return tx.query(sql`INSERT INTO public.migration (name, sha256) VALUES (${name}, ${sha256})`);
}

export async function installationSecret(tx: Tx): Promise<Buffer> {
  const [row] = await tx.query<{ secret: Buffer }>(sql`SELECT secret FROM installation`);
  if (!row) throw new Error('the installation row is missing: run `camp migrate`');
  return row.secret;
}

export async function allWorkspaceIds(tx: Tx): Promise<string[]> {
  const rows = await tx.query<{ workspace_id: string }>(sql`SELECT workspace_id FROM workspace`);
  return rows.map((row) => row.workspace_id);
}

export function insertWorker(tx: Tx, worker: { id: string; host: string; pid: number; leaseMs: number }) {
  return tx.query(sql`INSERT INTO worker (id, host, pid, expires_at)
    VALUES (${worker.id}, ${worker.host}, ${worker.pid}, now() + ${worker.leaseMs} * interval '1 ms')`);
}

/** False: somebody declared this worker dead, and its rows may belong to others by now. */
export async function renewWorker(tx: Tx, id: string, leaseMs: number): Promise<boolean> {
  const rows = await tx.query(sql`UPDATE worker SET expires_at = now() + ${leaseMs} * interval '1 ms'
    WHERE id = ${id} AND dead_at IS NULL RETURNING id`);
  return rows.length === 1;
}

/** Declares workers dead whose lease ran out, and gives every dead worker whose rows were not all recovered yet. */
export async function declareDeadWorkers(tx: Tx): Promise<string[]> {
  await tx.query(sql`UPDATE worker SET dead_at = now() WHERE dead_at IS NULL AND expires_at < now()`);
  const rows = await tx.query<{ id: string }>(sql`SELECT id FROM worker WHERE dead_at IS NOT NULL`);
  return rows.map((row) => row.id);
}

/** Of the dead workers, those of whom no open transaction claims anything: nothing will be theirs any more. */
export async function quietDeadWorkers(tx: Tx): Promise<Set<string>> {
  const rows = await tx.query<{ id: string }>(
    sql`SELECT id FROM worker WHERE dead_at IS NOT NULL FOR UPDATE SKIP LOCKED`,
  );
  return new Set(rows.map((row) => row.id));
}

/** False: somebody declared this worker dead, and it must not claim. See hold_worker in migrations/0001_kernel.sql. */
export async function holdWorker(tx: Tx, id: string): Promise<boolean> {
  const [row] = await tx.query<{ alive: boolean | null }>(sql`SELECT hold_worker(${id}) AS alive`);
  return row?.alive === true;
}

export function deleteWorker(tx: Tx, id: string) {
  return tx.query(sql`DELETE FROM worker WHERE id = ${id}`);
}

export function addZombieWrites(tx: Tx, count: number) {
  return tx.query(sql`UPDATE installation SET zombie_writes = zombie_writes + ${count}`);
}

export type QueueName = 'message' | 'job';

export interface LaneKey {
  workspaceId: string;
  queue: QueueName;
  /** The campaign of a message lane; the nil UUID for jobs. */
  key: string;
  number: number;
}

export interface DueLane extends LaneKey {
  /** Text, because a Date is coarser than Postgres' time. */
  servedAt: string;
  /** Claims of it take their allowance from a gate: queries-gates.ts. */
  paced: boolean;
}

/** How long a gate gathers allowance before its lanes are looked at: not every row is worth a claim of its own. */
const PACE_STEP = sql`interval '250 ms'`;

/**
 * Lanes with work that may run now, least recently served first; a page of them, behind `after`. Reads all workspaces:
 * camp_system only. Index: lane_due, and lane_gate_pkey for each lane.
 */
export function dueLanes(tx: Tx, queue: QueueName, after: DueLane | null, limit: number) {
  return tx.query<DueLane>(sql`
    SELECT workspace_id AS "workspaceId", queue, key, number, served_at::text AS "servedAt",
      per_hour IS NOT NULL AS paced
    FROM lane
    LEFT JOIN LATERAL (SELECT per_hour, opens_at, closes_at, spent_until FROM lane_gate gate
      WHERE gate.workspace_id = lane.workspace_id AND gate.key = lane.key LIMIT 1) gate ON true
    WHERE queue = ${queue} AND open AND next_due_at <= now()
      AND coalesce(opens_at <= now() AND closes_at > now(), true)
      AND (per_hour IS NULL OR spent_until + greatest(interval '1 h' / per_hour, ${PACE_STEP}) <= now())
      AND (served_at, workspace_id, key, number) > (coalesce(${after?.servedAt ?? null}::timestamptz, '-infinity'),
        coalesce(${after?.workspaceId ?? null}::uuid, '00000000-0000-0000-0000-000000000000'),
        coalesce(${after?.key ?? null}::uuid, '00000000-0000-0000-0000-000000000000'), ${after?.number ?? -1}::integer)
    ORDER BY served_at, workspace_id, key, number LIMIT ${limit}`);
}

/** Takes the lane's row lock until the transaction ends, and notes that it was served. */
export function serveLane(tx: Tx, lane: LaneKey) {
  return tx.query(sql`UPDATE lane SET served_at = clock_timestamp()
    WHERE workspace_id = ${lane.workspaceId} AND queue = ${lane.queue} AND key = ${lane.key} AND number = ${lane.number}`);
}

/** Moves next_due_at to what was found under the lane's lock; null: nothing waits. */
export function setLaneDue(tx: Tx, lane: LaneKey, nextDueAt: Date | null) {
  return tx.query(sql`UPDATE lane SET next_due_at = ${nextDueAt}
    WHERE workspace_id = ${lane.workspaceId} AND queue = ${lane.queue} AND key = ${lane.key} AND number = ${lane.number}`);
}

/** Makes sure that the lane is looked at again in `dueInMs` at the latest. With the commit: see kernel/lanes.ts. */
export function wakeLane(tx: Tx, lane: LaneKey, dueInMs: number): void {
  tx.atCommit(sql`UPDATE lane SET next_due_at = least(next_due_at, now() + ${dueInMs} * interval '1 ms')
    WHERE workspace_id = ${lane.workspaceId} AND queue = ${lane.queue} AND key = ${lane.key} AND number = ${lane.number}`);
}

export function ensureLane(tx: Tx, lane: LaneKey & { open: boolean; dueInMs: number }) {
  return tx.query(sql`
    INSERT INTO lane (workspace_id, queue, key, number, open, next_due_at)
    VALUES (${lane.workspaceId}, ${lane.queue}, ${lane.key}, ${lane.number}, ${lane.open},
      now() + ${lane.dueInMs} * interval '1 ms')
    ON CONFLICT (workspace_id, queue, key, number)
    DO UPDATE SET next_due_at = least(lane.next_due_at, excluded.next_due_at)`);
}

/**
 * Opens or closes all message lanes of a campaign: what makes a pause bite. The caller's transaction has locked the
 * campaign's row in an earlier statement, so that no lane is being added meanwhile (queue/queries.ts, addLane).
 */
export function setLanesOpen(tx: Tx, workspaceId: string, key: string, open: boolean) {
  return tx.query(sql`UPDATE lane SET open = ${open}
    WHERE workspace_id = ${workspaceId} AND queue = 'message' AND key = ${key}`);
}

/** When a message lane of the key is to be looked at next; null: nothing waits, or it is time already. */
export async function earliestLaneDue(tx: Tx, workspaceId: string, key: string): Promise<Date | null> {
  const [row] = await tx.query<{ due_at: Date | null }>(sql`
    SELECT CASE WHEN min(next_due_at) > now() THEN min(next_due_at) END AS due_at FROM lane
    WHERE workspace_id = ${workspaceId} AND queue = 'message' AND key = ${key}`);
  return row?.due_at ?? null;
}

/** Of these lanes, the ones that are closed, or whose gate is. */
export function closedLanes(tx: Tx, keys: string[]) {
  return tx.query<{ key: string }>(
    sql`SELECT key FROM lane WHERE queue = 'message' AND key = ANY(${keys}::uuid[]) AND NOT open
      UNION SELECT key FROM lane_gate WHERE key = ANY(${keys}::uuid[]) AND NOT (opens_at <= now() AND closes_at > now())`,
  );
}

export async function insertJob(
  tx: Tx,
  job: { workspaceId: string; id: string; kind: string; key: string | null; args: unknown; dueInMs: number },
): Promise<boolean> {
  const rows = await tx.query(sql`
    INSERT INTO job (workspace_id, id, kind, key, args, due_at)
    VALUES (${job.workspaceId}, ${job.id}, ${job.kind}, ${job.key}, ${JSON.stringify(job.args)},
      now() + ${job.dueInMs} * interval '1 ms')
    ON CONFLICT (workspace_id, kind, key) WHERE finished_at IS NULL DO NOTHING RETURNING id`);
  return rows.length === 1;
}

/** An unfinished job that waits runs now instead of later. */
export function hastenJob(tx: Tx, workspaceId: string, kind: string, key: string) {
  return tx.query(sql`UPDATE job SET due_at = now()
    WHERE workspace_id = ${workspaceId} AND kind = ${kind} AND key = ${key} AND due_at > now()`);
}

export interface ClaimedJob {
  id: string;
  kind: string;
  key: string | null;
  args: Record<string, unknown>;
  attempt: number;
  failures: number;
}

/**
 * Claims due jobs of one workspace. SKIP LOCKED, so that workers never wait for one another; the CTE is a fence: the
 * planner may otherwise run the LIMIT again inside the join and claim more. Index: job_claim.
 */
export function claimJobs(tx: Tx, workspaceId: string, workerId: string, limit: number) {
  return tx.query<ClaimedJob>(sql`
    WITH due AS MATERIALIZED (
      SELECT id FROM job WHERE workspace_id = ${workspaceId} AND due_at <= now()
      ORDER BY due_at, id LIMIT ${limit} FOR UPDATE SKIP LOCKED)
    UPDATE job j SET state = 'claimed', due_at = NULL, worker_id = ${workerId}, attempt = j.attempt + 1
    FROM due WHERE j.workspace_id = ${workspaceId} AND j.id = due.id
    RETURNING j.id, j.kind, j.key, j.args, j.attempt, j.failures`);
}

export async function earliestDueJob(tx: Tx, workspaceId: string): Promise<Date | null> {
  const [row] = await tx.query<{ due_at: Date | null }>(
    sql`SELECT min(due_at) AS due_at FROM job WHERE workspace_id = ${workspaceId} AND due_at IS NOT NULL`,
  );
  return row?.due_at ?? null;
}

export interface JobFence {
  workspaceId: string;
  id: string;
  workerId: string;
  attempt: number;
}

/** True while the job is still ours; the row stays locked until the transaction ends. */
export async function lockJob(tx: Tx, fence: JobFence): Promise<boolean> {
  const rows = await tx.query(sql`SELECT id FROM job
    WHERE workspace_id = ${fence.workspaceId} AND id = ${fence.id}
      AND worker_id = ${fence.workerId} AND attempt = ${fence.attempt} FOR UPDATE`);
  return rows.length === 1;
}

export async function finishJob(tx: Tx, fence: JobFence, state: 'done' | 'dead', error: string | null) {
  const rows = await tx.query(sql`
    UPDATE job SET state = ${state}, worker_id = NULL, finished_at = now(), last_error = ${error}
    WHERE workspace_id = ${fence.workspaceId} AND id = ${fence.id}
      AND worker_id = ${fence.workerId} AND attempt = ${fence.attempt} RETURNING id`);
  return rows.length === 1;
}

export async function requeueJob(
  tx: Tx,
  fence: JobFence,
  again: { dueInMs: number; failures: number; error: string | null },
) {
  const rows = await tx.query(sql`
    UPDATE job SET state = 'queued', worker_id = NULL, due_at = now() + ${again.dueInMs} * interval '1 ms',
      failures = ${again.failures}, last_error = ${again.error}
    WHERE workspace_id = ${fence.workspaceId} AND id = ${fence.id}
      AND worker_id = ${fence.workerId} AND attempt = ${fence.attempt} RETURNING id`);
  return rows.length === 1;
}

/** Jobs of a dead worker run again: a job's effects are fenced, so what it began and did not commit never happened. */
export function recoverJobs(tx: Tx, workspaceId: string, workerId: string, except: string[]) {
  return tx.query(sql`UPDATE job SET state = 'queued', worker_id = NULL, due_at = now()
    WHERE workspace_id = ${workspaceId} AND worker_id = ${workerId} AND id <> ALL (${except}::uuid[])
    RETURNING id`);
}

/** Retention of finished jobs. */
export function deleteOldJobs(tx: Tx, workspaceId: string, olderThanHours: number) {
  return tx.query(sql`DELETE FROM job
    WHERE workspace_id = ${workspaceId} AND finished_at < now() - ${olderThanHours} * interval '1 h'`);
}
