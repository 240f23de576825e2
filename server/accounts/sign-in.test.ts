/** Signing in with a password: who gets in, who does not, and what either learns from it. */
import assert from 'node:assert/strict';
import { argon2Sync } from 'node:crypto';
import { after, before, test } from 'node:test';
import { newWorkspace, signedInMember } from '../../test/support/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newId } from '../kernel/ids.ts';
import { Scope } from '../kernel/scope.ts';
import { loadSecrets, type Secrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { listAudit } from './audit.ts';
import { disableMember } from './members.ts';
import { hashPassword } from './passwords.ts';
import { principalOfSession } from './principal.ts';
import { personByEmail } from './queries-people.ts';
import { changePassword, type SignIn, type SignInContext, signIn } from './sign-in.ts';
import { admit, forgive } from './throttle.ts';

const PASSWORD = 'mauve otter sings';
const OTHER_PASSWORD = 'green heron dives';

let db: TestDatabase;
let secrets: Secrets;
let scope: Scope;
let passwordHash: string;
let workspaceId: string;
let people = 0;

before(async () => {
  db = await createTestDatabase();
  secrets = await loadSecrets(db.database, 'a secret');
  scope = Scope.root('test');
  passwordHash = await hashPassword(PASSWORD);
  workspaceId = await newWorkspace(db.database);
});
after(async () => {
  await scope[Symbol.asyncDispose]();
  await db.drop();
});

function context(address = '192.0.2.1'): SignInContext {
  return { database: db.database, secrets, scope, origin: { address, userAgent: 'A browser' } };
}

async function newMember(at = workspaceId) {
  people += 1;
  return signedInMember(db.database, at, 'marketer', { email: `ada${people}@example.com`, passwordHash });
}

function assertSignedIn(outcome: SignIn): SignIn & { kind: 'signed-in' } {
  assert.equal(outcome.kind, 'signed-in', JSON.stringify(outcome));
  return outcome as SignIn & { kind: 'signed-in' };
}

test('a member signs in, however they write their address, and the log tells of it', async () => {
  const { email, principal } = await newMember();
  const credentials = { email: ` ${email.toUpperCase()} `, password: PASSWORD };
  const signedIn = assertSignedIn(await signIn(context('192.0.2.7'), credentials));
  assert.match(signedIn.token, /^[\w-]{43}$/);
  assert.deepEqual(await principalOfSession(db.database, signedIn.token), signedIn.principal);
  assert.equal(signedIn.principal.personId, principal.personId);
  const [entry] = await listAudit(db.database, workspaceId, { limit: 1 });
  assert.deepEqual(
    [entry?.action, entry?.subject, entry?.address, entry?.personId],
    ['session.created', `session/${signedIn.principal.id}`, '192.0.2.7', principal.personId],
  );
});

test('a wrong password, a stranger, and what is no address get one answer', async () => {
  const { email } = await newMember();
  for (const tried of [email, 'nobody@example.com', 'not an address', ''])
    assert.deepEqual(await signIn(context(), { email: tried, password: OTHER_PASSWORD }), {
      kind: 'refused',
    });
});

test('somebody who has no password does not get in by any', async () => {
  const { email } = await signedInMember(db.database, workspaceId, 'analyst');
  for (const password of ['', PASSWORD])
    assert.deepEqual(await signIn(context(), { email, password }), { kind: 'refused' });
});

test('whoever is in two workspaces gets to the one they ask for, or to the older one', async () => {
  const { email, principal } = await newMember();
  const second = await newWorkspace(db.database, 'Second');
  await db.database.withWorkspace(second, (tx) =>
    tx.query(sql`INSERT INTO member (workspace_id, person_id, role)
      VALUES (${second}, ${principal.personId}, 'analyst')`),
  );
  const credentials = { email, password: PASSWORD };
  const older = assertSignedIn(await signIn(context(), credentials));
  const asked = assertSignedIn(await signIn(context(), credentials, second));
  assert.deepEqual([older.principal.workspaceId, older.principal.role], [workspaceId, 'marketer']);
  assert.deepEqual([asked.principal.workspaceId, asked.principal.role], [second, 'analyst']);
  const foreign = await newWorkspace(db.database);
  assert.deepEqual(await signIn(context(), credentials, foreign), { kind: 'no-workspace' });
});

test('a member who was disabled has nowhere to go', async () => {
  const owner = await signedInMember(db.database, workspaceId, 'owner');
  const { email, principal } = await newMember();
  await disableMember(db.database, owner.principal, principal.personId, {});
  assert.deepEqual(await signIn(context(), { email, password: PASSWORD }), { kind: 'no-workspace' });
});

test('a password that was hashed with older parameters is hashed anew when its owner signs in', async () => {
  const nonce = Buffer.alloc(16, 7);
  const parameters = { parallelism: 1, tagLength: 32, memory: 1_024, passes: 1 };
  const old = argon2Sync('argon2id', { message: PASSWORD, nonce, ...parameters });
  const encode = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  const { email, token } = await signedInMember(db.database, workspaceId, 'analyst', {
    email: 'old@example.com',
    passwordHash: `$argon2id$v=19$m=1024,t=1,p=1$${encode(nonce)}$${encode(old)}`,
  });
  assertSignedIn(await signIn(context(), { email, password: PASSWORD }));
  const person = await db.database.withSystem((tx) => personByEmail(tx, email));
  assert.match(person?.passwordHash ?? '', /^\$argon2id\$v=19\$m=47104,/);
  assert.ok(await principalOfSession(db.database, token), 'their other session goes on');
  assertSignedIn(await signIn(context(), { email, password: PASSWORD }));
});

test('a new password ends every session of the person, in all workspaces, and begins one', async () => {
  const { email, principal, token } = await newMember();
  const second = await newWorkspace(db.database);
  await db.database.withWorkspace(second, (tx) =>
    tx.query(sql`INSERT INTO member (workspace_id, person_id, role)
      VALUES (${second}, ${principal.personId}, 'analyst')`),
  );
  const elsewhere = assertSignedIn(await signIn(context(), { email, password: PASSWORD }, second));
  const change = { password: PASSWORD, replacement: OTHER_PASSWORD };
  const changed = await changePassword(context(), principal, change);
  assert.ok(changed.kind === 'changed');
  assert.deepEqual(await principalOfSession(db.database, changed.token), changed.principal);
  for (const ended of [token, elsewhere.token])
    assert.equal(await principalOfSession(db.database, ended), null);
  assert.deepEqual(await signIn(context(), { email, password: PASSWORD }), { kind: 'refused' });
  assertSignedIn(await signIn(context(), { email, password: OTHER_PASSWORD }));
  const log = await listAudit(db.database, workspaceId, { limit: 99 });
  assert.equal(log.filter(({ action }) => action === 'password.changed').length, 1);
  assert.equal(JSON.stringify(log).includes('argon2'), false);
});

test('a stolen session does not change the password, and a bad one is not taken', async () => {
  const { principal, token } = await newMember();
  const wrong = { password: OTHER_PASSWORD, replacement: 'a third one, long' };
  assert.deepEqual(await changePassword(context(), principal, wrong), { kind: 'refused' });
  for (const replacement of ['short', 'password1234'])
    await assert.rejects(changePassword(context(), principal, { password: PASSWORD, replacement }), {
      code: 'password-refused',
    });
  assert.ok(await principalOfSession(db.database, token));
});

test('an API key has no password to change', async () => {
  const key = { ...(await newMember()).principal, kind: 'key', personId: null } as const;
  const change = { password: PASSWORD, replacement: OTHER_PASSWORD };
  await assert.rejects(changePassword(context(), key, change), { code: 'sign-in-needed' });
});

test('from one address thirty tries are let through, however many come at once', async () => {
  const tries = Array.from({ length: 80 }, (_, n) =>
    admit(db.database, `victim${n}@example.com`, '203.0.113.9'),
  );
  const outcomes = await Promise.all(tries);
  assert.equal(outcomes.filter(({ kind }) => kind === 'admitted').length, 30);
  const refused = outcomes.find(({ kind }) => kind === 'too-many');
  assert.ok(refused?.kind === 'too-many' && refused.retryAfterSeconds > 800);
  const next = { email: 'ada@example.com', password: PASSWORD };
  assert.equal((await signIn(context('203.0.113.9'), next)).kind, 'too-many');
});

test('the whole of an IPv6 line counts as one address, and others do not', async () => {
  const email = 'six@example.com';
  const line = (n: number) => `2001:db8:0:${n % 2 === 0 ? '7' : '07'}::${n.toString(16)}`;
  for (let n = 1; n <= 30; n += 1) await admit(db.database, email, line(n));
  assert.equal((await admit(db.database, email, '2001:db8:0:7:1:2:3:4')).kind, 'too-many');
  assert.equal((await admit(db.database, email, '2001:db8:0:8::1')).kind, 'admitted');
  for (let n = 1; n <= 30; n += 1) await admit(db.database, email, '::ffff:203.0.113.77');
  assert.equal((await admit(db.database, email, '203.0.113.77')).kind, 'too-many');
  assert.equal((await admit(db.database, email, '::1')).kind, 'admitted');
});

test('guessing from many addresses makes an account slower, and never locks its owner out', async () => {
  const { email } = await newMember();
  const guess = async (n: number) => {
    const admission = await admit(db.database, email, `198.51.100.${n % 50}`);
    assert.ok(admission.kind === 'admitted');
    return admission.delayMs;
  };
  const delays = await Array.fromAsync({ length: 100 }, (_, n) => guess(n));
  assert.deepEqual(delays.slice(0, 11), [0, 0, 0, 0, 0, 250, 500, 1_000, 2_000, 4_000, 4_000]);
  assert.equal(Math.max(...delays), 4_000);
  await forgive(db.database, email, undefined);
  for (let n = 0; n < 6; n += 1) await guess(n);
  assertSignedIn(await signIn(context('192.0.2.99'), { email, password: PASSWORD }));
  assert.deepEqual(await admit(db.database, email, undefined), { kind: 'admitted', delayMs: 0 });
});

test('an account that is not there is slowed like one that is', async () => {
  const stranger = async () => admit(db.database, 'stranger@example.com', undefined);
  for (let n = 0; n < 6; n += 1) await stranger();
  assert.deepEqual(await stranger(), { kind: 'admitted', delayMs: 500 });
});

test('a browser that leaves while it waits for the brake ends its sign-in', async () => {
  const { email } = await newMember();
  for (let n = 0; n < 12; n += 1) await admit(db.database, email, undefined);
  await using request = Scope.root('request');
  const signingIn = signIn({ ...context(), scope: request }, { email, password: PASSWORD });
  request.cancel('the browser left');
  await assert.rejects(signingIn, { name: 'ScopeEnded' });
});

test('tries are forgotten after a quarter of an hour, and their rows go', async () => {
  const email = 'later@example.com';
  for (let n = 0; n < 9; n += 1) await admit(db.database, email, '192.0.2.200');
  const quarterHour = sql`UPDATE sign_in_throttle SET window_ends_at = now() - interval '1 s'`;
  await db.database.withSystem((tx) => tx.query(quarterHour));
  assert.deepEqual(await admit(db.database, email, '192.0.2.200'), { kind: 'admitted', delayMs: 0 });
  for (let n = 0; n < 60; n += 1) await forgive(db.database, email, '192.0.2.200');
  for (let n = 0; n < 60; n += 1) await admit(db.database, email, undefined);
  const rows = await db.database.withSystem((tx) =>
    tx.query<{ n: number }>(
      sql`SELECT count(*)::int AS n FROM sign_in_throttle WHERE window_ends_at < now()`,
    ),
  );
  assert.deepEqual(rows, [{ n: 0 }]);
});

test('a change of password that the log cannot note is not made, and ends nothing', async () => {
  const { email, principal, token } = await newMember();
  const nowhere = { ...principal, workspaceId: newId() };
  const change = { password: PASSWORD, replacement: OTHER_PASSWORD };
  await assert.rejects(changePassword(context(), nowhere, change), { code: 'not-found' });
  assert.ok(await principalOfSession(db.database, token));
  assertSignedIn(await signIn(context(), { email, password: PASSWORD }));
});
