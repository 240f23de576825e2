/** Members, invitations and workspaces over HTTP: who comes in, in what role, and who goes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newWorkspace, signedInMember } from '../../test/support/accounts.ts';
import { Browser } from '../../test/support/browser.ts';
import { addSigningDomain, queuedLetters } from '../../test/support/own-mail.ts';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { hashPassword } from '../accounts/passwords.ts';
import { newId } from '../kernel/ids.ts';
import { openScopeNames } from '../kernel/scope.ts';

const PASSWORD = 'mauve otter sings';

let web: TestWeb;
let passwordHash: string;

before(async () => {
  web = await TestWeb.start();
  passwordHash = await hashPassword(PASSWORD);
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

function tokenOf(link: string): string {
  return new URL(link).hash.slice(1);
}

async function invited(key: TestKey, email: string, role = 'marketer') {
  const heard = await web.ask('POST /v1/invitations', { key, body: { email, role } });
  assert.equal(heard.status, 201, heard.bytes.toString());
  return { ...heard.json, token: tokenOf(heard.json.link) };
}

function accept(token: string, more: object = {}, browser = new Browser(web)) {
  return browser.ask('POST /v1/invitations/accept', { body: { token, password: PASSWORD, ...more } });
}

test('somebody new is invited, sees what to, and joins', async () => {
  const key = await web.newKey();
  const { id, link, token, is_mailed } = await invited(key, 'Bob@Example.com');
  assert.equal(is_mailed, false, 'there is no domain to send from');
  assert.match(link, /^http:\/\/localhost:8080\/invitation#[\w-]{43}$/);
  const listed = await web.ask('GET /v1/invitations', { key });
  assert.deepEqual([listed.json.data[0].id, listed.json.data[0].email], [id, 'bob@example.com']);
  assert.ok(!listed.bytes.includes(token));
  const opened = await web.ask('POST /v1/invitations/open', { body: { token } });
  assert.deepEqual(opened.json, {
    workspace: 'Test',
    email: 'bob@example.com',
    role: 'marketer',
    is_known: false,
  });
  const browser = new Browser(web);
  assert.equal(
    (await accept(token, {}, browser)).json.detail,
    'A name is needed, of 200 characters at most.',
  );
  const joined = await accept(token, { name: 'Bob' }, browser);
  assert.deepEqual([joined.status, joined.json.role], [200, 'marketer']);
  assert.match(joined.headers.get('set-cookie') ?? '', /^camp=/);
  assert.equal((await browser.ask('GET /v1/workspace')).json.id, key.workspaceId);
  const again = await accept(token, { name: 'Eve' });
  assert.deepEqual([again.status, again.json.code, again.headers.get('set-cookie')], [422, 'refused', null]);
  assert.equal((await web.ask('GET /v1/invitations', { key })).json.data.length, 0);
});

test('an invitation is mailed from the workspace’s own domain, and the answer says so', async () => {
  const key = await web.newKey();
  await addSigningDomain(web.db.database, key.workspaceId, 'acme.example');
  const invitation = { email: 'carol@example.com', role: 'marketer' };
  const { json } = await web.ask('POST /v1/invitations', { key, body: invitation });
  assert.deepEqual([json.is_mailed, json.link], [true, null], 'the link is for her alone');
  const letters = await queuedLetters(web.db.database, key.workspaceId);
  assert.deepEqual(
    letters.map(({ from, subject }) => [from.email, subject]),
    [['no-reply@acme.example', 'Invitation to Test']],
  );
  const [, token] = /invitation#([\w-]{43})/.exec(letters[0]?.text ?? '') ?? [];
  const opened = await web.ask('POST /v1/invitations/open', { body: { token } });
  assert.equal(opened.json.email, 'carol@example.com');
});

test('somebody who has an account joins with its password, and goes from workspace to workspace', async () => {
  const home = await newWorkspace(web.db.database, 'Home');
  const { email } = await signedInMember(web.db.database, home, 'owner', { passwordHash });
  const key = await web.newKey();
  const { token } = await invited(key, email, 'analyst');
  assert.equal((await web.ask('POST /v1/invitations/open', { body: { token } })).json.is_known, true);
  const wrong = await accept(token, { password: 'some other password' });
  assert.deepEqual([wrong.status, wrong.json.code], [403, 'sign-in-refused']);
  const browser = new Browser(web);
  assert.equal((await accept(token, {}, browser)).json.workspace_id, key.workspaceId);
  const list = await browser.ask('GET /v1/workspaces');
  assert.deepEqual(
    list.json.data.map(({ name, role }: { name: string; role: string }) => [name, role]),
    [
      ['Home', 'owner'],
      ['Test', 'analyst'],
    ],
  );
  const there = browser.cookie;
  const entered = await browser.ask(`POST /v1/workspaces/${home}/switch`);
  assert.deepEqual([entered.status, entered.json.workspace_id, entered.json.role], [200, home, 'owner']);
  assert.equal((await web.ask('GET /v1/me', { headers: { cookie: there } })).status, 401);
  const foreign = await newWorkspace(web.db.database);
  for (const id of [foreign, newId()])
    assert.equal((await browser.ask(`POST /v1/workspaces/${id}/switch`)).status, 404);
});

test('an invitation that was revoked, or replaced, opens nothing; another workspace’s cannot be touched', async () => {
  const key = await web.newKey();
  const first = await invited(key, 'dan@example.com');
  const second = await invited(key, 'dan@example.com');
  assert.equal((await accept(first.token, { name: 'Dan' })).status, 422);
  const foreign = await web.newKey();
  assert.equal((await web.ask(`DELETE /v1/invitations/${second.id}`, { key: foreign })).status, 404);
  assert.equal((await web.ask(`DELETE /v1/invitations/${second.id}`, { key })).status, 204);
  assert.equal((await web.ask(`DELETE /v1/invitations/${second.id}`, { key })).status, 404);
  assert.equal((await accept(second.token, { name: 'Dan' })).status, 422);
});

test('two who take up two invitations of one new address at once: one is made, the other asked again', async () => {
  const keys = [await web.newKey(), await web.newKey()];
  const tokens: string[] = [];
  for (const key of keys) tokens.push((await invited(key, 'twin@example.com')).token);
  const heard = await Promise.all(tokens.map((token) => accept(token, { name: 'Twin' })));
  for (const { status } of heard) assert.ok([200, 409].includes(status), String(status));
  assert.ok(heard.some(({ status }) => status === 200));
});

test('roles are changed, members go and come back; nobody grants more than they have, and an owner stays', async () => {
  const key = await web.newKey();
  const { workspaceId } = key;
  const owner = await signedInMember(web.db.database, workspaceId, 'owner');
  const ada = await signedInMember(web.db.database, workspaceId, 'marketer');
  const cookie = { cookie: `camp=${ada.token}` };
  const member = `/v1/members/${ada.principal.personId}`;
  const admin = await web.newKey('admin', workspaceId);
  const change = (role: string, as: TestKey) => web.ask(`PATCH ${member}`, { key: as, body: { role } });
  const beyond = await change('owner', admin);
  assert.deepEqual([beyond.status, beyond.json.code], [403, 'missing-scope']);
  assert.equal((await change('analyst', admin)).status, 204);
  assert.equal((await web.ask('GET /v1/me', { headers: cookie })).status, 401, 'their session has ended');
  const listed = await web.ask('GET /v1/members', { key: admin });
  const of = (id: string) => listed.json.data.find((one: { id: string }) => one.id === id);
  assert.deepEqual(
    [of(ada.principal.personId).role, of(owner.principal.personId).role],
    ['analyst', 'owner'],
  );
  for (const line of ['DELETE', 'PATCH']) {
    const last = await web.ask(`${line} /v1/members/${owner.principal.personId}`, {
      key,
      ...(line === 'PATCH' ? { body: { role: 'admin' } } : {}),
    });
    assert.deepEqual([last.status, last.json.code], [409, 'conflict'], line);
  }
  const foreign = await web.newKey();
  for (const id of [ada.principal.personId, newId()])
    assert.equal((await web.ask(`DELETE /v1/members/${id}`, { key: foreign })).status, 404);
  assert.equal((await web.ask(`DELETE ${member}`, { key: admin })).status, 204);
  const removed = await web.ask('GET /v1/members', { key: admin });
  assert.ok(
    removed.json.data.some((one: { id: string; removed_at: string | null }) => one.removed_at !== null),
  );
  assert.equal((await web.ask(`POST ${member}/restore`, { key: admin })).status, 204);
  const log = await web.ask('GET /v1/audit?limit=3', { key });
  assert.deepEqual(
    log.json.data.map(({ action }: { action: string }) => action),
    ['member.enabled', 'member.disabled', 'member.role_changed'],
  );
});

test('a workspace is renamed, and an owner makes another of their own', async () => {
  const workspaceId = await newWorkspace(web.db.database);
  const owner = await signedInMember(web.db.database, workspaceId, 'owner', { passwordHash });
  const admin = await signedInMember(web.db.database, workspaceId, 'admin', { passwordHash });
  const browser = new Browser(web);
  await browser.ask('POST /v1/sign-in', { body: { email: owner.email, password: PASSWORD } });
  const renamed = await browser.ask('PATCH /v1/workspace', { body: { name: ' Better ' } });
  assert.deepEqual([renamed.status, renamed.json.name], [200, 'Better']);
  const log = await browser.ask('GET /v1/audit?limit=1');
  const [{ action, before: was, after: is }] = log.json.data;
  assert.deepEqual([action, was, is], ['workspace.renamed', 'Acme', 'Better']);
  const once = { 'idempotency-key': newId() };
  const made = await browser.ask('POST /v1/workspaces', { body: { name: 'Second' }, headers: once });
  const replayed = await browser.ask('POST /v1/workspaces', { body: { name: 'Second' }, headers: once });
  assert.deepEqual([made.status, replayed.json], [201, made.json]);
  assert.equal((await browser.ask('GET /v1/workspaces')).json.data.length, 2);
  const entered = await browser.ask(`POST ${made.headers.get('location')}`);
  assert.deepEqual([entered.json.workspace_id, entered.json.role], [made.json.id, 'owner']);
  const other = new Browser(web);
  await other.ask('POST /v1/sign-in', { body: { email: admin.email, password: PASSWORD } });
  assert.equal((await other.ask('POST /v1/workspaces', { body: { name: 'Mine' } })).status, 403);
});

test('one sees one’s own sessions, and ends one of them; nobody else’s', async () => {
  const workspaceId = await newWorkspace(web.db.database);
  const { email } = await signedInMember(web.db.database, workspaceId, 'analyst', { passwordHash });
  const other = await signedInMember(web.db.database, workspaceId, 'owner');
  const [here, there] = [new Browser(web), new Browser(web)];
  for (const browser of [here, there])
    await browser.ask('POST /v1/sign-in', {
      body: { email, password: PASSWORD },
      headers: { 'user-agent': 'A browser' },
    });
  const { json } = await here.ask('GET /v1/sessions');
  const [current, elsewhere] = Map.groupBy<
    boolean,
    { id: string; is_current: boolean; user_agent: string | null }
  >(json.data, ({ is_current }) => is_current)
    .entries()
    .toArray()
    .sort(([a], [b]) => Number(b) - Number(a))
    .map(([, rows]) => rows);
  assert.deepEqual([current?.length, current?.[0]?.user_agent], [1, 'A browser']);
  const id = elsewhere?.find(({ user_agent }) => user_agent === 'A browser')?.id;
  assert.equal((await here.ask(`DELETE /v1/sessions/${other.principal.id}`)).status, 404);
  assert.equal((await here.ask(`DELETE /v1/sessions/${id}`)).status, 204);
  assert.equal((await there.ask('GET /v1/me')).status, 401);
  assert.equal((await here.ask('GET /v1/me')).status, 200);
});
