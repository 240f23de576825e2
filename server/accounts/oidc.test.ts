/** Signing in through a provider: a real one on loopback, that tells the truth. See also oidc-tampered.test.ts. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { newWorkspace, type SignedInMember, signedInMember } from '../../test/support/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { type OidcProvider, startOidcProvider } from '../../test/support/oidc-provider.ts';
import { newId } from '../kernel/ids.ts';
import { Scope } from '../kernel/scope.ts';
import { loadSecrets, type Secrets } from '../kernel/secrets.ts';
import { listAudit } from './audit.ts';
import { invite } from './invitations.ts';
import { disableMember, listMembers } from './members.ts';
import { beginOidc, finishOidc, type OidcContext, type OidcSignIn, type OidcWish } from './oidc.ts';
import { addProvider, listProviders, removeProvider } from './oidc-providers.ts';
import { principalOfSession } from './principal.ts';
import { endSessions } from './queries-people.ts';

const REDIRECT_URI = 'https://camp.example/v1/sign-in/callback';

let db: TestDatabase;
let secrets: Secrets;
let scope: Scope;
let provider: OidcProvider;
let workspaceId: string;
let owner: SignedInMember;
let subjects = 0;

before(async () => {
  db = await createTestDatabase();
  secrets = await loadSecrets(db.database, 'a secret');
  scope = Scope.root('test');
  provider = await startOidcProvider();
  const { issuer, clientId, clientSecret } = provider;
  await addProvider(db.database, secrets, { name: 'acme', issuer, clientId, clientSecret });
  workspaceId = await newWorkspace(db.database);
  owner = await signedInMember(db.database, workspaceId, 'owner');
});
after(async () => {
  await scope[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  await db.drop();
});
beforeEach(() => {
  subjects += 1;
  Object.assign(provider, { subject: `subject-${subjects}`, claims: {}, lies: {} });
});

function context(): OidcContext {
  const origin = { address: '192.0.2.1' };
  return { database: db.database, secrets, scope, origin, redirectUri: REDIRECT_URI };
}

async function goThrough(wish: Omit<OidcWish, 'provider'> = {}): Promise<OidcSignIn> {
  const begun = await beginOidc(context(), { ...wish, provider: 'acme' });
  assert.ok(begun.kind === 'begun', JSON.stringify(begun));
  const query = await provider.visit(begun.url);
  return finishOidc(context(), { cookie: begun.cookie, query, principal: wish.principal });
}

async function linked(): Promise<SignedInMember> {
  const member = await signedInMember(db.database, workspaceId, 'marketer');
  assert.deepEqual(await goThrough({ principal: member.principal }), { kind: 'linked' });
  return member;
}

test('somebody who has added the provider signs in with it', async () => {
  const member = await linked();
  const entries = await listAudit(db.database, workspaceId, { limit: 1 });
  assert.deepEqual(
    [entries[0]?.action, entries[0]?.after],
    ['identity.linked', JSON.stringify(provider.issuer)],
  );
  const signedIn = await goThrough();
  assert.ok(signedIn.kind === 'signed-in', JSON.stringify(signedIn));
  assert.equal(signedIn.principal.personId, member.principal.personId);
  assert.deepEqual(await principalOfSession(db.database, signedIn.token), signedIn.principal);
  assert.deepEqual(
    await goThrough({ principal: member.principal }),
    { kind: 'linked' },
    'again changes nothing',
  );
});

test('the address that a provider tells opens no account, verified or not', async () => {
  for (const verified of [true, false, undefined]) {
    provider.claims = { email: owner.email, email_verified: verified };
    assert.deepEqual(await goThrough(), { kind: 'unknown' });
  }
});

test('a subject is one at one issuer: another provider’s namesake is somebody else', async () => {
  await linked();
  await using namesake = await startOidcProvider();
  const { issuer, clientId, clientSecret } = namesake;
  namesake.subject = provider.subject;
  await addProvider(db.database, secrets, { name: 'other', issuer, clientId, clientSecret });
  const begun = await beginOidc(context(), { provider: 'other' });
  assert.ok(begun.kind === 'begun');
  const query = await namesake.visit(begun.url);
  assert.deepEqual(await finishOidc(context(), { cookie: begun.cookie, query }), { kind: 'unknown' });
});

test('somebody new accepts an invitation with the provider, and signs in with it afterwards', async () => {
  const invitation = { email: 'bob@example.com', role: 'analyst' } as const;
  const { token } = await invite(db.database, owner.principal, invitation, {});
  provider.claims = { name: 'Bob', email: 'quite.another@example.com' };
  const joined = await goThrough({ invitation: token });
  assert.ok(joined.kind === 'signed-in');
  assert.deepEqual([joined.principal.workspaceId, joined.principal.role], [workspaceId, 'analyst']);
  const bob = (await listMembers(db.database, workspaceId)).find(({ name }) => name === 'Bob');
  assert.equal(bob?.email, 'bob@example.com');
  assert.equal((await goThrough()).kind, 'signed-in');
  await assert.rejects(goThrough({ invitation: token }), { code: 'link-invalid' });
});

test('somebody who is known at the provider accepts an invitation for their own address only', async () => {
  const member = await linked();
  const second = await newWorkspace(db.database);
  const host = await signedInMember(db.database, second, 'owner');
  const inviting = (email: string) => invite(db.database, host.principal, { email, role: 'billing' }, {});
  const { token: foreign } = await inviting('somebody.else@example.com');
  await assert.rejects(goThrough({ invitation: foreign }), { code: 'not-allowed' });
  const { token } = await inviting(member.email);
  const joined = await goThrough({ invitation: token });
  assert.ok(joined.kind === 'signed-in');
  assert.deepEqual(
    [joined.principal.personId, joined.principal.workspaceId],
    [member.principal.personId, second],
  );
});

test('an account that is there is not taken over by an invitation and a new identity', async () => {
  const second = await newWorkspace(db.database);
  const host = await signedInMember(db.database, second, 'owner');
  const invitation = { email: owner.email, role: 'analyst' } as const;
  const { token } = await invite(db.database, host.principal, invitation, {});
  await assert.rejects(goThrough({ invitation: token }), { code: 'sign-in-needed' });
  assert.deepEqual(await goThrough(), { kind: 'unknown' });
});

test('one account of the provider is one person’s', async () => {
  await linked();
  const other = await signedInMember(db.database, workspaceId, 'marketer');
  await assert.rejects(goThrough({ principal: other.principal }), { code: 'not-allowed' });
});

test('a way in that comes after all sessions have ended is not added, though its request began before', async () => {
  const { principal } = await signedInMember(db.database, workspaceId, 'marketer');
  const begun = await beginOidc(context(), { provider: 'acme', principal });
  assert.ok(begun.kind === 'begun');
  const query = await provider.visit(begun.url);
  await db.database.withSystem((tx) => endSessions(tx, principal.personId));
  const back = { cookie: begun.cookie, query, principal };
  await assert.rejects(finishOidc(context(), back), { code: 'not-allowed' });
  assert.deepEqual(await goThrough(), { kind: 'unknown' });
});

test('a member who was disabled does not get in by the provider either', async () => {
  const member = await linked();
  await disableMember(db.database, owner.principal, member.principal.personId, {});
  assert.deepEqual(await goThrough(), { kind: 'no-workspace' });
});

test('the client secret goes to the token endpoint, the way that the provider asks for', async () => {
  await linked();
  provider.lies = {
    metadata: (it) => ({ ...it, token_endpoint_auth_methods_supported: ['client_secret_post'] }),
  };
  assert.equal((await goThrough()).kind, 'signed-in');
  provider.lies = {
    metadata: (it) => ({ ...it, token_endpoint_auth_methods_supported: ['client_secret_basic'] }),
  };
  assert.equal((await goThrough()).kind, 'signed-in');
});

test('a browser that leaves while the provider is asked ends the call', async () => {
  const asked = Promise.withResolvers<void>();
  provider.lies = {
    respond: () => {
      asked.resolve();
      return true;
    },
  };
  await using request = scope.child('request');
  const beginning = beginOidc({ ...context(), scope: request }, { provider: 'acme' });
  await asked.promise;
  request.cancel('the browser left');
  await assert.rejects(beginning, { name: 'ScopeEnded' });
});

test('a provider that is away is said to be, and is no mistake of ours', async () => {
  const away = { name: 'away', issuer: 'http://127.0.0.1:9', clientId: 'a', clientSecret: 'b' };
  await addProvider(db.database, secrets, away);
  const begun = await beginOidc(context(), { provider: 'away' });
  assert.ok(begun.kind === 'failed');
  await assert.rejects(beginOidc(context(), { provider: 'nobody' }), { code: 'not-found' });
});

test('providers are listed without their secrets, and must be safe to trust', async () => {
  const listed = await listProviders(db.database);
  assert.deepEqual(
    listed.find(({ name }) => name === 'acme'),
    { name: 'acme', issuer: provider.issuer, clientId: 'camp' },
  );
  const wish = { name: 'x', issuer: 'https://id.example', clientId: 'a', clientSecret: 'b' };
  const wrong = [
    { ...wish, name: 'X y' },
    { ...wish, issuer: 'http://id.example' },
    { ...wish, issuer: 'http://localhost.example' },
    { ...wish, issuer: 'ftp://id.example' },
    { ...wish, issuer: 'https://id.example/?a=1' },
    { ...wish, issuer: 'id.example' },
    { ...wish, clientSecret: '' },
  ];
  for (const each of wrong)
    await assert.rejects(addProvider(db.database, secrets, each), { code: 'provider-invalid' });
  const nowhere = { actor: { ...owner.principal, workspaceId: newId() } };
  await assert.rejects(addProvider(db.database, secrets, wish, nowhere), /There is no workspace/);
  await assert.rejects(
    removeProvider(db.database, 'x'),
    { code: 'not-found' },
    'what cannot be noted is not done',
  );
  await addProvider(db.database, secrets, wish);
  await removeProvider(db.database, 'x');
  await assert.rejects(removeProvider(db.database, 'x'), { code: 'not-found' });
});
