/** Workspaces: whose contacts, campaigns and messages these are. A self-hosted installation begins with one. */
import type { Database, Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { audit } from './audit.ts';
import { personOf, readName } from './people.ts';
import type { Actor, Principal } from './principal.ts';
import * as queries from './queries.ts';
import { admitMember } from './queries-members.ts';
import { type Membership, membershipsOf } from './queries-people.ts';
import { AccountRefused } from './refused.ts';
import type { RequestOrigin } from './sessions.ts';

export async function ensureWorkspace(database: Database, workspaceId: string, name: string): Promise<void> {
  await database.withWorkspace(workspaceId, (tx) => queries.insertWorkspace(tx, workspaceId, name));
}

/** Throws AccountRefused. */
export function readWorkspace(database: Database, workspaceId: string): Promise<queries.WorkspaceRow> {
  return database.readWorkspace(workspaceId, (tx) => findOwn(tx, workspaceId));
}

async function findOwn(tx: Tx, workspaceId: string): Promise<queries.WorkspaceRow> {
  const workspace = await queries.findWorkspace(tx, workspaceId);
  if (!workspace) throw new AccountRefused('not-found', 'There is no such workspace.');
  return workspace;
}

/** Throws AccountRefused. */
export function renameWorkspace(
  database: Database,
  actor: Actor,
  wish: { name: string },
  { address }: RequestOrigin,
): Promise<queries.WorkspaceRow> {
  const { workspaceId } = actor;
  const name = readName(wish.name);
  return database.withWorkspace(workspaceId, async (tx) => {
    const { name: before } = await findOwn(tx, workspaceId);
    await queries.renameWorkspace(tx, workspaceId, name);
    const workspace = await findOwn(tx, workspaceId);
    const subject = `workspace/${workspaceId}`;
    if (name !== before)
      await audit(tx, actor, { action: 'workspace.renamed', subject, before, after: name, address });
    return workspace;
  });
}

/** A further one, which belongs to whoever makes it; gives its id. One of this id that is there is left as it is. Throws AccountRefused. */
export async function createWorkspace(
  database: Database,
  principal: Principal,
  wish: { name: string; id?: string },
  { address }: RequestOrigin,
): Promise<string> {
  const personId = personOf(principal);
  if (principal.role !== 'owner')
    throw new AccountRefused('not-allowed', 'Only an owner makes another workspace.');
  const name = readName(wish.name);
  const workspaceId = wish.id ?? newId();
  await database.withWorkspace(workspaceId, async (tx) => {
    const [made] = await queries.insertWorkspace(tx, workspaceId, name);
    if (!made) return;
    await admitMember(tx, { workspaceId, personId }, 'owner');
    const created = { action: 'workspace.created', subject: `workspace/${workspaceId}`, after: name };
    await audit(tx, { ...principal, workspaceId }, { ...created, address });
  });
  return workspaceId;
}

/** Where the person behind a session may go, see switchWorkspace; the oldest membership first. Throws AccountRefused. */
export async function listWorkspaces(database: Database, principal: Principal): Promise<Membership[]> {
  const personId = personOf(principal);
  return database.withSystem((tx) => membershipsOf(tx, personId));
}
