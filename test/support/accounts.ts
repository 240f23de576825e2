/** People who are members and signed in, without the work of a password. */
import { audit } from '../../server/accounts/audit.ts';
import type { Principal } from '../../server/accounts/principal.ts';
import { insertWorkspace } from '../../server/accounts/queries.ts';
import { admitMember } from '../../server/accounts/queries-members.ts';
import { insertPerson } from '../../server/accounts/queries-people.ts';
import type { Role } from '../../server/accounts/roles.ts';
import { startSession } from '../../server/accounts/sessions.ts';
import type { Database } from '../../server/kernel/database.ts';
import { newId } from '../../server/kernel/ids.ts';

export interface SignedInMember {
  principal: Principal & { personId: string };
  /** The cookie's value. */
  token: string;
  email: string;
}

export async function newWorkspace(database: Database, name = 'Acme'): Promise<string> {
  const workspaceId = newId();
  await database.withWorkspace(workspaceId, (tx) => insertWorkspace(tx, workspaceId, name));
  return workspaceId;
}

/** `email` of somebody new; they have no password unless `passwordHash` says so. */
export function signedInMember(
  database: Database,
  workspaceId: string,
  role: Role,
  { email = `${newId()}@example.com`, passwordHash = null as string | null } = {},
): Promise<SignedInMember> {
  const personId = newId();
  return database.withWorkspace(workspaceId, async (tx) => {
    await admitMember(tx, { workspaceId, personId }, role);
    await insertPerson(tx, { id: personId, email, name: 'Ada', passwordHash });
    const { token, principal } = await startSession(tx, { workspaceId, personId, role, version: 0 }, {});
    await audit(tx, principal, { action: 'member.joined', subject: `person/${personId}` });
    return { principal: { ...principal, personId }, token, email };
  });
}
