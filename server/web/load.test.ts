import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../test/support/campaign.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import { TestWeb } from '../../test/support/web.ts';
import { Database } from '../kernel/database.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { endpoint, type LoadClass, noContent } from './endpoint.ts';
import { Load } from './load.ts';
import { Nothing } from './schemas.ts';

const CLASSES: LoadClass[] = ['bulk', 'interactive', 'intake', 'probe'];

function refusedBy(load: Load): LoadClass[] {
  return CLASSES.filter((loadClass) => load.isTooMuchFor(loadClass));
}

test('the longer work waits for a connection, the more is refused, what recipients do last', () => {
  let waitMs = 0;
  const load = new Load({ waitMs: () => waitMs });
  const refused = [0, 500, 2_000, 5_000, 20_000].map((ms) => {
    waitMs = ms;
    return refusedBy(load);
  });
  load.stop();
  assert.deepEqual(refused, [[], [], ['bulk'], ['bulk', 'interactive'], ['bulk', 'interactive', 'intake']]);
});

test('a blocked event loop is noticed when it is free again, and forgotten after a moment', async () => {
  const load = new Load({ waitMs: () => 0 });
  load.start();
  const until_ = performance.now() + 500;
  while (performance.now() < until_);
  while (load.lagMs === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(load.isTooMuchFor('bulk') && !load.isTooMuchFor('probe'), String(load.lagMs));
  await until(async () => !load.isTooMuchFor('bulk'), 'it is forgotten');
  load.stop();
});

test('while the database has no connection left, bulk work is refused as our trouble, and then taken again', async () => {
  const db = await createTestDatabase();
  const database = new Database(db.url, { connectionsMax: 1 });
  const bulk = endpoint({
    summary: 'Bulk work',
    scope: 'public',
    idempotency: 'none',
    load: 'bulk',
    responses: { 204: Nothing },
    run: async () => noContent(),
  });
  const web = await TestWeb.start({ 'GET /test/bulk': bulk }, { database, sheds: true });
  const end = Promise.withResolvers<void>();
  const holding = database.withSystem(() => end.promise);
  const waiting = database.withSystem(async () => {});
  await until(async () => database.waitMs() > 1_000, 'work waits for a second');
  const refused = await web.ask('GET /test/bulk');
  assert.deepEqual(
    [refused.status, refused.json.code, refused.headers.get('retry-after')],
    [503, 'overloaded', '2'],
  );
  assert.equal((await web.ask('GET /healthz')).status, 200);
  end.resolve();
  await Promise.all([holding, waiting]);
  assert.equal((await web.ask('GET /test/bulk')).status, 204);
  await web.stop();
  await database.close();
  await db.drop();
  assert.deepEqual(openScopeNames(), []);
});
