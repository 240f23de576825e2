/** Payments that wait for a customer who does not come back, and those that nobody but a person can decide. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import {
  backdate,
  CREDITS,
  createTestBilling,
  newWorkspace,
  paid,
  runJob,
  type TestBilling,
  TestClient,
} from '../../test/support/payments.ts';
import { openScopeNames, Scope } from '../kernel/scope.ts';
import { type PaymentSandbox, startPaymentSandbox } from '../sandbox/payments/payments.ts';
import { cancelPayment, resolvePayment } from './by-hand.ts';
import type { ChargeOrder } from './charge.ts';
import type { Payment } from './payment.ts';
import type { Answer, SeenCharge } from './provider.ts';
import { reconcile } from './reconcile.ts';

const HOUR_MS = 3_600_000;
const AWAY = { kind: 'unknown', error: 'away', answered: false } as const;

let db: TestDatabase;
let sandbox: PaymentSandbox;
let billing: TestBilling;
let client: TestClient;
let scope: Scope;

before(async () => {
  [db, sandbox] = await Promise.all([createTestDatabase(), startPaymentSandbox()]);
  billing = createTestBilling(db.database, sandbox);
});
after(async () => {
  scope.cancel();
  await Promise.all([db.drop(), sandbox.stop()]);
  assert.deepEqual(openScopeNames(), []);
});
beforeEach(async () => {
  scope?.cancel();
  scope = Scope.root('person');
  client = new TestClient(billing, await newWorkspace(db.database));
});

const ABANDONED: Partial<ChargeOrder> = {
  buys: { ...CREDITS.buys, reference: 'order-1' } as ChargeOrder['buys'],
  paymentMethod: 'pm_card_authenticationRequired',
  returnUrl: 'https://shop.example/',
};
const AGAIN = { ...ABANDONED, paymentMethod: 'pm_card_visa' };

test('who does not come back from their bank within a day pays nothing, and may pay otherwise', async () => {
  const key = randomUUID();
  const payment = paid(await client.pay(ABANDONED, key));
  await backdate(client, payment.id, 21);
  const waits = await look(payment);
  assert.ok(waits.kind === 'again' && Math.abs(waits.afterMs - 3 * HOUR_MS) < 60_000);
  assert.partialDeepStrictEqual(await client.pay(AGAIN), { kind: 'refused', reason: 'under-way' });
  await backdate(client, payment.id, 3);
  assert.deepEqual(await look(payment), { kind: 'done' });
  assert.equal((await now(payment)).failure?.code, 'not_completed');
  assert.equal(await statusAtProvider(payment), 'canceled');
  const heard = await client.pay(ABANDONED, key);
  assert.ok(heard.kind === 'replay' && heard.response.status === 402);
  assert.equal(paid(await client.pay(AGAIN)).state, 'succeeded');
});

test('a payment that waits for its customer is cancelled at once by whoever wants to pay otherwise', async () => {
  const payment = paid(await client.pay(ABANDONED));
  const ended = await cancelPayment(billing, scope, payment);
  assert.deepEqual([ended.state, ended.failure?.code], ['failed', 'canceled']);
  assert.equal(await statusAtProvider(payment), 'canceled');
  assert.equal(paid(await client.pay(AGAIN)).state, 'succeeded');
});

test('what the provider has, or is about to have, taken is not cancelled', async () => {
  const done = paid(await client.pay());
  await refused(cancelPayment(billing, scope, done), 'conflict');
  const working = paid(await client.pay({ paymentMethod: 'pm_sandbox_processing' }));
  const slow = {
    ...billing,
    provider: {
      ...billing.provider,
      retrieve: async (...asked: Parameters<TestBilling['provider']['retrieve']>) =>
        still(await billing.provider.retrieve(...asked)),
    },
  };
  await refused(cancelPayment(slow, scope, working), 'conflict');
  assert.equal((await now(working)).state, 'pending');
});

test('a cancellation that meets a payment completed a moment before finds it paid', async () => {
  const payment = paid(await client.pay(ABANDONED));
  const completed = async () => seen(payment, 'succeeded');
  const late = { ...billing, provider: { ...billing.provider, cancel: completed } };
  await refused(cancelPayment(late, scope, payment), 'conflict');
  assert.equal((await now(payment)).state, 'succeeded');
});

test('an unconfirmed charge that is given up is cancelled at the provider, so that no frozen process can confirm it', async () => {
  const silent = async () => AWAY;
  const provider = { ...billing.provider, confirm: silent, retrieve: silent };
  const timing = { ...billing.timing, decideMs: 50 };
  const cut = new TestClient({ ...billing, provider, timing }, client.workspaceId);
  const payment = paid(await cut.pay());
  await backdate(client, payment.id, 1.01);
  await look(payment);
  assert.equal((await now(payment)).failure?.code, 'not_confirmed');
  assert.equal(await statusAtProvider(payment), 'canceled');
});

test('a person decides what needs review: the client hears it under its key, and it can be paid again', async () => {
  const key = randomUUID();
  const payment = paid(await unclear().pay(AGAIN, key));
  assert.equal(payment.state, 'needs_review');
  await refused(resolvePayment(billing, scope, paid(await client.pay()), 'failed'), 'conflict');
  const resolved = await resolvePayment(billing, scope, payment, 'failed');
  assert.deepEqual([resolved.state, resolved.failure?.code], ['failed', 'resolved']);
  const heard = await client.pay(AGAIN, key);
  assert.ok(heard.kind === 'replay' && heard.response.status === 402);
  assert.equal(paid(await client.pay(AGAIN)).state, 'succeeded');
});

test('what a person finds to be paid brings the credits and the invoice', async () => {
  const payment = paid(await unclear().pay());
  const resolved = await resolvePayment(billing, scope, payment, 'succeeded');
  assert.equal(resolved.state, 'succeeded');
  assert.ok(resolved.invoiceId);
});

test('a payment of another workspace is not there', async () => {
  const payment = paid(await client.pay(ABANDONED));
  const stranger = { workspaceId: await newWorkspace(db.database), id: payment.id };
  await refused(cancelPayment(billing, scope, stranger), 'not-found');
  await refused(resolvePayment(billing, scope, stranger, 'failed'), 'not-found');
});

/** A client whose provider takes another amount. */
function unclear(): TestClient {
  const confirm: TestBilling['provider']['confirm'] = async (_scope, _key, { ref }) => ({
    ...seen({ providerRef: ref }, 'succeeded'),
    received: { minor: 1n, currency: 'EUR' },
  });
  return new TestClient({ ...billing, provider: { ...billing.provider, confirm } }, client.workspaceId);
}

function seen({ providerRef }: Pick<Payment, 'providerRef'>, status: SeenCharge['status']): SeenCharge {
  return {
    ...{ kind: 'charge', ref: providerRef ?? '', status, received: { minor: 1_000n, currency: 'EUR' } },
    ...{ owner: null, failure: null, actionUrl: null, refunds: [] },
  };
}

function still(answer: Answer<SeenCharge>): Answer<SeenCharge> {
  return answer.kind === 'charge' ? { ...answer, status: 'processing' } : answer;
}

async function statusAtProvider({ providerRef }: Payment): Promise<string> {
  const answer = await billing.provider.retrieve(scope, providerRef ?? '');
  return answer.kind === 'charge' ? answer.status : answer.kind;
}

function look({ id: key, workspaceId }: Payment) {
  return runJob(db.database, reconcile(billing), { workspaceId, key });
}

async function now({ id }: Payment): Promise<Payment> {
  const payment = await client.find(id);
  assert.ok(payment);
  return payment;
}

function refused(work: Promise<unknown>, reason: string): Promise<void> {
  return assert.rejects(work, { name: 'PaymentRefused', reason });
}
