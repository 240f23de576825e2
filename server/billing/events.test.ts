import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import {
  createTestBilling,
  eventOf,
  newWorkspace,
  runJob,
  signed,
  type TestBilling,
  TestClient,
} from '../../test/support/payments.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { type PaymentSandbox, startPaymentSandbox } from '../sandbox/payments/payments.ts';
import { takeEvent } from './events.ts';
import type { Payment } from './payment.ts';
import { lookAfterEvent } from './reconcile.ts';

interface EventJob {
  key: string;
  args: { paymentId: string };
}

let db: TestDatabase;
let sandbox: PaymentSandbox;
let billing: TestBilling;
let client: TestClient;
let shop: Server;
let webhookUrl: string;
let posts: { body: Buffer; signature: string; taken: boolean }[];

before(async () => {
  [db, sandbox] = await Promise.all([createTestDatabase(), startPaymentSandbox()]);
  billing = createTestBilling(db.database, sandbox);
  shop = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const signature = String(request.headers['stripe-signature']);
    const taken = await takeEvent(billing, body, signature);
    posts.push({ body, signature, taken });
    response.writeHead(taken ? 200 : 400).end();
  });
  shop.listen(0, '127.0.0.1');
  await once(shop, 'listening');
  webhookUrl = `http://127.0.0.1:${(shop.address() as AddressInfo).port}/`;
});
after(async () => {
  await Promise.all([db.drop(), sandbox.stop()]);
  shop.close();
  assert.deepEqual(openScopeNames(), []);
});
beforeEach(async () => {
  posts = [];
  await sandbox.behave({ webhookUrl, webhooks: 'once' });
  client = new TestClient(billing, await newWorkspace(db.database));
});

test('an event is kept once, however often it comes and in whatever order, and settles a payment once', async () => {
  await sandbox.behave({ webhooks: 'thrice-shuffled' });
  const payment = await pay('pm_sandbox_processing');
  assert.equal(payment.state, 'pending');
  await untilPosted('payment_intent.created', 3);
  await untilPosted('payment_intent.succeeded', 3);
  const jobs = await eventJobs();
  assert.equal(jobs.length, 1);
  const look = () =>
    Promise.all(jobs.map((job) => runJob(db.database, lookAfterEvent(billing), { ...job, ...client })));
  await look();
  await look();
  assert.equal((await client.find(payment.id))?.state, 'succeeded');
  assert.deepEqual(await client.rows(sql`SELECT count(*)::int AS n FROM ledger_transaction`), [{ n: 1 }]);
});

test('what an event says is not believed: it is a reason to ask', async () => {
  const payment = await pay('pm_card_authenticationRequired');
  const metadata = { payment_id: payment.id, workspace_id: client.workspaceId };
  const body = eventOf('payment_intent.succeeded', { metadata });
  assert.equal(await takeEvent(billing, body, signed(body)), true);
  const [job] = await eventJobs();
  assert.ok(job);
  await runJob(db.database, lookAfterEvent(billing), { ...job, ...client });
  assert.equal((await client.find(payment.id))?.state, 'pending');
});

test('an event that the provider has not signed, or signed too long ago, is refused and not kept', async () => {
  const { id } = await pay('pm_card_visa');
  const metadata = { payment_id: id, workspace_id: client.workspaceId };
  const body = eventOf('payment_intent.succeeded', { metadata });
  const changed = Buffer.from(String(body).replace('succeeded', 'payment_failed'));
  const old = Math.floor(Date.now() / 1_000) - 301;
  const forgeries = [
    [body, signed(body, 'whsec_guessed')],
    [changed, signed(body)],
    [body, signed(body, undefined, old)],
    [body, ''],
    [body, 't=1,v1='],
    [Buffer.alloc(0), signed(body)],
  ] as const;
  for (const [bytes, signature] of forgeries)
    assert.equal(await takeEvent(billing, bytes, signature), false, signature);
  const kept = await client.rows(sql`SELECT id FROM provider_event WHERE body = ${body}`);
  assert.deepEqual(kept, []);
});

test('events of what is not ours are taken, and nothing is kept of them', async () => {
  const others = [
    {},
    { payment_id: 'an order', workspace_id: 'a shop' },
    { payment_id: client.workspaceId, workspace_id: client.workspaceId },
  ];
  for (const metadata of others) {
    const body = eventOf('payment_intent.succeeded', { metadata });
    assert.equal(await takeEvent(billing, body, signed(body)), true);
  }
  assert.deepEqual(await client.rows(sql`SELECT id FROM provider_event`), []);
});

async function pay(paymentMethod: string): Promise<Payment> {
  const heard = await client.pay({ paymentMethod });
  assert.ok(heard.kind === 'payment', heard.kind);
  return heard.payment;
}

function eventJobs(): Promise<EventJob[]> {
  return client.rows<EventJob>(sql`SELECT key, args FROM job WHERE kind = 'payment.event' ORDER BY id`);
}

function untilPosted(type: string, times: number): Promise<unknown> {
  return until(
    async () => posts.filter(({ body }) => JSON.parse(String(body)).type === type).length === times,
    `${type} is posted ${times} times`,
  );
}
