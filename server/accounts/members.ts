/**
 * Members: who belongs to a workspace, and in what role.
 *
 * Nobody gives, or takes away, what they do not have themselves: whoever changes a member must hold every scope of the
 * role that the member has, and of the one that they get. A workspace always has an owner who is enabled. A change of role
 * ends the member's sessions in the workspace, as disabling does.
 */
import type { Database, Tx } from '../kernel/database.ts';
import { type AuditedAction, audit } from './audit.ts';
import type { Actor } from './principal.ts';
import * as queries from './queries-members.ts';
import { deleteSessionsOf } from './queries-sessions.ts';
import { AccountRefused } from './refused.ts';
import { covers, type Role } from './roles.ts';
import type { RequestOrigin } from './sessions.ts';

export function listMembers(database: Database, workspaceId: string): Promise<queries.MemberRow[]> {
  return database.readWorkspace(workspaceId, (tx) => queries.allMembers(tx, workspaceId));
}

/** Throws AccountRefused. */
export async function changeRole(
  database: Database,
  actor: Actor,
  { personId, role }: { personId: string; role: Role },
  origin: RequestOrigin,
): Promise<void> {
  requireCover(actor, role);
  return changeMember(database, actor, personId, origin, async (tx, member) => {
    if (role !== 'owner') requireOtherOwner(member);
    await queries.setRole(tx, member, role);
    await deleteSessionsOf(tx, member.workspaceId, personId);
    return { action: 'member.role_changed', before: member.role, after: role };
  });
}

/** Throws AccountRefused. */
export function disableMember(
  database: Database,
  actor: Actor,
  personId: string,
  origin: RequestOrigin,
): Promise<void> {
  return changeMember(database, actor, personId, origin, async (tx, member) => {
    requireOtherOwner(member);
    await queries.setDisabled(tx, member, true);
    await deleteSessionsOf(tx, member.workspaceId, personId);
    return { action: 'member.disabled' };
  });
}

/** Throws AccountRefused. */
export function enableMember(
  database: Database,
  actor: Actor,
  personId: string,
  origin: RequestOrigin,
): Promise<void> {
  return changeMember(database, actor, personId, origin, async (tx, member) => {
    await queries.setDisabled(tx, member, false);
    return { action: 'member.enabled' };
  });
}

interface LockedMember extends queries.MemberKey {
  role: Role;
  /** Nobody else is an owner who is enabled. */
  isLastOwner: boolean;
}

async function changeMember(
  database: Database,
  actor: Actor,
  personId: string,
  { address }: RequestOrigin,
  change: (tx: Tx, member: LockedMember) => Promise<Omit<AuditedAction, 'subject'>>,
): Promise<void> {
  const key = { workspaceId: actor.workspaceId, personId };
  await database.withWorkspace(actor.workspaceId, async (tx) => {
    const owners = await queries.lockOwners(tx, actor.workspaceId);
    const member = await queries.lockMember(tx, key);
    if (!member) throw new AccountRefused('not-found', 'There is no such member.');
    requireCover(actor, member.role);
    const isLastOwner = owners.length === 1 && owners[0] === personId;
    const done = await change(tx, { ...key, role: member.role, isLastOwner });
    const subject = `person/${personId}`;
    await audit(tx, actor, { ...done, subject, address });
  });
}

function requireOtherOwner({ isLastOwner }: LockedMember): void {
  if (isLastOwner)
    throw new AccountRefused('last-owner', 'A workspace needs an owner: make somebody else one first.');
}

/** Throws AccountRefused. */
export function requireCover({ workspaceId, scopes }: Actor, role: Role): void {
  if (!covers(workspaceId, scopes, role))
    throw new AccountRefused(
      'not-allowed',
      `The role ${role} may do more than you: ask somebody who has it.`,
    );
}
