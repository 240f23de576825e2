import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Question, type TestKey, TestWeb } from '../../test/support/web.ts';
import { createFirstOwner, makeFirstRunLink } from '../accounts/first-run.ts';
import { revokeKey } from '../accounts/keys.ts';
import { operator } from '../accounts/principal.ts';
import { SESSION_COOKIE } from '../accounts/sessions.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { endpoint, noContent } from './endpoint.ts';
import { Nothing } from './schemas.ts';

const PUBLIC_URL = 'https://mail.example.com';

const change = endpoint({
  summary: 'Changes something',
  scope: 'any',
  idempotency: 'none',
  responses: { 204: Nothing },
  run: async () => noContent(),
});

let web: TestWeb;
let key: TestKey;
let cookie: string;

before(async () => {
  web = await TestWeb.start({ 'POST /test/change': change }, { env: { CAMP_PUBLIC_URL: PUBLIC_URL } });
  key = await web.newKey();
  const { database } = web.db;
  const token = (await makeFirstRunLink(database)) ?? assert.fail('somebody owns it');
  const owner = { token, email: 'zoe@example.com', name: 'Zoë', password: 'a long enough passphrase 17' };
  const signedIn = await createFirstOwner(database, owner, {});
  cookie = `${SESSION_COOKIE}=${signedIn.token}`;
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

test('a key says who asks, and what they may', async () => {
  const { status, json } = await web.ask('GET /v1/me', { key: await web.newKey('analyst', key.workspaceId) });
  assert.equal(status, 200);
  assert.deepEqual([json.kind, json.workspace_id, json.role], ['key', key.workspaceId, 'analyst']);
  assert.ok(json.scopes.includes('stats:read') && !json.scopes.includes('contacts:write'));
});

test('without a key, or with one that is none, nobody gets in', async () => {
  const authorizations = [
    undefined,
    '',
    'Bearer',
    'Bearer x',
    'Basic em9lOmE=',
    'camp_live_x',
    `${key.headers.authorization}x`,
    key.headers.authorization.slice(0, -1),
    `${key.headers.authorization} x`,
    "Bearer ' OR 1=1 --",
  ];
  for (const authorization of authorizations) {
    const { status, json, headers } = await web.ask(
      'GET /v1/me',
      authorization === undefined ? {} : { headers: { authorization } },
    );
    assert.deepEqual(
      [status, json.code, headers.get('www-authenticate')],
      [401, 'unauthenticated', 'Bearer'],
      String(authorization),
    );
  }
  assert.equal(
    (
      await web.ask('GET /v1/me', {
        headers: { authorization: key.headers.authorization.replace('Bearer', 'bearer') },
      })
    ).status,
    200,
  );
});

test('a revoked key opens nothing from the next request on', async () => {
  const revoked = await web.newKey();
  const busy = Array.from({ length: 20 }, () => web.ask('GET /v1/me', { key: revoked }));
  assert.deepEqual(new Set((await Promise.all(busy)).map(({ status }) => status)), new Set([200]));
  await revokeKey(web.db.database, operator(revoked.workspaceId), revoked.id, {});
  assert.equal((await web.ask('GET /v1/me', { key: revoked })).status, 401);
});

test('who may not is told which scope is missing', async () => {
  const { status, json } = await web.ask('GET /v1/keys', {
    key: await web.newKey('marketer', key.workspaceId),
  });
  assert.deepEqual(
    [status, json.code, json.detail],
    [403, 'missing-scope', 'This needs the scope keys:read, which your key does not have.'],
  );
});

test('a session is its cookie; what ended, or never was one, is none', async () => {
  const me = await web.ask('GET /v1/me', { headers: { cookie } });
  assert.deepEqual([me.status, me.json.kind, me.json.role], [200, 'session', 'owner']);
  const other = `${SESSION_COOKIE}=${'x'.repeat(43)}`;
  assert.equal((await web.ask('GET /v1/me', { headers: { cookie: other } })).status, 401);
});

test('a key that is wrong does not fall back to the cookie beside it', async () => {
  const headers = { cookie, authorization: 'Bearer x' };
  assert.equal((await web.ask('GET /v1/me', { headers })).status, 401);
});

test('with a cookie, a change must come from Camp’s own pages; a key may come from anywhere', async () => {
  const own = { origin: PUBLIC_URL, 'sec-fetch-site': 'same-origin', 'x-camp-request': '1' };
  const { host } = new URL(web.web.url);
  const asked = (headers: Record<string, string>, question: Question = { headers: { cookie, ...headers } }) =>
    web.ask('POST /test/change', question);
  const good = [
    own,
    { ...own, origin: web.web.url },
    { 'sec-fetch-site': 'same-origin', 'x-camp-request': '1' },
    { origin: PUBLIC_URL, 'x-camp-request': '1' },
  ];
  for (const headers of good) assert.equal((await asked(headers)).status, 204, JSON.stringify(headers));
  const bad: Record<string, string>[] = [
    {},
    { ...own, 'sec-fetch-site': 'cross-site' },
    { ...own, 'sec-fetch-site': 'same-site' },
    { ...own, 'sec-fetch-site': 'none' },
    { ...own, origin: 'https://evil.example' },
    { ...own, origin: 'null' },
    { ...own, origin: `https://mail.example.com.evil.example` },
    { origin: 'https://evil.example', 'x-camp-request': '1', 'x-forwarded-host': 'evil.example' },
    { 'x-camp-request': '1' },
    { origin: PUBLIC_URL },
    { origin: `http://${host}.evil.example`, 'x-camp-request': '1' },
  ];
  for (const headers of bad) {
    const { status, json } = await asked(headers);
    assert.deepEqual([status, json.code], [403, 'cross-site'], JSON.stringify(headers));
  }
  assert.equal(
    (await asked({}, { headers: { ...key.headers, origin: 'https://evil.example' } })).status,
    204,
  );
  assert.equal(
    (await web.ask('GET /v1/me', { headers: { cookie, 'sec-fetch-site': 'cross-site' } })).status,
    200,
  );
});

test('keys are made, listed and revoked, and shown once', async () => {
  const made = await web.ask('POST /v1/keys', {
    key,
    body: { name: 'CI', role: 'marketer', scopes: ['contacts:read'] },
  });
  assert.equal(made.status, 201);
  assert.equal(made.headers.get('location'), `/v1/keys/${made.json.id}`);
  const asCi = { authorization: `Bearer ${made.json.key}` };
  assert.deepEqual((await web.ask('GET /v1/me', { headers: asCi })).json.scopes, ['contacts:read']);
  const listed = await web.ask('GET /v1/keys', { key });
  assert.ok(listed.json.data.some(({ name }: { name: string }) => name === 'CI'));
  assert.ok(!listed.bytes.toString().includes(made.json.key));
  assert.equal((await web.ask(`DELETE /v1/keys/${made.json.id}`, { key })).status, 204);
  assert.equal((await web.ask('GET /v1/me', { headers: asCi })).status, 401);
  const foreign = await web.newKey();
  assert.equal((await web.ask(`DELETE /v1/keys/${key.id}`, { key: foreign })).status, 404);
  assert.equal(
    (await web.ask('POST /v1/keys', { key, body: { name: 'x', role: 'billing', scopes: ['contacts:read'] } }))
      .status,
    422,
  );
});

test('the audit log comes in pages, the newest first, each entry once', async () => {
  const auditor = await web.newKey();
  for (let n = 0; n < 5; n += 1) await web.newKey('analyst', auditor.workspaceId);
  const positions: number[] = [];
  let cursor: string | null = '';
  let pages = 0;
  while (cursor !== null) {
    const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const { status, json } = await web.ask(`GET /v1/audit?limit=2${after}`, { key: auditor });
    assert.equal(status, 200);
    positions.push(...json.data.map(({ position }: { position: number }) => position));
    cursor = json.next_cursor;
    pages += 1;
  }
  assert.deepEqual([positions, pages], [[6, 5, 4, 3, 2, 1], 3]);
  for (const wrong of [
    'x',
    Buffer.from('"6"').toString('base64url'),
    Buffer.from('[6]').toString('base64url'),
    Buffer.from('6.5').toString('base64url'),
  ])
    assert.equal(
      (await web.ask(`GET /v1/audit?cursor=${wrong}`, { key: auditor })).json.detail,
      '/query/cursor is none that this list gave.',
    );
  for (const limit of ['0', '201', '-1'])
    assert.equal((await web.ask(`GET /v1/audit?limit=${limit}`, { key: auditor })).status, 400);
});
