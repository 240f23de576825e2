/** Workspaces: whose contacts, campaigns and messages these are. A self-hosted installation begins with one. */
import type { Database } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { audit } from './audit.ts';
import { personOf, readName } from './people.ts';
import type { Principal } from './principal.ts';
import * as queries from './queries.ts';
import { admitMember } from './queries-members.ts';
import { type Membership, membershipsOf } from './queries-people.ts';
import type { RequestOrigin } from './sessions.ts';

export async function ensureWorkspace(database: Database, workspaceId: string, name: string): Promise<void> {
  await database.withWorkspace(workspaceId, (tx) => queries.insertWorkspace(tx, workspaceId, name));
}

/** A further one, which belongs to whoever makes it; gives its id. Throws AccountRefused. */
export async function createWorkspace(
  database: Database,
  principal: Principal,
  wish: { name: string },
  { address }: RequestOrigin,
): Promise<string> {
  const personId = personOf(principal);
  const name = readName(wish.name);
  const workspaceId = newId();
  await database.withWorkspace(workspaceId, async (tx) => {
    await queries.insertWorkspace(tx, workspaceId, name);
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
