/** Relays over HTTP: a password goes in and never comes out, and who is not the operator reaches only the internet. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { scriptedRelay } from '../smtp/scripted-relay.ts';

let web: TestWeb;
/** Of somebody who runs the installation, and of somebody else who owns a workspace. */
let operator: TestKey;
let owner: TestKey;

before(async () => {
  web = await TestWeb.start();
  operator = await web.newKey('admin', DEFAULT_WORKSPACE_ID);
  owner = await web.newKey('owner');
});
after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

function ask(line: string, body?: unknown, key = owner): Promise<Heard> {
  return web.ask(line, { key, ...(body === undefined ? {} : { body }) });
}

test('a relay is added, shown, changed and removed, and no answer has its password', async () => {
  const heard: Heard[] = [];
  const go = async (line: string, body?: unknown) => {
    const answer = await ask(line, body);
    heard.push(answer);
    return answer;
  };
  const added = await go('POST /v1/relays', { name: 'main', url: 'smtp://ada:hunter2@smtp.acme.com' });
  assert.deepEqual([added.status, added.headers.get('location')], [201, '/v1/relays/main']);
  const { host, port, tls, user, trouble } = added.json;
  assert.deepEqual([host, port, tls, user, trouble], ['smtp.acme.com', 587, 'required', 'ada', null]);
  assert.deepEqual((await go('GET /v1/relays')).json.data, [added.json]);
  const changed = await go('PATCH /v1/relays/main', { url: 'smtps://bob:hunter2@smtp.acme.com' });
  assert.deepEqual([changed.status, changed.json.port, changed.json.user], [200, 465, 'bob']);
  assert.deepEqual((await go('GET /v1/relays/main')).json, changed.json);
  const twice = await go('POST /v1/relays', { name: 'main', url: 'smtp://eve:hunter2@smtp.evil.com' });
  assert.deepEqual([twice.status, twice.json.code], [409, 'conflict']);
  assert.deepEqual((await go('GET /v1/relays/main')).json, changed.json);
  const wrong = await go('POST /v1/relays', { name: 'other', url: 'http://ada:hunter2@smtp.acme.com' });
  assert.deepEqual([wrong.status, wrong.json.code], [422, 'refused']);
  await go('GET /v1/audit');
  assert.equal((await go('DELETE /v1/relays/main')).status, 204);
  for (const line of ['GET /v1/relays/main', 'DELETE /v1/relays/main', 'POST /v1/relays/main/test'])
    assert.equal((await go(line)).status, 404, line);
  for (const { bytes } of heard) assert.doesNotMatch(bytes.toString(), /hunter2/);
});

test('a relay that a route names stays', async () => {
  await ask('POST /v1/relays', { name: 'used', url: 'smtp://smtp.acme.com' });
  await ask('POST /v1/routes', { domain: 'acme.example', route: 'relay:used' });
  const heard = await ask('DELETE /v1/relays/used');
  assert.deepEqual([heard.status, heard.json.code], [409, 'conflict']);
  assert.equal((await ask('GET /v1/relays/used')).status, 200);
});

test('the operator tries a relay on a private network, and hears what it offers or why not', async () => {
  await using relay = await scriptedRelay(async (peer) => {
    await peer.open('PIPELINING', 'SIZE 1000');
    await peer.closed();
  });
  await ask('POST /v1/relays', { name: 'near', url: `smtp://127.0.0.1:${relay.port}?tls=none` }, operator);
  const tried = await ask('POST /v1/relays/near/test', undefined, operator);
  assert.deepEqual(tried.json, {
    ok: true,
    failure: null,
    encrypted: false,
    logged_in: false,
    offers: ['PIPELINING', 'SIZE 1000'],
  });
  await ask('PATCH /v1/relays/near', { url: 'smtp://127.0.0.1:9?tls=none' }, operator);
  const failed = await ask('POST /v1/relays/near/test', undefined, operator);
  assert.deepEqual(
    [failed.status, failed.json.ok, failed.json.failure],
    [200, false, 'nothing listens there'],
  );
});

test('who is not the operator names no address of the network behind Camp, and no other port than mail’s', async () => {
  for (const url of [
    'smtp://127.0.0.1:25',
    'smtp://10.0.0.1',
    'smtp://[::1]',
    'smtp://[::ffff:10.0.0.1]',
    'smtp://169.254.169.254:25',
    'smtp://smtp.acme.com:5432',
  ]) {
    const heard = await ask('POST /v1/relays', { name: 'probe', url });
    assert.deepEqual([heard.status, heard.json.code], [422, 'refused'], url);
  }
  assert.equal((await ask('GET /v1/relays/probe')).status, 404);
});

test('a name that leads into the network behind Camp is not followed, whoever tries', async () => {
  await ask('POST /v1/relays', { name: 'rebound', url: 'smtp://localhost:25?tls=none' });
  const { json } = await ask('POST /v1/relays/rebound/test');
  assert.deepEqual(
    [json.ok, json.failure],
    [false, 'connect failed (localhost is not on the public internet)'],
  );
});

test('an operator’s relay that somebody else changes is theirs, and reaches no further than they may', async () => {
  const first = await web.newKey('owner', DEFAULT_WORKSPACE_ID);
  await ask('POST /v1/relays', { name: 'handed', url: 'smtp://10.0.0.1' }, first);
  const row = (name: string) =>
    web.db.database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
      tx.query(sql`SELECT trusted FROM relay WHERE name = ${name}`),
    );
  assert.deepEqual(await row('handed'), [{ trusted: true }]);
  const body = { name: 'some', role: 'owner', scopes: ['domains:write', 'domains:read'] };
  const { json } = await ask('POST /v1/keys', body, first);
  const lesser = { ...first, headers: { authorization: `Bearer ${json.key}` } };
  assert.equal((await ask('PATCH /v1/relays/handed', { url: 'smtp://10.0.0.2' }, lesser)).status, 422);
  assert.equal((await ask('PATCH /v1/relays/handed', { url: 'smtp://smtp.acme.com' }, lesser)).status, 200);
  assert.deepEqual(await row('handed'), [{ trusted: false }]);
});

test('a relay that is in trouble says since how often and why, and is tried again when somebody says so', async () => {
  await ask('POST /v1/relays', { name: 'down', url: 'smtp://smtp.acme.com' });
  await web.db.database.withWorkspace(owner.workspaceId, (tx) =>
    tx.query(sql`
      INSERT INTO route (workspace_id, name, failures, paused_until, reason)
      VALUES (${owner.workspaceId}, 'down', 3, '2030-01-01T00:00:00Z', 'nobody answers')`),
  );
  const { json } = await ask('GET /v1/relays/down');
  const trouble = { failures: 3, paused_until: '2030-01-01T00:00:00.000Z', reason: 'nobody answers' };
  assert.deepEqual(json.trouble, trouble);
  assert.equal((await ask('POST /v1/relays/down/resume')).status, 204);
  assert.equal((await ask('GET /v1/relays/down')).json.trouble, null);
});
