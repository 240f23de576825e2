import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import {
  createTestBilling,
  newWorkspace,
  runJob,
  type TestBilling,
  TestClient,
} from '../../test/support/payments.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../kernel/ids.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { type PaymentSandbox, startPaymentSandbox } from '../sandbox/payments/payments.ts';
import type { Payment } from './payment.ts';
import type { ChargePage, SeenCharge } from './provider.ts';
import { sweep } from './sweep.ts';

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

const AWAY = { kind: 'unknown', error: 'away', answered: false } as const;

test('payments that both sides know are nobody’s business', async () => {
  const { id } = await paid(client);
  await client.rows(sql`UPDATE payment SET decided_at = now() - interval '1 h' WHERE id = ${id}`);
  assert.partialDeepStrictEqual(await swept(), { kind: 'again' });
  assert.deepEqual(errors, []);
});

test('a charge of which nobody heard is looked at again', async () => {
  const deaf = { ...billing.provider, retrieve: async () => AWAY };
  const timing = { ...billing.timing, decideMs: 300 };
  const lost = new TestClient(
    { ...billing, provider: { ...deaf, confirm: confirmUnheard }, timing },
    client.workspaceId,
  );
  const { id, state } = await paid(lost);
  assert.equal(state, 'unknown');
  await swept();
  const jobs = await client.rows(sql`SELECT args FROM job WHERE kind = 'payment.event'`);
  assert.deepEqual(jobs, [{ args: { paymentId: id } }]);
  assert.deepEqual(errors, []);
});

const confirmUnheard: TestBilling['provider']['confirm'] = async (...asked) => {
  await billing.provider.confirm(...asked);
  return AWAY;
};

test('a charge that we call failed, and a payment that the provider does not know, are for a person', async () => {
  const [failed, missing] = [await paid(client), await paid(client)];
  await client.rows(sql`UPDATE payment SET state = 'failed', failure_code = 'x' WHERE id = ${failed.id}`);
  await client.rows(sql`UPDATE payment SET provider_ref = 'pi_gone', decided_at = now() - interval '1 h'
    WHERE id = ${missing.id}`);
  await swept();
  assert.deepEqual(
    errors.map(({ event, payment }) => [event, payment]).sort(),
    [
      ['charge_without_payment', failed.id],
      ['charge_without_payment', missing.id],
      ['payment_without_charge', missing.id],
    ].sort(),
  );
});

test('what the provider told us is kept for thirty days', async () => {
  for (const days of [29, 31])
    await client.rows(sql`INSERT INTO provider_event (workspace_id, id, type, body, received_at)
      VALUES (${client.workspaceId}, ${`evt_${days}`}, 't', '', now() - ${days} * interval '1 day')`);
  await swept();
  assert.deepEqual(await client.rows(sql`SELECT id FROM provider_event`), [{ id: 'evt_29' }]);
});

test('while the provider is away it is asked again every hour, and what is old is forgotten all the same', async () => {
  const away = { ...billing, provider: { ...billing.provider, listSince: async () => AWAY } };
  await client.rows(sql`INSERT INTO provider_event (workspace_id, id, type, body, received_at)
    VALUES (${client.workspaceId}, 'evt_old', 't', '', now() - interval '31 days')`);
  assert.deepEqual(await swept(away), { kind: 'again', afterMs: 3_600_000 });
  assert.deepEqual(await client.rows(sql`SELECT id FROM provider_event`), []);
});

test('the charges of another installation on the same account are nobody’s business', async () => {
  const theirs = { paymentId: newId(), workspaceId: client.workspaceId };
  const charge = { kind: 'charge', ref: 'pi_theirs', status: 'succeeded', owner: theirs } as SeenCharge;
  const listSince = async (): Promise<ChargePage> => ({ kind: 'page', charges: [charge], next: null });
  await swept({ ...billing, provider: { ...billing.provider, listSince } });
  assert.equal(
    errors.some(({ event }) => event === 'charge_without_payment'),
    false,
  );
  assert.deepEqual(await client.rows(sql`SELECT FROM job WHERE kind = 'payment.event'`), []);
});

async function paid(by: TestClient): Promise<Payment> {
  const heard = await by.pay();
  assert.ok(heard.kind === 'payment', heard.kind);
  return heard.payment;
}

function swept(by = billing) {
  return runJob(db.database, sweep(by), { workspaceId: DEFAULT_WORKSPACE_ID, key: 'daily' });
}
