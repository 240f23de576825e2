import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import pg from 'pg';
import { until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newId } from './ids.ts';
import { enqueueJob, recoverJobsOf } from './jobs.ts';
import { createLog } from './log.ts';
import * as queries from './queries.ts';
import { openScopeNames, Scope } from './scope.ts';
import { sql } from './sql.ts';
import { type Recover, WorkerSession } from './worker-session.ts';

/** A lease that has run out before anybody can look. */
const NONE_MS = 0;
const LONG_MS = 3_600_000;
const RENEW_MS = 100;

let db: TestDatabase;
const workspaceIds = [newId(), newId()];

before(async () => {
  db = await createTestDatabase();
  for (const id of workspaceIds)
    await db.database.withWorkspace(id, (tx) =>
      tx.query(sql`INSERT INTO workspace (workspace_id, name) VALUES (${id}, 'test')`),
    );
});

after(async () => {
  await db.drop();
  assert.deepEqual(openScopeNames(), []);
});

beforeEach(async () => {
  await db.database.withSystem((tx) => tx.query(sql`DELETE FROM worker`));
  for (const id of workspaceIds) await db.database.withWorkspace(id, (tx) => tx.query(sql`DELETE FROM job`));
});

function start(
  leaseMs: number,
  recover: Recover[] = [recoverJobsOf],
  renewMs = RENEW_MS,
): Promise<WorkerSession> {
  return WorkerSession.start({ database: db.database, log: createLog('silent'), recover, leaseMs, renewMs });
}

/** Two jobs in each workspace, which the worker has claimed. */
async function holdJobs(session: WorkerSession): Promise<void> {
  for (const workspaceId of workspaceIds)
    await db.database.withWorkspace(workspaceId, async (tx) => {
      for (const key of ['a', 'b']) await enqueueJob(tx, workspaceId, { kind: 'held', key });
      await queries.claimJobs(tx, workspaceId, session.id, 2);
    });
}

async function statesOfJobs(): Promise<string[]> {
  const states: string[] = [];
  for (const workspaceId of workspaceIds) {
    const rows = await db.database.withWorkspace(workspaceId, (tx) =>
      tx.query<{ state: string }>(sql`SELECT state FROM job`),
    );
    states.push(...rows.map((row) => row.state));
  }
  return states;
}

interface WorkerRow {
  id: string;
  dead: boolean;
  expiresAt: Date;
}

function workers(): Promise<WorkerRow[]> {
  return db.database.withSystem((tx) =>
    tx.query<WorkerRow>(
      sql`SELECT id, dead_at IS NOT NULL AS dead, expires_at AS "expiresAt" FROM worker ORDER BY started_at`,
    ),
  );
}

async function isThere(session: WorkerSession): Promise<boolean> {
  return (await workers()).some(({ id }) => id === session.id);
}

const WAITING = ['queued', 'queued', 'queued', 'queued'];

test('the jobs of a worker that died wait again, once, though three workers notice its death together', async () => {
  const dead = await start(NONE_MS);
  await holdJobs(dead);
  const recovered: string[] = [];
  const counting: Recover = async (tx, workspaceId, workerId) => {
    const rows = await queries.recoverJobs(tx, workspaceId, workerId, []);
    recovered.push(...rows.map(() => workspaceId));
  };
  const living = await Promise.all([1, 2, 3].map(() => start(LONG_MS, [counting])));
  await Promise.all(living.map((session) => session.recoverDeadWorkers()));
  assert.deepEqual(recovered.sort(), workspaceIds.flatMap((id) => [id, id]).sort());
  assert.deepEqual(await statesOfJobs(), WAITING);
  assert.deepEqual((await workers()).map(({ id }) => id).sort(), living.map(({ id }) => id).sort());
});

test('a worker whose lease is not over is left alone, and keeps what it holds', async () => {
  const [living, other] = [await start(LONG_MS), await start(LONG_MS)];
  await holdJobs(living);
  await other.recoverDeadWorkers();
  assert.deepEqual(await statesOfJobs(), ['claimed', 'claimed', 'claimed', 'claimed']);
  assert.ok(await isThere(living));
});

test('a worker that was declared dead learns it, also when its row is gone, and is never alive again', async () => {
  const [dead, other] = [await start(NONE_MS), await start(LONG_MS)];
  const scope = Scope.root('test');
  await db.database.withSystem((tx) => queries.declareDeadWorkers(tx));
  assert.equal(await dead.keepAlive(scope), 'lost');
  assert.ok(await isThere(dead), 'its rows are still to be recovered');
  await other.recoverDeadWorkers();
  assert.equal(await isThere(dead), false);
  assert.equal(await dead.keepAlive(scope), 'lost');
  scope.cancel();
});

test('a recovery that dies in the middle is done again from the beginning', async () => {
  const dead = await start(NONE_MS);
  await holdJobs(dead);
  let dies = true;
  const dying: Recover = async (_tx, workspaceId) => {
    if (dies && workspaceId === lastWorkspace) throw new Error('the recovering worker died');
  };
  const order = await db.database.withSystem((tx) => queries.allWorkspaceIds(tx));
  const lastWorkspace = order.at(-1);
  const living = await start(LONG_MS, [recoverJobsOf, dying]);
  await assert.rejects(living.recoverDeadWorkers(), { message: 'the recovering worker died' });
  assert.ok(await isThere(dead), 'its row says that there is something to recover');
  dies = false;
  await living.recoverDeadWorkers();
  assert.deepEqual(await statesOfJobs(), WAITING);
  assert.equal(await isThere(dead), false);
});

test('a worker that just started declares nobody dead: the others may not have had their turn', async () => {
  const expired = await start(NONE_MS);
  const fresh = await start(LONG_MS, [recoverJobsOf], LONG_MS);
  const leaseOf = async () => (await workers()).find(({ id }) => id === fresh.id)?.expiresAt.getTime() ?? 0;
  const before = await leaseOf();
  const scope = Scope.root('test');
  const kept = fresh.keepAlive(scope);
  await until(async () => (await leaseOf()) > before, 'it renewed its lease');
  scope.cancel();
  assert.equal(await kept, 'ended');
  assert.deepEqual(
    (await workers()).map(({ id, dead }) => [id, dead]),
    [
      [expired.id, false],
      [fresh.id, false],
    ],
  );
});

test('after an outage everybody gets the time to renew before anybody is declared dead', async () => {
  let recoveredAt = 0;
  const noting: Recover = async () => {
    recoveredAt = performance.now();
  };
  const first = await start(NONE_MS);
  const session = await start(LONG_MS, [noting]);
  const scope = Scope.root('test');
  const kept = session.keepAlive(scope);
  await until(async () => !(await isThere(first)), 'it recovers others');
  const outage = new pg.Client({ connectionString: db.directUrl });
  await outage.connect();
  await outage.query(`BEGIN; SET LOCAL ROLE camp_system; LOCK TABLE worker IN SHARE ROW EXCLUSIVE MODE`);
  await outage.query(`INSERT INTO worker (id, host, pid, expires_at) VALUES ($1, 'test', 1, now())`, [
    newId(),
  ]);
  await outage.query('SELECT pg_sleep($1)', [(4 * RENEW_MS) / 1_000]);
  recoveredAt = 0;
  const overAt = performance.now();
  await outage.query('COMMIT');
  await outage.end();
  await until(async () => recoveredAt > 0, 'the expired worker is recovered');
  assert.ok(recoveredAt - overAt >= 2 * RENEW_MS, `after ${recoveredAt - overAt} ms`);
  scope.cancel();
  assert.equal(await kept, 'ended');
});

test('a worker that recovers others for long keeps its own lease meanwhile', async () => {
  await start(NONE_MS);
  const leases: number[] = [];
  const slow: Recover = async (tx) => {
    const living = (await workers()).find(({ id }) => id === session.id);
    leases.push(living?.expiresAt.getTime() ?? 0);
    await tx.query(sql`SELECT pg_sleep(0.01)`);
  };
  const session = await start(LONG_MS, [slow], 1);
  await session.recoverDeadWorkers();
  const [first = 0, second = 0] = leases;
  assert.equal(leases.length, 2);
  assert.ok(second > first, `${leases}`);
});

test('a worker that ends gives back what it still held, and its row', async () => {
  const session = await start(LONG_MS);
  await holdJobs(session);
  await session.end();
  assert.deepEqual(await statesOfJobs(), WAITING);
  assert.deepEqual(await workers(), []);
});

test('a worker that was declared dead claims nothing more', async () => {
  const dead = await start(NONE_MS);
  const [workspaceId = ''] = workspaceIds;
  const mayClaim = () => db.database.withWorkspace(workspaceId, (tx) => queries.holdWorker(tx, dead.id));
  assert.equal(await mayClaim(), true);
  await db.database.withSystem((tx) => queries.declareDeadWorkers(tx));
  assert.equal(await mayClaim(), false);
});

test('what a dying worker was claiming while it was recovered is recovered as well', async () => {
  const [dead, living] = [await start(NONE_MS), await start(LONG_MS)];
  const [workspaceId = ''] = workspaceIds;
  await db.database.withWorkspace(workspaceId, async (claiming) => {
    await enqueueJob(claiming, workspaceId, { kind: 'held' });
    assert.equal(await queries.holdWorker(claiming, dead.id), true);
    assert.equal((await queries.claimJobs(claiming, workspaceId, dead.id, 1)).length, 1);
    await living.recoverDeadWorkers();
    assert.ok(await isThere(dead), 'nobody knows yet what it claims');
  });
  assert.deepEqual(await statesOfJobs(), ['claimed']);
  await living.recoverDeadWorkers();
  assert.deepEqual(await statesOfJobs(), ['queued']);
  assert.equal(await isThere(dead), false);
});
