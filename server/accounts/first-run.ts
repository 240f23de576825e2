/**
 * The first owner of a new installation: whoever opens the link that `camp start` prints.
 *
 * While nobody owns a workspace, a link may be made; a new one takes the place of the one before. Its use, the owner and
 * their session are one transaction, so of many who open it at once one becomes the owner, and a crash leaves it usable.
 */
import type { Database } from '../kernel/database.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../kernel/ids.ts';
import { audit } from './audit.ts';
import { addPerson, readEmail, readName } from './people.ts';
import { insertWorkspace } from './queries.ts';
import { admitMember } from './queries-members.ts';
import { isFirstRunLink, lacksOwner, setFirstRunLink, useFirstRunLink } from './queries-people.ts';
import { AccountRefused } from './refused.ts';
import { type RequestOrigin, type SignedIn, startSession } from './sessions.ts';
import { newPasswordHash } from './sign-in.ts';
import { hashToken, newToken } from './tokens.ts';

const LINK_SECONDS = 86_400;

/** The token of a link that is good for a day; null when there is an owner. */
export function makeFirstRunLink(database: Database): Promise<string | null> {
  return database.withSystem(async (tx) => {
    if (!(await lacksOwner(tx))) return null;
    const token = newToken();
    await setFirstRunLink(tx, hashToken(token), LINK_SECONDS);
    return token;
  });
}

export function needsOwner(database: Database): Promise<boolean> {
  return database.withSystem(lacksOwner);
}

export interface FirstOwner {
  token: string;
  email: string;
  name: string;
  password: string;
}

/** Throws AccountRefused, SignInBusy. */
export async function createFirstOwner(
  database: Database,
  owner: FirstOwner,
  origin: RequestOrigin,
): Promise<SignedIn> {
  const email = readEmail(owner.email);
  const name = readName(owner.name);
  // Before the hash, which is dear: anybody may ask.
  const isOpen = await database.withSystem(
    async (tx) => (await isFirstRunLink(tx, hashToken(owner.token))) && (await lacksOwner(tx)),
  );
  if (!isOpen) throw linkInvalid();
  const passwordHash = await newPasswordHash(owner.password, email);
  const workspaceId = DEFAULT_WORKSPACE_ID;
  const personId = newId();
  return database.withWorkspace(workspaceId, async (tx) => {
    if (!(await useFirstRunLink(tx, hashToken(owner.token)))) throw linkInvalid();
    await insertWorkspace(tx, workspaceId, 'Default');
    await admitMember(tx, { workspaceId, personId }, 'owner');
    await addPerson(tx, { id: personId, email, name, passwordHash });
    const signedIn = await startSession(tx, { workspaceId, personId, role: 'owner', version: 0 }, origin);
    const joined = { action: 'member.joined', subject: `person/${personId}`, after: 'owner' };
    await audit(tx, signedIn.principal, { ...joined, address: origin.address });
    return signedIn;
  });
}

function linkInvalid(): AccountRefused {
  return new AccountRefused(
    'link-invalid',
    'This link is not valid: it was used, or has expired, or another one was made since.',
  );
}
