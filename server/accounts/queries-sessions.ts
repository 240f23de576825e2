/** The SQL of sessions. One function a statement. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { Role } from './roles.ts';

export interface SessionKey {
  workspaceId: string;
  id: string;
}

export interface FoundSession extends SessionKey {
  personId: string;
  role: Role;
  /** Its last use was written down longer ago than that. */
  isStale: boolean;
}

/**
 * A session that may be used now, of whatever workspace: camp_system only. A member who is disabled has none, and a
 * person whose version has moved on has none of before. Index: session_hash.
 */
export async function findSession(
  tx: Tx,
  hash: Buffer,
  { idleSeconds, touchSeconds }: { idleSeconds: number; touchSeconds: number },
): Promise<FoundSession | undefined> {
  const [session] = await tx.query<FoundSession>(sql`
    SELECT s.workspace_id AS "workspaceId", s.id, s.person_id AS "personId", m.role,
      s.seen_at < now() - ${touchSeconds} * interval '1 s' AS "isStale"
    FROM session s
    JOIN person p ON p.id = s.person_id AND p.session_version = s.version
    JOIN member m ON m.workspace_id = s.workspace_id AND m.person_id = s.person_id AND m.disabled_at IS NULL
    WHERE s.hash = ${hash} AND s.expires_at > now() AND s.seen_at > now() - ${idleSeconds} * interval '1 s'`);
  return session;
}

/** Whether nothing has ended all of the person's sessions since it began: camp_system only. Index: session_pkey. */
export async function isOfNow(tx: Tx, { workspaceId, id }: SessionKey): Promise<boolean> {
  const rows = await tx.query(sql`
    SELECT FROM session s JOIN person p ON p.id = s.person_id AND p.session_version = s.version
    WHERE s.workspace_id = ${workspaceId} AND s.id = ${id}`);
  return rows.length === 1;
}

/** Of many requests at once, one writes. */
export function touchSession(tx: Tx, { workspaceId, id }: SessionKey, touchSeconds: number) {
  return tx.query(sql`UPDATE session SET seen_at = now() WHERE workspace_id = ${workspaceId} AND id = ${id}
    AND seen_at < now() - ${touchSeconds} * interval '1 s'`);
}

export interface NewSession extends SessionKey {
  personId: string;
  hash: Buffer;
  version: number;
  address: string | null;
  userAgent: string | null;
  lastsSeconds: number;
}

export function insertSession(tx: Tx, session: NewSession) {
  return tx.query(sql`
    INSERT INTO session (workspace_id, id, person_id, hash, version, address, user_agent, expires_at)
    VALUES (${session.workspaceId}, ${session.id}, ${session.personId}, ${session.hash}, ${session.version},
      ${session.address}, ${session.userAgent}, now() + ${session.lastsSeconds} * interval '1 s')`);
}

/** Those of a person that nobody can use any more. Index: session_of_person. */
export function deleteEndedSessions(
  tx: Tx,
  { workspaceId, personId, version }: { workspaceId: string; personId: string; version: number },
  idleSeconds: number,
) {
  return tx.query(sql`DELETE FROM session WHERE workspace_id = ${workspaceId} AND person_id = ${personId}
    AND (version <> ${version} OR expires_at < now() OR seen_at < now() - ${idleSeconds} * interval '1 s')`);
}

/** All of a member. Index: session_of_person. */
export function deleteSessionsOf(tx: Tx, workspaceId: string, personId: string) {
  return tx.query(sql`DELETE FROM session WHERE workspace_id = ${workspaceId} AND person_id = ${personId}`);
}

/** False: there is no such session of this person. */
export async function deleteSession(
  tx: Tx,
  { workspaceId, id, personId }: SessionKey & { personId: string },
): Promise<boolean> {
  const rows = await tx.query(sql`DELETE FROM session
    WHERE workspace_id = ${workspaceId} AND id = ${id} AND person_id = ${personId} RETURNING id`);
  return rows.length === 1;
}

export interface SessionRow {
  id: string;
  address: string | null;
  userAgent: string | null;
  createdAt: Date;
  seenAt: Date;
  expiresAt: Date;
}

/** The newest first. */
export function sessionsOf(tx: Tx, workspaceId: string, personId: string) {
  return tx.query<SessionRow>(sql`
    SELECT id, address, user_agent AS "userAgent", created_at AS "createdAt", seen_at AS "seenAt",
      expires_at AS "expiresAt"
    FROM session WHERE workspace_id = ${workspaceId} AND person_id = ${personId} ORDER BY created_at DESC, id`);
}
