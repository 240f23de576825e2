/** A renewal reads and writes the targets that it names, however many others there are. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import * as queries from './queries.ts';

const TARGETS = 20_000;

let db: TestDatabase;
const workerId = newId();
const keys = Array.from({ length: 100 }, (_, at) => ({ source: '', target: `site ${1 + at * 7}` }));
const share = {
  workerId,
  wanted: 1,
  connections: 1,
  wantedPerSecond: null,
  perSecond: 1,
  sentPerSecond: 0,
  tokens: 0,
};

before(async () => {
  db = await createTestDatabase();
  await db.database.withSystem(async (tx) => {
    await tx.query(sql`INSERT INTO shape (source, target, connections, messages_per_connection)
      SELECT '', 'site ' || n, 5, 50 FROM generate_series(1, ${TARGETS}::int) n`);
    await tx.query(sql`INSERT INTO share (source, target, worker_id, wanted, connections, per_second, sent_per_second,
        tokens, expires_at)
      SELECT '', 'site ' || n, ${workerId}, 1, 1, 1, 0, 0, now() FROM generate_series(1, ${TARGETS}::int) n`);
  });
  await db.database.withOwner((tx) => tx.query(sql`ANALYZE shape, share`));
});

after(() => db.drop());

async function planOf(work: (spy: Tx) => unknown): Promise<string> {
  const [plan = ''] = await db.database.withSystem((tx) => explained(tx, async (spy) => work(spy)));
  assert.doesNotMatch(plan, /Seq Scan/, plan);
  return plan;
}

test('the shapes of a renewal are locked along the key and in its order', async () => {
  const plan = await planOf((spy) => queries.lockShapes(spy, keys));
  assert.match(
    plan,
    /^LockRows[\s\S]*Sort Key: shape.source, shape.target[\s\S]*Index Scan using shape_pkey/,
    plan,
  );
});

test('the shares of a renewal are found along the key', async () => {
  const plan = await planOf((spy) => queries.sharesOf(spy, keys));
  assert.match(plan, /Index Scan using share_pkey/, plan);
});

test('what a renewal changes is written along the key', async () => {
  const [row] = await db.database.withSystem((tx) => queries.lockShapes(tx, keys.slice(0, 1)));
  assert.ok(row);
  const shares = keys.map((key) => ({ ...key, ...share }));
  const shapes = await planOf((spy) => queries.saveShapes(spy, [row]));
  assert.match(shapes, /Index Scan using shape_pkey on shape/, shapes);
  const gone = await planOf((spy) => queries.deleteShares(spy, shares));
  assert.match(gone, /Index Scan using share_pkey on share/, gone);
  const kept = await planOf((spy) => queries.saveShares(spy, shares, 5_000));
  assert.match(kept, /Conflict Arbiter Indexes: share_pkey/, kept);
});
