/** With a hundred thousand deliveries, of which most have ended, every statement follows its index. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { recordEvents } from '../outcomes/record.ts';
import * as queries from './queries.ts';
import * as deliveries from './queries-deliveries.ts';

const DELIVERIES = 100_000;
const ENDPOINTS = 50;

let db: TestDatabase;
const workspaceId = newId();
const endpointIds = Array.from({ length: ENDPOINTS }, newId);
const of = { workspaceId, endpointId: endpointIds[7] ?? '' };
const attempt = { at: '2026-01-01T00:00:00Z', ms: 1, status: 500, reply: '', error: null };

before(async () => {
  db = await createTestDatabase();
  await db.database.withWorkspace(workspaceId, async (tx) => {
    await tx.query(sql`
      INSERT INTO webhook_endpoint (workspace_id, id, url, events)
      SELECT ${workspaceId}, id, 'https://example.com/', '{message.accepted}' FROM unnest(${endpointIds}::uuid[]) id`);
    await tx.query(sql`
      INSERT INTO webhook_delivery (workspace_id, endpoint_id, type, occurred_at, state, due_at, worker_id)
      SELECT ${workspaceId}, (${endpointIds}::uuid[])[1 + n % ${ENDPOINTS}::int], 'message.accepted',
        now() - n * interval '1 s', state, CASE WHEN state = 'waiting' THEN now() - n * interval '1 ms' END,
        CASE WHEN state = 'claimed' THEN gen_random_uuid() END
      FROM generate_series(1, ${DELIVERIES}::int) n, LATERAL (SELECT CASE WHEN n % 97 = 0 THEN 'waiting'
        WHEN n % 89 = 0 THEN 'failed' WHEN n % 9973 = 0 THEN 'claimed' ELSE 'delivered' END AS state) s`);
  });
  await db.database.withOwner((tx) => tx.query(sql`ANALYZE webhook_delivery, webhook_endpoint`));
});
after(() => db.drop());

async function planOf(work: (spy: Tx) => Promise<unknown>): Promise<string> {
  const [plan = ''] = await db.database.withWorkspace(workspaceId, (tx) => explained(tx, work));
  assert.doesNotMatch(plan, /Seq Scan on webhook_delivery/, plan);
  return plan;
}

test('a look for what is due goes from endpoint to endpoint, whatever waits for each', async () => {
  const [plan = ''] = await db.database.withSystem((tx) =>
    explained(tx, (spy) => deliveries.dueEndpoints(spy, null, 500)),
  );
  assert.match(plan, /Recursive Union[\s\S]*Index Only Scan using webhook_delivery_due/, plan);
  assert.doesNotMatch(plan, /Sort|Seq Scan on webhook_delivery/, plan);
  const startedAt = performance.now();
  const due = await db.database.withSystem((tx) => deliveries.dueEndpoints(tx, null, 500));
  assert.equal(due.length, ENDPOINTS);
  assert.ok(performance.now() - startedAt < 2_000);
});

test('a claim takes what is due in the order of the index, and sorts nothing', async () => {
  for (const claim of [
    (spy: Tx) => deliveries.claimDeliveries(spy, of, newId(), 8),
    (spy: Tx) => deliveries.failDue(spy, of, attempt, 1_000),
  ]) {
    const plan = await planOf(claim);
    assert.match(plan, /Index Scan using webhook_delivery_due/, plan);
    assert.doesNotMatch(plan, /Sort/, plan);
  }
});

test('what a worker posts is written along the key, and what a dead one posted is found without reading the others’', async () => {
  const fence = { workspaceId, id: newId(), workerId: newId(), attempt: 1 };
  const result = { isDelivered: false, dueInMs: 5_000, attempt };
  const settle = await planOf((spy) => deliveries.settleDelivery(spy, fence, result));
  assert.match(settle, /Index Scan using webhook_delivery_(pkey|in_flight)/, settle);
  const recover = await planOf((spy) => deliveries.recoverDeliveries(spy, workspaceId, newId(), []));
  assert.match(recover, /webhook_delivery_in_flight/, recover);
});

test('a page of an endpoint’s deliveries, of all or of the failed, is read in its order; so is what is replayed and what is old', async () => {
  const after = { position: Date.now() * 1_000, id: newId() };
  const page = (failedOnly: boolean) => (spy: Tx) =>
    queries.deliveryPage(spy, of, { failedOnly, after, limit: 50 });
  const all = await planOf(page(false));
  assert.match(all, /Index Scan Backward using webhook_delivery_of_endpoint/, all);
  const failed = await planOf(page(true));
  assert.match(failed, /Index Scan Backward using webhook_delivery_failed/, failed);
  const replay = await planOf((spy) => queries.replayFailed(spy, of, new Date(0), 10_000));
  assert.match(replay, /Index Scan using webhook_delivery_failed/, replay);
  const old = await planOf((spy) => queries.deleteOldDeliveries(spy, of, 30, 5_000));
  assert.match(old, /Index Scan using webhook_delivery_of_endpoint/, old);
  for (const plan of [all, failed]) assert.doesNotMatch(plan, /Sort/, plan);
});

test('where nobody asked, writing a campaign’s events looks for endpoints once, by the workspace, and reads no deliveries', async () => {
  const event = { contactId: newId(), email: 'a@b.example', kind: 'accepted', attempt: 1, detail: '250 ok' };
  const [plan = ''] = await db.database.withWorkspace(workspaceId, (tx) =>
    explained(tx, async (spy) =>
      recordEvents(spy, workspaceId, newId(), [{ ...event, rule: null, trouble: null, metAt: null }]),
    ),
  );
  assert.match(plan, /Insert on webhook_delivery[\s\S]*webhook_endpoint/, plan);
  assert.doesNotMatch(plan, /(Scan|using) (on )?webhook_delivery/, plan);
});
