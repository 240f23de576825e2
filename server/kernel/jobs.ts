/**
 * Jobs: ordinary work that must survive any crash. The same lanes, leases and fences as messages.
 *
 * A job is enqueued in the transaction of the change that needs it. A handler returns an outcome and this file writes
 * it down, fenced by worker and attempt. A handler whose effect must happen once calls `fence(tx)` in the transaction of
 * the effect: a worker that was declared dead meanwhile gets LeaseLost there, and its effect is rolled back.
 */
import { type Backoff, backoffMs } from './backoff.ts';
import { type Database, isRetryable, isStatementTimeout, type Tx } from './database.ts';
import { newId } from './ids.ts';
import { ClaimLoop, type LaneReader } from './lanes.ts';
import type { Log } from './log.ts';
import type { ClaimedJob, DueLane, JobFence, LaneKey } from './queries.ts';
import * as queries from './queries.ts';
import { Scope, ScopeEnded } from './scope.ts';

const JOBS_AT_ONCE = 4;
const FAILURES_MAX = 20;
const RETRY: Backoff = { baseMs: 1_000, capMs: 3_600_000 };
const DRAIN_MS_MAX = 30_000;
const WRITE_RETRY_MS = 300;

export type JobOutcome =
  | { kind: 'done' }
  /** Not finished yet, and nothing is wrong: run again later. Failures are counted from zero again. */
  | { kind: 'again'; afterMs: number }
  | { kind: 'failed'; error: string; permanent?: boolean };

export interface JobContext {
  scope: Scope;
  database: Database;
  workspaceId: string;
  key: string | null;
  args: Record<string, unknown>;
  failures: number;
  /** Throws LeaseLost when this attempt is no longer the job's owner; locks the job until the transaction ends. */
  fence(tx: Tx): Promise<void>;
}

export type JobHandler = (context: JobContext) => Promise<JobOutcome>;

export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

export interface NewJob {
  kind: string;
  /** Unfinished jobs of one kind never share a key. */
  key?: string;
  args?: Record<string, unknown>;
  dueInMs?: number;
}

/** Enqueues in the caller's transaction; false when an unfinished job with that kind and key is there already. */
export async function enqueueJob(tx: Tx, workspaceId: string, job: NewJob): Promise<boolean> {
  const { kind, key = null, args = {}, dueInMs = 0 } = job;
  const inserted = await queries.insertJob(tx, { workspaceId, id: newId(), kind, key, args, dueInMs });
  if (!inserted && key !== null && dueInMs === 0) await queries.hastenJob(tx, workspaceId, kind, key);
  await queries.ensureLane(tx, { ...jobLane(workspaceId), open: true, dueInMs });
  return inserted;
}

function jobLane(workspaceId: string): LaneKey {
  return { workspaceId, queue: 'job', key: '00000000-0000-0000-0000-000000000000', number: 0 };
}

export interface JobRunnerOptions {
  database: Database;
  log: Log;
  workerId: string;
  handlers: Record<string, JobHandler>;
}

/** Runs jobs until its scope ends, then lets the running ones finish for a while. */
export class JobRunner {
  readonly #options: JobRunnerOptions;
  /** By job id. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #loop: ClaimLoop<ClaimedJob>;
  #work: Scope | undefined;

  constructor(options: JobRunnerOptions) {
    this.#options = options;
    const reader: LaneReader<ClaimedJob> = {
      queue: 'job',
      workerId: options.workerId,
      claim: (tx, lane, limit) => queries.claimJobs(tx, lane.workspaceId, options.workerId, limit),
      earliestDue: (tx, lane) => queries.earliestDueJob(tx, lane.workspaceId),
      free: () => JOBS_AT_ONCE - this.#running.size,
      turn: (_lane, free) => Math.min(free, 1),
      accept: (jobs, lane) => {
        for (const job of jobs) this.#start(job, lane);
      },
      releaseLost: () => this.#releaseLost(),
    };
    this.#loop = new ClaimLoop({ database: options.database, log: options.log, reader });
  }

  async run(scope: Scope): Promise<void> {
    this.#work = Scope.root('jobs');
    await this.#loop.run(scope);
    const drain = setTimeout(() => this.#work?.cancel('drained'), DRAIN_MS_MAX);
    await Promise.all(this.#running.values());
    clearTimeout(drain);
    this.#work.cancel('drained');
  }

  /** Ends the running handlers too: this worker was declared dead. */
  abandon(): void {
    this.#work?.cancel('declared dead');
  }

  #start(job: ClaimedJob, lane: DueLane): void {
    const run = this.#runJob(job, lane).finally(() => {
      // A job that asked to run again at once may have been claimed again before this.
      if (this.#running.get(job.id) === run) this.#running.delete(job.id);
      this.#loop.wake();
    });
    this.#running.set(job.id, run);
  }

  async #releaseLost(): Promise<void> {
    const { database, workerId } = this.#options;
    const mine = [...this.#running.keys()];
    const workspaceIds = await database.withSystem((tx) => queries.allWorkspaceIds(tx));
    for (const workspaceId of workspaceIds)
      await database.withWorkspace(workspaceId, (tx) => recoverJobsOf(tx, workspaceId, workerId, mine));
  }

  async #runJob(job: ClaimedJob, lane: DueLane): Promise<void> {
    const { workspaceId } = lane;
    const fence: JobFence = {
      workspaceId,
      id: job.id,
      workerId: this.#options.workerId,
      attempt: job.attempt,
    };
    const outcome = await this.#handle(job, fence);
    if (outcome !== 'lost') this.#tellIfDead(job, outcome);
    if (outcome === 'lost' || !(await this.#write(fence, job, outcome))) await this.#countZombie(job);
  }

  /** Nobody else will: a dead job is kept for a week and run by nobody. */
  #tellIfDead(job: ClaimedJob, outcome: JobOutcome): void {
    if (outcome.kind !== 'failed' || nextRun(job, outcome)) return;
    const { id, kind, key } = job;
    this.#options.log.error({ event: 'job_dead', job: id, kind, key, error: outcome.error });
  }

  async #handle(job: ClaimedJob, fence: JobFence): Promise<JobOutcome | 'lost'> {
    const { database, handlers, log } = this.#options;
    const handler = handlers[job.kind];
    if (!handler || !this.#work) return { kind: 'failed', error: `no handler for job kind ${job.kind}` };
    await using scope = this.#work.child(`job ${job.kind}`);
    try {
      return await handler({
        scope,
        database,
        workspaceId: fence.workspaceId,
        key: job.key,
        args: job.args,
        failures: job.failures,
        fence: (tx) => holdFence(tx, fence),
      });
    } catch (error) {
      if (error instanceof LeaseLost) return 'lost';
      const interrupted = error instanceof ScopeEnded && scope.ended;
      if (interrupted || (isRetryable(error) && !isStatementTimeout(error)))
        return { kind: 'again', afterMs: WRITE_RETRY_MS };
      log.error({ event: 'job_failed', kind: job.kind, err: error });
      return { kind: 'failed', error: error instanceof Error ? error.message : String(error) };
    }
  }

  /** False when the fence refused it: the job is another worker's by now. */
  async #write(fence: JobFence, job: ClaimedJob, outcome: JobOutcome): Promise<boolean> {
    const { database } = this.#options;
    for (let again = false; ; again = true) {
      try {
        const ours = await database.withWorkspace(fence.workspaceId, (tx) =>
          writeOutcome(tx, fence, job, outcome),
        );
        // A try whose answer was lost may have written it, and the fence refuses to write it twice.
        return ours || again;
      } catch (error) {
        if (!isRetryable(error)) throw error;
        // Then it is recovered with the session.
        if (this.#work?.ended) return true;
        await this.#work?.sleep(WRITE_RETRY_MS).catch(() => {});
      }
    }
  }

  async #countZombie(job: ClaimedJob): Promise<void> {
    const { database, log } = this.#options;
    log.warn({ event: 'zombie_write', job: job.id, kind: job.kind });
    await database.withSystem((tx) => queries.addZombieWrites(tx, 1)).catch(() => {});
  }
}

async function holdFence(tx: Tx, fence: JobFence): Promise<void> {
  if (!(await queries.lockJob(tx, fence))) throw new LeaseLost(`job ${fence.id}, attempt ${fence.attempt}`);
}

async function writeOutcome(tx: Tx, fence: JobFence, job: ClaimedJob, outcome: JobOutcome): Promise<boolean> {
  if (outcome.kind === 'done') return queries.finishJob(tx, fence, 'done', null);
  const again = nextRun(job, outcome);
  if (!again) return queries.finishJob(tx, fence, 'dead', lastError(outcome));
  const ours = await queries.requeueJob(tx, fence, again);
  queries.wakeLane(tx, jobLane(fence.workspaceId), again.dueInMs);
  return ours;
}

function nextRun(job: ClaimedJob, outcome: Exclude<JobOutcome, { kind: 'done' }>) {
  if (outcome.kind === 'again') return { dueInMs: outcome.afterMs, failures: 0, error: null };
  const failures = job.failures + 1;
  if (outcome.permanent || failures >= FAILURES_MAX) return undefined;
  return { dueInMs: backoffMs(failures, RETRY), failures, error: lastError(outcome) };
}

/** Without NUL, which Postgres keeps in no text. */
function lastError(outcome: JobOutcome): string | null {
  return outcome.kind === 'failed' ? outcome.error.replaceAll('\0', '') : null;
}

/** What a dead worker's jobs mean: they run again. For WorkerSession; a living worker excepts what it runs. */
export async function recoverJobsOf(
  tx: Tx,
  workspaceId: string,
  workerId: string,
  except: string[] = [],
): Promise<void> {
  const recovered = await queries.recoverJobs(tx, workspaceId, workerId, except);
  if (recovered.length > 0) queries.wakeLane(tx, jobLane(workspaceId), 0);
}
