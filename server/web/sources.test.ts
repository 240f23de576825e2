/** Sources, warm-up and pools over HTTP: the installation's, so asked and changed by who runs it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ScriptedDns, scriptedDns } from '../../test/support/dns-server.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../kernel/ids.ts';
import { dayOf } from '../senders/warm-up.ts';

let dns: ScriptedDns;
let web: TestWeb;
let key: TestKey;

before(async () => {
  dns = await scriptedDns({
    'mail-1.example.com': { A: ['127.0.0.9'] },
    '9.0.0.127.in-addr.arpa': { PTR: ['mail-1.example.com'] },
  });
  web = await TestWeb.start({}, { env: { CAMP_RESOLVER: dns.server } });
  key = await web.newKey('admin', DEFAULT_WORKSPACE_ID);
});
after(async () => {
  await web.stop();
  await dns.close();
});

function ask(line: string, body?: unknown): Promise<Heard> {
  return web.ask(line, { key, ...(body === undefined ? {} : { body }) });
}

test('a source is added, warmed up, checked, changed and forgotten, and the log has it', async () => {
  const set = await ask('PUT /v1/sources/127.0.0.9', { helo_name: 'mail-1.example.com', pool: 'bulk' });
  assert.equal(set.status, 200);
  const source = {
    address: '127.0.0.9',
    public_address: null,
    helo_name: 'mail-1.example.com',
    pool: 'bulk',
    pool_is_open: true,
    weight: 1,
    is_here: true,
    warm_ups: [],
  };
  assert.deepEqual(set.json, source);
  const ramp = { start: dayOf(new Date()), from: 50, factor: 1.5, until: 1_000 };
  const warming = await ask('PUT /v1/sources/127.0.0.9/warm-ups/*', ramp);
  assert.deepEqual(warming.json.warm_ups, [{ provider: '*', ...ramp, today: 50 }]);
  const checked = await ask('POST /v1/sources/127.0.0.9/check');
  const verdicts = checked.json.data.map(({ type, verdict }: Record<string, string>) => `${type} ${verdict}`);
  assert.deepEqual(verdicts, ['PTR ok', 'A ok']);
  const changed = await ask('PUT /v1/sources/127.0.0.9', { helo_name: 'mail-1.example.com', weight: 3 });
  assert.deepEqual([changed.json.pool, changed.json.weight, changed.json.warm_ups.length], ['default', 3, 1]);
  assert.deepEqual((await ask('GET /v1/sources')).json.data, [changed.json]);
  assert.equal((await ask('DELETE /v1/sources/127.0.0.9/warm-ups/*')).status, 204);
  assert.equal((await ask('DELETE /v1/sources/127.0.0.9/warm-ups/*')).status, 404);
  assert.equal((await ask('DELETE /v1/sources/127.0.0.9')).status, 204);
  assert.equal((await ask('POST /v1/sources/127.0.0.9/check')).status, 404);
  const { data } = (await ask('GET /v1/audit?limit=5')).json;
  assert.deepEqual(
    data.map(({ action }: { action: string }) => action),
    ['source.removed', 'source.warm_up_ended', 'source.set', 'source.warm_up_set', 'source.set'],
  );
});

test('a pool is granted to a workspace, taken from it and opened to all', async () => {
  await ask('PUT /v1/sources/127.0.0.8', { helo_name: 'mail-2.example.com', pool: 'few' });
  const other = await web.newKey();
  const problems = async () =>
    (
      await web.ask('POST /v1/routes', {
        key: other,
        body: { domain: 'acme.example', route: 'direct:few' },
      })
    ).status;
  assert.equal(await problems(), 200);
  assert.equal((await ask(`PUT /v1/pools/few/grants/${DEFAULT_WORKSPACE_ID}`)).status, 204);
  assert.equal(await problems(), 422);
  assert.equal((await ask(`PUT /v1/pools/few/grants/${other.workspaceId}`)).status, 204);
  assert.equal(await problems(), 200);
  assert.equal((await ask(`DELETE /v1/pools/few/grants/${other.workspaceId}`)).status, 204);
  assert.equal(await problems(), 422);
  const pool = (await ask('GET /v1/pools')).json.data.find(({ name }: { name: string }) => name === 'few');
  assert.deepEqual(pool, { name: 'few', open: false, sources: 1 });
  assert.equal((await ask('POST /v1/pools/few/open')).status, 204);
  assert.equal(await problems(), 200);
  const closed = await ask(`DELETE /v1/pools/few/grants/${other.workspaceId}`);
  assert.deepEqual([closed.status, closed.json.code], [409, 'conflict']);
});

test('a source, a pool or a workspace that nobody has is not there, and what is no address is refused', async () => {
  for (const line of [
    'DELETE /v1/sources/192.0.2.1',
    'POST /v1/pools/none/open',
    `PUT /v1/pools/few/grants/${newId()}`,
  ])
    assert.equal((await ask(line)).status, 404, line);
  const wrong = await ask('PUT /v1/sources/mail-1', { helo_name: 'mail-1.example.com' });
  assert.deepEqual([wrong.status, wrong.json.code], [422, 'refused']);
});
