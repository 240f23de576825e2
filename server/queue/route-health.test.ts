import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newId } from '../kernel/ids.ts';
import { createLog } from '../kernel/log.ts';
import { sql } from '../kernel/sql.ts';
import { RouteHealth } from './route-health.ts';

const down = { detail: 'connect: ECONNREFUSED', certain: true };
const cut = { detail: 'mail: the connection was closed', certain: false };
let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});

after(() => db.drop());

async function newRoute() {
  const workspaceId = newId();
  const health = new RouteHealth(db.database, createLog('silent'), workspaceId, 'relay');
  const failures = async () => {
    const [row] = await db.database.withWorkspace(workspaceId, (tx) =>
      tx.query<{ failures: number }>(sql`SELECT failures FROM route`),
    );
    return row?.failures;
  };
  return { health, failures };
}

test('an answer to a message begun before the trouble does not end it, one begun after it does', async () => {
  const { health, failures } = await newRoute();
  const begunBefore = performance.now() - 1;
  assert.equal(health.note(down), true);
  await until(async () => (await failures()) === 1, 'the pause is a row');
  assert.equal(health.succeeded(begunBefore), false);
  assert.equal(health.troubled, true);
  assert.equal(health.succeeded(performance.now()), true);
  assert.equal(health.troubled, false);
  await until(async () => (await failures()) === 0, 'all workers hear that it is well');
});

test('failures of one moment are one pause, however many connections meet them', async () => {
  const { health, failures } = await newRoute();
  for (let connection = 0; connection < 20; connection += 1) health.note(down);
  await until(async () => (await failures()) === 1, 'the pause is a row');
  assert.equal(await failures(), 1);
});

test('single lost connections stop nothing, five in a row do, and a success between starts the count anew', async () => {
  const { health } = await newRoute();
  for (let loss = 0; loss < 4; loss += 1) assert.equal(health.note(cut), false);
  assert.equal(health.succeeded(performance.now()), false);
  for (let loss = 0; loss < 4; loss += 1) assert.equal(health.note(cut), false);
  assert.equal(health.note(cut), true);
});
