/** Idempotency keys' SQL. Who owns a key names its epoch in every write; a write that touches no row comes from a former owner. */
import type { Tx } from './database.ts';
import { sql } from './sql.ts';

export interface KeyRow {
  /** Ours from now on. */
  claimed: boolean;
  epoch: number;
  sameRequest: boolean;
  recoveryPoint: string | null;
  resource: string | null;
  status: number | null;
  headers: Record<string, string> | null;
  body: Buffer | null;
}

/**
 * Takes a key that is new, or whose owner's lease ran out at the same request; else gives it as it is. Undefined: another
 * transaction has just written it, so ask again. Index: idempotency_key_pkey.
 *
 * The commit does not wait for the disk: the log is one sequence, so an effect that is on disk has its claim before it, and
 * a claim that a crash of Postgres took away is missed by the fence of every later write.
 */
export async function claimKey(
  tx: Tx,
  request: { workspaceId: string; key: string; fingerprint: Buffer },
  leaseMs: number,
): Promise<KeyRow | undefined> {
  const { workspaceId, key, fingerprint } = request;
  const [row] = await tx.query<KeyRow>(sql`
    WITH found AS (
      SELECT epoch, fingerprint = ${fingerprint} AS same, recovery_point, resource, status, headers, body,
        state = 'running' AND lease_until < now() AND fingerprint = ${fingerprint} AS free
      FROM idempotency_key WHERE workspace_id = ${workspaceId} AND key = ${key}),
    claimed AS (
      INSERT INTO idempotency_key AS held (workspace_id, key, fingerprint, lease_until)
      SELECT ${workspaceId}::uuid, ${key}::text, ${fingerprint}::bytea, now() + ${leaseMs} * interval '1 ms'
      FROM set_config('synchronous_commit', 'off', true)
      WHERE NOT EXISTS (SELECT FROM found WHERE NOT free)
      ON CONFLICT (workspace_id, key) DO UPDATE SET epoch = held.epoch + 1, lease_until = excluded.lease_until
        WHERE held.state = 'running' AND held.lease_until < now() AND held.fingerprint = excluded.fingerprint
      RETURNING epoch, recovery_point)
    SELECT true AS claimed, epoch, true AS "sameRequest", recovery_point AS "recoveryPoint",
      NULL AS resource, NULL::smallint AS status, NULL::json AS headers, NULL::bytea AS body FROM claimed
    UNION ALL
    SELECT false, epoch, same, recovery_point, resource, status, headers, body
    FROM found WHERE NOT EXISTS (SELECT FROM claimed)`);
  return row;
}

/** Those of these keys that somebody has or had. Index: idempotency_key_pkey. */
export async function takenKeys(tx: Tx, workspaceId: string, keys: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ key: string }>(sql`
    SELECT key FROM idempotency_key WHERE workspace_id = ${workspaceId} AND key = ANY (${keys}::text[])`);
  return rows.map(({ key }) => key);
}

/**
 * Keys with their answers. One that is not new fails the transaction. It waits for whoever is just taking one of them, in the
 * order of the keys: one order of locks for all.
 */
export function insertFinishedKeys(
  tx: Tx,
  workspaceId: string,
  answered: readonly {
    key: string;
    fingerprint: Buffer;
    response: { status: number; headers: Readonly<Record<string, string>>; body: Buffer };
  }[],
): void {
  tx.atCommit(sql`
    INSERT INTO idempotency_key (workspace_id, state, key, fingerprint, status, headers, body)
    SELECT ${workspaceId}, 'finished', t.key, t.fingerprint, t.status, t.headers, t.body
    FROM unnest(${answered.map(({ key }) => key)}::text[], ${answered.map(({ fingerprint }) => fingerprint)}::bytea[],
      ${answered.map(({ response }) => response.status)}::smallint[],
      ${answered.map(({ response }) => JSON.stringify(response.headers))}::json[],
      ${answered.map(({ response }) => response.body)}::bytea[]) AS t(key, fingerprint, status, headers, body)
    ORDER BY t.key`);
}

export interface KeyFence {
  workspaceId: string;
  key: string;
  epoch: number;
}

/** False: it has another owner now, or none needs to be any more. */
export async function renewKey(tx: Tx, fence: KeyFence, leaseMs: number): Promise<boolean> {
  const rows = await tx.query(sql`
    UPDATE idempotency_key SET lease_until = now() + ${leaseMs} * interval '1 ms'
    WHERE workspace_id = ${fence.workspaceId} AND key = ${fence.key} AND epoch = ${fence.epoch}
      AND state = 'running' RETURNING key`);
  return rows.length === 1;
}

export async function setRecoveryPoint(tx: Tx, fence: KeyFence, recoveryPoint: string): Promise<boolean> {
  const rows = await tx.query(sql`
    UPDATE idempotency_key SET recovery_point = ${recoveryPoint}
    WHERE workspace_id = ${fence.workspaceId} AND key = ${fence.key} AND epoch = ${fence.epoch}
      AND state = 'running' RETURNING key`);
  return rows.length === 1;
}

export async function finishKey(
  tx: Tx,
  fence: KeyFence,
  response: { status: number; headers: Readonly<Record<string, string>>; body: Buffer },
): Promise<boolean> {
  const rows = await tx.query(sql`
    UPDATE idempotency_key SET state = 'finished', lease_until = NULL, resource = NULL, status = ${response.status},
      headers = ${JSON.stringify(response.headers)}, body = ${response.body}
    WHERE workspace_id = ${fence.workspaceId} AND key = ${fence.key} AND epoch = ${fence.epoch}
      AND state <> 'finished' RETURNING key`);
  return rows.length === 1;
}

export async function parkKey(tx: Tx, fence: KeyFence, resource: string): Promise<boolean> {
  const rows = await tx.query(sql`
    UPDATE idempotency_key SET state = 'unknown', lease_until = NULL, resource = ${resource}
    WHERE workspace_id = ${fence.workspaceId} AND key = ${fence.key} AND epoch = ${fence.epoch}
      AND state = 'running' RETURNING key`);
  return rows.length === 1;
}

/** Its lease is over now. The key still belongs to the same request. */
export function releaseKey(tx: Tx, fence: KeyFence) {
  return tx.query(sql`
    UPDATE idempotency_key SET lease_until = now()
    WHERE workspace_id = ${fence.workspaceId} AND key = ${fence.key} AND epoch = ${fence.epoch}
      AND state = 'running' AND lease_until > now()`);
}

/** At most `limit`, oldest first; gives how many. Not those that somebody works at. Index: idempotency_key_age. */
export async function deleteOldKeys(
  tx: Tx,
  workspaceId: string,
  olderThanHours: number,
  limit: number,
): Promise<number> {
  const rows = await tx.query(sql`
    WITH old AS MATERIALIZED (
      SELECT key FROM idempotency_key
      WHERE workspace_id = ${workspaceId} AND created_at < now() - ${olderThanHours} * interval '1 h'
        AND state <> 'unknown' AND (lease_until IS NULL OR lease_until < now())
      ORDER BY created_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)
    DELETE FROM idempotency_key k USING old
    WHERE k.workspace_id = ${workspaceId} AND k.key = old.key RETURNING 1`);
  return rows.length;
}
