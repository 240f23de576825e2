/** The kernel's hot statements follow their indexes, however many lanes and jobs there are. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import type { Tx } from './database.ts';
import { newId } from './ids.ts';
import * as queries from './queries.ts';
import { sql } from './sql.ts';

const ROWS = 100_000;

let db: TestDatabase;
const workspaceId = newId();

before(async () => {
  db = await createTestDatabase();
  await db.database.withWorkspace(workspaceId, async (tx) => {
    await tx.query(sql`
      INSERT INTO job (workspace_id, id, kind, state, due_at, worker_id, finished_at)
      SELECT ${workspaceId}, gen_random_uuid(), 'test', state,
        CASE WHEN state = 'queued' THEN now() - n * interval '1 s' END,
        CASE WHEN state = 'claimed' THEN gen_random_uuid() END, CASE WHEN state = 'done' THEN now() END
      FROM generate_series(1, ${ROWS}::int) n,
        LATERAL (SELECT (ARRAY['queued', 'done', 'done', 'claimed'])[1 + n % 4] AS state) s`);
    await tx.query(sql`
      INSERT INTO lane (workspace_id, queue, key, number, open, next_due_at, served_at)
      SELECT ${workspaceId}, (ARRAY['message', 'job'])[1 + n % 2], gen_random_uuid(), 0, n % 3 > 0,
        CASE WHEN n % 5 > 0 THEN now() - interval '1 s' END, now() - n * interval '1 s'
      FROM generate_series(1, ${ROWS}::int) n`);
    await tx.query(sql`
      INSERT INTO lane_gate (workspace_id, key, per_hour) SELECT DISTINCT workspace_id, key, 1000 FROM lane LIMIT 1000`);
  });
  await db.database.withOwner((tx) => tx.query(sql`ANALYZE job, lane, lane_gate`));
});

after(() => db.drop());

async function planOf(work: (spy: Tx) => Promise<unknown>): Promise<string> {
  const [plan = ''] = await db.database.withWorkspace(workspaceId, (tx) => explained(tx, work));
  assert.doesNotMatch(plan, /Seq Scan on (job|lane)/, plan);
  return plan;
}

test('a claim takes the jobs in the order of the index, and sorts nothing', async () => {
  const plan = await planOf((spy) => queries.claimJobs(spy, workspaceId, newId(), 4));
  assert.match(plan, /Index (Only )?Scan using job_claim on job/, plan);
  assert.match(plan, /Index Scan using job_pkey on job/, plan);
  assert.doesNotMatch(plan, /Sort/, plan);
});

test('the earliest job that waits is the first of the index', async () => {
  const plan = await planOf((spy) => queries.earliestDueJob(spy, workspaceId));
  assert.match(plan, /Limit[\s\S]*Index (Only )?Scan using job_claim on job/, plan);
  assert.doesNotMatch(plan, /Sort|Aggregate/, plan);
});

test('what a worker runs is written along the key, and what a dead one ran is found without reading the others’', async () => {
  const fence = { workspaceId, id: newId(), workerId: newId(), attempt: 1 };
  for (const write of [
    (spy: Tx) => queries.lockJob(spy, fence),
    (spy: Tx) => queries.finishJob(spy, fence, 'done', null),
    (spy: Tx) => queries.requeueJob(spy, fence, { dueInMs: 0, failures: 0, error: null }),
  ])
    assert.match(await planOf(write), /Index Scan using job_(pkey|in_flight) on job/);
  const recovery = await planOf((spy) => queries.recoverJobs(spy, workspaceId, fence.workerId, []));
  assert.match(recovery, /Index Scan using job_in_flight on job/, recovery);
});

test('a look for lanes with work reads them in the order of their turn, and stops when it has enough', async () => {
  const [plan = ''] = await db.database.withSystem((tx) =>
    explained(tx, (spy) => queries.dueLanes(spy, 'message', null, 64)),
  );
  assert.match(plan, /^Limit/, plan);
  assert.match(plan, /Index Scan using lane_due on lane/, plan);
  assert.doesNotMatch(plan, /Sort|Seq Scan on lane/, plan);
});

test('a lane is served, woken and put off along its key', async () => {
  const lane = { workspaceId, queue: 'job' as const, key: newId(), number: 0 };
  for (const write of [
    (spy: Tx) => queries.serveLane(spy, lane),
    (spy: Tx) => queries.setLaneDue(spy, lane, new Date()),
    async (spy: Tx) => queries.wakeLane(spy, lane, 0),
  ])
    assert.match(await planOf(write), /Index Scan using lane_pkey on lane/);
});
