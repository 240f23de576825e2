/** The second factor over HTTP: turned on, asked for, replaced on paper, turned off. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { URI } from 'otpauth';
import { newWorkspace, signedInMember } from '../../test/support/accounts.ts';
import { Browser } from '../../test/support/browser.ts';
import { TestWeb } from '../../test/support/web.ts';
import { hashPassword } from '../accounts/passwords.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';

const PASSWORD = 'mauve otter sings';

let web: TestWeb;
let workspaceId: string;
let passwordHash: string;

before(async () => {
  web = await TestWeb.start();
  workspaceId = await newWorkspace(web.db.database);
  passwordHash = await hashPassword(PASSWORD);
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

async function signedIn(): Promise<{ browser: Browser; email: string; personId: string }> {
  const { email, principal } = await signedInMember(web.db.database, workspaceId, 'admin', { passwordHash });
  const browser = new Browser(web);
  await browser.ask('POST /v1/sign-in', { body: { email, password: PASSWORD } });
  return { browser, email, personId: principal.personId };
}

function codeOf(uri: string): string {
  return URI.parse(uri).generate();
}

/** As if the last code had been used long ago. */
function passTime(personId: string): Promise<unknown> {
  return web.db.database.withSystem((tx) =>
    tx.query(sql`UPDATE person SET totp_step = 0 WHERE id = ${personId}`),
  );
}

async function enrolled() {
  const member = await signedIn();
  const { browser } = member;
  const begun = await browser.ask('POST /v1/me/second-factor', { body: { password: PASSWORD } });
  assert.equal(begun.status, 200);
  const uri: string = begun.json.uri;
  const confirmed = await browser.ask('POST /v1/me/second-factor/confirm', { body: { code: codeOf(uri) } });
  assert.equal(confirmed.status, 200);
  await passTime(member.personId);
  return { ...member, uri, codes: confirmed.json.recovery_codes as string[] };
}

test('a member turns the second factor on, and nobody signs in with the password alone any more', async () => {
  const { browser, email, uri, codes } = await enrolled();
  assert.match(uri, /^otpauth:\/\/totp\/.*secret=/);
  assert.equal(new Set(codes).size, 10);
  const account = await browser.ask('GET /v1/me/account');
  assert.deepEqual([account.json.has_second_factor, account.json.recovery_codes_left], [true, 10]);
  const other = new Browser(web);
  const alone = await other.ask('POST /v1/sign-in', { body: { email, password: PASSWORD } });
  assert.deepEqual([alone.status, alone.json.code, other.cookie], [403, 'second-factor-needed', '']);
  const wrong = await other.ask('POST /v1/sign-in', { body: { email, password: PASSWORD, code: '000000' } });
  assert.deepEqual([wrong.status, wrong.json.code, other.cookie], [403, 'sign-in-refused', '']);
  const blind = await other.ask('POST /v1/sign-in', { body: { email, password: `${PASSWORD}!` } });
  assert.equal(
    blind.json.code,
    'sign-in-refused',
    'that there is a second factor learns who has the password',
  );
  const good = { email, password: PASSWORD, code: codeOf(uri) };
  assert.equal((await other.ask('POST /v1/sign-in', { body: good })).status, 200);
  assert.equal((await new Browser(web).ask('POST /v1/sign-in', { body: good })).status, 403, 'once');
});

test('it is turned on in a session that proves itself, and that goes on under another cookie', async () => {
  const { browser, email } = await signedIn();
  const elsewhere = new Browser(web);
  await elsewhere.ask('POST /v1/sign-in', { body: { email, password: PASSWORD } });
  const refused = await browser.ask('POST /v1/me/second-factor', {
    body: { password: 'some other password' },
  });
  assert.deepEqual([refused.status, refused.json.code], [403, 'sign-in-refused']);
  const { json } = await browser.ask('POST /v1/me/second-factor', { body: { password: PASSWORD } });
  const before = browser.cookie;
  const wrong = await browser.ask('POST /v1/me/second-factor/confirm', { body: { code: '000000' } });
  assert.deepEqual([wrong.status, browser.cookie], [422, before]);
  await browser.ask('POST /v1/me/second-factor/confirm', { body: { code: codeOf(json.uri) } });
  assert.notEqual(browser.cookie, before);
  assert.equal((await browser.ask('GET /v1/me')).status, 200);
  assert.equal((await elsewhere.ask('GET /v1/me')).status, 401);
});

test('a recovery code is good once; new ones take the place of all', async () => {
  const { browser, email, personId, uri, codes } = await enrolled();
  const [first = '', second = ''] = codes;
  const byPaper = (code: string) =>
    new Browser(web).ask('POST /v1/sign-in', { body: { email, password: PASSWORD, code } });
  assert.equal((await byPaper(first)).status, 200);
  assert.equal((await byPaper(first)).status, 403);
  const body = { password: PASSWORD, code: codeOf(uri) };
  const renewed = await browser.ask('POST /v1/me/recovery-codes', { body });
  assert.equal(renewed.json.recovery_codes.length, 10);
  assert.equal((await byPaper(second)).status, 403);
  assert.equal((await byPaper(renewed.json.recovery_codes[0])).status, 200);
  await passTime(personId);
  const off = await browser.ask('POST /v1/me/second-factor/disable', {
    body: { password: PASSWORD, code: codeOf(uri) },
  });
  assert.equal(off.status, 204);
  assert.equal((await browser.ask('GET /v1/me/account')).json.has_second_factor, false);
  const none = await browser.ask('POST /v1/me/recovery-codes', { body: { password: PASSWORD, code: 'x' } });
  assert.deepEqual([none.status, none.json.code], [422, 'refused']);
});

test('without its password and a code a session cannot turn it off', async () => {
  const { browser, uri, codes } = await enrolled();
  for (const body of [
    { password: 'some other password', code: codeOf(uri) },
    { password: PASSWORD, code: '000000' },
  ])
    for (const line of ['POST /v1/me/second-factor/disable', 'POST /v1/me/recovery-codes'])
      assert.equal((await browser.ask(line, { body })).json.code, 'sign-in-refused');
  assert.equal((await browser.ask('GET /v1/me/account')).json.recovery_codes_left, codes.length);
});

test('an API key has no second factor', async () => {
  const key = await web.newKey('owner', workspaceId);
  const { status, json } = await web.ask('POST /v1/me/second-factor', { key, body: { password: PASSWORD } });
  assert.deepEqual([status, json.detail], [422, 'An API key cannot do this: sign in instead.']);
});
