/** What the provider tells of payments that are decided: it changes no books, and a person hears of it. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import {
  createTestBilling,
  eventOf,
  newWorkspace,
  paid,
  runJob,
  signed,
  type TestBilling,
  TestClient,
} from '../../test/support/payments.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import type { JobOutcome } from '../kernel/jobs.ts';
import { openScopeNames, Scope } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { type PaymentSandbox, startPaymentSandbox } from '../sandbox/payments/payments.ts';
import { takeEvent } from './events.ts';
import type { Payment } from './payment.ts';
import { lookAfterEvent } from './reconcile.ts';

let db: TestDatabase;
let sandbox: PaymentSandbox;
let billing: TestBilling;
let client: TestClient;
let errors: Record<string, unknown>[];

before(async () => {
  [db, sandbox] = await Promise.all([createTestDatabase(), startPaymentSandbox()]);
  billing = createTestBilling(db.database, sandbox);
  billing.log.error = (line: Record<string, unknown>) => errors.push(line);
});
after(async () => {
  await Promise.all([db.drop(), sandbox.stop()]);
  assert.deepEqual(openScopeNames(), []);
});
beforeEach(async () => {
  errors = [];
  client = new TestClient(billing, await newWorkspace(db.database));
});

test('a refund that comes back after it succeeded is noted, and logged once', async () => {
  const charge = paid(await client.pay({ paymentMethod: 'pm_card_refundFail' }));
  const refund = paid(await client.refund({ paymentId: charge.id }));
  assert.equal(refund.state, 'succeeded');
  await until(() => hasComeBack(charge), 'the refund has come back');
  await told(refund, 'refund.failed');
  await told(refund, 'refund.failed');
  const { state, note } = await now(refund);
  assert.equal(state, 'succeeded');
  assert.match(note ?? '', /failed.*expired_or_canceled_card/);
  assert.deepEqual(
    errors.map(({ event, payment }) => [event, payment]),
    [['payment_differs', refund.id]],
  );
});

test('money that was taken for what we call failed is noted', async () => {
  const charge = paid(await client.pay());
  await client.rows(sql`UPDATE payment SET state = 'failed', failure_code = 'x' WHERE id = ${charge.id}`);
  await told(charge, 'payment_intent.succeeded');
  assert.match((await now(charge)).note ?? '', /succeeded/);
  assert.deepEqual(
    errors.map(({ event }) => event),
    ['payment_differs'],
  );
});

test('what the provider says as we do is nobody’s business', async () => {
  const declined = paid(await client.pay({ paymentMethod: 'pm_card_chargeDeclined' }));
  const charge = paid(await client.pay());
  const refund = paid(await client.refund({ paymentId: charge.id, amountMinor: 5n }));
  await told(declined, 'payment_intent.payment_failed');
  await told(charge, 'payment_intent.succeeded');
  await told(refund, 'refund.created');
  const notes = await client.rows(sql`SELECT FROM payment WHERE note IS NOT NULL`);
  assert.deepEqual([notes, errors], [[], []]);
});

test('a provider that does not answer is asked again', async () => {
  const declined = paid(await client.pay({ paymentMethod: 'pm_card_chargeDeclined' }));
  const away = async () => ({ kind: 'unknown', error: 'away', answered: false }) as const;
  const provider = { ...billing.provider, retrieve: away };
  const outcome = await told(declined, 'payment_intent.succeeded', { ...billing, provider });
  assert.deepEqual(outcome, { kind: 'again', afterMs: 3_600_000 });
});

test('a dispute names no workspace: its payment is found by its charge, and shows it', async () => {
  const charge = paid(await client.pay({ paymentMethod: 'pm_card_createDispute' }));
  for (let times = 0; times < 2; times += 1) await disputed(charge.providerRef ?? '');
  assert.match(
    (await now(charge)).note ?? '',
    /^Disputed: EUR 10\.00, fraudulent, needs_response \(dp_\w+\)\.$/,
  );
  assert.deepEqual(
    errors.map(({ event, payment }) => [event, payment]),
    [['payment_disputed', charge.id]],
  );
});

test('the dispute of a charge that is not ours is nobody’s business', async () => {
  await using scope = Scope.root('another installation');
  const [paymentId, workspaceId] = [DEFAULT_WORKSPACE_ID, DEFAULT_WORKSPACE_ID];
  const theirs = { paymentId, workspaceId, amount: { minor: 1n, currency: 'EUR' }, description: '' };
  const created = await billing.provider.create(scope, 'theirs', { ...theirs, returnUrl: null });
  assert.ok(created.kind === 'created');
  const confirmation = { ref: created.ref, paymentMethod: 'pm_card_createDispute', returnUrl: null };
  await billing.provider.confirm(scope, 'theirs', confirmation);
  assert.deepEqual(await disputed(created.ref), { kind: 'done' });
  assert.deepEqual(errors, []);
});

/** The provider posts that something became of the payment, and the job that follows runs. */
async function told({ id }: Payment, type: string, by: TestBilling = billing): Promise<JobOutcome> {
  const { workspaceId } = client;
  const body = eventOf(type, { metadata: { payment_id: id, workspace_id: workspaceId } });
  assert.equal(await takeEvent(by, body, signed(body)), true);
  return runEventJob(workspaceId, String(JSON.parse(String(body)).id), by);
}

async function disputed(chargeRef: string): Promise<JobOutcome> {
  const body = eventOf('charge.dispute.created', { object: 'dispute', payment_intent: chargeRef });
  assert.equal(await takeEvent(billing, body, signed(body)), true);
  return runEventJob(DEFAULT_WORKSPACE_ID, String(JSON.parse(String(body)).id));
}

async function runEventJob(workspaceId: string, key: string, by = billing): Promise<JobOutcome> {
  const [job] = await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query<{ args: Record<string, unknown> }>(
      sql`SELECT args FROM job WHERE kind = 'payment.event' AND key = ${key}`,
    ),
  );
  assert.ok(job);
  return runJob(db.database, lookAfterEvent(by), { workspaceId, key, args: job.args });
}

async function hasComeBack({ providerRef }: Payment): Promise<boolean> {
  await using scope = Scope.root('look');
  const charge = await billing.provider.retrieve(scope, providerRef ?? '');
  return charge.kind === 'charge' && charge.refunds[0]?.status === 'failed';
}

async function now({ id }: Payment): Promise<Payment> {
  const payment = await client.find(id);
  assert.ok(payment);
  return payment;
}
