import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import { startCutter } from '../../test/support/cutter.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { Database, isDatabaseAway, isRetryable, type Tx } from './database.ts';
import { newId } from './ids.ts';
import { sql } from './sql.ts';
import { LEASE_MS, RENEW_MS } from './worker-session.ts';

let db: TestDatabase;
let operator: pg.Client;

before(async () => {
  db = await createTestDatabase();
  operator = new pg.Client({ connectionString: db.directUrl });
  await operator.connect();
});

after(async () => {
  await operator.end();
  await db.drop();
});

function addList(tx: Tx, workspaceId: string, name: string) {
  return tx.query(insertList(workspaceId, name));
}

function insertList(workspaceId: string, name: string) {
  return sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${newId()}, ${name})`;
}

async function listsOf(workspaceId: string): Promise<string[]> {
  const rows = await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query<{ name: string }>(sql`SELECT name FROM list ORDER BY id`),
  );
  return rows.map((row) => row.name);
}

async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => assert.fail('it must fail'),
    (error: unknown) => error,
  );
}

/** As an operator, a restart, or a machine that goes away does it. */
async function killConnection(tx: Tx): Promise<void> {
  const ended = new Promise((resolve) => tx.client.once('error', resolve));
  const [row] = await tx.query<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`);
  await operator.query('SELECT pg_terminate_backend($1)', [row?.pid]);
  await ended;
}

for (const pipeline of [false, true])
  describe(
    pipeline ? 'a connection that does not wait for answers' : 'a connection that waits for each answer',
    () => {
      let database: Database;

      before(() => {
        database = new Database(db.url, { connectionsMax: 2, pipeline });
      });

      after(() => database.close());

      test('what a transaction writes is there when it ends, in the order in which it was written', async () => {
        const workspaceId = newId();
        const result = await database.withWorkspace(workspaceId, async (tx) => {
          tx.atCommit(insertList(workspaceId, 'third'));
          tx.atCommit(insertList(workspaceId, 'fourth'));
          await Promise.all([addList(tx, workspaceId, 'first'), addList(tx, workspaceId, 'second')]);
          return 'result';
        });
        assert.equal(result, 'result');
        assert.deepEqual((await listsOf(workspaceId)).sort(), ['first', 'fourth', 'second', 'third']);
        const order = await database.withWorkspace(workspaceId, (tx) =>
          tx.query<{ name: string }>(sql`SELECT name FROM list ORDER BY ctid`),
        );
        assert.deepEqual(
          order.map((row) => row.name),
          ['first', 'second', 'third', 'fourth'],
        );
      });

      test('a statement that fails takes everything back that its transaction did', async () => {
        const workspaceId = newId();
        const work = database.withWorkspace(workspaceId, async (tx) => {
          tx.atCommit(insertList(workspaceId, 'at the commit'));
          await addList(tx, workspaceId, 'twice');
          await addList(tx, workspaceId, 'twice');
        });
        await assert.rejects(work, { code: '23505' });
        assert.deepEqual(await listsOf(workspaceId), []);
      });

      test('what was asked for beside a statement that fails is not done by itself', async () => {
        const workspaceId = newId();
        const others: Promise<unknown>[] = [];
        const work = database.withWorkspace(workspaceId, async (tx) => {
          const failing = tx.query(sql`SELECT 1 / 0`);
          others.push(addList(tx, workspaceId, 'second'), addList(tx, workspaceId, 'third'));
          await Promise.all([failing, ...others]);
        });
        await assert.rejects(work, { code: '22012' });
        // Refused by us, or by Postgres in the transaction that has failed; never run on their own.
        for (const other of others)
          await assert.rejects(other, /after the end of its transaction|current transaction is aborted/);
        assert.deepEqual(await listsOf(workspaceId), []);
      });

      test('a mistake in our own code takes everything back', async () => {
        const workspaceId = newId();
        const work = database.withWorkspace(workspaceId, async (tx) => {
          await addList(tx, workspaceId, 'first');
          throw new Error('a mistake');
        });
        await assert.rejects(work, { message: 'a mistake' });
        assert.deepEqual(await listsOf(workspaceId), []);
      });

      test('a statement that fails together with the commit takes everything back', async () => {
        const workspaceId = newId();
        const work = database.withWorkspace(workspaceId, async (tx) => {
          await addList(tx, workspaceId, 'twice');
          tx.atCommit(insertList(workspaceId, 'once'));
          tx.atCommit(insertList(workspaceId, 'twice'));
          tx.atCommit(insertList(workspaceId, 'after'));
        });
        await assert.rejects(work, { code: '23505' });
        assert.deepEqual(await listsOf(workspaceId), []);
      });

      test('a transaction that Postgres gave up is never reported as written', async () => {
        const workspaceId = newId();
        const work = database.withWorkspace(workspaceId, async (tx) => {
          await addList(tx, workspaceId, 'first');
          await tx.query(sql`SELECT 1 / 0`).catch(() => {});
        });
        await assert.rejects(work, /rolled back at COMMIT/);
        assert.deepEqual(await listsOf(workspaceId), []);
      });

      test('a statement that comes after the end of its transaction reaches nobody else’s', async () => {
        const [early, late] = [newId(), newId()];
        let kept: Tx | undefined;
        const failing = database.withWorkspace(early, async (tx) => {
          kept = tx;
          await tx.query(sql`SELECT 1`);
          throw new Error('a mistake');
        });
        await assert.rejects(failing, { message: 'a mistake' });
        const tx = kept;
        assert.ok(tx);
        await database.withWorkspace(late, async () => {
          await assert.rejects(addList(tx, early, 'stray'), /after the end of its transaction/);
          assert.throws(() => tx.atCommit(insertList(early, 'stray')), /after the end of its transaction/);
        });
        assert.deepEqual([await listsOf(early), await listsOf(late)], [[], []]);
      });

      test('when Postgres restarts in the middle of a transaction, it is tried again later and the pool lives on', async () => {
        const workspaceId = newId();
        const between = async (tx: Tx) => {
          await addList(tx, workspaceId, 'between');
          await killConnection(tx);
          await addList(tx, workspaceId, 'after');
        };
        const during = async (tx: Tx) => {
          await addList(tx, workspaceId, 'during');
          const [row] = await tx.query<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`);
          const asleep = tx.query(sql`SELECT pg_sleep(60)`);
          await Promise.all([asleep, operator.query('SELECT pg_terminate_backend($1)', [row?.pid])]);
        };
        const beforeCommit = async (tx: Tx) => {
          await addList(tx, workspaceId, 'before the commit');
          await killConnection(tx);
        };
        for (const work of [between, during, beforeCommit]) {
          const error = await errorOf(database.withWorkspace(workspaceId, work));
          assert.ok(isDatabaseAway(error), `${work.name}: ${error}`);
          assert.ok(isRetryable(error));
        }
        assert.deepEqual(await listsOf(workspaceId), []);
        await database.withWorkspace(workspaceId, (tx) => addList(tx, workspaceId, 'again'));
        assert.deepEqual(await listsOf(workspaceId), ['again']);
      });

      test('a connection that lives for long keeps nothing of the transactions that it made', async () => {
        const one = new Database(db.url, { connectionsMax: 1, pipeline });
        const listeners = () => one.withSystem(async ({ client }) => client.listenerCount('error'));
        const first = await listeners();
        for (let round = 0; round < 20; round += 1) {
          await one.withSystem((tx) => tx.query(sql`SELECT 1`));
          await errorOf(one.withSystem((tx) => tx.query(sql`SELECT 1 / 0`)));
        }
        assert.equal(await listeners(), first);
        await one.close();
      });

      test('when a transaction cannot even begin, the operator is told why', async () => {
        const role = `camp_test_stranger_${process.pid}`;
        await operator.query(`DROP ROLE IF EXISTS ${role}; CREATE ROLE ${role} LOGIN PASSWORD 'stranger'`);
        const url = new URL(db.directUrl);
        [url.username, url.password] = [role, 'stranger'];
        const stranger = new Database(url.href, { pipeline });
        const error = await errorOf(stranger.withSystem((tx) => tx.query(sql`SELECT 1`)));
        assert.match(String(error), /permission denied to set role "camp_system"/);
        await stranger.close();
        await operator.query(`DROP ROLE ${role}`);
      });
    },
  );

test('a commit whose answer was lost may have happened, and is reported as to be tried again', async () => {
  const workspaceId = newId();
  const cutter = await startCutter(db.url);
  const database = new Database(cutter.url);
  cutter.cutAfterCommit();
  const error = await errorOf(
    database.withWorkspace(workspaceId, (tx) => addList(tx, workspaceId, 'written')),
  );
  assert.ok(isDatabaseAway(error), String(error));
  assert.deepEqual(await listsOf(workspaceId), ['written']);
  await database.close();
  await cutter.stop();
});

test('a Postgres that is not there is told from a mistake of ours', async () => {
  const listener = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => listener.once('listening', resolve));
  const address = listener.address();
  assert.ok(address !== null && typeof address === 'object');
  await new Promise((resolve) => listener.close(resolve));
  const nobody = new Database(`postgres://camp:camp@127.0.0.1:${address.port}/camp`);
  assert.ok(isDatabaseAway(await errorOf(nobody.withSystem(() => assert.fail('it must not begin')))));
  await nobody.close();
  const tooMany = { text: 'SELECT 1', values: [1] };
  for (const statement of [sql`SELECT 1 / 0`, sql`SELEC`, sql`SELECT * FROM contact`, tooMany]) {
    const error = await errorOf(db.database.withSystem((tx) => tx.query(statement)));
    assert.ok(!isDatabaseAway(error) && !isRetryable(error), String(error));
  }
});

test('a PgBouncer that has waited too long for its Postgres is a database that is away', async () => {
  const refusal = Buffer.from('E....SFATAL\0C08P01\0Mquery_wait_timeout\0\0');
  refusal.writeInt32BE(refusal.length - 1, 1);
  const pooler = createServer((socket) => socket.once('data', () => socket.end(refusal)));
  await new Promise((resolve) => pooler.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = pooler.address();
  assert.ok(address !== null && typeof address === 'object');
  const database = new Database(`postgres://camp:camp@127.0.0.1:${address.port}/camp`);
  const error = await errorOf(database.withSystem(() => assert.fail('it must not begin')));
  await database.close();
  await new Promise((resolve) => pooler.close(resolve));
  assert.match(String(error), /query_wait_timeout/);
  assert.ok(isDatabaseAway(error));
});

test('of two transactions that wait for each other one is chosen to be tried again', async () => {
  const workspaceId = newId();
  await db.database.withWorkspace(workspaceId, async (tx) => {
    for (const name of ['a', 'b']) await addList(tx, workspaceId, name);
  });
  const both = Promise.withResolvers<void>();
  let locked = 0;
  const lock = (tx: Tx, name: string) => tx.query(sql`SELECT FROM list WHERE name = ${name} FOR UPDATE`);
  const inOrder = (first: string, second: string) =>
    db.database.withWorkspace(workspaceId, async (tx) => {
      await lock(tx, first);
      locked += 1;
      if (locked === 2) both.resolve();
      await both.promise;
      await lock(tx, second);
    });
  const ends = await Promise.allSettled([inOrder('a', 'b'), inOrder('b', 'a')]);
  const failed = ends.filter((end) => end.status === 'rejected').map((end): unknown => end.reason);
  assert.equal(failed.length, 1);
  assert.ok(isRetryable(failed[0]) && !isDatabaseAway(failed[0]), String(failed[0]));
});

test('a worker that freezes in the middle of a transaction has lost its locks before it is declared dead', async () => {
  const [row] = await db.database.withSystem((tx) =>
    tx.query<{ ms: number }>(sql`
      SELECT extract(epoch FROM current_setting('idle_in_transaction_session_timeout')::interval)::float8 * 1000 AS ms`),
  );
  assert.ok(row && row.ms > 0 && row.ms < LEASE_MS - RENEW_MS, `${row?.ms} ms`);
});

test('what a person wrote comes back as it was, whatever it is', async () => {
  const hard = fc.constantFrom(`'; DROP TABLE list; --`, '$1', '\\', '{}', '', 'Zoë €5 🎉', '\u0001\n\t');
  const written = fc.oneof(fc.string(), hard);
  await fc.assert(
    fc.asyncProperty(fc.array(written, { minLength: 20 }), async (values) => {
      const statement = sql`SELECT ARRAY[${sql`${values[0]}`}::text] || ${values.slice(1)}::text[] AS values`;
      assert.deepEqual(await db.database.withSystem((tx) => tx.query(statement)), [{ values }]);
    }),
    { numRuns: 10 },
  );
});

test('a workspace is named by its id and by nothing else', () => {
  const refused = () =>
    db.database.withWorkspace(`'; RESET ROLE; --`, async () => assert.fail('it must not begin'));
  assert.throws(refused, /not a workspace id/);
});

test('a migration under running workers costs a named statement one try, not the worker', async () => {
  const named = new Database(db.directUrl, { connectionsMax: 1, prepare: true });
  const read = () => named.withOwner((tx) => tx.query(sql`SELECT * FROM figure`));
  await named.withOwner((tx) => tx.query(sql`CREATE TABLE figure (a int)`));
  assert.deepEqual(await read(), []);
  assert.deepEqual(await read(), []);
  await db.database.withOwner((tx) => tx.query(sql`ALTER TABLE figure ADD COLUMN b int`));
  await assert.rejects(read(), (error) => isRetryable(error));
  assert.deepEqual(await read(), []);
  await named.close();
});
