/** Signing in through a provider, as a browser goes: to it, and back. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { URI } from 'otpauth';
import { signedInMember } from '../../test/support/accounts.ts';
import { Browser } from '../../test/support/browser.ts';
import { type OidcProvider, startOidcProvider } from '../../test/support/oidc-provider.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { hashPassword } from '../accounts/passwords.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { openScopeNames } from '../kernel/scope.ts';

const PASSWORD = 'mauve otter sings';
const NEW_PASSWORD = 'a quieter otter hums';

let web: TestWeb;
let provider: OidcProvider;
let key: TestKey;
let passwordHash: string;
let subjects = 0;

before(async () => {
  web = await TestWeb.start();
  provider = await startOidcProvider();
  passwordHash = await hashPassword(PASSWORD);
  await ensureWorkspace(web.db.database, DEFAULT_WORKSPACE_ID, 'Default');
  key = await web.newKey('owner', DEFAULT_WORKSPACE_ID);
  const { issuer, clientId, clientSecret } = provider;
  const body = { issuer, client_id: clientId, client_secret: clientSecret };
  const put = await web.ask('PUT /v1/sso-providers/acme', { key, body });
  assert.deepEqual([put.status, put.json], [200, { name: 'acme', issuer, client_id: clientId }]);
});

after(async () => {
  await provider[Symbol.asyncDispose]();
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

beforeEach(() => {
  subjects += 1;
  Object.assign(provider, { subject: `subject-${subjects}`, claims: {}, lies: {} });
});

/** To the provider and back; what the callback answers. */
async function goThrough(browser: Browser, line: string, more: object = {}): Promise<Heard> {
  const begun = await browser.ask(line, { body: { provider: 'acme', ...more } });
  assert.equal(begun.status, 200, begun.bytes.toString());
  return comeBack(browser, await provider.visit(begun.json.url));
}

/** A navigation that another site began. */
function comeBack(browser: Browser, query: string): Promise<Heard> {
  return browser.ask(`GET /v1/sign-in/sso/callback?${query}`, {
    headers: { 'sec-fetch-site': 'cross-site' },
  });
}

async function newMember(): Promise<{ browser: Browser; email: string; personId: string }> {
  const { database } = web.db;
  const { email, principal } = await signedInMember(database, DEFAULT_WORKSPACE_ID, 'owner', {
    passwordHash,
  });
  const browser = new Browser(web);
  assert.equal((await signIn(email, PASSWORD, browser)).status, 200);
  return { browser, email, personId: principal.personId };
}

function signIn(email: string, password: string, browser = new Browser(web)): Promise<Heard> {
  return browser.ask('POST /v1/sign-in', { body: { email, password } });
}

async function linked() {
  const member = await newMember();
  const back = await goThrough(member.browser, 'POST /v1/me/sso', { password: PASSWORD });
  assert.deepEqual([back.status, back.headers.get('location')], [303, '/docs']);
  return member;
}

test('a member adds a provider, and signs in with it elsewhere', async () => {
  const { personId } = await linked();
  const browser = new Browser(web);
  const back = await goThrough(browser, 'POST /v1/sign-in/sso');
  assert.equal(back.status, 303);
  assert.match(back.headers.get('set-cookie') ?? '', /^camp=[\w-]{43}; Path=\/; .*HttpOnly; SameSite=Lax$/);
  assert.deepEqual([back.headers.get('cache-control'), back.bytes.length], ['no-store', 0]);
  assert.equal((await browser.ask('GET /v1/me')).json.person_id, personId);
});

test('whoever has a stolen session adds no way in: the password is asked for, and the code too', async () => {
  const { browser } = await newMember();
  const link = (more: object) => browser.ask('POST /v1/me/sso', { body: { provider: 'acme', ...more } });
  assert.equal((await link({})).status, 400);
  const wrong = await link({ password: NEW_PASSWORD });
  assert.deepEqual(
    [wrong.status, wrong.json.code, wrong.headers.get('set-cookie')],
    [403, 'sign-in-refused', null],
  );
  const { json } = await browser.ask('POST /v1/me/second-factor', { body: { password: PASSWORD } });
  const code = URI.parse(json.uri).generate();
  const confirmed = await browser.ask('POST /v1/me/second-factor/confirm', { body: { code } });
  assert.equal((await link({ password: PASSWORD })).json.code, 'second-factor-needed');
  assert.equal((await link({ password: PASSWORD, code: '000000' })).json.code, 'sign-in-refused');
  const [recovery] = confirmed.json.recovery_codes;
  assert.equal((await link({ password: PASSWORD, code: recovery })).status, 200);
});

test('another password takes every way in through providers away', async () => {
  const { browser, email } = await linked();
  const body = { password: PASSWORD, new_password: NEW_PASSWORD };
  assert.equal((await browser.ask('POST /v1/me/password', { body })).status, 200);
  assert.equal((await goThrough(new Browser(web), 'POST /v1/sign-in/sso')).json.code, 'sign-in-refused');
  assert.equal((await signIn(email, NEW_PASSWORD)).status, 200);
  assert.deepEqual((await browser.ask('GET /v1/me/sso')).json, { data: [] });
});

test('a way in that was under way when the password changed is not added after it', async () => {
  const { browser, email } = await newMember();
  const body = { provider: 'acme', password: PASSWORD };
  const begun = await browser.ask('POST /v1/me/sso', { body });
  const query = await provider.visit(begun.json.url);
  const thief = browser.cookie;
  const change = { password: PASSWORD, new_password: NEW_PASSWORD };
  assert.equal((await browser.ask('POST /v1/me/password', { body: change })).status, 200);
  const back = await web.ask(`GET /v1/sign-in/sso/callback?${query}`, { headers: { cookie: thief } });
  assert.equal(back.status, 403);
  const own = new Browser(web);
  await signIn(email, NEW_PASSWORD, own);
  assert.deepEqual((await own.ask('GET /v1/me/sso')).json.data, []);
});

test('somebody sees their ways in, and takes one away with their password; sessions that began by it end', async () => {
  const { browser } = await linked();
  const elsewhere = new Browser(web);
  await goThrough(elsewhere, 'POST /v1/sign-in/sso');
  const { json } = await browser.ask('GET /v1/me/sso');
  const [{ added_at, ...way } = assert.fail()] = json.data;
  const identity = { issuer: provider.issuer, subject: provider.subject };
  assert.deepEqual(way, { provider: 'acme', ...identity });
  assert.ok(Date.parse(added_at) > Date.now() - 60_000);
  const remove = (body: object, by = browser) => by.ask('POST /v1/me/sso/remove', { body });
  assert.equal((await remove({ ...identity, password: NEW_PASSWORD })).json.code, 'sign-in-refused');
  const other = await newMember();
  assert.equal((await remove({ ...identity, password: PASSWORD }, other.browser)).status, 404);
  assert.equal((await remove({ ...identity, password: PASSWORD })).status, 204);
  assert.equal((await elsewhere.ask('GET /v1/me')).status, 401);
  assert.deepEqual((await browser.ask('GET /v1/me/sso')).json, { data: [] });
  assert.equal((await goThrough(new Browser(web), 'POST /v1/sign-in/sso')).status, 403);
  const log = await browser.ask('GET /v1/audit?limit=50');
  const said = log.json.data.find(({ action }: { action: string }) => action === 'identity.removed');
  assert.deepEqual(said?.before, provider.issuer);
  const added = log.json.data.find(({ action }: { action: string }) => action === 'identity.linked');
  assert.equal(added?.address, '127.0.0.1');
});

test('an answer that comes to another browser, or again, or with a word more, signs in nobody or the one', async () => {
  await linked();
  const browser = new Browser(web);
  const begun = await browser.ask('POST /v1/sign-in/sso', { body: { provider: 'acme' } });
  assert.match(
    begun.headers.get('set-cookie') ?? '',
    /^camp-flow=[\w-]{43}; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/,
  );
  const query = await provider.visit(begun.json.url);
  const thief = await comeBack(new Browser(web), query);
  assert.deepEqual(
    [thief.status, thief.json.code, thief.headers.get('set-cookie')],
    [403, 'sign-in-refused', null],
  );
  assert.equal((await comeBack(browser, `${query}&session_state=a%20b&hd=x`)).status, 303);
  assert.equal((await comeBack(browser, query)).status, 403);
});

test('whom nobody knows is told how to become known', async () => {
  const back = await goThrough(new Browser(web), 'POST /v1/sign-in/sso');
  assert.deepEqual([back.status, back.json.code], [403, 'sign-in-refused']);
  assert.match(back.json.detail, /ask for an invitation/);
});

test('somebody new accepts an invitation with the provider', async () => {
  const invited = await web.ask('POST /v1/invitations', {
    key,
    body: { email: 'bob@example.com', role: 'analyst' },
  });
  provider.claims = { name: 'Bob' };
  const browser = new Browser(web);
  const invitation = new URL(invited.json.link).hash.slice(1);
  assert.equal((await goThrough(browser, 'POST /v1/sign-in/sso', { invitation })).status, 303);
  assert.equal((await browser.ask('GET /v1/me')).json.role, 'analyst');
});

test('a provider that is away, or that nobody named, is said', async () => {
  provider.lies = { respond: (response) => Boolean(response.writeHead(500).end()) };
  const away = await web.ask('POST /v1/sign-in/sso', { body: { provider: 'acme' } });
  assert.deepEqual([away.status, away.json.code], [422, 'refused']);
  const unknown = await web.ask('POST /v1/sign-in/sso', { body: { provider: 'other' } });
  assert.equal(unknown.status, 404);
});

test('providers are named from the first workspace only, are listed without secrets, and the log tells of them', async () => {
  const foreign = await web.newKey('owner');
  const body = { issuer: 'https://id.example', client_id: 'camp', client_secret: 'hush-hush-hush' };
  for (const line of ['GET /v1/sso-providers', 'DELETE /v1/sso-providers/acme'])
    assert.equal((await web.ask(line, { key: foreign })).status, 403, line);
  assert.equal((await web.ask('PUT /v1/sso-providers/acme', { key: foreign, body })).status, 403);
  assert.equal((await web.ask('PUT /v1/sso-providers/second', { key, body })).status, 200);
  const wrong = await web.ask('PUT /v1/sso-providers/third', {
    key,
    body: { ...body, issuer: 'id.example' },
  });
  assert.deepEqual([wrong.status, wrong.json.code], [422, 'refused']);
  const listed = await web.ask('GET /v1/sso-providers', { key });
  assert.deepEqual(
    listed.json.data.map(({ name }: { name: string }) => name),
    ['acme', 'second'],
  );
  assert.deepEqual((await web.ask('GET /v1/sign-in/providers')).json, {
    data: [{ name: 'acme' }, { name: 'second' }],
  });
  assert.equal((await web.ask('DELETE /v1/sso-providers/second', { key })).status, 204);
  assert.equal((await web.ask('DELETE /v1/sso-providers/second', { key })).status, 404);
  const log = await web.ask('GET /v1/audit?limit=2', { key });
  assert.deepEqual(
    log.json.data.map(({ action, subject }: { action: string; subject: string }) => [action, subject]),
    [
      ['provider.removed', 'provider/second'],
      ['provider.added', 'provider/second'],
    ],
  );
  for (const answer of [listed, log]) assert.ok(!answer.bytes.includes('hush-hush-hush'));
});
