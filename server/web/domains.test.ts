/** A sending domain's way over HTTP: added, published, checked, its key replaced, and removed. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { makeCampaign } from '../../test/support/campaign.ts';
import { type ScriptedDns, scriptedDns, type Zone } from '../../test/support/dns-server.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { CAMPAIGN_STATES } from '../campaigns/states.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';

let dns: ScriptedDns;
let web: TestWeb;
let key: TestKey;
const zone: Zone = {};

before(async () => {
  dns = await scriptedDns(zone);
  const env = {
    CAMP_RESOLVER: dns.server,
    CAMP_PUBLIC_URL: 'https://mail.example.com',
    CAMP_SPF: 'ip4:192.0.2.1',
  };
  web = await TestWeb.start({}, { env });
});
after(async () => {
  await web.stop();
  await dns.close();
  assert.deepEqual(openScopeNames(), []);
});
beforeEach(async () => {
  for (const name of Object.keys(zone)) delete zone[name];
  key = await web.newKey('admin');
});

function ask(line: string, body?: unknown): Promise<Heard> {
  return web.ask(line, { key, ...(body === undefined ? {} : { body }) });
}

type Shown = { type: 'TXT' | 'MX' | 'CNAME'; name: string; value: string; purpose: string; verdict: string };

function publish(records: Shown[]): void {
  for (const { type, name, value } of records)
    zone[name] = { ...zone[name], [type]: { TXT: [strings(value)], MX: [value], CNAME: value }[type] };
}

/** A string of a TXT record has 255 bytes at most. */
function strings(text: string): string[] {
  return text.match(/.{1,255}/g) ?? [];
}

function verdicts({ json }: Heard): string[] {
  return json.records.map(({ purpose, verdict }: Shown) => `${purpose} ${verdict}`);
}

test('a domain is added, its records are published and found, and from then on it signs', async () => {
  const added = await ask('POST /v1/domains', { domain: 'Acme.example' });
  assert.deepEqual([added.status, added.headers.get('location')], [201, '/v1/domains/acme.example']);
  assert.deepEqual(verdicts(added), [
    'dkim unchecked',
    'spf unchecked',
    'dmarc unchecked',
    'bounce unchecked',
    'tracking unchecked',
  ]);
  assert.deepEqual([added.json.signs, added.json.checked_at], [false, null]);
  const missing = await ask('POST /v1/domains/acme.example/check');
  assert.deepEqual(new Set(missing.json.records.map(({ verdict }: Shown) => verdict)), new Set(['missing']));
  assert.match(missing.json.records[0].advice, /^Publish this record/);
  publish(missing.json.records);
  const found = await ask('POST /v1/domains/acme.example/check');
  assert.deepEqual(new Set(found.json.records.map(({ verdict }: Shown) => verdict)), new Set(['ok']));
  assert.deepEqual([found.json.signs, found.json.keys[0].state], [true, 'active']);
});

test('what the DNS has is kept with the domain and shown without asking again', async () => {
  const { json } = await ask('POST /v1/domains', { domain: 'news.acme.example' });
  publish(json.records);
  const checked = await ask('POST /v1/domains/news.acme.example/check');
  assert.equal(checked.status, 200);
  assert.deepEqual(new Set(checked.json.records.map(({ verdict }: Shown) => verdict)), new Set(['ok']));
  assert.equal(checked.json.signs, true);
  const asked = dns.queries.length;
  assert.deepEqual((await ask('GET /v1/domains/news.acme.example')).json, checked.json);
  assert.deepEqual((await ask('GET /v1/domains')).json, { data: [checked.json], next_cursor: null });
  assert.equal(dns.queries.length, asked);
});

test('text in the DNS that a database cannot keep does not break a check', async () => {
  await ask('POST /v1/domains', { domain: 'nul.example' });
  zone['nul.example'] = { TXT: ['v=spf1 \0 -all'] };
  const { status, json } = await ask('POST /v1/domains/nul.example/check');
  assert.equal(status, 200);
  assert.equal(json.records[1].verdict, 'wrong');
});

test('a second key takes over, and only what signs nothing alone can be retired', async () => {
  const { json } = await ask('POST /v1/domains', { domain: 'two.example' });
  const only = await ask(`POST /v1/domains/two.example/keys/${json.keys[0].selector}/retire`);
  assert.deepEqual([only.status, only.json.code], [409, 'conflict']);
  const more = await ask('POST /v1/domains/two.example/keys', { algorithms: ['ed25519-sha256'] });
  assert.equal(more.status, 201);
  publish(more.json.records);
  const checked = await ask('POST /v1/domains/two.example/check');
  assert.deepEqual(
    checked.json.keys.map(({ state }: { state: string }) => state),
    ['active', 'active'],
  );
  const [, second] = checked.json.keys;
  assert.equal(second.algorithm, 'ed25519-sha256');
  const retired = await ask(`POST /v1/domains/two.example/keys/${second.selector}/retire`);
  assert.deepEqual([retired.status, retired.json.keys[1].state], [200, 'retiring']);
  assert.equal((await ask('POST /v1/domains/two.example/keys/camp-nothing/retire')).status, 404);
});

test('a request that is sent again under its key makes one DKIM key, and answers the same', async () => {
  await ask('POST /v1/domains', { domain: 'once.example' });
  const again = () =>
    web.ask('POST /v1/domains/once.example/keys', {
      key,
      body: { algorithms: ['ed25519-sha256'] },
      headers: { 'idempotency-key': 'a-key-of-sixteen-letters' },
    });
  const [first, second] = [await again(), await again()];
  assert.equal(first.status, 201);
  assert.deepEqual(second.bytes, first.bytes);
  assert.equal(first.json.keys.length, 2);
});

test('a domain is removed with its keys, and who did it is in the log', async () => {
  await ask('POST /v1/domains', { domain: 'gone.example' });
  assert.equal((await ask('DELETE /v1/domains/gone.example')).status, 204);
  for (const line of ['GET /v1/domains/gone.example', 'DELETE /v1/domains/gone.example'])
    assert.equal((await ask(line)).status, 404, line);
  const { data } = (await ask('GET /v1/audit')).json;
  assert.deepEqual(
    data.map(({ action, subject }: { action: string; subject: string }) => [action, subject]).slice(0, 2),
    [
      ['domain.removed', 'domain/gone.example'],
      ['domain.added', 'domain/gone.example'],
    ],
  );
});

test('a domain that a campaign sends as is not removed until the campaign is over', async () => {
  const { workspaceId, campaignId } = await makeCampaign(web.db.database, 1);
  key = await web.newKey('admin', workspaceId);
  await ask('POST /v1/domains', { domain: 'camp.example' });
  const over = new Set(['draft', 'finished', 'cancelled', 'failed']);
  for (const state of CAMPAIGN_STATES) {
    await web.db.database.withWorkspace(workspaceId, (tx) =>
      tx.query(sql`UPDATE campaign SET state = ${state} WHERE id = ${campaignId}`),
    );
    const heard = await ask('DELETE /v1/domains/camp.example');
    assert.equal(heard.status, over.has(state) ? 204 : 409, state);
    if (heard.status === 409) assert.match(heard.json.detail, /campaign "test" sends as camp\.example/);
    else await ask('POST /v1/domains', { domain: 'camp.example' });
  }
  await web.db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`UPDATE campaign SET state = 'sending'`),
  );
  await ask('POST /v1/domains', { domain: 'unused.example' });
  assert.equal((await ask('DELETE /v1/domains/unused.example')).status, 204);
});

test('what can be no domain is refused in a body, and is not there in a URL', async () => {
  for (const domain of ['co.uk', 'not a domain', 'x'.repeat(100)]) {
    const heard = await ask('POST /v1/domains', { domain });
    assert.deepEqual([heard.status, heard.json.code], [422, 'refused'], domain);
    assert.equal((await ask(`GET /v1/domains/${encodeURIComponent(domain)}`)).status, 404, domain);
  }
});

test('who may not write may read, and a page ends where it was asked to', async () => {
  for (const domain of ['b.example', 'a.example', 'c.example']) await ask('POST /v1/domains', { domain });
  const marketer = await web.newKey('marketer', key.workspaceId);
  const first = await web.ask('GET /v1/domains?limit=2', { key: marketer });
  const rest = await web.ask(`GET /v1/domains?limit=2&cursor=${first.json.next_cursor}`, { key: marketer });
  const names = [...first.json.data, ...rest.json.data].map(({ domain }) => domain);
  assert.deepEqual([names, rest.json.next_cursor], [['a.example', 'b.example', 'c.example'], null]);
  const denied = await web.ask('DELETE /v1/domains/a.example', { key: marketer });
  assert.deepEqual([denied.status, denied.json.code], [403, 'missing-scope']);
});
