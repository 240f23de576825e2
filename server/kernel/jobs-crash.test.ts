import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { until } from '../../test/support/campaign.ts';
import { type Cutter, startCutter } from '../../test/support/cutter.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { startTestRunner, TestJobs, zombieWrites } from '../../test/support/jobs.ts';
import { Database } from './database.ts';
import { newId } from './ids.ts';
import { type JobHandler, recoverJobsOf } from './jobs.ts';
import { openScopeNames } from './scope.ts';
import { sql } from './sql.ts';

const HOUR_MS = 3_600_000;

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});

after(async () => {
  await db.drop();
  assert.deepEqual(openScopeNames(), []);
});

function newJobs(t: TestContext): Promise<TestJobs> {
  return TestJobs.inNewWorkspace(t, db.database);
}

test('what a worker did that was declared dead is taken back, counted, and done once by another', async (t) => {
  const jobs = await newJobs(t);
  const { workspaceId } = jobs;
  const before = await zombieWrites(db.database);
  const [begun, frozen] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const bill =
    (name: string, until: Promise<void>): JobHandler =>
    async ({ database, fence }) => {
      begun.resolve();
      await until;
      await database.withWorkspace(workspaceId, async (tx) => {
        await tx.query(
          sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${newId()}, ${name})`,
        );
        await fence(tx);
      });
      return { kind: 'done' };
    };
  await jobs.enqueue({ kind: 'bill' });
  const zombie = await startTestRunner(t, db.database, { bill: bill('zombie', frozen.promise) });
  await begun.promise;
  const zombieEnded = zombie.drain();
  await db.database.withWorkspace(workspaceId, (tx) => recoverJobsOf(tx, workspaceId, zombie.workerId));
  const other = await startTestRunner(t, db.database, { bill: bill('other', Promise.resolve()) });
  const job = await jobs.untilDone();
  frozen.resolve();
  await Promise.all([zombieEnded, other.drain()]);
  const lists = await db.database.withWorkspace(workspaceId, (tx) => tx.query(sql`SELECT name FROM list`));
  assert.deepEqual(lists, [{ name: 'other' }]);
  assert.equal(job.attempt, 2);
  assert.equal(await zombieWrites(db.database), before + 1);
});

test('the outcome of a worker that was declared dead is dropped and counted', async (t) => {
  const jobs = await newJobs(t);
  const { workspaceId } = jobs;
  const before = await zombieWrites(db.database);
  const zombie = await startTestRunner(t, db.database, {
    report: async () => {
      void zombie.drain();
      await db.database.withWorkspace(workspaceId, (tx) => recoverJobsOf(tx, workspaceId, zombie.workerId));
      return { kind: 'done' };
    },
  });
  await jobs.enqueue({ kind: 'report' });
  await until(async () => (await zombieWrites(db.database)) === before + 1, 'the zombie is counted');
  await zombie.drain();
  const job = await jobs.only();
  assert.deepEqual([job.state, job.attempt, job.finished], ['queued', 1, false]);
});

test('a job that is interrupted runs again and has not failed', async (t) => {
  const jobs = await newJobs(t);
  const begun = Promise.withResolvers<void>();
  await jobs.enqueue({ kind: 'long' });
  const runner = await startTestRunner(t, db.database, {
    long: async ({ scope }) => {
      begun.resolve();
      await scope.sleep(HOUR_MS);
      return { kind: 'done' };
    },
  });
  await begun.promise;
  runner.runner.abandon();
  await runner.drain();
  const job = await jobs.only();
  assert.deepEqual([job.state, job.failures, job.lastError], ['queued', 0, null]);
});

async function throughCutter(work: (cutter: Cutter, database: Database) => Promise<void>): Promise<void> {
  const cutter = await startCutter(db.url);
  const database = new Database(cutter.url);
  await work(cutter, database);
  assert.equal(cutter.cuts(), 1);
  await database.close();
  await cutter.stop();
}

test('a job whose end was written and whose worker did not hear of it is done once, and nobody is a zombie', async (t) => {
  const jobs = await newJobs(t);
  const before = await zombieWrites(db.database);
  let runs = 0;
  await jobs.enqueue({ kind: 'once' });
  await throughCutter(async (cutter, database) => {
    cutter.cutAfterCommit('finished_at = now()');
    const runner = await startTestRunner(t, database, {
      once: async () => {
        runs += 1;
        return { kind: 'done' };
      },
    });
    await until(async () => cutter.cuts() === 1, 'the answer is lost');
    await runner.drain();
  });
  const job = await jobs.only();
  assert.deepEqual([runs, job.state, job.attempt], [1, 'done', 1]);
  assert.equal(await zombieWrites(db.database), before);
});

test('a job whose claim was written and whose worker did not hear of it is claimed again', async (t) => {
  const jobs = await newJobs(t);
  await jobs.enqueue({ kind: 'lost' });
  await throughCutter(async (cutter, database) => {
    cutter.cutAfterCommit('due AS MATERIALIZED');
    const runner = await startTestRunner(t, database, { lost: async () => ({ kind: 'done' }) });
    const job = await jobs.untilDone();
    assert.equal(job.attempt, 2);
    await runner.drain();
  });
});
