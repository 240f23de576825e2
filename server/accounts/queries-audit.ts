/** The SQL of the audit log. One function a statement. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { Actor } from './principal.ts';

export interface AuditEntry {
  workspaceId: string;
  /** 1, 2, 3, … */
  position: number;
  /** UTC with microseconds, as text, because a Date is coarser than Postgres' time. */
  at: string;
  actorKind: Actor['kind'];
  actorId: string;
  personId: string | null;
  action: string;
  subject: string;
  /** JSON. */
  before: string | null;
  after: string | null;
  address: string | null;
}

/** In the order in which they are hashed. */
export const AUDIT_FIELDS = [
  'workspaceId',
  'position',
  'at',
  'actorKind',
  'actorId',
  'personId',
  'action',
  'subject',
  'before',
  'after',
  'address',
] as const satisfies (keyof AuditEntry)[];

const UTC = sql`'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;

const COLUMNS = sql`workspace_id AS "workspaceId", position::float8 AS position,
  to_char(at AT TIME ZONE 'UTC', ${UTC}) AS at, actor_kind AS "actorKind", actor_id AS "actorId",
  person_id AS "personId", action, subject, before, after, address`;

export interface LockedHead {
  entries: number;
  hash: Buffer;
  at: string;
}

/** Whoever has the lock writes the next entry. `at` is asked for after the lock, so that time grows with the position. */
export async function lockAuditHead(tx: Tx, workspaceId: string): Promise<LockedHead | undefined> {
  const [head] = await tx.query<LockedHead>(sql`
    WITH head AS MATERIALIZED (SELECT audit_entries, audit_hash FROM workspace WHERE workspace_id = ${workspaceId}
      FOR NO KEY UPDATE)
    SELECT audit_entries::float8 AS entries, audit_hash AS hash,
      to_char(clock_timestamp() AT TIME ZONE 'UTC', ${UTC}) AS at FROM head`);
  return head;
}

export function appendAuditEntry(tx: Tx, entry: AuditEntry, hash: Buffer) {
  return tx.query(sql`
    WITH head AS (UPDATE workspace SET audit_entries = ${entry.position}, audit_hash = ${hash}
      WHERE workspace_id = ${entry.workspaceId})
    INSERT INTO audit_entry (workspace_id, position, at, actor_kind, actor_id, person_id, action, subject, before,
      after, address, hash)
    VALUES (${entry.workspaceId}, ${entry.position}, ${entry.at}, ${entry.actorKind}, ${entry.actorId},
      ${entry.personId}, ${entry.action}, ${entry.subject}, ${entry.before}, ${entry.after}, ${entry.address}, ${hash})`);
}

export async function auditHead(
  tx: Tx,
  workspaceId: string,
): Promise<{ entries: number; hash: Buffer } | undefined> {
  const [head] = await tx.query<{ entries: number; hash: Buffer }>(sql`
    SELECT audit_entries::float8 AS entries, audit_hash AS hash FROM workspace WHERE workspace_id = ${workspaceId}`);
  return head;
}

/** Newest first. */
export function auditPage(tx: Tx, workspaceId: string, before: number | null, limit: number) {
  return tx.query<AuditEntry>(sql`
    SELECT ${COLUMNS} FROM audit_entry
    WHERE workspace_id = ${workspaceId} AND position < coalesce(${before}::bigint, 9223372036854775807)
    ORDER BY audit_entry.position DESC LIMIT ${limit}`);
}

/** Oldest first, with their hashes; all of them, also where none of ours stands. */
export function auditPageUp(tx: Tx, workspaceId: string, after: number | null, limit: number) {
  return tx.query<AuditEntry & { hash: Buffer }>(sql`
    SELECT ${COLUMNS}, hash FROM audit_entry
    WHERE workspace_id = ${workspaceId} AND position > coalesce(${after}::bigint, -9223372036854775808)
    ORDER BY audit_entry.position LIMIT ${limit}`);
}
