import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { startTestRunner, TestJobs } from '../../test/support/jobs.ts';
import { enqueueJob, type JobHandler } from './jobs.ts';
import { openScopeNames } from './scope.ts';

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

test('a job runs once, with its key and its arguments', async (t) => {
  const jobs = await newJobs(t);
  const runs: unknown[] = [];
  await jobs.enqueue({ kind: 'welcome', key: 'anna', args: { name: 'Zoë' } });
  const runner = await startTestRunner(t, db.database, {
    welcome: async (job) => {
      runs.push([job.workspaceId, job.key, job.args, job.failures]);
      return { kind: 'done' };
    },
  });
  const job = await jobs.untilDone();
  await runner.drain();
  assert.deepEqual(runs, [[jobs.workspaceId, 'anna', { name: 'Zoë' }, 0]]);
  assert.deepEqual([job.attempt, job.finished, job.lastError], [1, true, null]);
});

test('a change that is taken back takes its job back', async (t) => {
  const jobs = await newJobs(t);
  const change = db.database.withWorkspace(jobs.workspaceId, async (tx) => {
    await enqueueJob(tx, jobs.workspaceId, { kind: 'welcome' });
    throw new Error('taken back');
  });
  await assert.rejects(change, { message: 'taken back' });
  assert.deepEqual(await jobs.rows(), []);
});

test('asking twice for the same is asking once, until it is done', async (t) => {
  const jobs = await newJobs(t);
  assert.equal(await jobs.enqueue({ kind: 'tidy', key: 'a' }), true);
  assert.equal(await jobs.enqueue({ kind: 'tidy', key: 'a' }), false);
  assert.equal(await jobs.enqueue({ kind: 'tidy', key: 'b' }), true);
  assert.equal(await (await newJobs(t)).enqueue({ kind: 'tidy', key: 'a' }), true);
  let runs = 0;
  const tidy: JobHandler = async () => {
    runs += 1;
    return { kind: 'done' };
  };
  const runner = await startTestRunner(t, db.database, { tidy });
  await until(async () => (await jobs.rows()).every(({ state }) => state === 'done'), 'both done');
  await until(async () => runs === 3, 'the other workspace’s too');
  assert.equal(await jobs.enqueue({ kind: 'tidy', key: 'a' }), true);
  await until(async () => runs === 4, 'once more');
  await runner.drain();
});

test('a job for later is not run before, unless it is asked for now', async (t) => {
  const [later, hastened] = [await newJobs(t), await newJobs(t)];
  for (const jobs of [later, hastened]) await jobs.enqueue({ kind: 'remind', key: 'x', dueInMs: HOUR_MS });
  await hastened.enqueue({ kind: 'remind', key: 'x' });
  const runner = await startTestRunner(t, db.database, { remind: async () => ({ kind: 'done' }) });
  await hastened.untilDone();
  const waiting = await later.only();
  assert.deepEqual([waiting.state, waiting.attempt], ['queued', 0]);
  await later.passTime();
  await later.untilDone();
  await runner.drain();
});

test('a job that is not finished yet runs again and again without having failed', async (t) => {
  const jobs = await newJobs(t);
  await jobs.enqueue({ kind: 'advance' });
  let runs = 0;
  const runner = await startTestRunner(t, db.database, {
    advance: async () => {
      runs += 1;
      return runs < 25 ? { kind: 'again', afterMs: 0 } : { kind: 'done' };
    },
  });
  const job = await jobs.untilDone();
  await runner.drain();
  assert.deepEqual([runs, job.attempt, job.failures], [25, 25, 0]);
});

test('a job that fails is tried again later, and given up with its last error when it goes on failing', async (t) => {
  const jobs = await newJobs(t);
  await jobs.enqueue({ kind: 'upload' });
  const runner = await startTestRunner(t, db.database, {
    upload: async ({ failures }) => ({ kind: 'failed', error: `refused ${failures}` }),
  });
  const once = await jobs.untilOnly('one failure', ({ failures }) => failures === 1);
  assert.deepEqual([once.state, once.lastError, once.finished], ['queued', 'refused 0', false]);
  assert.ok(once.dueInMs !== null && once.dueInMs <= 1_000, `${once.dueInMs}`);
  await jobs.passTime(18);
  const often = await jobs.untilOnly('19 failures', ({ failures }) => failures === 19);
  assert.equal(often.state, 'queued');
  assert.ok(often.dueInMs !== null && often.dueInMs > 20_000, `${often.dueInMs}`);
  await jobs.passTime();
  const dead = await jobs.untilOnly('given up', ({ state }) => state === 'dead');
  await runner.drain();
  assert.deepEqual([dead.lastError, dead.finished, dead.dueInMs], ['refused 19', true, null]);
});

test('a job that can never succeed is given up at once, and may be asked for again', async (t) => {
  const jobs = await newJobs(t);
  await jobs.enqueue({ kind: 'import', key: 'file' });
  const runner = await startTestRunner(t, db.database, {
    import: async () => ({ kind: 'failed', error: 'no such file', permanent: true }),
  });
  const job = await jobs.untilOnly('given up', ({ state }) => state === 'dead');
  await runner.drain();
  assert.deepEqual([job.attempt, job.lastError], [1, 'no such file']);
  assert.equal(await jobs.enqueue({ kind: 'import', key: 'file' }), true);
});

test('a handler with a mistake, or none at all, fails its job and no other', async (t) => {
  const [broken, unknown, well] = [await newJobs(t), await newJobs(t), await newJobs(t)];
  await broken.enqueue({ kind: 'broken' });
  await unknown.enqueue({ kind: 'of a newer version' });
  const runner = await startTestRunner(t, db.database, {
    broken: () => Promise.reject(new Error('cannot read\0 undefined')),
    well: async () => ({ kind: 'done' }),
  });
  const failed = await broken.untilOnly('failed', ({ failures }) => failures > 0);
  assert.match(failed.lastError ?? '', /^cannot read undefined$/);
  const waiting = await unknown.untilOnly('failed', ({ failures }) => failures > 0);
  assert.equal(waiting.lastError, 'no handler for job kind of a newer version');
  await well.enqueue({ kind: 'well' });
  await well.untilDone();
  await runner.drain();
});

test('a worker that is stopped lets its jobs finish, and begins no other', async (t) => {
  const jobs = await newJobs(t);
  const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const runner = await startTestRunner(t, db.database, {
    slow: async () => {
      begun.resolve();
      await release.promise;
      return { kind: 'done' };
    },
    next: async () => assert.fail('the worker is being stopped'),
  });
  await jobs.enqueue({ kind: 'slow' });
  await begun.promise;
  const drained = runner.drain();
  await jobs.enqueue({ kind: 'next' });
  release.resolve();
  await drained;
  assert.deepEqual(
    (await jobs.rows()).map(({ kind, state }) => `${kind} ${state}`),
    ['slow done', 'next queued'],
  );
});

test('workspaces with many jobs do not hold up another’s one', async (t) => {
  const busy = await Promise.all(Array.from({ length: 6 }, () => newJobs(t)));
  const quiet = await newJobs(t);
  for (const jobs of busy) for (let number = 0; number < 8; number += 1) await jobs.enqueue({ kind: 'tick' });
  const order: string[] = [];
  let four = Promise.withResolvers<void>();
  const runner = await startTestRunner(t, db.database, {
    // All that run at once take equally long.
    tick: async ({ workspaceId }) => {
      const { promise, resolve } = four;
      const started = order.push(workspaceId);
      if (started === 5) await quiet.enqueue({ kind: 'tick' });
      if (started % 4 === 0) four = Promise.withResolvers();
      if (started % 4 === 0 || started === 49) resolve();
      await promise;
      return { kind: 'done' };
    },
  });
  await until(async () => order.length === 49, 'all done');
  await runner.drain();
  const place = order.indexOf(quiet.workspaceId);
  assert.ok(place < 15, `as number ${place}`);
});
