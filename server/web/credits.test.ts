/** Credits as a sender meets them: real requests, real workers, a real mail server at the end. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import {
  makeCampaign,
  startTestSink,
  startTestWorker,
  type TestWorker,
  until,
  untilState,
} from '../../test/support/campaign.ts';
import type { Sink } from '../../test/support/sink.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { bookSpending } from '../billing/credits.ts';
import { book } from '../billing/ledger.ts';
import { sendCampaign } from '../campaigns/campaign.ts';
import { newId } from '../kernel/ids.ts';
import { type Sql, sql } from '../kernel/sql.ts';

const BILLING = { BILLING: 'on', STRIPE_SECRET_KEY: 'sk_test_nobody_is_asked' };

let web: TestWeb;
let sink: Sink;
let worker: TestWorker;
let key: TestKey;

before(async () => {
  web = await TestWeb.start({}, { env: BILLING });
  sink = await startTestSink();
  worker = startTestWorker(web.db.url, sink.smtpUrl, BILLING);
});
after(async () => {
  await worker.drain();
  await sink.stop();
  await web.stop();
});
beforeEach(async () => {
  key = await web.newKey();
});

function rows<Row>(statement: Sql): Promise<Row[]> {
  return web.db.database.withWorkspace(key.workspaceId, (tx) => tx.query<Row>(statement));
}

function grant(credits: bigint): Promise<boolean> {
  const { workspaceId } = key;
  const booking = { workspaceId, kind: 'grant', source: newId(), from: 'granted', to: 'balance' } as const;
  return web.db.database.withWorkspace(workspaceId, (tx) => book(tx, { ...booking, credits }));
}

function send(count: number, idempotencyKey: string = randomUUID()): Promise<Heard> {
  const mail = { from: { email: 'shop@acme.example' }, subject: 'Receipt', text: 'Thank you.' };
  const messages = Array.from({ length: count }, (_, i) => ({
    ...mail,
    to: { email: `p${i}@city.example` },
  }));
  const headers = { 'idempotency-key': idempotencyKey };
  return count === 1
    ? web.ask('POST /v1/messages', { key, body: messages[0], headers })
    : web.ask('POST /v1/messages/batch', { key, body: { messages }, headers });
}

async function balance(): Promise<number> {
  return (await web.ask('GET /v1/credits', { key })).json.balance;
}

function untilAccepted(count: number): Promise<unknown> {
  return until(async () => {
    const [row] = await rows<{ n: number }>(
      sql`SELECT count(*)::integer AS n FROM message WHERE state = 'accepted'`,
    );
    return row?.n === count;
  }, `${count} are accepted`);
}

function bookByMany(): Promise<unknown> {
  return Promise.all(Array.from({ length: 5 }, () => bookSpending(web.db.database, key.workspaceId)));
}

test('what mail servers accepted is spent, once, and what is queued beyond the balance is sent all the same', async () => {
  await grant(3n);
  assert.equal((await send(5)).status, 201);
  await untilAccepted(5);
  await bookByMany();
  assert.equal(await balance(), -2);
  await bookByMany();
  const booked = await rows<{ kind: string; sum: string }>(sql`
    SELECT kind, sum(credits)::text AS sum FROM ledger_transaction t
    JOIN ledger_posting p ON p.transaction_id = t.id GROUP BY kind ORDER BY kind`);
  assert.deepEqual(booked, [
    { kind: 'grant', sum: '0' },
    { kind: 'spend', sum: '0' },
  ]);
  const [spent] = await rows(sql`SELECT credits::integer FROM credit_balance WHERE account = 'spent'`);
  assert.deepEqual(spent, { credits: 5 });
});

test('at zero a new message is refused, a queued one is sent, and the same key sends it when there are credits', async () => {
  await grant(1n);
  await rows(sql`INSERT INTO suppression (workspace_id, email, reason)
    VALUES (${key.workspaceId}, 'p1@city.example', 'manual')`);
  const queued = await send(1);
  assert.equal(queued.status, 201);
  // As if spent elsewhere meanwhile.
  await grant(-1n);
  const idempotencyKey = randomUUID();
  for (const count of [1, 2]) {
    const refused = await send(count, idempotencyKey.replace(/.$/, String(count)));
    assert.deepEqual([refused.status, refused.json.code], [402, 'out-of-credits']);
    assert.match(refused.json.detail, /buy more/);
  }
  const headers = { 'idempotency-key': randomUUID() };
  const unknown = await web.ask(`POST /v1/campaigns/${newId()}/send`, { key, body: {}, headers });
  assert.deepEqual([unknown.status, unknown.json.code], [404, 'not-found']);
  await untilAccepted(1);
  await grant(5n);
  assert.equal((await send(1, idempotencyKey.replace(/.$/, '1'))).status, 201);
  await untilAccepted(2);
  // A message that nobody was sent costs nothing.
  assert.equal((await send(2)).json.data[1].state, 'suppressed');
  await untilAccepted(3);
  await bookByMany();
  assert.equal(await balance(), 2);
});

test('a campaign that was to start at zero waits with its audience, and goes on when there are credits', async () => {
  const campaign = await makeCampaign(web.db.database, 3);
  key = await web.newKey('owner', campaign.workspaceId);
  await sendCampaign(web.db.database, campaign);
  const [job] = await until(async () => {
    const jobs = await rows<{ attempt: number }>(sql`
      SELECT attempt FROM job WHERE kind = 'campaign.advance' AND state = 'queued' AND attempt > 0`);
    return jobs.length > 0 && jobs;
  }, 'its job has looked at it');
  assert.ok(job);
  assert.deepEqual(await rows(sql`SELECT state FROM campaign`), [{ state: 'starting' }]);
  assert.deepEqual(await rows(sql`SELECT 1 FROM message`), []);
  await grant(3n);
  await rows(sql`UPDATE job SET due_at = now() WHERE state = 'queued'`);
  await rows(sql`UPDATE lane SET next_due_at = now() WHERE queue = 'job'`);
  await untilState(web.db.database, campaign, 'finished');
  await bookByMany();
  assert.equal(await balance(), 0);
});
