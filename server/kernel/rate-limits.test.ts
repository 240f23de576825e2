import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { Database, type Tx } from './database.ts';
import { newId } from './ids.ts';
import { type Limit, purgeRateLimits, RateLimits } from './rate-limits.ts';
import { sql } from './sql.ts';

const HOUR_S = 3_600;

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});

after(() => db.drop());

/** So slow that nothing comes back while a test runs. */
function slowLimit(burst: number): Limit {
  return { name: `test ${newId()}`, perSecond: 1 / HOUR_S, burst };
}

async function countAdmitted(processes: RateLimits[], limits: Limit[], requests: number): Promise<number> {
  const admissions = await Promise.all(
    Array.from({ length: requests }, (_, at) => processes[at % processes.length]?.admit(limits)),
  );
  return admissions.filter((admission) => admission?.kind === 'admitted').length;
}

test('several processes together let through exactly the burst', async () => {
  const processes = Array.from({ length: 3 }, () => new RateLimits(db.database));
  assert.equal(await countAdmitted(processes, [slowLimit(10)], 60), 10);
});

test('who is refused is told when to come again, and which limit it was', async () => {
  const limits = new RateLimits(db.database);
  const [wide, narrow] = [slowLimit(5), { name: `narrow ${newId()}`, perSecond: 2, burst: 1 }];
  assert.equal((await limits.admit([wide, narrow])).kind, 'admitted');
  const refused = await limits.admit([wide, narrow]);
  assert.ok(refused.kind === 'limited' && refused.name === narrow.name);
  assert.ok(refused.retryAfterMs > 0 && refused.retryAfterMs <= 500, String(refused.retryAfterMs));
});

test('a request that one limit refuses spends nothing of another', async () => {
  const limits = new RateLimits(db.database);
  const [wide, narrow] = [slowLimit(2), slowLimit(1)];
  assert.equal(await countAdmitted([limits], [wide, narrow], 10), 1);
  assert.equal(await countAdmitted([limits], [wide], 10), 1);
});

test('after a while there is room again', async () => {
  const limits = new RateLimits(db.database);
  const limit = { name: `quick ${newId()}`, perSecond: 50, burst: 1 };
  assert.equal((await limits.admit([limit])).kind, 'admitted');
  const refused = await limits.admit([limit]);
  assert.ok(refused.kind === 'limited');
  // A timer may be a millisecond early.
  await new Promise((resolve) => setTimeout(resolve, refused.retryAfterMs + 1));
  assert.equal((await limits.admit([limit])).kind, 'admitted');
});

test('a rest saves up to the burst, and no more', async () => {
  const limit = slowLimit(3);
  assert.equal(await countAdmitted([new RateLimits(db.database)], [limit], 5), 3);
  await db.database.withSystem((tx) =>
    tx.query(
      sql`UPDATE rate_limit SET spent_until = spent_until - interval '1 year' WHERE name = ${limit.name}`,
    ),
  );
  assert.equal(await countAdmitted([new RateLimits(db.database)], [limit], 5), 3);
});

test('a thousand requests of one client cost a statement or two', async () => {
  let transactions = 0;
  class Counted extends Database {
    override withSystem<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
      transactions += 1;
      return super.withSystem(work);
    }
  }
  const counted = new Counted(db.url);
  const busy = { name: `busy ${newId()}`, perSecond: 10_000, burst: 10_000 };
  assert.equal(await countAdmitted([new RateLimits(counted)], [busy], 1_000), 1_000);
  await counted.close();
  assert.ok(transactions <= 2, String(transactions));
});

test('while the database is away nobody is refused for that', async () => {
  const away = new Database('postgres://nobody@127.0.0.1:1/nothing');
  const limit = slowLimit(1);
  assert.equal(await countAdmitted([new RateLimits(away)], [limit], 3), 3);
  await away.close();
});

test('limits of which nothing is spent are forgotten, and those that are spent are not', async () => {
  const [spent, rested] = [slowLimit(1), { name: `rested ${newId()}`, perSecond: 1_000, burst: 1 }];
  await new RateLimits(db.database).admit([spent, rested]);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await purgeRateLimits(db.database);
  const left = await db.database.withSystem((tx) =>
    tx.query<{ name: string }>(
      sql`SELECT name FROM rate_limit WHERE name = ANY(${[spent.name, rested.name]}::text[])`,
    ),
  );
  assert.deepEqual(left, [{ name: spent.name }]);
});

test('a request whose limits came when there was no more room for names is admitted, at the price of one', async () => {
  const [first, second] = [slowLimit(2), slowLimit(2)];
  const limits = new RateLimits(db.database, { namesMax: 1 });
  assert.deepEqual(await limits.admit([first, second]), { kind: 'admitted' });
  assert.deepEqual(await limits.admit([second, first]), { kind: 'admitted' });
  assert.equal((await limits.admit([first])).kind, 'limited');
});
