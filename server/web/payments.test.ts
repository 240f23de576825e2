import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { until } from '../../test/support/campaign.ts';
import { setSeller, TAX_FREE_SELLER } from '../../test/support/invoices.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { setNote } from '../billing/queries.ts';
import { type PaymentSandbox, startPaymentSandbox } from '../sandbox/payments/payments.ts';
import { PROVIDER_EVENTS } from './payments.ts';

const BUYER = { name: 'Søn A/S', country: 'DK', email: 'accounts@buyer.example' };
const CREDITS = { credits: 10_000, buyer: BUYER, payment_method: 'pm_card_visa' };

let sandbox: PaymentSandbox;
let web: TestWeb;
let key: TestKey;

before(async () => {
  sandbox = await startPaymentSandbox();
  web = await TestWeb.start({}, { env: { BILLING: 'on', ...sandbox.env } });
  await setSeller(web.db.database, TAX_FREE_SELLER);
  await sandbox.behave({ webhookUrl: web.web.url + PROVIDER_EVENTS });
});
after(async () => {
  await web.stop();
  await sandbox.stop();
});
beforeEach(async () => {
  key = await web.newKey('billing');
});

function post(path: string, body: unknown, idempotencyKey: string = randomUUID()): Promise<Heard> {
  return web.ask(`POST ${path}`, { key, body, headers: { 'idempotency-key': idempotencyKey } });
}

async function get(path: string) {
  return (await web.ask(`GET ${path}`, { key })).json;
}

test('a client buys credits, sees what it bought, and asks again without being charged again', async () => {
  const idempotencyKey = randomUUID();
  const first = await post('/v1/payments', CREDITS, idempotencyKey);
  assert.equal(first.status, 201);
  const bought = { state: 'succeeded', amount_minor: 1000, currency: 'EUR', credits: 10_000 };
  assert.partialDeepStrictEqual(first.json, bought);
  assert.equal(first.headers.get('location'), `/v1/payments/${first.json.id}`);
  assert.deepEqual(await get(`/v1/payments/${first.json.id}`), first.json);
  assert.deepEqual((await get('/v1/payments')).data, [first.json]);
  assert.equal((await get('/v1/credits')).balance, 10_000);
  const again = await post('/v1/payments', CREDITS, idempotencyKey);
  assert.deepEqual([again.status, again.bytes], [201, first.bytes]);
  assert.equal(again.headers.get('idempotent-replayed'), 'true');
  assert.equal(await charged(), 1);
});

test('a declined card is 402 with the same bytes for every retry', async () => {
  const idempotencyKey = randomUUID();
  const declined = { ...CREDITS, payment_method: 'pm_card_chargeDeclined' };
  const first = await post('/v1/payments', declined, idempotencyKey);
  assert.deepEqual([first.status, first.json.code], [402, 'payment-failed']);
  assert.equal(first.json.detail, 'Your card was declined.');
  assert.match(String(first.headers.get('content-type')), /^application\/problem\+json/);
  const again = await post('/v1/payments', declined, idempotencyKey);
  assert.deepEqual([again.status, again.bytes], [402, first.bytes]);
});

test('while nobody can know the answer is 202, and the provider’s event is taken', async () => {
  const idempotencyKey = randomUUID();
  const slow = { ...CREDITS, payment_method: 'pm_sandbox_processing' };
  const first = await post('/v1/payments', slow, idempotencyKey);
  assert.equal(first.status, 202);
  assert.equal((await get(first.json.resource)).state, 'pending');
  assert.deepEqual((await post('/v1/payments', slow, idempotencyKey)).bytes, first.bytes);
  await until(async () => (await sandbox.truth()).webhooksDelivered > 0, 'an event is taken');
});

test('a payment that waits for its customer is cancelled, and what it was for is paid otherwise', async () => {
  const idempotencyKey = randomUUID();
  const order = { ...CREDITS, reference: 'order-1', return_url: 'https://shop.example/' };
  const waiting = { ...order, payment_method: 'pm_card_authenticationRequired' };
  const { json: parked } = await post('/v1/payments', waiting, idempotencyKey);
  assert.equal((await post('/v1/payments', order)).json.code, 'payment-under-way');
  const cancelled = await post(`${parked.resource}/cancel`, undefined);
  assert.deepEqual([cancelled.status, cancelled.json.failure.code], [200, 'canceled']);
  assert.equal((await post('/v1/payments', waiting, idempotencyKey)).status, 402);
  const paid = await post('/v1/payments', order);
  assert.equal(paid.status, 201);
  const late = await post(`/v1/payments/${paid.json.id}/cancel`, undefined);
  assert.deepEqual([late.status, late.json.code], [409, 'conflict']);
  assert.equal((await post(`/v1/payments/${randomUUID()}/cancel`, undefined)).status, 404);
});

test('a payment shows what a person should know of it', async () => {
  const { json } = await post('/v1/payments', CREDITS);
  assert.equal(json.note, null);
  await web.db.database.withWorkspace(key.workspaceId, (tx) =>
    setNote(tx, { workspaceId: key.workspaceId, id: json.id }, 'Disputed.'),
  );
  assert.equal((await get(`/v1/payments/${json.id}`)).note, 'Disputed.');
});

test('an open invoice is paid once, and the second key is told by which payment', async () => {
  const opened = await post('/v1/invoices', { credits: 10_000, buyer: BUYER });
  assert.equal(opened.status, 201);
  const order = { invoice_id: opened.json.id, payment_method: 'pm_card_visa' };
  const paid = await post('/v1/payments', order);
  assert.partialDeepStrictEqual(paid.json, {
    state: 'succeeded',
    invoice_id: opened.json.id,
    credits: 10_000,
  });
  const second = await post('/v1/payments', order);
  assert.deepEqual([second.status, second.json.code], [409, 'conflict']);
  assert.match(second.json.detail, new RegExp(paid.json.id));
});

test('a refund gives the money and the credits back', async () => {
  const { json: payment } = await post('/v1/payments', CREDITS);
  const refunded = await post(`/v1/payments/${payment.id}/refunds`, { amount_minor: 400 });
  assert.equal(refunded.status, 201);
  const given = { kind: 'refund', amount_minor: 400, credits: 4_000, refund_of: payment.id };
  assert.partialDeepStrictEqual(refunded.json, given);
  assert.equal((await get('/v1/credits')).balance, 6_000);
});

test('a payment needs its key, and a permission; and what is not sold is refused in a sentence', async () => {
  const none = await web.ask('POST /v1/payments', { key, body: CREDITS });
  assert.equal(none.json.code, 'idempotency-key-missing');
  const odd = await post('/v1/payments', { ...CREDITS, credits: 7 });
  assert.deepEqual([odd.status, odd.json.detail], [422, '7 credits are not sold: there are 10000 for EUR.']);
  key = await web.newKey('analyst');
  assert.equal((await post('/v1/payments', CREDITS)).status, 403);
});

test('an event that the provider has not signed is refused', async () => {
  const headers = { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': 't=1,v1=0' };
  const heard = await web.ask('POST /v1/provider-events/stripe', { body: '{}', headers });
  assert.deepEqual([heard.status, heard.json.code], [400, 'malformed-request']);
});

test('without billing there is no sign of it', async () => {
  const plain = await TestWeb.start();
  const heard = await plain.ask('GET /v1/credits', { key: await plain.newKey('owner') });
  assert.equal(heard.status, 404);
  const { bytes } = await plain.ask('GET /openapi.json');
  assert.doesNotMatch(String(bytes), /v1\/payments|v1\/credits/);
  await plain.stop();
});

async function charged(): Promise<number> {
  const { charges } = await sandbox.truth();
  return charges.filter(({ metadata }) => metadata.workspace_id === key.workspaceId).length;
}
