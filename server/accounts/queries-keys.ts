/** The SQL of API keys. One function a statement. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { Role, Scope } from './roles.ts';

export interface KeyKey {
  workspaceId: string;
  id: string;
}

export interface FoundKey extends KeyKey {
  role: Role;
  scopes: Scope[] | null;
  /** Its last use was written down longer ago than that. */
  isStale: boolean;
}

/** A key that may be used now, of whatever workspace: camp_system only. Index: api_key_hash. */
export async function findKey(tx: Tx, hash: Buffer, touchSeconds: number): Promise<FoundKey | undefined> {
  const [key] = await tx.query<FoundKey>(sql`
    SELECT workspace_id AS "workspaceId", id, role, scopes,
      coalesce(last_used_at < now() - ${touchSeconds} * interval '1 s', true) AS "isStale"
    FROM api_key WHERE hash = ${hash} AND revoked_at IS NULL AND coalesce(expires_at > now(), true)`);
  return key;
}

/** Of many requests at once, one writes. */
export function touchKey(tx: Tx, { workspaceId, id }: KeyKey, touchSeconds: number) {
  return tx.query(sql`UPDATE api_key SET last_used_at = now() WHERE workspace_id = ${workspaceId} AND id = ${id}
    AND coalesce(last_used_at < now() - ${touchSeconds} * interval '1 s', true)`);
}

export interface NewKey extends KeyKey {
  name: string;
  hash: Buffer;
  role: Role;
  scopes: readonly Scope[] | null;
  createdBy: string | null;
  expiresAt: Date | null;
}

export function insertKey(tx: Tx, key: NewKey) {
  return tx.query(sql`
    INSERT INTO api_key (workspace_id, id, name, hash, role, scopes, created_by, expires_at)
    VALUES (${key.workspaceId}, ${key.id}, ${key.name}, ${key.hash}, ${key.role}, ${key.scopes}::text[],
      ${key.createdBy}, ${key.expiresAt})`);
}

export interface KeyRow {
  id: string;
  name: string;
  role: Role;
  scopes: Scope[] | null;
  createdBy: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
}

/** The newest first. */
export function allKeys(tx: Tx, workspaceId: string) {
  return tx.query<KeyRow>(sql`
    SELECT id, name, role, scopes, created_by AS "createdBy", created_at AS "createdAt", expires_at AS "expiresAt",
      last_used_at AS "lastUsedAt", revoked_at AS "revokedAt"
    FROM api_key WHERE workspace_id = ${workspaceId} ORDER BY created_at DESC, id`);
}

/** False: there is no such key, or it was revoked before. */
export async function revokeKey(tx: Tx, { workspaceId, id }: KeyKey): Promise<boolean> {
  const rows = await tx.query(sql`UPDATE api_key SET revoked_at = now()
    WHERE workspace_id = ${workspaceId} AND id = ${id} AND revoked_at IS NULL RETURNING id`);
  return rows.length === 1;
}
