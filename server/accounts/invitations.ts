/**
 * Invitations: a link by which somebody becomes a member, once, within a week.
 *
 * Whoever has the link may accept it for the address that it was made for: somebody new with a name and a password,
 * somebody who has an account by proving that it is theirs, either of them through a provider (oidc.ts).
 */
import type { Database, Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { audit } from './audit.ts';
import { invitationLetter, type Mailing } from './letters.ts';
import { requireCover } from './members.ts';
import { addPerson, readEmail, readName } from './people.ts';
import type { Actor } from './principal.ts';
import { findWorkspace } from './queries.ts';
import { lockAuditHead } from './queries-audit.ts';
import * as queries from './queries-members.ts';
import { type NewPerson, type Person, personByEmail } from './queries-people.ts';
import { AccountRefused } from './refused.ts';
import type { Role } from './roles.ts';
import { type RequestOrigin, type SignedIn, startSession } from './sessions.ts';
import { newPasswordHash, prove, type SignInContext, type Unproven } from './sign-in.ts';
import { hashToken, newToken } from './tokens.ts';

const INVITATION_SECONDS = 7 * 86_400;

export interface Invited {
  id: string;
  /** Shown once, to be sent to the address. */
  token: string;
  expiresAt: Date;
  /** A letter with the link is on its way to them. */
  isMailed: boolean;
}

/** In place of an open one of the same address. Throws AccountRefused. */
export async function invite(
  database: Database,
  actor: Actor,
  invitation: { email: string; role: Role },
  { address }: RequestOrigin,
  mailing?: Mailing,
): Promise<Invited> {
  const { workspaceId, personId: invitedBy } = actor;
  const { role } = invitation;
  const email = readEmail(invitation.email);
  requireCover(actor, role);
  const token = newToken();
  const id = newId();
  return database.withWorkspace(workspaceId, async (tx) => {
    // One after the other: of two at once for one address, the second takes the place of the first.
    await lockAuditHead(tx, workspaceId);
    const member = await queries.memberByEmail(tx, workspaceId, email);
    if (member) throw alreadyMember(member);
    await queries.revokeInvitationOf(tx, workspaceId, email);
    const hash = hashToken(token);
    const lastsSeconds = INVITATION_SECONDS;
    const expiresAt = await queries.insertInvitation(tx, {
      workspaceId,
      id,
      email,
      role,
      hash,
      invitedBy,
      lastsSeconds,
    });
    const isMailed = mailing !== undefined && (await mail(tx, mailing, { workspaceId, email, role, token }));
    await audit(tx, actor, { action: 'member.invited', subject: `invitation/${id}`, after: role, address });
    return { id, token, expiresAt, isMailed };
  });
}

async function mail(
  tx: Tx,
  { post, linkOf }: Mailing,
  { workspaceId, token, ...to }: { workspaceId: string; email: string; role: Role; token: string },
): Promise<boolean> {
  const workspace = (await findWorkspace(tx, workspaceId))?.name ?? '';
  return post(tx, workspaceId, invitationLetter({ ...to, workspace }, linkOf(token)));
}

function alreadyMember({ disabledAt }: queries.MemberRow): AccountRefused {
  return new AccountRefused(
    'already-member',
    disabledAt === null ? 'They are a member already.' : 'They are a member who is disabled: enable them.',
  );
}

export function listInvitations(database: Database, workspaceId: string): Promise<queries.InvitationRow[]> {
  return database.readWorkspace(workspaceId, (tx) => queries.openInvitations(tx, workspaceId));
}

/** Throws AccountRefused. */
export function revokeInvitation(
  database: Database,
  actor: Actor,
  id: string,
  { address }: RequestOrigin,
): Promise<void> {
  const { workspaceId } = actor;
  return database.withWorkspace(workspaceId, async (tx) => {
    if (!(await queries.revokeInvitation(tx, { workspaceId, id })))
      throw new AccountRefused('not-found', 'There is no such open invitation.');
    await audit(tx, actor, { action: 'invitation.revoked', subject: `invitation/${id}`, address });
  });
}

export interface OpenInvitation extends queries.FoundInvitation {
  /** Somebody has this address already, and has to prove that it is them. */
  isKnown: boolean;
}

/** What the page behind the link shows. Throws AccountRefused. */
export function openInvitation(database: Database, token: string): Promise<OpenInvitation> {
  return openInvitationOf(database, hashToken(token));
}

export function openInvitationOf(database: Database, hash: Buffer): Promise<OpenInvitation> {
  return database.withSystem(async (tx) => {
    const found = await queries.findInvitation(tx, hash);
    if (!found) throw linkInvalid();
    return { ...found, isKnown: (await personByEmail(tx, found.email)) !== undefined };
  });
}

export interface Acceptance {
  token: string;
  /** The new one, or that of the account that is there. */
  password: string;
  /** Of somebody new. */
  name?: string;
  /** Of an account that has a second factor. */
  code?: string;
}

type Joined = { kind: 'signed-in' } & SignedIn;

/** Throws AccountRefused, SignInBusy, ScopeEnded. */
export async function acceptInvitation(
  context: SignInContext,
  acceptance: Acceptance,
): Promise<Joined | Unproven> {
  const invitation = await openInvitation(context.database, acceptance.token);
  const { email, isKnown } = invitation;
  const { database, origin } = context;
  if (!isKnown) {
    const name = readName(acceptance.name ?? '');
    const passwordHash = await newPasswordHash(acceptance.password, email);
    const person = { id: newId(), email, name, passwordHash };
    return database.withWorkspace(invitation.workspaceId, (tx) => joinAsNew(tx, invitation, person, origin));
  }
  const proof = await prove(context, { ...acceptance, email });
  if (proof.kind !== 'proven') return proof;
  return database.withWorkspace(invitation.workspaceId, (tx) =>
    joinAsKnown(tx, invitation, proof.person, origin),
  );
}

/** The member stands before the person: only of a member may a workspace make a person. */
export async function joinAsNew(
  tx: Tx,
  invitation: queries.FoundInvitation,
  person: NewPerson,
  origin: RequestOrigin,
): Promise<Joined> {
  await useInvitation(tx, invitation, person.id);
  await addPerson(tx, person);
  return arrive(tx, invitation, { ...person, sessionVersion: 0 }, origin);
}

/** Somebody who was proven to be the person. */
export async function joinAsKnown(
  tx: Tx,
  invitation: queries.FoundInvitation,
  person: Person,
  origin: RequestOrigin,
): Promise<Joined> {
  await useInvitation(tx, invitation, person.id);
  return arrive(tx, invitation, person, origin);
}

/** Of many at once, one gets past. */
async function useInvitation(tx: Tx, invitation: queries.FoundInvitation, personId: string): Promise<void> {
  if (!(await queries.acceptInvitation(tx, invitation))) throw linkInvalid();
  await queries.admitMember(tx, { workspaceId: invitation.workspaceId, personId }, invitation.role);
}

async function arrive(
  tx: Tx,
  { workspaceId, id, role }: queries.FoundInvitation,
  person: Pick<Person, 'id' | 'sessionVersion'>,
  origin: RequestOrigin,
): Promise<Joined> {
  const owner = { workspaceId, personId: person.id, role, version: person.sessionVersion };
  const signedIn = await startSession(tx, owner, origin);
  const joined = { action: 'member.joined', subject: `person/${person.id}`, before: `invitation/${id}` };
  await audit(tx, signedIn.principal, { ...joined, after: role, address: origin.address });
  return { kind: 'signed-in', ...signedIn };
}

function linkInvalid(): AccountRefused {
  return new AccountRefused(
    'link-invalid',
    'This link is not valid: it was used, or revoked, or has expired. Ask for another one.',
  );
}
