import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Heard, TestWeb } from '../../test/support/web.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { networkOf } from './limits.ts';

async function withLimits(env: Record<string, string>, work: (web: TestWeb) => Promise<void>): Promise<void> {
  const web = await TestWeb.start({}, { env });
  try {
    await work(web);
  } finally {
    await web.stop();
  }
  assert.deepEqual(openScopeNames(), []);
}

function askMany(web: TestWeb, times: number, question: Parameters<TestWeb['ask']>[1]): Promise<Heard[]> {
  return Promise.all(Array.from({ length: times }, () => web.ask('GET /v1/me', question)));
}

test('a key that asks too often hears 429 and when to come again, and others of its workspace do not', async () => {
  await withLimits({ CAMP_LIMIT_KEY: '2' }, async (web) => {
    const [busy, calm] = [await web.newKey(), await web.newKey()];
    const other = await web.newKey('owner', busy.workspaceId);
    const answers = await askMany(web, 30, { key: busy });
    const refused = answers.filter(({ status }) => status === 429);
    // Two at once, and two a second while it lasts.
    assert.ok(refused.length >= 15, String(refused.length));
    assert.ok(answers.some(({ status }) => status === 200));
    for (const { json, headers } of refused) {
      assert.deepEqual([json.code, headers.get('retry-after')], ['too-many-requests', '1']);
      assert.equal(json.detail, 'The limit of this key is spent.');
    }
    assert.equal((await web.ask('GET /v1/me', { key: other })).status, 200);
    assert.equal((await web.ask('GET /v1/me', { key: calm })).status, 200);
    assert.match(
      (await web.ask('GET /metrics')).bytes.toString(),
      /camp_rate_limited_total\{limit="key"\} \d\d/,
    );
  });
});

test('a workspace has a limit for all of its keys together', async () => {
  await withLimits({ CAMP_LIMIT_WORKSPACE: '2' }, async (web) => {
    const first = await web.newKey();
    const second = await web.newKey('owner', first.workspaceId);
    const answers = await Promise.all([askMany(web, 15, { key: first }), askMany(web, 15, { key: second })]);
    const refused = answers.flat().filter(({ status }) => status === 429);
    assert.ok(refused.length >= 15, String(refused.length));
    assert.equal(refused[0]?.json.detail, 'The limit of this workspace is spent.');
  });
});

test('an address has a limit before anybody asks who it is, and probes are not counted', async () => {
  await withLimits({ CAMP_LIMIT_ADDRESS: '2' }, async (web) => {
    const answers = await askMany(web, 30, { headers: { authorization: 'Bearer guess' } });
    assert.ok(answers.filter(({ status }) => status === 429).length >= 15);
    assert.equal((await web.ask('GET /healthz')).status, 200);
  });
});

test('the addresses of one IPv6 network are one', () => {
  assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(networkOf('2001:db8::1'), '2001:db8:0:0::/64');
  assert.equal(networkOf('2001:DB8::ffff:0:1'), '2001:db8:0:0::/64');
  assert.equal(networkOf('::1'), '0:0:0:0::/64');
  assert.equal(networkOf('fe80:1:2:3::'), 'fe80:1:2:3::/64');
  assert.equal(networkOf('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(networkOf('192.0.2.1'), '192.0.2.1');
});
