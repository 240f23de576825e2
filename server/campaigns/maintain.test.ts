import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../kernel/ids.ts';
import { Scope } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { forget, maintain } from './maintain.ts';

const workspaceId = DEFAULT_WORKSPACE_ID;
let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
  await ensureWorkspace(db.database, workspaceId, 'test');
});

after(() => db.drop());

async function runMaintenance(job = maintain) {
  await using scope = Scope.root('maintain');
  return await job({
    scope,
    database: db.database,
    workspaceId,
    key: 'daily',
    args: {},
    failures: 0,
    fence: async () => {},
  });
}

function partitions() {
  return db.database.withOwner((tx) =>
    tx.query<{ name: string }>(sql`
      SELECT relid::text AS name FROM pg_partition_tree('message') WHERE isleaf
      UNION ALL SELECT relid::text FROM pg_partition_tree('event') WHERE isleaf ORDER BY name`),
  );
}

test('the partitions of the coming months are made before they are needed', async () => {
  const made = await partitions();
  assert.equal(made.length, 6);
  for (const { name } of made.filter((_, index) => index % 3 === 2))
    await db.database.withOwner((tx) => tx.client.query(`DROP TABLE ${name}`));
  assert.equal((await partitions()).length, 4);
  await runMaintenance();
  assert.deepEqual(await partitions(), made);
});

test('jobs that ended long ago are forgotten, younger ones are kept', async () => {
  await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`
      INSERT INTO job (workspace_id, id, kind, state, finished_at)
      SELECT ${workspaceId}, t.id, t.kind, 'done', now() - t.days * interval '1 day'
      FROM unnest(${[newId(), newId()]}::uuid[], ${['old', 'young']}::text[], ${[8, 6]}::int[]) AS t(id, kind, days)`),
  );
  const outcome = await runMaintenance();
  const left = await db.database.withWorkspace(workspaceId, (tx) => tx.query(sql`SELECT kind FROM job`));
  assert.deepEqual(left, [{ kind: 'young' }]);
  assert.deepEqual(outcome, { kind: 'again', afterMs: 86_400_000 });
});

test('rejected records of an import are forgotten after 30 days, whether or not another one begins', async () => {
  await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`
      INSERT INTO import_reject (workspace_id, import_id, line, title, value, reason, cells)
      SELECT ${workspaceId}, uuid_floor(now() - t.days * interval '1 day'), t.days, '', '', '', '{}'
      FROM unnest(ARRAY[29, 31]) AS t(days)`),
  );
  await runMaintenance(forget);
  const left = await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`SELECT line::int FROM import_reject`),
  );
  assert.deepEqual(left, [{ line: 29 }]);
});
