import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { until } from '../../test/support/campaign.ts';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { happen, isSigned, type Poster, Receiver, startPosting } from '../../test/support/webhooks.ts';
import { newId } from '../kernel/ids.ts';
import { openScopeNames } from '../kernel/scope.ts';

let web: TestWeb;
let poster: Poster;
let receiver: Receiver;
let key: TestKey;

before(async () => {
  web = await TestWeb.start({}, { env: { CAMP_WEBHOOK_NETWORKS: '127.0.0.1' } });
  poster = await startPosting(web.db.database, web.web.services.secrets);
});
after(async () => {
  await poster.drain();
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});
beforeEach(async () => {
  key = await web.newKey('owner');
  receiver = await Receiver.start();
  receiver.answer = (response) => response.writeHead(200).end('thanks');
});
afterEach(() => receiver.stop());

async function ask(line: string, body?: unknown, headers = {}) {
  return web.ask(line, { key, headers, ...(body === undefined ? {} : { body }) });
}

async function make(wish = {}) {
  const made = await ask('POST /v1/webhooks', { url: receiver.url, events: ['campaign.finished'], ...wish });
  assert.equal(made.status, 201);
  return made.json;
}

function finishCampaign(): Promise<unknown> {
  return happen(web.db.database, key.workspaceId, 'campaign.finished', { campaign_id: newId() });
}

function untilDelivery(path: string, what: string, holds: (delivery: { state: string }) => boolean) {
  return until(async () => {
    const { json } = await ask(`GET ${path}`);
    return holds(json) && json;
  }, what);
}

test('a webhook is made, shown without its secret, changed and deleted, and the audit log says by whom', async () => {
  const { secret, ...made } = await make({ description: 'CRM' });
  assert.match(secret, /^whsec_/);
  assert.partialDeepStrictEqual(made, { url: `${receiver.url}/`, enabled: true, failures: 0 });
  assert.deepEqual((await ask('GET /v1/webhooks')).json, { data: [made] });
  assert.deepEqual((await ask(`GET /v1/webhooks/${made.id}`)).json, made);
  const changed = await ask(`PATCH /v1/webhooks/${made.id}`, { enabled: false, events: ['import.finished'] });
  assert.partialDeepStrictEqual(changed.json, {
    enabled: false,
    disabled_for: 'asked',
    events: ['import.finished'],
    description: 'CRM',
  });
  assert.equal((await ask(`PATCH /v1/webhooks/${made.id}`, { enabled: true })).json.disabled_for, null);
  assert.equal((await ask(`DELETE /v1/webhooks/${made.id}`)).status, 204);
  assert.deepEqual((await ask('GET /v1/webhooks')).json, { data: [] });
  const { data } = (await ask('GET /v1/audit')).json;
  assert.deepEqual(data.map(({ action }: { action: string }) => action).slice(0, 4), [
    'webhook.deleted',
    'webhook.changed',
    'webhook.changed',
    'webhook.created',
  ]);
  assert.doesNotMatch(JSON.stringify(data), /whsec_/);
});

test('a test event arrives, signed, and the delivery tells how it went', async () => {
  const { id, secret } = await make();
  const sent = await ask(`POST /v1/webhooks/${id}/test`);
  assert.equal(sent.status, 202);
  const path = sent.headers.get('location') ?? '';
  const delivered = await untilDelivery(path, 'it is delivered', ({ state }) => state === 'delivered');
  assert.partialDeepStrictEqual(delivered, {
    type: 'webhook.test',
    next_attempt_at: null,
    attempts: [{ status: 200, reply: 'thanks', error: null }],
  });
  const [posted] = receiver.posted;
  assert.ok(posted && isSigned(posted, secret));
});

test('what failed is listed, and sent again one by one or all at once, with the same webhook-id', async () => {
  const { id } = await make();
  receiver.answer = (response) => response.writeHead(500).end();
  for (let event = 0; event < 3; event += 1) await finishCampaign();
  await until(async () => receiver.posted.length === 3, 'all are tried');
  await ask(`PATCH /v1/webhooks/${id}`, { enabled: false });
  const list = async (query = '') => (await ask(`GET /v1/webhooks/${id}/deliveries${query}`)).json;
  // The next step is five seconds away: as if it had come.
  await web.db.database.withWorkspace(key.workspaceId, (tx) =>
    tx.client.query('update webhook_delivery set due_at = now() where due_at is not null'),
  );
  await until(async () => (await list('?state=failed')).data.length === 3, 'all have failed');
  const [first] = (await list('?limit=1')).data;
  const refused = await ask(`POST /v1/webhooks/${id}/deliveries/${first.id}/replay`);
  assert.deepEqual([refused.status, refused.json.code], [409, 'conflict']);
  await ask(`PATCH /v1/webhooks/${id}`, { enabled: true });
  receiver.answer = (response) => response.writeHead(200).end();
  const replayed = await ask(`POST /v1/webhooks/${id}/deliveries/${first.id}/replay`);
  assert.equal(replayed.status, 202);
  await untilDelivery(
    String(replayed.headers.get('location')),
    'it is delivered',
    ({ state }) => state === 'delivered',
  );
  const all = await ask(`POST /v1/webhooks/${id}/replay`, {
    since: `${first.occurred_at.slice(0, 10)}T00:00:00Z`,
  });
  assert.deepEqual(all.json, { replayed: 2, has_more: false });
  await until(
    async () => (await list()).data.every(({ state }: { state: string }) => state === 'delivered'),
    'all are delivered',
  );
  assert.deepEqual(
    [receiver.posted.length, new Set(receiver.posted.map(({ headers }) => headers['webhook-id'])).size],
    [6, 3],
  );
});

test('pages of deliveries have each of them once, the newest first', async () => {
  const { id } = await make();
  for (let event = 0; event < 5; event += 1) await finishCampaign();
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { json }: { json: { data: { id: string }[]; next_cursor: string | null } } = await ask(
      `GET /v1/webhooks/${id}/deliveries?limit=2${cursor && `&cursor=${cursor}`}`,
    );
    seen.push(...json.data.map((delivery) => delivery.id));
    cursor = json.next_cursor;
  }
  const { data } = (await ask(`GET /v1/webhooks/${id}/deliveries`)).json;
  assert.deepEqual(
    seen,
    data.map((delivery: { id: string }) => delivery.id),
  );
  assert.deepEqual([seen.length, new Set(seen).size], [5, 5]);
});

test('a secret is replaced as often as there is room, and then the oldest has to end first', async () => {
  const { id, secret } = await make();
  const secrets = new Set([secret]);
  for (let rotation = 0; rotation < 3; rotation += 1) {
    const { status, json } = await ask(`POST /v1/webhooks/${id}/rotate-secret`);
    assert.equal(status, 200);
    assert.ok(Date.parse(json.previous_valid_until) > Date.now() + 86_000_000);
    secrets.add(json.secret);
  }
  assert.equal(secrets.size, 4);
  assert.equal((await ask(`POST /v1/webhooks/${id}/rotate-secret`)).status, 409);
  await finishCampaign();
  await until(async () => receiver.posted.length === 1, 'it is posted');
  const [posted] = receiver.posted;
  for (const one of secrets) assert.ok(posted && isSigned(posted, one));
});

test('a workspace has fifty webhooks and no more, however many are made at once', async () => {
  const wish = { url: receiver.url, events: ['campaign.finished'] };
  for (let made = 0; made < 46; made += 1) await make();
  const answers = await Promise.all(Array.from({ length: 8 }, () => ask('POST /v1/webhooks', wish)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 201, 201, 201, 422, 422, 422, 422]);
  assert.equal((await ask('GET /v1/webhooks')).json.data.length, 50);
});

test('a URL that leads inside is refused in a sentence, and so is an event that there is not', async () => {
  for (const url of ['http://8.8.8.8/', 'https://10.0.0.1/', 'https://[::1]/', 'hook']) {
    const { status, json } = await ask('POST /v1/webhooks', { url, events: ['campaign.finished'] });
    assert.deepEqual([status, json.code], [422, 'refused'], url);
    assert.match(json.detail, /^[A-Z“].*\.$/);
  }
  const odd = await ask('POST /v1/webhooks', { url: receiver.url, events: ['campaign.exploded'] });
  assert.deepEqual([odd.status, odd.json.errors[0].path], [400, '/body/events/0']);
  const cursor = Buffer.from(JSON.stringify({ position: 1e300, id: newId() })).toString('base64url');
  const { id } = await make();
  assert.equal((await ask(`GET /v1/webhooks/${id}/deliveries?cursor=${cursor}`)).status, 400);
});

test('another workspace’s webhook is as unknown as one that there never was; and a marketer may not see any', async () => {
  const { id } = await make();
  await ask(`POST /v1/webhooks/${id}/test`);
  const [delivery] = (await ask(`GET /v1/webhooks/${id}/deliveries`)).json.data;
  key = await web.newKey('owner');
  const lines = [
    `GET /v1/webhooks/${id}`,
    `PATCH /v1/webhooks/${id}`,
    `DELETE /v1/webhooks/${id}`,
    `POST /v1/webhooks/${id}/rotate-secret`,
    `POST /v1/webhooks/${id}/test`,
    `POST /v1/webhooks/${id}/replay`,
    `GET /v1/webhooks/${id}/deliveries`,
    `GET /v1/webhooks/${id}/deliveries/${delivery.id}`,
    `POST /v1/webhooks/${id}/deliveries/${delivery.id}/replay`,
  ];
  for (const line of lines) {
    const body = line.startsWith('PATCH')
      ? { enabled: false }
      : line.endsWith('replay') && !line.includes('deliveries')
        ? { since: '2026-01-01T00:00:00Z' }
        : undefined;
    const theirs = await ask(line, body);
    const nobodys = await ask(line.replace(id, newId()), body);
    assert.deepEqual([theirs.status, theirs.json.detail], [404, nobodys.json.detail], line);
  }
  key = await web.newKey('marketer');
  assert.equal((await ask('GET /v1/webhooks')).status, 403);
});
