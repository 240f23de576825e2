/** Payments and what was spent are found along their keys, however many a workspace has. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import * as queries from './queries.ts';
import { balanceOf, insertTransaction, unbookedSpending } from './queries-ledger.ts';

const PAYMENTS = 5_000;
const CAMPAIGNS = 300;

let db: TestDatabase;
const workspaceId = newId();
const of = { workspaceId, id: newId() };

before(async () => {
  db = await createTestDatabase();
  await db.database.withWorkspace(workspaceId, async (tx) => {
    await tx.query(sql`
      INSERT INTO payment (workspace_id, id, kind, state, amount_minor, currency, credits, terms, invoice_id, reference,
        refund_of, provider, idempotency_key, key_fingerprint, key_epoch, decided_at, created_at)
      SELECT ${workspaceId}, gen_random_uuid(), CASE WHEN n % 10 = 0 THEN 'refund' ELSE 'charge' END, 'succeeded', 1,
        'EUR', 1, '{}', gen_random_uuid(), 'order ' || n, CASE WHEN n % 10 = 0 THEN gen_random_uuid() END, 'stripe', 'k',
        '', 1, now(), now() - n * interval '1 h'
      FROM generate_series(1, ${PAYMENTS}::int) n`);
    await tx.query(sql`
      INSERT INTO payment_attempt (workspace_id, payment_id, number, provider_key)
      SELECT workspace_id, id, 1, 'pay_' || id FROM payment`);
    await tx.query(sql`
      INSERT INTO ledger_transaction (workspace_id, id, kind, source)
      SELECT ${workspaceId}, gen_random_uuid(), 'grant', n::text FROM generate_series(1, ${PAYMENTS}::int) n`);
    await tx.query(sql`
      INSERT INTO campaign (workspace_id, id, name, state, list_ids, from_email, template_name, template_body, finished_at)
      SELECT ${workspaceId}, gen_random_uuid(), 'c', 'finished', '{}', 'a@b.example', 't', 't', now() - n * interval '1 day'
      FROM generate_series(1, ${CAMPAIGNS}::int) n`);
    await tx.query(sql`
      INSERT INTO campaign_count (workspace_id, campaign_id, state, shard, n)
      SELECT campaign.workspace_id, campaign.id, counted, shard, 1 FROM campaign,
        unnest(ARRAY['accepted', 'bounced', 'queued', 'rejected']) counted, generate_series(0, 15) shard`);
  });
  await db.database.withOwner((tx) =>
    tx.query(sql`ANALYZE payment, payment_attempt, ledger_transaction, campaign, campaign_count`),
  );
});
after(() => db.drop());

async function planOf(work: (spy: Tx) => Promise<unknown>): Promise<string> {
  const [plan = ''] = await db.database.withWorkspace(workspaceId, (tx) => explained(tx, work));
  return plan;
}

test('a payment, its attempts and its refunds are found along their keys', async () => {
  assert.match(await planOf((spy) => queries.findPayment(spy, of)), /using payment_pkey/);
  assert.match(await planOf((spy) => queries.lockPayment(spy, of)), /using payment_pkey/);
  assert.match(
    await planOf((spy) => queries.lastAttempt(spy, of)),
    /Scan Backward using payment_attempt_pkey/,
  );
  assert.match(await planOf((spy) => queries.refundsOf(spy, of)), /using payment_refunds|on payment_refunds/);
});

test('what pays an invoice or a reference already is found by both indexes that forbid a second', async () => {
  const plan = await planOf((spy) =>
    queries.findLivePayment(spy, workspaceId, { invoiceId: newId(), reference: 'order 7' }),
  );
  assert.match(plan, /payment_live_invoice/, plan);
  assert.match(plan, /payment_live_reference/, plan);
});

test('a page of the list is read from the end of the key, and sorts nothing', async () => {
  const plan = await planOf((spy) => queries.paymentPage(spy, workspaceId, newId(), 50));
  assert.match(plan, /^Limit[\s\S]*Index Scan Backward using payment_pkey/, plan);
  assert.doesNotMatch(plan, /Sort/, plan);
});

test('payments that are not decided are found without those that are', async () => {
  const plan = await planOf((spy) => queries.openPayments(spy, workspaceId));
  assert.match(plan, /using payment_open/, plan);
  assert.match(await planOf((spy) => queries.setNote(spy, of, 'note')), /using payment_pkey/);
});

test('the daily comparison reads the payments of two days, and not those of years', async () => {
  const plan = await planOf((spy) => queries.succeededCharges(spy, workspaceId, 172_800_000, 600_000));
  assert.match(plan, /payment_age/, plan);
});

test('a booking looks for its source once, and a balance is one row', async () => {
  const booking = { workspaceId, id: newId(), kind: 'grant', source: 's' };
  assert.match(await planOf((spy) => insertTransaction(spy, booking)), /Arbiter Indexes: ledger_source/);
  assert.match(await planOf((spy) => balanceOf(spy, workspaceId, 'balance')), /credit_balance_pkey/);
});

test('what was sent is read from the counters of the campaigns that may still count', async () => {
  const plan = await planOf((spy) => unbookedSpending(spy, workspaceId, { days: 60, freeFrom: null }));
  assert.match(plan, /campaign_count_pkey on campaign_count|using campaign_count_pkey/, plan);
  assert.doesNotMatch(plan, /Seq Scan on campaign_count/, plan);
});
