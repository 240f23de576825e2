/** The second factor: each code once, whichever kind, and not by guessing. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Secret, TOTP } from 'otpauth';
import { newWorkspace, type SignedInMember, signedInMember } from '../../test/support/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newId } from '../kernel/ids.ts';
import { Scope } from '../kernel/scope.ts';
import { loadSecrets, type Secrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { listAudit } from './audit.ts';
import { hashPassword } from './passwords.ts';
import { principalOfSession } from './principal.ts';
import { type Person, personById } from './queries-people.ts';
import {
  beginSecondFactor,
  checkCode,
  disableSecondFactor,
  enableSecondFactor,
  renewRecoveryCodes,
} from './second-factor.ts';
import { proveAgain, type SignInContext, signIn } from './sign-in.ts';
import { newTotp, stepOfCode } from './totp.ts';

const PASSWORD = 'mauve otter sings';
const STEP_MS = 30_000;

let db: TestDatabase;
let secrets: Secrets;
let scope: Scope;
let passwordHash: string;
let workspaceId: string;

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

function context(): SignInContext {
  return { database: db.database, secrets, scope, origin: {} };
}

function codeAt(secret: string, ms: number): string {
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: ms });
}

/** Steps away from now, so that a test has as many codes as it needs; the clock may move on by one meanwhile. */
function codeOf(secret: string, steps = 0): string {
  return codeAt(secret, Date.now() + steps * STEP_MS);
}

interface Enrolled extends SignedInMember {
  secret: string;
  recoveryCodes: string[];
}

async function enrolled(): Promise<Enrolled> {
  const member = await signedInMember(db.database, workspaceId, 'admin', { passwordHash });
  const { secret } = await beginSecondFactor(db.database, secrets, member.principal);
  const { recoveryCodes, token } = await enableSecondFactor(db.database, secrets, member.principal, {
    code: codeOf(secret),
    origin: {},
  });
  // As if that had been long ago: the code of now is there to be used again.
  const { personId } = member.principal;
  await db.database.withSystem((tx) => tx.query(sql`UPDATE person SET totp_step = 0 WHERE id = ${personId}`));
  const principal = await principalOfSession(db.database, token);
  assert.ok(principal);
  return {
    ...member,
    principal: { ...principal, personId },
    token,
    secret,
    recoveryCodes,
  };
}

async function personOf({ principal }: SignedInMember): Promise<Person & { totpSecret: string }> {
  const person = await db.database.withSystem((tx) => personById(tx, principal.personId));
  assert.ok(person?.totpSecret);
  return { ...person, totpSecret: person.totpSecret };
}

test('a code is good for its step and for one before and after, and for no other', () => {
  const { secret } = newTotp('ada@example.com');
  const now = 1_800_000_000_000;
  const step = now / STEP_MS;
  for (const away of [-1, 0, 1])
    assert.equal(stepOfCode(secret, codeAt(secret, now + away * STEP_MS), now), step + away);
  for (const away of [-100, -3, -2, 2, 3, 100])
    assert.equal(stepOfCode(secret, codeAt(secret, now + away * STEP_MS), now), null);
  for (const wrong of ['', '12345', '1234567', 'abcdef', '０１２３４５'])
    assert.equal(stepOfCode(secret, wrong, now), null, wrong);
});

test('an authenticator reads who it is for', () => {
  const { uri, secret } = newTotp('ada@example.com');
  assert.match(uri, /^otpauth:\/\/totp\/Camp:ada%40example\.com\?issuer=Camp&secret=[A-Z2-7]{32}&/);
  assert.ok(uri.includes(secret));
});

test('until its first code was given a second factor asks for nothing', async () => {
  const member = await signedInMember(db.database, workspaceId, 'admin', { passwordHash });
  const { secret } = await beginSecondFactor(db.database, secrets, member.principal);
  const credentials = { email: member.email, password: PASSWORD };
  assert.equal((await signIn(context(), credentials)).kind, 'signed-in');
  const wrong = { code: codeOf(secret, 50), origin: {} };
  await assert.rejects(enableSecondFactor(db.database, secrets, member.principal, wrong), {
    code: 'second-factor-invalid',
  });
  assert.equal((await signIn(context(), credentials)).kind, 'signed-in');
});

test('turning it on ends the other sessions, goes on in a new one, and is in the log', async () => {
  const member = await signedInMember(db.database, workspaceId, 'admin', { passwordHash });
  const { secret } = await beginSecondFactor(db.database, secrets, member.principal);
  const enabling = { code: codeOf(secret), origin: { address: '192.0.2.3' } };
  const { token, recoveryCodes } = await enableSecondFactor(db.database, secrets, member.principal, enabling);
  assert.equal(await principalOfSession(db.database, member.token), null);
  assert.equal((await principalOfSession(db.database, token))?.personId, member.principal.personId);
  assert.equal(new Set(recoveryCodes).size, 10);
  for (const code of recoveryCodes) assert.match(code, /^[a-z2-7]{4}(-[a-z2-7]{4}){3}$/);
  const [entry] = await listAudit(db.database, workspaceId, { limit: 1 });
  assert.deepEqual([entry?.action, entry?.address], ['second_factor.enabled', '192.0.2.3']);
  await assert.rejects(beginSecondFactor(db.database, secrets, member.principal), {
    code: 'second-factor-invalid',
  });
});

test('password and code sign in; the password alone is asked for a code, the code alone for nothing', async () => {
  const { email, secret } = await enrolled();
  const code = codeOf(secret);
  assert.deepEqual(await signIn(context(), { email, password: PASSWORD }), { kind: 'code-needed' });
  assert.deepEqual(await signIn(context(), { email, password: 'wrong', code }), { kind: 'refused' });
  const wrong = codeOf(secret, 50);
  assert.deepEqual(await signIn(context(), { email, password: PASSWORD, code: wrong }), { kind: 'refused' });
  assert.equal((await signIn(context(), { email, password: PASSWORD, code })).kind, 'signed-in');
  assert.deepEqual(await signIn(context(), { email, password: PASSWORD, code }), { kind: 'refused' });
});

test('a code that was used is refused, and so is one from before it', async () => {
  const member = await enrolled();
  const person = await personOf(member);
  const check = (code: string) => checkCode(db.database, secrets, person, code);
  const [earlier, later] = [codeOf(member.secret), codeOf(member.secret, 1)];
  assert.deepEqual(await check(later), { kind: 'good' });
  assert.deepEqual(await check(later), { kind: 'wrong' });
  assert.deepEqual(await check(earlier), { kind: 'wrong' });
});

test('the code that turned it on is used', async () => {
  const member = await signedInMember(db.database, workspaceId, 'admin', { passwordHash });
  const { secret } = await beginSecondFactor(db.database, secrets, member.principal);
  const code = codeOf(secret);
  await enableSecondFactor(db.database, secrets, member.principal, { code, origin: {} });
  assert.deepEqual(await checkCode(db.database, secrets, await personOf(member), code), { kind: 'wrong' });
});

for (const kind of ['code', 'recovery code'])
  test(`of ten at once with one ${kind}, one gets in`, async () => {
    const member = await enrolled();
    const person = await personOf(member);
    const code = (kind === 'code' ? codeOf(member.secret) : member.recoveryCodes[0]) ?? '';
    const checks = Array.from({ length: 10 }, () => checkCode(db.database, secrets, person, code));
    const kinds = (await Promise.all(checks)).map((outcome) => outcome.kind);
    assert.equal(kinds.filter((outcome) => outcome === 'good').length, 1, kinds.join(' '));
  });

test('each recovery code gets in once, however it is typed, and another person’s never', async () => {
  const [ada, bob] = [await enrolled(), await enrolled()];
  const person = await personOf(ada);
  const check = (code = '') => checkCode(db.database, secrets, person, code);
  for (const code of ada.recoveryCodes) {
    assert.deepEqual(await check(code.toUpperCase().replaceAll('-', ' ')), { kind: 'good' });
    assert.deepEqual(await check(code), { kind: 'wrong' });
  }
  assert.deepEqual(await check(bob.recoveryCodes[0]), { kind: 'wrong' });
  assert.deepEqual(await check(''), { kind: 'wrong' });
});

test('ten codes may be tried, and then none for a quarter of an hour, also not the right one', async () => {
  const member = await enrolled();
  const person = await personOf(member);
  const wrong = codeOf(member.secret, 77);
  const tries = Array.from({ length: 30 }, () => checkCode(db.database, secrets, person, wrong));
  const kinds = (await Promise.all(tries)).map(({ kind }) => kind);
  assert.equal(kinds.filter((kind) => kind === 'wrong').length, 10);
  assert.equal((await checkCode(db.database, secrets, person, codeOf(member.secret))).kind, 'too-many');
  assert.equal(
    (await checkCode(db.database, secrets, person, member.recoveryCodes[0] ?? '')).kind,
    'too-many',
  );
  await db.database.withSystem((tx) => tx.query(sql`UPDATE sign_in_throttle SET window_ends_at = now()`));
  assert.equal((await checkCode(db.database, secrets, person, codeOf(member.secret))).kind, 'good');
});

test('it is turned off by whoever proves who they are, and its codes are worth nothing then', async () => {
  const member = await enrolled();
  const { principal, secret, email, recoveryCodes } = member;
  const proof = await proveAgain(context(), principal, { password: PASSWORD, code: codeOf(secret) });
  assert.equal(proof.kind, 'proven');
  const token = await disableSecondFactor(db.database, principal, {});
  assert.equal(await principalOfSession(db.database, member.token), null);
  assert.ok(await principalOfSession(db.database, token));
  assert.equal((await signIn(context(), { email, password: PASSWORD })).kind, 'signed-in');
  const again = await beginSecondFactor(db.database, secrets, principal);
  assert.notEqual(again.secret, secret);
  await enableSecondFactor(db.database, secrets, principal, { code: codeOf(again.secret), origin: {} });
  assert.deepEqual(await checkCode(db.database, secrets, await personOf(member), recoveryCodes[0] ?? ''), {
    kind: 'wrong',
  });
});

test('a sealed secret of one person is not another’s', async () => {
  const [ada, bob] = [await enrolled(), await enrolled()];
  const person = { ...(await personOf(ada)), totpSecret: (await personOf(bob)).totpSecret };
  await assert.rejects(checkCode(db.database, secrets, person, codeOf(bob.secret)), { name: 'SealBroken' });
});

test('a second factor that the log cannot note is neither turned on, nor off, nor given other codes', async () => {
  const member = await signedInMember(db.database, workspaceId, 'admin', { passwordHash });
  const nowhere = { ...member.principal, workspaceId: newId() };
  const { secret } = await beginSecondFactor(db.database, secrets, member.principal);
  const enabling = { code: codeOf(secret), origin: {} };
  const refused = { code: 'not-found', message: /no workspace/ };
  await assert.rejects(enableSecondFactor(db.database, secrets, nowhere, enabling), refused);
  assert.equal((await signIn(context(), { email: member.email, password: PASSWORD })).kind, 'signed-in');
  const { recoveryCodes } = await enableSecondFactor(db.database, secrets, member.principal, enabling);
  await assert.rejects(disableSecondFactor(db.database, nowhere, {}), refused);
  await assert.rejects(renewRecoveryCodes(db.database, nowhere, {}), refused);
  const person = await personOf(member);
  assert.deepEqual(await checkCode(db.database, secrets, person, recoveryCodes[0] ?? ''), { kind: 'good' });
});
