/** The SQL of members and invitations. One function a statement. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { Role } from './roles.ts';

export interface MemberKey {
  workspaceId: string;
  personId: string;
}

export interface MemberRow {
  personId: string;
  email: string;
  name: string;
  role: Role;
  createdAt: Date;
  disabledAt: Date | null;
}

export function allMembers(tx: Tx, workspaceId: string) {
  return tx.query<MemberRow>(sql`
    SELECT m.person_id AS "personId", p.email, p.name, m.role, m.created_at AS "createdAt",
      m.disabled_at AS "disabledAt"
    FROM member m JOIN person p ON p.id = m.person_id
    WHERE m.workspace_id = ${workspaceId} ORDER BY p.email`);
}

export async function memberByEmail(
  tx: Tx,
  workspaceId: string,
  email: string,
): Promise<MemberRow | undefined> {
  const [member] = await tx.query<MemberRow>(sql`
    SELECT m.person_id AS "personId", p.email, p.name, m.role, m.created_at AS "createdAt",
      m.disabled_at AS "disabledAt"
    FROM member m JOIN person p ON p.id = m.person_id
    WHERE m.workspace_id = ${workspaceId} AND p.email = ${email}`);
  return member;
}

/** The enabled owners, locked: of two that would each be the last to go, one waits and sees that. */
export async function lockOwners(tx: Tx, workspaceId: string): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(sql`
    SELECT person_id AS id FROM member
    WHERE workspace_id = ${workspaceId} AND role = 'owner' AND disabled_at IS NULL ORDER BY person_id FOR UPDATE`);
  return rows.map(({ id }) => id);
}

export async function lockMember(
  tx: Tx,
  { workspaceId, personId }: MemberKey,
): Promise<{ role: Role } | undefined> {
  const [member] = await tx.query<{ role: Role }>(sql`SELECT role FROM member
    WHERE workspace_id = ${workspaceId} AND person_id = ${personId} FOR UPDATE`);
  return member;
}

export function setRole(tx: Tx, { workspaceId, personId }: MemberKey, role: Role) {
  return tx.query(sql`UPDATE member SET role = ${role}
    WHERE workspace_id = ${workspaceId} AND person_id = ${personId}`);
}

export function setDisabled(tx: Tx, { workspaceId, personId }: MemberKey, isDisabled: boolean) {
  return tx.query(sql`UPDATE member SET disabled_at = CASE WHEN ${isDisabled}::boolean THEN now() END
    WHERE workspace_id = ${workspaceId} AND person_id = ${personId}`);
}

/** Somebody who was disabled is a member again, in the role of the invitation. */
export function admitMember(tx: Tx, { workspaceId, personId }: MemberKey, role: Role) {
  return tx.query(sql`INSERT INTO member (workspace_id, person_id, role)
    VALUES (${workspaceId}, ${personId}, ${role})
    ON CONFLICT (workspace_id, person_id) DO UPDATE SET role = excluded.role, disabled_at = NULL`);
}

export interface InvitationKey {
  workspaceId: string;
  id: string;
}

export interface NewInvitation extends InvitationKey {
  email: string;
  role: Role;
  hash: Buffer;
  invitedBy: string | null;
  lastsSeconds: number;
}

export async function insertInvitation(tx: Tx, invitation: NewInvitation): Promise<Date> {
  const [row] = await tx.query<{ expiresAt: Date }>(sql`
    INSERT INTO invitation (workspace_id, id, email, role, hash, invited_by, expires_at)
    VALUES (${invitation.workspaceId}, ${invitation.id}, ${invitation.email}, ${invitation.role}, ${invitation.hash},
      ${invitation.invitedBy}, now() + ${invitation.lastsSeconds} * interval '1 s')
    RETURNING expires_at AS "expiresAt"`);
  if (!row) throw new Error('an insert gave no row');
  return row.expiresAt;
}

/** The open one of an address, before another takes its place. Index: invitation_open. */
export function revokeInvitationOf(tx: Tx, workspaceId: string, email: string) {
  return tx.query(sql`UPDATE invitation SET revoked_at = now()
    WHERE workspace_id = ${workspaceId} AND email = ${email} AND accepted_at IS NULL AND revoked_at IS NULL`);
}

/** False: there is no such invitation that is open. */
export async function revokeInvitation(tx: Tx, { workspaceId, id }: InvitationKey): Promise<boolean> {
  const rows = await tx.query(sql`UPDATE invitation SET revoked_at = now()
    WHERE workspace_id = ${workspaceId} AND id = ${id} AND accepted_at IS NULL AND revoked_at IS NULL RETURNING id`);
  return rows.length === 1;
}

export interface InvitationRow {
  id: string;
  email: string;
  role: Role;
  invitedBy: string | null;
  createdAt: Date;
  expiresAt: Date;
}

/** Those that may still be accepted, the newest first. */
export function openInvitations(tx: Tx, workspaceId: string) {
  return tx.query<InvitationRow>(sql`
    SELECT id, email, role, invited_by AS "invitedBy", created_at AS "createdAt", expires_at AS "expiresAt"
    FROM invitation WHERE workspace_id = ${workspaceId} AND accepted_at IS NULL AND revoked_at IS NULL
      AND expires_at > now() ORDER BY created_at DESC, id`);
}

export interface FoundInvitation extends InvitationKey {
  workspace: string;
  email: string;
  role: Role;
}

/** One that may be accepted now, of whatever workspace: camp_system only. Index: invitation_hash. */
export async function findInvitation(tx: Tx, hash: Buffer): Promise<FoundInvitation | undefined> {
  const [invitation] = await tx.query<FoundInvitation>(sql`
    SELECT i.workspace_id AS "workspaceId", i.id, w.name AS workspace, i.email, i.role
    FROM invitation i JOIN workspace w ON w.workspace_id = i.workspace_id
    WHERE i.hash = ${hash} AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now()`);
  return invitation;
}

/** False: somebody has accepted it meanwhile, or it was revoked. */
export async function acceptInvitation(tx: Tx, { workspaceId, id }: InvitationKey): Promise<boolean> {
  const rows = await tx.query(sql`UPDATE invitation SET accepted_at = now()
    WHERE workspace_id = ${workspaceId} AND id = ${id} AND accepted_at IS NULL AND revoked_at IS NULL
      AND expires_at > now() RETURNING id`);
  return rows.length === 1;
}
