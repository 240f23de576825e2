/**
 * Sessions: a cookie of 256 bits of chance, kept as its SHA-256, for one person in one workspace.
 *
 * A session ends when it was not used for a day, a week after it began, when the member is disabled or gets another role,
 * and when the person's password or second factor changes (their `session_version` moves on, which ends those in all
 * workspaces at once). Signing in, going to another workspace and changing a password each make a new token: one that
 * somebody knew before is worth nothing after.
 */
import { asSystem, type Database, type Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { audit } from './audit.ts';
import { personOf } from './people.ts';
import { type Principal, SESSION_IDLE_SECONDS } from './principal.ts';
import { membershipsOf, personById } from './queries-people.ts';
import * as queries from './queries-sessions.ts';
import { AccountRefused } from './refused.ts';
import { type Role, scopesOf } from './roles.ts';
import { hashToken, newToken } from './tokens.ts';

/** `__Host-`: browsers take it over TLS only, for this host only, for all of its paths. */
export const SESSION_COOKIE = '__Host-camp';
export const SESSION_SECONDS = 7 * 86_400;
const USER_AGENT_LENGTH_MAX = 300;

/** Where a request came from. */
export interface RequestOrigin {
  address?: string | undefined;
  userAgent?: string | undefined;
}

export interface SessionOwner {
  workspaceId: string;
  personId: string;
  role: Role;
  /** The person's `session_version`. */
  version: number;
}

export interface SignedIn {
  /** The cookie's value. */
  token: string;
  principal: Principal;
}

/** Begins a session, in the transaction of whatever the person did for it; writes no audit entry. */
export async function startSession(tx: Tx, owner: SessionOwner, origin: RequestOrigin): Promise<SignedIn> {
  const { workspaceId, personId, role, version } = owner;
  const token = newToken();
  const id = newId();
  await queries.deleteEndedSessions(tx, owner, SESSION_IDLE_SECONDS);
  await queries.insertSession(tx, {
    workspaceId,
    id,
    personId,
    hash: hashToken(token),
    version,
    address: origin.address ?? null,
    userAgent: origin.userAgent?.slice(0, USER_AGENT_LENGTH_MAX) ?? null,
    lastsSeconds: SESSION_SECONDS,
  });
  return {
    token,
    principal: { workspaceId, kind: 'session', id, personId, role, scopes: scopesOf(workspaceId, role) },
  };
}

export interface PersonChange {
  /** As camp_system; ends all sessions of the person, and gives the version that new ones have. */
  change: (tx: Tx) => Promise<number>;
  /** For the log. */
  action: string;
  before?: unknown;
}

/** Changes how somebody signs in: all their sessions end, and the one that did it goes on under another token. */
export async function replaceSession(
  database: Database,
  principal: Principal,
  origin: RequestOrigin,
  { change, ...done }: PersonChange,
): Promise<SignedIn> {
  const { workspaceId, role } = principal;
  const personId = personOf(principal);
  return database.withWorkspace(workspaceId, async (tx) => {
    const version = await asSystem(tx, change);
    const signedIn = await startSession(tx, { workspaceId, personId, role, version }, origin);
    await audit(tx, signedIn.principal, { ...done, subject: `person/${personId}`, ...origin });
    return signedIn;
  });
}

/** Goes on in another workspace, under another token. Throws AccountRefused. */
export async function switchWorkspace(
  database: Database,
  principal: Principal,
  workspaceId: string,
  origin: RequestOrigin,
): Promise<SignedIn> {
  const personId = personOf(principal);
  const owner = await database.withSystem(async (tx) => {
    const memberships = await membershipsOf(tx, personId);
    const membership = memberships.find((candidate) => candidate.workspaceId === workspaceId);
    const person = await personById(tx, personId);
    return membership && person && { ...membership, personId, version: person.sessionVersion };
  });
  if (!owner) throw new AccountRefused('not-found', 'There is no such workspace that you are in.');
  const signedIn = await database.withWorkspace(workspaceId, async (tx) => {
    const started = await startSession(tx, owner, origin);
    await audit(tx, started.principal, { ...created(started.principal), ...origin });
    return started;
  });
  await signOut(database, principal, origin);
  return signedIn;
}

/** What the audit log says of a sign-in. */
export function created({ id }: Principal) {
  return { action: 'session.created', subject: `session/${id}` };
}

export async function signOut(
  database: Database,
  principal: Principal,
  origin: RequestOrigin,
): Promise<void> {
  await endSession(database, principal, principal.id, origin);
}

/** One's own sessions in this workspace. */
export function listSessions(database: Database, principal: Principal): Promise<queries.SessionRow[]> {
  const { workspaceId } = principal;
  return database.readWorkspace(workspaceId, (tx) =>
    queries.sessionsOf(tx, workspaceId, personOf(principal)),
  );
}

/** Ends a session of one's own. Throws AccountRefused. */
export async function endSession(
  database: Database,
  principal: Principal,
  id: string,
  origin: RequestOrigin,
): Promise<void> {
  const { workspaceId } = principal;
  const personId = personOf(principal);
  return database.withWorkspace(workspaceId, async (tx) => {
    if (!(await queries.deleteSession(tx, { workspaceId, id, personId })))
      throw new AccountRefused('not-found', 'There is no such session: perhaps it has ended.');
    await audit(tx, principal, { action: 'session.ended', subject: `session/${id}`, ...origin });
  });
}
