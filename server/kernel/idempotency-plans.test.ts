/** Idempotency keys and limits follow their indexes, however many there are. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import type { Tx } from './database.ts';
import { newId } from './ids.ts';
import * as queries from './queries-idempotency.ts';
import { sql } from './sql.ts';

const ROWS = 20_000;

let db: TestDatabase;
const workspaceId = newId();

before(async () => {
  db = await createTestDatabase();
  await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`
      INSERT INTO idempotency_key (workspace_id, key, fingerprint, state, status, headers, body, created_at)
      SELECT ${workspaceId}, gen_random_uuid()::text, sha256(n::text::bytea), 'finished', 201, '{}', '',
        now() - n * interval '10 s'
      FROM generate_series(1, ${ROWS}::int) n`),
  );
  await db.database.withOwner((tx) => tx.query(sql`ANALYZE idempotency_key`));
});

after(() => db.drop());

async function planOf(work: (spy: Tx) => Promise<unknown>): Promise<string> {
  const [plan = ''] = await db.database.withWorkspace(workspaceId, (tx) => explained(tx, work));
  assert.doesNotMatch(plan, /Seq Scan on idempotency_key/, plan);
  return plan;
}

test('a key is claimed along its own, and whoever owns it writes along it', async () => {
  const fence = { workspaceId, key: newId(), epoch: 1 };
  const claim = await planOf((spy) =>
    queries.claimKey(spy, { ...fence, fingerprint: Buffer.alloc(32) }, 30_000),
  );
  assert.match(claim, /Conflict Arbiter Indexes: idempotency_key_pkey/, claim);
  assert.match(claim, /Index Scan using idempotency_key_pkey on idempotency_key/, claim);
  const response = { status: 201, headers: {}, body: Buffer.alloc(0) };
  for (const write of [
    (spy: Tx) => queries.takenKeys(spy, workspaceId, [newId(), newId(), newId()]),
    (spy: Tx) => queries.renewKey(spy, fence, 30_000),
    (spy: Tx) => queries.setRecoveryPoint(spy, fence, 'paid'),
    (spy: Tx) => queries.finishKey(spy, fence, response),
    (spy: Tx) => queries.parkKey(spy, fence, '/v1/payments/1'),
    (spy: Tx) => queries.releaseKey(spy, fence),
  ])
    assert.match(await planOf(write), /Index (Only )?Scan using idempotency_key_pkey on idempotency_key/);
});

test('old keys are found by their age, the oldest first, and nothing is sorted', async () => {
  const plan = await planOf((spy) => queries.deleteOldKeys(spy, workspaceId, 72, 5_000));
  assert.match(plan, /Index Scan using idempotency_key_age on idempotency_key/, plan);
  assert.doesNotMatch(plan, /Sort/, plan);
});
