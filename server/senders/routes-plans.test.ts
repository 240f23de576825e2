/** What a worker asks before it sends follows the keys, however many relays, routes and sources there are. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import * as queries from './queries-routes.ts';

const ROWS = 5_000;

let db: TestDatabase;
const workspaceId = newId();

before(async () => {
  db = await createTestDatabase();
  await db.database.withWorkspace(workspaceId, async (tx) => {
    await tx.query(sql`INSERT INTO relay (workspace_id, name, sealed_url)
      SELECT ${workspaceId}, 'relay-' || n, '' FROM generate_series(1, ${ROWS}::int) n`);
    await tx.query(sql`INSERT INTO sending_route (workspace_id, domain, route)
      SELECT ${workspaceId}, n || '.example', 'direct' FROM generate_series(1, ${ROWS}::int) n`);
    await tx.query(sql`INSERT INTO pool_grant (workspace_id, pool)
      SELECT ${workspaceId}, 'pool-' || n FROM generate_series(1, ${ROWS}::int) n`);
  });
  await db.database.withSystem(async (tx) => {
    await tx.query(sql`INSERT INTO pool (name) SELECT 'pool-' || n FROM generate_series(1, ${ROWS}::int) n`);
    await tx.query(sql`INSERT INTO source (address, helo_name, pool)
      SELECT '10.0.0.0'::inet + n, 'mail.example', 'pool-' || n FROM generate_series(1, ${ROWS}::int) n`);
    await tx.query(sql`INSERT INTO warm_up SELECT address, '*', now(), 50, 1.5, 100000 FROM source`);
  });
  await db.database.withOwner((tx) =>
    tx.query(sql`ANALYZE relay, sending_route, pool, pool_grant, source, warm_up`),
  );
});

after(() => db.drop());

async function planOf(work: (spy: Tx) => Promise<unknown>): Promise<string> {
  const [plan = ''] = await db.database.withWorkspace(workspaceId, (tx) => explained(tx, work));
  assert.doesNotMatch(plan, /Seq Scan/, plan);
  return plan;
}

test('the route of a domain is found along the key', async () => {
  const domains = ['news.7.example', '7.example', 'example', '*'];
  const plan = await planOf((spy) => queries.routeOfNearest(spy, workspaceId, domains));
  assert.match(plan, /sending_route_pkey/, plan);
});

test('the relays that a route names are found along the key', async () => {
  const plan = await planOf((spy) => queries.relaysNamed(spy, workspaceId, ['relay-7', 'relay-8']));
  assert.match(plan, /relay_pkey/, plan);
});

test('pages of relays and routes begin behind a name, along the key and without a sort', async () => {
  const relays = await planOf((spy) => queries.relayPage(spy, workspaceId, 'relay-7', 50));
  assert.match(relays, /relay_pkey/, relays);
  const routes = await planOf((spy) => queries.sendingRoutePage(spy, workspaceId, '7.example', 50));
  assert.match(routes, /sending_route_pkey/, routes);
  for (const plan of [relays, routes]) assert.doesNotMatch(plan, /Sort/, plan);
});

test('a pool comes with its grant, its sources and their ramps, each along its index', async () => {
  const plan = await planOf((spy) => queries.poolsNamed(spy, workspaceId, ['pool-7', 'pool-8']));
  for (const index of ['pool_pkey', 'pool_grant_pkey', 'source_of_pool', 'warm_up_pkey'])
    assert.ok(plan.includes(index), `${index}\n${plan}`);
});
