/** Jobs as a test sees them: asked for, run in this process, and looked at as rows. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Database } from '../../server/kernel/database.ts';
import { newId } from '../../server/kernel/ids.ts';
import {
  enqueueJob,
  type JobHandler,
  JobRunner,
  type NewJob,
  recoverJobsOf,
} from '../../server/kernel/jobs.ts';
import { createLog } from '../../server/kernel/log.ts';
import { Scope } from '../../server/kernel/scope.ts';
import { sql } from '../../server/kernel/sql.ts';
import { WorkerSession } from '../../server/kernel/worker-session.ts';
import { until } from './campaign.ts';

export interface JobRow {
  kind: string;
  state: string;
  attempt: number;
  failures: number;
  lastError: string | null;
  finished: boolean;
  dueInMs: number | null;
}

/** The jobs of one new workspace, gone when the test ends. */
export class TestJobs {
  readonly workspaceId = newId();
  readonly #database: Database;

  private constructor(database: Database) {
    this.#database = database;
  }

  static async inNewWorkspace(t: TestContext, database: Database): Promise<TestJobs> {
    const jobs = new TestJobs(database);
    const { workspaceId } = jobs;
    await database.withWorkspace(workspaceId, (tx) =>
      tx.query(sql`INSERT INTO workspace (workspace_id, name) VALUES (${workspaceId}, 'test')`),
    );
    t.after(() => database.withWorkspace(workspaceId, (tx) => tx.query(sql`DELETE FROM job`)));
    return jobs;
  }

  enqueue(job: NewJob): Promise<boolean> {
    return this.#database.withWorkspace(this.workspaceId, (tx) => enqueueJob(tx, this.workspaceId, job));
  }

  rows(): Promise<JobRow[]> {
    return this.#database.withWorkspace(this.workspaceId, (tx) =>
      tx.query<JobRow>(sql`
        SELECT kind, state, attempt, failures, last_error AS "lastError", finished_at IS NOT NULL AS finished,
          extract(epoch FROM due_at - now())::float8 * 1000 AS "dueInMs"
        FROM job ORDER BY id`),
    );
  }

  async only(): Promise<JobRow> {
    const [job, ...others] = await this.rows();
    assert.ok(job && others.length === 0);
    return job;
  }

  untilOnly(what: string, holds: (job: JobRow) => boolean): Promise<JobRow> {
    return until(async () => {
      const job = await this.only();
      return holds(job) && job;
    }, what);
  }

  untilDone(): Promise<JobRow> {
    return this.untilOnly('the job is done', ({ state }) => state === 'done');
  }

  /** What waits is due now, as if its time had come; it has failed so often. */
  passTime(failures?: number): Promise<unknown> {
    return this.#database.withWorkspace(this.workspaceId, async (tx) => {
      await tx.query(sql`UPDATE job SET due_at = now(), failures = coalesce(${failures ?? null}::int, failures)
        WHERE due_at IS NOT NULL`);
      tx.atCommit(sql`UPDATE lane SET next_due_at = now()`);
    });
  }
}

export interface TestRunner {
  workerId: string;
  runner: JobRunner;
  /** As SIGTERM does. */
  drain(): Promise<void>;
}

export async function startTestRunner(
  t: TestContext,
  database: Database,
  handlers: Record<string, JobHandler>,
): Promise<TestRunner> {
  const log = createLog('silent');
  const { id: workerId } = await WorkerSession.start({ database, log, recover: [recoverJobsOf] });
  const scope = Scope.root('runner');
  const runner = new JobRunner({ database, log, workerId, handlers });
  const run = runner.run(scope);
  const drain = () => {
    scope.cancel('drain');
    return run;
  };
  t.after(drain);
  return { workerId, runner, drain };
}

export async function zombieWrites(database: Database): Promise<number> {
  const [row] = await database.withSystem((tx) =>
    tx.query<{ n: number }>(sql`SELECT zombie_writes::int AS n FROM installation`),
  );
  return row?.n ?? 0;
}
