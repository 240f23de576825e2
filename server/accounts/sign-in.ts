/**
 * Signing in with e-mail, password and, when there is one, a second factor.
 *
 * An address that nobody has costs the same work and gets the same answer as a wrong password: nothing tells who is here.
 * That a code is needed is only told to who has the password. Tries are counted before they are judged (throttle.ts).
 */
import { asSystem, type Database, type Tx } from '../kernel/database.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Secrets } from '../kernel/secrets.ts';
import { audit } from './audit.ts';
import { hashPassword, passwordFault, verifyPassword } from './passwords.ts';
import { personOf, readEmail } from './people.ts';
import type { Principal } from './principal.ts';
import { deleteIdentities } from './queries-oidc.ts';
import * as queries from './queries-people.ts';
import { AccountRefused } from './refused.ts';
import { checkCode } from './second-factor.ts';
import {
  created,
  type PersonChange,
  type RequestOrigin,
  replaceSession,
  type SignedIn,
  startSession,
} from './sessions.ts';
import { admit, forgive } from './throttle.ts';

export interface Credentials {
  email: string;
  password: string;
  /** Of an authenticator, or a recovery code. */
  code?: string;
}

/** Who signs in waits here for the brake; `scope` is the request's. */
export interface SignInContext {
  database: Database;
  secrets: Secrets;
  scope: Scope;
  origin: RequestOrigin;
}

export type Unproven =
  /** The address, the password or the code is wrong. */
  | { kind: 'refused' }
  /** The password is right; the same again, with a code. */
  | { kind: 'code-needed' }
  | { kind: 'too-many'; retryAfterSeconds: number };

export type Proof = { kind: 'proven'; person: queries.Person } | Unproven;

export type Opened = ({ kind: 'signed-in' } & SignedIn) | { kind: 'no-workspace' };

export type SignIn = Opened | Unproven;

/** In `workspaceId`, or else in the workspace that the person has been in longest. Throws SignInBusy, ScopeEnded. */
export async function signIn(
  context: SignInContext,
  credentials: Credentials,
  workspaceId?: string,
): Promise<SignIn> {
  const proof = await prove(context, credentials);
  return proof.kind === 'proven' ? openSession(context, proof.person, { workspaceId }) : proof;
}

/** Is this the person? Also asked before what a stolen session must not do. Uses the code up. */
export async function prove(context: SignInContext, credentials: Credentials): Promise<Proof> {
  const { database, scope, origin } = context;
  const email = emailOf(credentials.email);
  const admission = await admit(database, email, origin.address);
  if (admission.kind === 'too-many') return admission;
  if (admission.delayMs > 0) await scope.sleep(admission.delayMs);
  const person = await database.withSystem((tx) => queries.personByEmail(tx, email));
  const { ok, isOutdated } = await verifyPassword(credentials.password, person?.passwordHash ?? null);
  if (!ok || !person) return { kind: 'refused' };
  const unproven = await proveSecondFactor(context, person, credentials.code);
  if (unproven) return unproven;
  await forgive(database, email, origin.address);
  if (isOutdated) await rehash(database, person, credentials.password);
  return { kind: 'proven', person };
}

/** What is no address is nobody's. */
function emailOf(text: string): string {
  try {
    return readEmail(text);
  } catch {
    return '';
  }
}

/** Null: proven, or there is nothing to prove. Uses the code up. */
export async function proveSecondFactor(
  { database, secrets }: SignInContext,
  person: queries.Person,
  code: string | undefined,
): Promise<Unproven | null> {
  const { totpSecret } = person;
  if (totpSecret === null) return null;
  if (code === undefined) return { kind: 'code-needed' };
  const checked = await checkCode(database, secrets, { ...person, totpSecret }, code);
  if (checked.kind === 'good') return null;
  return checked.kind === 'wrong' ? { kind: 'refused' } : checked;
}

async function rehash(database: Database, person: queries.Person, password: string): Promise<void> {
  const replacement = await hashPassword(password);
  await database.withSystem((tx) => queries.replacePasswordHash(tx, person, replacement));
}

/** For somebody whom a password, a provider or a link has proven. `by`: what else they do by it, in the same transaction. */
export async function openSession(
  { database, origin }: Pick<SignInContext, 'database' | 'origin'>,
  { id: personId, sessionVersion }: queries.Person,
  { workspaceId, by }: { workspaceId?: string | undefined; by?: PersonChange } = {},
): Promise<Opened> {
  const memberships = await database.withSystem((tx) => queries.membershipsOf(tx, personId));
  const membership =
    workspaceId === undefined
      ? memberships[0]
      : memberships.find((candidate) => candidate.workspaceId === workspaceId);
  if (!membership) return { kind: 'no-workspace' };
  const signedIn = await database.withWorkspace(membership.workspaceId, async (tx) => {
    const version = by ? await asSystem(tx, by.change) : sessionVersion;
    const started = await startSession(tx, { ...membership, personId, version }, origin);
    const done = by ? { action: by.action, subject: `person/${personId}` } : created(started.principal);
    await audit(tx, started.principal, { ...done, ...origin });
    return started;
  });
  return { kind: 'signed-in', ...signedIn };
}

export type PasswordChange = ({ kind: 'changed' } & SignedIn) | Unproven;

/**
 * Asks for the old one again, ends every session of the person and their ways in through providers, and goes on in a new
 * session. Throws AccountRefused.
 */
export async function changePassword(
  context: SignInContext,
  principal: Principal,
  { password, code, replacement }: { password: string; code?: string; replacement: string },
): Promise<PasswordChange> {
  const proof = await proveAgain(context, principal, { password, ...(code === undefined ? {} : { code }) });
  if (proof.kind !== 'proven') return proof;
  const { id, email } = proof.person;
  const passwordHash = await newPasswordHash(replacement, email);
  const { database, origin } = context;
  const signedIn = await replaceSession(database, principal, origin, {
    change: (tx) => choosePassword(tx, id, passwordHash),
    action: 'password.changed',
  });
  return { kind: 'changed', ...signedIn };
}

/** Whoever knew the old one may have left a way in: none stays. Gives the version that new sessions have. */
export async function choosePassword(tx: Tx, personId: string, passwordHash: string): Promise<number> {
  const version = await queries.setPassword(tx, personId, passwordHash);
  await deleteIdentities(tx, personId);
  return version;
}

/** The person behind a session proves once more who they are. */
export async function proveAgain(
  context: SignInContext,
  principal: Principal,
  credentials: Omit<Credentials, 'email'>,
): Promise<Proof> {
  const personId = personOf(principal);
  const person = await context.database.withSystem((tx) => queries.personById(tx, personId));
  return person ? prove(context, { ...credentials, email: person.email }) : { kind: 'refused' };
}

/** Throws AccountRefused when the password is not good enough. */
export async function newPasswordHash(password: string, email: string): Promise<string> {
  const fault = passwordFault(password, email);
  if (fault !== null) throw new AccountRefused('password-refused', fault);
  return hashPassword(password);
}
