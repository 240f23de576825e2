import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { BUYER, setSeller } from '../../test/support/invoices.ts';
import {
  CREDITS,
  createTestBilling,
  newWorkspace,
  paid,
  type TestBilling,
  TestClient,
} from '../../test/support/payments.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { type PaymentSandbox, startPaymentSandbox } from '../sandbox/payments/payments.ts';
import { PAYMENT_FAULTS } from '../sandbox/payments/report.ts';
import type { ChargeOrder } from './charge.ts';
import { balance } from './credits.ts';
import { issueInvoice } from './invoices.ts';
import { insertInvoiceCredits } from './queries-ledger.ts';

let db: TestDatabase;
let sandbox: PaymentSandbox;
let billing: TestBilling;
let client: TestClient;

before(async () => {
  [db, sandbox] = await Promise.all([createTestDatabase(), startPaymentSandbox()]);
  billing = createTestBilling(db.database, sandbox);
  await setSeller(db.database);
});
after(async () => {
  await Promise.all([db.drop(), sandbox.stop()]);
  assert.deepEqual(openScopeNames(), []);
});
beforeEach(async () => {
  await sandbox.behave({ fault: null });
  client = new TestClient(billing, await newWorkspace(db.database));
});

test('who buys credits is charged once, has the credits, and gets an invoice', async () => {
  const payment = paid(await client.pay());
  assert.equal(payment.state, 'succeeded');
  // EUR 10.00 and 19 % of tax.
  assert.deepEqual(payment.amount, { minor: 1190n, currency: 'EUR' });
  assert.deepEqual(await charges(), [{ amount: 1190, currency: 'eur', payment: payment.id }]);
  assert.equal(await credits(), 10_000n);
  const invoices = await client.rows(
    sql`SELECT id, payment_id AS payment, gross_minor::int AS gross FROM invoice`,
  );
  assert.deepEqual(invoices, [{ id: payment.invoiceId, payment: payment.id, gross: 1190 }]);
});

test('the same request again gets the same bytes, and nothing happens', async () => {
  const key = randomUUID();
  const { id, decidedAt, invoiceId } = paid(await client.pay({}, key));
  const again = await client.pay({}, key);
  assert.ok(again.kind === 'replay');
  const { status, body } = again.response;
  const first = { id, state: 'succeeded', failure: null, invoiceId, decidedAt };
  assert.deepEqual([status, String(body)], [201, JSON.stringify(first)]);
  assert.equal((await charges()).length, 1);
});

for (const fault of PAYMENT_FAULTS)
  test(`a provider that meets every request with ${fault} charges once, and the answer is definite`, async () => {
    await sandbox.behave({ fault, verbs: ['create', 'confirm'] });
    const payment = paid(await client.pay());
    assert.equal(payment.state, 'succeeded');
    assert.equal((await charges()).length, 1);
    assert.equal(await credits(), 10_000n);
    const attempts = await client.rows<{ outcome: string }>(
      sql`SELECT outcome FROM payment_attempt ORDER BY number`,
    );
    // Only an answer that the provider would repeat makes another key.
    assert.equal(attempts.length > 1, fault === 'error-after-commit', JSON.stringify(attempts));
  });

test('a card that is declined is a definite answer, costs nothing, and another one may be tried', async () => {
  const key = randomUUID();
  const reference = 'order-1';
  const payment = paid(
    await client.pay({ ...credited(reference), paymentMethod: 'pm_card_chargeDeclined' }, key),
  );
  assert.deepEqual([payment.state, payment.failure?.code], ['failed', 'generic_decline']);
  assert.equal(
    (await client.pay({ ...credited(reference), paymentMethod: 'pm_card_chargeDeclined' }, key)).kind,
    'replay',
  );
  assert.deepEqual([await charges(), await credits()], [[], 0n]);
  assert.equal(paid(await client.pay(credited(reference))).state, 'succeeded');
});

test('what the provider refuses is a definite answer as well', async () => {
  const payment = paid(await client.pay({ paymentMethod: 'pm_nobody_has' }));
  assert.deepEqual([payment.state, payment.failure?.code], ['failed', 'resource_missing']);
});

test('fifty clients at once with one key: one charge, and all hear of the same payment or wait', async () => {
  const key = randomUUID();
  const heard = await Promise.all(Array.from({ length: 50 }, () => client.pay({}, key)));
  assert.equal(heard.filter(({ kind }) => kind === 'payment').length, 1);
  assert.deepEqual([...new Set(heard.map(({ kind }) => kind))].sort(), ['in-flight', 'payment']);
  assert.equal((await charges()).length, 1);
});

test('a key belongs to its request: with another body it charges nothing', async () => {
  const key = randomUUID();
  await client.pay({}, key);
  assert.equal((await client.pay({ paymentMethod: 'pm_card_mastercard' }, key)).kind, 'mismatch');
  assert.equal((await charges()).length, 1);
});

test('a client that changes its key cannot pay one reference twice', async () => {
  const first = paid(await client.pay(credited('order-7')));
  const second = await client.pay(credited('order-7'));
  assert.deepEqual(second, {
    kind: 'refused',
    reason: 'conflict',
    sentence: `The reference "order-7" was paid by payment ${first.id}.`,
  });
  assert.equal((await charges()).length, 1);
});

test('twenty keys for one reference at once: one of them charges, the others are told to wait or that it is paid', async () => {
  const heard = await Promise.all(Array.from({ length: 20 }, () => client.pay(credited('order-8'))));
  const kinds = heard.map((one) => (one.kind === 'refused' ? one.reason : one.kind));
  assert.equal(kinds.filter((kind) => kind === 'payment').length, 1);
  assert.ok(
    kinds.every((kind) => ['payment', 'under-way', 'conflict'].includes(kind)),
    kinds.join(),
  );
  assert.equal((await charges()).length, 1);
});

test('an open invoice is paid once, whoever tries again under another key, and brings its credits', async () => {
  const invoiceId = await openInvoice(5_000n);
  const buys = { kind: 'invoice', invoiceId } as const;
  const payment = paid(await client.pay({ buys }));
  assert.deepEqual([payment.state, payment.amount.minor, payment.invoiceId], ['succeeded', 2380n, invoiceId]);
  assert.equal(await credits(), 5_000n);
  const again = await client.pay({ buys });
  assert.ok(again.kind === 'refused' && again.reason === 'conflict');
  assert.equal((await charges()).length, 1);
});

test('the invoice of another workspace is not there', async () => {
  const invoiceId = await openInvoice(1n);
  const other = new TestClient(billing, await newWorkspace(db.database));
  const heard = await other.pay({ buys: { kind: 'invoice', invoiceId } });
  assert.partialDeepStrictEqual(heard, { kind: 'refused', reason: 'not-found' });
});

test('what is not sold, and a buyer who cannot be reached, is said before anything is charged', async () => {
  const odd = { ...CREDITS.buys, credits: 77n } as ChargeOrder['buys'];
  assert.partialDeepStrictEqual(await client.pay({ buys: odd }), {
    kind: 'refused',
    sentence: '77 credits for EUR are not sold: there are 10000 for EUR, 100000 for EUR, 1000 for JPY.',
  });
  const nowhere = { ...CREDITS.buys, buyer: { ...BUYER, email: 'nobody' } } as ChargeOrder['buys'];
  assert.partialDeepStrictEqual(await client.pay({ buys: nowhere }), { kind: 'refused', reason: 'refused' });
  assert.deepEqual(await charges(), []);
});

test('before somebody has said who sells, nothing is sold: an invoice could not say it', async () => {
  await db.database.withOwner((tx) => tx.query(sql`DELETE FROM seller`));
  const heard = await client.pay();
  await setSeller(db.database);
  assert.ok(heard.kind === 'refused' && heard.reason === 'refused');
  assert.match(heard.sentence, /camp seller set/);
  assert.deepEqual(await charges(), []);
});

test('a payment that waits for its customer says where to go, and its key is parked', async () => {
  const key = randomUUID();
  const order = { paymentMethod: 'pm_card_authenticationRequired', returnUrl: 'https://shop.example/' };
  const payment = paid(await client.pay(order, key));
  assert.equal(payment.state, 'pending');
  assert.equal(payment.actionUrl, `https://sandbox.example/authenticate/${payment.providerRef}`);
  const resource = `/v1/payments/${payment.id}`;
  assert.deepEqual(await client.pay(order, key), { kind: 'unknown', resource });
});

test('what was agreed on cannot be changed afterwards, nor a payment be deleted', async () => {
  const { id } = paid(await client.pay());
  for (const statement of [
    sql`UPDATE payment SET amount_minor = 1 WHERE id = ${id}`,
    sql`UPDATE payment SET terms = '{}' WHERE id = ${id}`,
    sql`DELETE FROM payment WHERE id = ${id}`,
  ])
    await assert.rejects(client.rows(statement), { code: '42501' });
});

function credited(reference: string): Partial<ChargeOrder> {
  return { buys: { ...CREDITS.buys, reference } as ChargeOrder['buys'] };
}

/** What the provider really took of this workspace. */
async function charges() {
  const { charges } = await sandbox.truth();
  return charges
    .filter(({ metadata }) => metadata.workspace_id === client.workspaceId)
    .map(({ amount, currency, metadata }) => ({ amount, currency, payment: metadata.payment_id }));
}

function credits(): Promise<bigint> {
  return db.database.withWorkspace(client.workspaceId, (tx) => balance(tx, client.workspaceId));
}

/** EUR 20.00 and tax, to be paid. */
function openInvoice(credits: bigint): Promise<string> {
  const { workspaceId } = client;
  return db.database.withWorkspace(workspaceId, async (tx) => {
    const { invoiceId } = await issueInvoice(tx, {
      workspaceId,
      paymentId: null,
      currency: 'EUR',
      buyer: BUYER,
      lines: [
        { name: 'Credits', quantity: 1n, priceMinor: 2_000n, tax: { category: 'S', rateBasisPoints: 1900 } },
      ],
    });
    await insertInvoiceCredits(tx, workspaceId, invoiceId, credits);
    return invoiceId;
  });
}
