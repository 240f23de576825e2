/** Links that let somebody in: invitations, and the one of the first run. Each works once. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newWorkspace, type SignedInMember, signedInMember } from '../../test/support/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newId } from '../kernel/ids.ts';
import { Scope } from '../kernel/scope.ts';
import { loadSecrets, type Secrets } from '../kernel/secrets.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import { listAudit } from './audit.ts';
import { createFirstOwner, makeFirstRunLink } from './first-run.ts';
import {
  acceptInvitation,
  invite,
  listInvitations,
  openInvitation,
  revokeInvitation,
} from './invitations.ts';
import { disableMember, listMembers } from './members.ts';
import { hashPassword } from './passwords.ts';
import { principalOfSession } from './principal.ts';
import type { Role } from './roles.ts';
import { type SignInContext, signIn } from './sign-in.ts';
import { newToken } from './tokens.ts';

const PASSWORD = 'mauve otter sings';
const INVALID = { name: 'AccountRefused', code: 'link-invalid' };

let db: TestDatabase;
let secrets: Secrets;
let scope: Scope;
let passwordHash: string;
let workspaceId: string;
let owner: SignedInMember;

before(async () => {
  db = await createTestDatabase();
  secrets = await loadSecrets(db.database, 'a secret');
  scope = Scope.root('test');
  passwordHash = await hashPassword(PASSWORD);
});
after(async () => {
  await scope[Symbol.asyncDispose]();
  await db.drop();
});

function context(): SignInContext {
  return { database: db.database, secrets, scope, origin: { address: '192.0.2.1' } };
}

// The first run stands first: later tests have owners.

test('of ten who open the first link at once, one becomes the owner', async () => {
  const token = await makeFirstRunLink(db.database);
  assert.ok(token);
  const opening = Array.from({ length: 10 }, (_, n) =>
    createFirstOwner(
      db.database,
      { token, email: `first${n}@example.com`, name: 'Ada', password: PASSWORD },
      {},
    ),
  );
  const outcomes = await Promise.allSettled(opening);
  const [won, ...others] = outcomes.filter((outcome) => outcome.status === 'fulfilled');
  assert.ok(won && others.length === 0);
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'link-invalid');
  const { principal, token: session } = won.value;
  assert.deepEqual(await principalOfSession(db.database, session), principal);
  assert.equal(principal.role, 'owner');
  const members = await listMembers(db.database, principal.workspaceId);
  assert.equal(members.length, 1);
  const [entry] = await listAudit(db.database, principal.workspaceId, { limit: 9 });
  assert.deepEqual([entry?.action, entry?.after], ['member.joined', '"owner"']);
});

test('while there is an owner there is no first link', async () => {
  assert.equal(await makeFirstRunLink(db.database), null);
});

test('a first link that was replaced, or has expired, or was made up, makes nobody an owner', async () => {
  await db.database.withWorkspace('00000000-0000-7000-8000-000000000001', (tx) =>
    tx.query(sql`UPDATE member SET disabled_at = now()`),
  );
  const replaced = await makeFirstRunLink(db.database);
  const token = await makeFirstRunLink(db.database);
  assert.ok(replaced && token);
  const open = (link: string) =>
    createFirstOwner(db.database, { token: link, email: 'b@example.com', name: 'B', password: PASSWORD }, {});
  await assert.rejects(open(replaced), INVALID);
  await assert.rejects(open(newToken()), INVALID);
  await db.database.withSystem((tx) => tx.query(sql`UPDATE first_run_link SET expires_at = now()`));
  await assert.rejects(open(token), INVALID);
});

test('somebody new accepts with a name and a password, and signs in with it', async () => {
  await fresh();
  const invited = await invite(
    db.database,
    owner.principal,
    { email: ' Bob@Example.COM ', role: 'marketer' },
    {},
  );
  assert.deepEqual(
    (await listInvitations(db.database, workspaceId)).map(({ id, email, role, invitedBy }) => ({
      id,
      email,
      role,
      invitedBy,
    })),
    [{ id: invited.id, email: 'bob@example.com', role: 'marketer', invitedBy: owner.principal.personId }],
  );
  const page = await openInvitation(db.database, invited.token);
  assert.deepEqual(
    [page.workspace, page.email, page.role, page.isKnown],
    ['Acme', 'bob@example.com', 'marketer', false],
  );
  const joined = await acceptInvitation(context(), {
    token: invited.token,
    name: ' Bob ',
    password: PASSWORD,
  });
  assert.ok(joined.kind === 'signed-in');
  assert.deepEqual(await principalOfSession(db.database, joined.token), joined.principal);
  assert.deepEqual([joined.principal.role, joined.principal.workspaceId], ['marketer', workspaceId]);
  const bob = (await listMembers(db.database, workspaceId)).find(({ name }) => name === 'Bob');
  assert.equal(bob?.email, 'bob@example.com');
  assert.deepEqual(await listInvitations(db.database, workspaceId), []);
  const actions = (await listAudit(db.database, workspaceId, { limit: 2 })).map(({ action }) => action);
  assert.deepEqual(actions, ['member.joined', 'member.invited']);
  const credentials = { email: 'bob@example.com', password: PASSWORD };
  assert.equal((await signIn(context(), credentials)).kind, 'signed-in');
  const again = { token: invited.token, name: 'Bob', password: PASSWORD };
  await assert.rejects(acceptInvitation(context(), again), INVALID);
});

/** A workspace of its own for a test. */
async function fresh(): Promise<void> {
  workspaceId = await newWorkspace(db.database);
  owner = await signedInMember(db.database, workspaceId, 'owner');
}

async function invited(email = `${newId()}@example.com`, role: Role = 'analyst'): Promise<string> {
  return (await invite(db.database, owner.principal, { email, role }, {})).token;
}

test('of ten invitations that are sent to one address at once, one is good', async () => {
  await fresh();
  const tokens = await Promise.all(Array.from({ length: 10 }, () => invited('wanted@example.com')));
  const opened = await Promise.allSettled(tokens.map((token) => openInvitation(db.database, token)));
  assert.equal(opened.filter(({ status }) => status === 'fulfilled').length, 1);
});

test('of ten who accept one invitation at once, one gets in', async () => {
  await fresh();
  const token = await invited();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, () => acceptInvitation(context(), { token, name: 'B', password: PASSWORD })),
  );
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'link-invalid');
  assert.equal((await listMembers(db.database, workspaceId)).length, 2);
});

test('an invitation that has expired, was revoked, replaced or made up lets nobody in', async () => {
  await fresh();
  const expired = await invited();
  const write = (statement: Sql) => db.database.withWorkspace(workspaceId, (tx) => tx.query(statement));
  await write(sql`UPDATE invitation SET expires_at = now()`);
  const revoked = await invite(db.database, owner.principal, { email: 'r@example.com', role: 'analyst' }, {});
  await revokeInvitation(db.database, owner.principal, revoked.id, {});
  const replaced = await invited('twice@example.com');
  const good = await invited('twice@example.com', 'marketer');
  for (const token of [expired, revoked.token, replaced, newToken(), '']) {
    await assert.rejects(openInvitation(db.database, token), INVALID);
    await assert.rejects(acceptInvitation(context(), { token, name: 'B', password: PASSWORD }), INVALID);
  }
  assert.equal((await openInvitation(db.database, good)).role, 'marketer');
  await assert.rejects(revokeInvitation(db.database, owner.principal, revoked.id, {}), { code: 'not-found' });
  const page = await listInvitations(db.database, workspaceId);
  assert.deepEqual(
    page.map(({ email }) => email),
    ['twice@example.com'],
  );
});

test('somebody who has an account accepts by proving that it is theirs, and keeps their password', async () => {
  await fresh();
  const elsewhere = await newWorkspace(db.database);
  const email = 'known@example.com';
  const { principal } = await signedInMember(db.database, elsewhere, 'owner', { email, passwordHash });
  const token = await invited(email);
  assert.equal((await openInvitation(db.database, token)).isKnown, true);
  const guessed = { token, name: 'Eve', password: 'a password of Eve' };
  assert.deepEqual(await acceptInvitation(context(), guessed), { kind: 'refused' });
  const joined = await acceptInvitation(context(), { token, password: PASSWORD });
  assert.ok(joined.kind === 'signed-in');
  assert.deepEqual(
    [joined.principal.personId, joined.principal.workspaceId, joined.principal.role],
    [principal.personId, workspaceId, 'analyst'],
  );
});

test('a member who was disabled is enabled, and not invited again; nor is one who is there', async () => {
  await fresh();
  const { email, principal } = await signedInMember(db.database, workspaceId, 'analyst');
  const refused = { code: 'already-member' };
  await assert.rejects(invited(email), { ...refused, message: 'They are a member already.' });
  await disableMember(db.database, owner.principal, principal.personId, {});
  await assert.rejects(invited(email), { ...refused, message: /disabled: enable them/ });
});

test('nobody invites into a role that may do more than they', async () => {
  await fresh();
  const admin = await signedInMember(db.database, workspaceId, 'admin');
  for (const role of ['owner', 'billing'] as const)
    await assert.rejects(invite(db.database, admin.principal, { email: 'x@example.com', role }, {}), {
      code: 'not-allowed',
    });
  await invite(db.database, admin.principal, { email: 'x@example.com', role: 'admin' }, {});
});

test('what is no address, no name or no good password is said, and the invitation stays', async () => {
  await fresh();
  for (const email of ['', 'x', '@example.com', 'x@', 'a b@example.com', `${'x'.repeat(320)}@example.com`])
    await assert.rejects(invited(email), { code: 'email-invalid' }, email);
  const token = await invited('bücher@bücher.example');
  assert.equal((await openInvitation(db.database, token)).email, 'bücher@xn--bcher-kva.example');
  const accept = (name: string, password: string) => acceptInvitation(context(), { token, name, password });
  await assert.rejects(accept('', PASSWORD), { code: 'name-invalid' });
  await assert.rejects(accept('B\r\nob', PASSWORD), { code: 'name-invalid' });
  await assert.rejects(accept('Bob', 'password1234'), { code: 'password-refused' });
  assert.equal((await accept('Bob', PASSWORD)).kind, 'signed-in');
});
