import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { setSeller } from '../../test/support/invoices.ts';
import {
  backdate,
  createTestBilling,
  type Heard,
  newWorkspace,
  runJob,
  type TestBilling,
  TestClient,
} from '../../test/support/payments.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { type PaymentSandbox, startPaymentSandbox } from '../sandbox/payments/payments.ts';
import { PAYMENT_FAULTS } from '../sandbox/payments/report.ts';
import { balance } from './credits.ts';
import { book } from './ledger.ts';
import type { Payment } from './payment.ts';
import { reconcile } from './reconcile.ts';

let db: TestDatabase;
let sandbox: PaymentSandbox;
let billing: TestBilling;
let client: TestClient;
let charge: Payment;

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
  charge = made(await client.pay());
});

test('what was paid is given back: the money, the credits, and a credit note for it', async () => {
  const refund = made(await client.refund({ paymentId: charge.id, reason: 'Not needed' }));
  assert.deepEqual([refund.state, refund.amount.minor, refund.credits], ['succeeded', 1190n, 10_000n]);
  assert.deepEqual(await refunds(), [{ amount: 1190, chargeRef: charge.providerRef, payment: refund.id }]);
  assert.equal(await credits(), 0n);
  const notes = await client.rows(
    sql`SELECT id, corrects, refund_id AS refund, gross_minor::int AS gross FROM invoice WHERE kind = 'credit_note'`,
  );
  assert.deepEqual(notes, [
    { id: refund.invoiceId, corrects: charge.invoiceId, refund: refund.id, gross: 1190 },
  ]);
});

test('a part of it takes its part of the credits, and the last part takes the rest', async () => {
  const parts = [];
  for (const amountMinor of [397n, 396n, null])
    parts.push(made(await client.refund({ paymentId: charge.id, amountMinor })));
  assert.deepEqual(
    parts.map(({ amount, credits }) => [amount.minor, credits]),
    [
      [397n, 3_336n],
      [396n, 3_327n],
      [397n, 3_337n],
    ],
  );
  assert.equal(await credits(), 0n);
});

test('credits that are spent are not given back, those that are left are', async () => {
  const { workspaceId } = charge;
  await db.database.withWorkspace(workspaceId, (tx) =>
    book(tx, { workspaceId, kind: 'spend', source: 'test', from: 'balance', to: 'spent', credits: 6_000n }),
  );
  const whole = await client.refund({ paymentId: charge.id });
  assert.ok('sentence' in whole);
  assert.match(whole.sentence, /takes 10000 credits, and 4000 are not spent/);
  const part = made(await client.refund({ paymentId: charge.id, amountMinor: 400n }));
  assert.deepEqual([part.state, part.credits], ['succeeded', 3_361n]);
});

test('no more is given back than was paid, also by many at once', async () => {
  const heard = await Promise.all(
    Array.from({ length: 10 }, () => client.refund({ paymentId: charge.id, amountMinor: 500n })),
  );
  assert.deepEqual(heard.map((one) => (one.kind === 'refused' ? one.reason : one.kind)).sort(), [
    ...Array(8).fill('conflict'),
    'payment',
    'payment',
  ]);
  assert.deepEqual(
    (await refunds()).map(({ amount }) => amount),
    [500, 500],
  );
});

test('only what succeeded can be given back, and only one’s own', async () => {
  const declined = made(await client.pay({ paymentMethod: 'pm_card_chargeDeclined' }));
  assert.partialDeepStrictEqual(await client.refund({ paymentId: declined.id }), {
    kind: 'refused',
    reason: 'conflict',
  });
  const other = new TestClient(billing, await newWorkspace(db.database));
  assert.partialDeepStrictEqual(await other.refund({ paymentId: charge.id }), {
    kind: 'refused',
    reason: 'not-found',
  });
});

for (const fault of PAYMENT_FAULTS)
  test(`a provider that meets the refund with ${fault} gives the money back once`, async () => {
    await sandbox.behave({ fault, verbs: ['refund'] });
    const refund = made(await client.refund({ paymentId: charge.id }));
    assert.equal(refund.state, 'succeeded');
    assert.equal((await refunds()).length, 1);
    assert.equal(await credits(), 0n);
  });

test('a refund that nobody heard of is found at its charge; one that never arrived has failed after an hour', async () => {
  const away = async () => ({ kind: 'unknown', error: 'away', answered: false }) as const;
  const lost = { ...billing.provider, refund: away, retrieve: away };
  const timing = { ...billing.timing, decideMs: 50 };
  const cutOff = new TestClient({ ...billing, provider: lost, timing }, client.workspaceId);
  const key = randomUUID();
  const refund = made(await cutOff.refund({ paymentId: charge.id, amountMinor: 100n }, key));
  assert.equal(refund.state, 'unknown');
  await backdate(client, refund.id, 1.01);
  await runJob(db.database, reconcile(billing), { workspaceId: client.workspaceId, key: refund.id });
  assert.equal((await client.find(refund.id))?.failure?.code, 'not_confirmed');
  assert.deepEqual([await refunds(), await credits()], [[], 10_000n]);
  // And what it would have taken may be given back.
  assert.equal(made(await client.refund({ paymentId: charge.id })).amount.minor, 1190n);
});

function made(heard: Heard): Payment {
  assert.ok(heard.kind === 'payment', heard.kind);
  return heard.payment;
}

async function refunds() {
  const { refunds } = await sandbox.truth();
  return refunds
    .filter(({ metadata }) => metadata.workspace_id === client.workspaceId)
    .map(({ amount, chargeRef, metadata }) => ({ amount, chargeRef, payment: metadata.payment_id }));
}

function credits(): Promise<bigint> {
  return db.database.withWorkspace(client.workspaceId, (tx) => balance(tx, client.workspaceId));
}
