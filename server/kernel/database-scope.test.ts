import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { Database } from './database.ts';
import { newId } from './ids.ts';
import { Scope, ScopeEnded } from './scope.ts';
import { sql } from './sql.ts';

let db: TestDatabase;
const workspaceId = newId();
const insertList = sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${newId()}, 'late')`;

before(async () => {
  db = await createTestDatabase();
});

after(() => db.drop());

test('a statement has no longer than the scope of its transaction', async () => {
  await using scope = Scope.root('request', { deadlineMs: 50 });
  const slow = db.database.withWorkspace(workspaceId, (tx) => tx.query(sql`SELECT pg_sleep(20)`), scope);
  await assert.rejects(slow, { code: '57014' });
});

test('what a transaction did whose scope has ended is taken back', async () => {
  for (const read of [false, true]) {
    await using scope = Scope.root('request');
    const left = db.database.withWorkspace(
      workspaceId,
      async (tx) => {
        await tx.query(insertList);
        scope.cancel('the client left');
        if (read) await tx.query(sql`SELECT 1`).catch(() => {});
      },
      scope,
    );
    await assert.rejects(left, ScopeEnded);
  }
  const lists = await db.database.withWorkspace(workspaceId, (tx) => tx.query(sql`SELECT FROM list`));
  assert.deepEqual(lists, []);
});

test('nothing is asked of the database for a scope that has ended', async () => {
  await using scope = Scope.root('request');
  scope.cancel('the client left');
  const never = () => assert.fail('it must not begin');
  await assert.rejects(db.database.readWorkspace(workspaceId, never, scope), ScopeEnded);
});

test('how long work waits for a connection can be seen', async () => {
  const database = new Database(db.url, { connectionsMax: 1 });
  assert.equal(database.waitMs(), 0);
  let second: Promise<unknown> | undefined;
  await database.withSystem(async () => {
    second = database.withSystem(async () => {});
    while (database.waitMs() === 0) await new Promise((resolve) => setImmediate(resolve));
  });
  await second;
  assert.equal(database.waitMs(), 0);
  await database.close();
});
