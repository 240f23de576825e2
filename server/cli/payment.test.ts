/** `camp payment` as whoever runs the installation uses it on payments that no machine decides. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { camp, type Ended } from '../../test/support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import {
  createTestBilling,
  newWorkspace,
  paid,
  type TestBilling,
  TestClient,
} from '../../test/support/payments.ts';
import { sql } from '../kernel/sql.ts';
import { type PaymentSandbox, startPaymentSandbox } from '../sandbox/payments/payments.ts';
import { EXIT } from './exit-codes.ts';

let db: TestDatabase;
let sandbox: PaymentSandbox;
let client: TestClient;

before(async () => {
  [db, sandbox] = await Promise.all([createTestDatabase(), startPaymentSandbox()]);
  const billing: TestBilling = createTestBilling(db.database, sandbox);
  client = new TestClient(billing, await newWorkspace(db.database));
});
after(() => Promise.all([db.drop(), sandbox.stop()]));

function payment(...args: string[]): Promise<Ended> {
  const env = { DATABASE_URL: db.url, BILLING: 'on', ...sandbox.env };
  return camp(['payment', ...args, '--workspace', client.workspaceId], env);
}

test('what needs review is listed with its reason, and is decided by hand once', async () => {
  const { id } = paid(await client.pay({ paymentMethod: 'pm_card_authenticationRequired' }));
  await client.rows(
    sql`UPDATE payment SET state = 'needs_review', note = 'the provider took 7 EUR' WHERE id = ${id}`,
  );
  const listed = await payment('list');
  assert.match(listed.stdout, new RegExp(`^${id} +charge +needs_review .*the provider took 7 EUR`, 'm'));
  const resolved = await payment('resolve', id, '--as', 'failed', '--json');
  assert.equal(resolved.code, EXIT.ok, resolved.stderr);
  assert.partialDeepStrictEqual(resolved.json.payment, { state: 'failed', failure: { code: 'resolved' } });
  const again = await payment('resolve', id, '--as', 'succeeded');
  assert.deepEqual(
    [again.code, again.stderr],
    [EXIT.usage, 'It is failed: only what needs review is decided by hand.\n'],
  );
  const audited = await client.rows(sql`SELECT subject FROM audit_entry WHERE action = 'payment.resolved'`);
  assert.deepEqual(audited, [{ subject: `payment/${id}` }]);
  assert.match((await payment('list')).stdout, /^Every payment is decided\.$/m);
});

test('one that waits for its customer is cancelled, and shown so', async () => {
  const { id } = paid(await client.pay({ paymentMethod: 'pm_card_authenticationRequired' }));
  assert.equal((await payment('cancel', id)).code, EXIT.ok);
  const shown = await payment('show', id, '--json');
  assert.partialDeepStrictEqual(shown.json.payment, { state: 'failed', failure: { code: 'canceled' } });
  const unknown = await payment('show', client.workspaceId);
  assert.deepEqual([unknown.code, unknown.stderr], [EXIT.usage, 'There is no payment with this id.\n']);
});
