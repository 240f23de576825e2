/** A forgotten password: asked for, mailed, chosen anew, and of no use to anybody else. */
import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { URI } from 'otpauth';
import { newWorkspace, signedInMember } from '../../test/support/accounts.ts';
import { Browser } from '../../test/support/browser.ts';
import { until } from '../../test/support/campaign.ts';
import { startTestRunner } from '../../test/support/jobs.ts';
import { addSigningDomain, queuedLetters } from '../../test/support/own-mail.ts';
import { TestWeb } from '../../test/support/web.ts';
import { resetHandlers } from '../accounts/password-reset.ts';
import { hashPassword } from '../accounts/passwords.ts';
import { admit } from '../accounts/throttle.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { mailingOf } from './mailing.ts';

const PASSWORD = 'mauve otter sings';
const NEW_PASSWORD = 'green heron dives';

let web: TestWeb;
let passwordHash: string;
let addresses = 0;

before(async () => {
  web = await TestWeb.start({}, { env: { CAMP_TRUSTED_PROXIES: '127.0.0.1' } });
  passwordHash = await hashPassword(PASSWORD);
  await addSigningDomain(web.db.database, DEFAULT_WORKSPACE_ID, 'operator.example');
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

function newBrowser(): Browser {
  addresses += 1;
  return new Browser(web, `192.0.2.${addresses}`);
}

async function newMember() {
  const workspaceId = await newWorkspace(web.db.database);
  // Whoever runs it may choose a relay that reads along.
  await addSigningDomain(web.db.database, workspaceId, 'acme.example');
  return { workspaceId, ...(await signedInMember(web.db.database, workspaceId, 'admin', { passwordHash })) };
}

function ask(email: string, browser = newBrowser()) {
  return browser.ask('POST /v1/password-resets', { body: { email } });
}

function reset(body: Record<string, string>, browser = newBrowser()) {
  return browser.ask('POST /v1/password-resets/use', { body });
}

interface JobRow {
  args: { email: string };
  state: string;
}

function jobs(): Promise<JobRow[]> {
  return web.db.database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    tx.query<JobRow>(sql`SELECT args, state FROM job WHERE kind = 'password.reset' ORDER BY id`),
  );
}

function letters() {
  return queuedLetters(web.db.database, DEFAULT_WORKSPACE_ID);
}

/** The token in the newest letter, when all that was asked for has been seen to. */
async function mailedToken(t: TestContext): Promise<string> {
  const mailing = mailingOf(web.web.services.config, 'password-reset');
  const runner = await startTestRunner(t, web.db.database, resetHandlers(mailing));
  await until(async () => (await jobs()).every(({ state }) => state === 'done'), 'the jobs are done');
  await runner.drain();
  const letter = (await letters()).at(-1) ?? assert.fail('no letter');
  const [, token = ''] = /http:\/\/localhost:8080\/password-reset#([\w-]{43})\n/.exec(letter.text) ?? [];
  return token;
}

test('somebody who has forgotten their password chooses another by the link in the mail', async (t) => {
  const { workspaceId, email, token: oldSession } = await newMember();
  const asked = await ask(` ${email.toUpperCase()}`);
  assert.deepEqual([asked.status, asked.bytes.length], [202, 0]);
  const token = await mailedToken(t);
  const [letter] = await letters();
  assert.equal(letter?.from.email, 'no-reply@operator.example');
  assert.deepEqual(
    await queuedLetters(web.db.database, workspaceId),
    [],
    'a member’s workspace never sends it',
  );
  const weak = await reset({ token, password: 'short' });
  assert.deepEqual([weak.status, weak.json.code], [422, 'refused'], 'and the link is still good');
  const browser = newBrowser();
  assert.equal((await reset({ token, password: NEW_PASSWORD }, browser)).status, 200);
  assert.equal((await browser.ask('GET /v1/me')).json.workspace_id, workspaceId);
  assert.equal((await web.ask('GET /v1/me', { headers: { cookie: `camp=${oldSession}` } })).status, 401);
  const signIn = (password: string) => newBrowser().ask('POST /v1/sign-in', { body: { email, password } });
  assert.equal((await signIn(PASSWORD)).status, 403);
  assert.equal((await signIn(NEW_PASSWORD)).status, 200);
  const again = await reset({ token, password: 'a third one of these' });
  assert.deepEqual([again.status, again.headers.get('set-cookie')], [422, null]);
  const log = await browser.ask('GET /v1/audit?limit=5');
  assert.ok(log.json.data.some(({ action }: { action: string }) => action === 'password.reset'));
  assert.ok(!log.bytes.includes(token));
});

test('an address that nobody has gets the same answer, the same work, and no letter', async (t) => {
  const { email } = await newMember();
  const sent = (await letters()).length;
  const answers = new Set<string>();
  const statements = new Set<string>();
  for (const one of [email, 'nobody@example.com']) {
    const before = (await jobs()).length;
    const { status, bytes, headers } = await ask(one);
    answers.add(JSON.stringify([status, bytes.toString(), headers.get('set-cookie')]));
    const left = (await jobs()).slice(before);
    statements.add(JSON.stringify(left.map(({ args, state }) => [Object.keys(args), state])));
  }
  assert.equal(answers.size, 1);
  assert.deepEqual([...statements], ['[[["email"],"queued"]]']);
  await mailedToken(t);
  assert.equal((await letters()).length, sent + 1);
});

test('a mailbox is not filled, and who asks for many addresses is told to come again', async () => {
  const { email } = await newMember();
  const before = (await jobs()).length;
  for (let n = 0; n < 5; n += 1) {
    assert.equal((await ask(email)).status, 202);
    await web.db.database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
      tx.query(sql`UPDATE job SET state = 'done', finished_at = now(), due_at = NULL WHERE state = 'queued'`),
    );
  }
  assert.equal((await jobs()).length - before, 3);
  const busy = newBrowser();
  for (let n = 0; n < 30; n += 1) await admit(web.db.database, `${n}@example.com`, busy.address);
  const refused = await ask('somebody@example.com', busy);
  assert.deepEqual([refused.status, refused.json.code], [429, 'too-many-requests']);
});

test('a link ends with the hour, and with a password that was changed in another way', async (t) => {
  const { email } = await newMember();
  await ask(email);
  const late = await mailedToken(t);
  await web.db.database.withOwner((tx) => tx.query(sql`UPDATE password_reset SET expires_at = now()`));
  assert.equal((await reset({ token: late, password: NEW_PASSWORD })).status, 422);
  await ask(email);
  const token = await mailedToken(t);
  const browser = newBrowser();
  await browser.ask('POST /v1/sign-in', { body: { email, password: PASSWORD } });
  await browser.ask('POST /v1/me/password', { body: { password: PASSWORD, new_password: NEW_PASSWORD } });
  assert.equal((await reset({ token, password: 'a third one of these' })).status, 422);
});

test('of many who use a link at once, one does', async (t) => {
  const { email } = await newMember();
  await ask(email);
  const token = await mailedToken(t);
  const all = await Promise.all(Array.from({ length: 5 }, () => reset({ token, password: NEW_PASSWORD })));
  assert.deepEqual(all.map(({ status }) => status).sort(), [200, 422, 422, 422, 422]);
});

test('the mailbox alone does not get past a second factor', async (t) => {
  const { email, principal } = await newMember();
  const browser = newBrowser();
  await browser.ask('POST /v1/sign-in', { body: { email, password: PASSWORD } });
  const { json } = await browser.ask('POST /v1/me/second-factor', { body: { password: PASSWORD } });
  const code = () => URI.parse(json.uri).generate();
  await browser.ask('POST /v1/me/second-factor/confirm', { body: { code: code() } });
  await web.db.database.withSystem((tx) =>
    tx.query(sql`UPDATE person SET totp_step = 0 WHERE id = ${principal.personId}`),
  );
  await ask(email);
  const token = await mailedToken(t);
  const without = await reset({ token, password: NEW_PASSWORD });
  assert.deepEqual([without.status, without.json.code], [403, 'second-factor-needed']);
  assert.equal((await reset({ token, password: NEW_PASSWORD, code: '000000' })).json.code, 'sign-in-refused');
  assert.equal((await reset({ token, password: NEW_PASSWORD, code: code() })).status, 200);
});

test('where the first workspace cannot send, the job says so', async (t) => {
  const { email } = await newMember();
  await web.db.database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) => tx.query(sql`DELETE FROM dkim_key`));
  await ask(email);
  const mailing = mailingOf(web.web.services.config, 'password-reset');
  const runner = await startTestRunner(t, web.db.database, resetHandlers(mailing));
  await until(async () => (await jobs()).at(-1)?.state === 'dead', 'it ended');
  await runner.drain();
});
