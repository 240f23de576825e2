/**
 * A worker process as the database sees it: a row with a lease that the process renews.
 *
 * Everything that a worker claims carries the id of its session. When the lease runs out, any other worker declares
 * the session dead (for good: dead_at is never taken back), gives its rows the meaning that their state has, and only
 * then deletes the row, so that a recovery that itself dies is done again. The session learns of its death from its
 * next renewal; until then it claims nothing (hold_worker), and its writes touch no row.
 *
 * After an outage of the database all leases have run out at once. So a session declares others dead only after it
 * has itself renewed on time for a while: the living get the chance to say so.
 */
import { hostname } from 'node:os';
import { type Database, isRetryable, type Tx } from './database.ts';
import { newId } from './ids.ts';
import type { Log } from './log.ts';
import * as queries from './queries.ts';
import { type Scope, ScopeEnded } from './scope.ts';

/** A dead worker is noticed after the lease plus one renewal: within 15 s. */
export const LEASE_MS = 12_000;
export const RENEW_MS = 3_000;
const RETRY_MS = 300;
const RENEWALS_BEFORE_RECOVERY = 3;

/** Gives a dead worker's rows of one workspace back their meaning; runs inside the workspace's transaction. */
export type Recover = (tx: Tx, workspaceId: string, deadWorkerId: string) => Promise<unknown>;

export interface WorkerSessionOptions {
  database: Database;
  log: Log;
  recover: Recover[];
  leaseMs?: number;
  renewMs?: number;
}

export class WorkerSession {
  readonly id = newId();
  readonly #options: WorkerSessionOptions;
  readonly #leaseMs: number;
  readonly #renewMs: number;
  #renewedInTime = 0;
  #lastRenewal = performance.now();

  private constructor(options: WorkerSessionOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#renewMs = options.renewMs ?? RENEW_MS;
  }

  static async start(options: WorkerSessionOptions): Promise<WorkerSession> {
    const session = new WorkerSession(options);
    await options.database.withSystem((tx) =>
      queries.insertWorker(tx, {
        id: session.id,
        host: hostname(),
        pid: process.pid,
        leaseMs: session.#leaseMs,
      }),
    );
    return session;
  }

  /** Renews until the scope ends; resolves 'lost' when somebody declared this session dead. */
  async keepAlive(scope: Scope): Promise<'ended' | 'lost'> {
    for (;;) {
      try {
        if (!(await this.#renew())) return 'lost';
        if (this.#renewedInTime >= RENEWALS_BEFORE_RECOVERY) await this.recoverDeadWorkers();
        await scope.sleep(this.#renewMs);
      } catch (error) {
        if (error instanceof ScopeEnded) return 'ended';
        if (!isRetryable(error)) throw error;
        this.#options.log.warn({ event: 'database_away', error: (error as Error).message });
        await scope.sleep(RETRY_MS).catch(() => {});
        if (scope.ended) return 'ended';
      }
    }
  }

  /**
   * Gives up the row, when nothing claims any more. What is still this session's (a claim or a result that was lost with
   * the database) is recovered first: without the row nobody would. If the database is away, the lease runs out instead.
   */
  async end(): Promise<void> {
    const { database, log } = this.#options;
    try {
      await this.#recoverRowsOf(this.id);
      await database.withSystem((tx) => queries.deleteWorker(tx, this.id));
    } catch (error) {
      if (!isRetryable(error)) throw error;
      log.warn({ event: 'database_away', error: (error as Error).message });
    }
  }

  /** Recovers the rows of every dead worker; may be repeated, and by several at once. */
  async recoverDeadWorkers(): Promise<void> {
    const { database, log } = this.#options;
    const dead = await database.withSystem((tx) => queries.declareDeadWorkers(tx));
    if (dead.length === 0) return;
    // Asked before the recovery: a claim that commits later than it is found by the next one.
    const quiet = await database.withSystem((tx) => queries.quietDeadWorkers(tx));
    for (const deadWorkerId of dead) {
      await this.#recoverRowsOf(deadWorkerId);
      if (!quiet.has(deadWorkerId)) continue;
      await database.withSystem((tx) => queries.deleteWorker(tx, deadWorkerId));
      log.info({ event: 'worker_recovered', worker: deadWorkerId });
    }
  }

  async #recoverRowsOf(workerId: string): Promise<void> {
    const { database, recover } = this.#options;
    const workspaceIds = await database.withSystem((tx) => queries.allWorkspaceIds(tx));
    for (const workspaceId of workspaceIds) {
      for (const rows of recover)
        await database.withWorkspace(workspaceId, (tx) => rows(tx, workspaceId, workerId));
      // With many workspaces this takes longer than a lease, and nobody should declare dead who recovers others.
      if (performance.now() - this.#lastRenewal >= this.#renewMs) await this.#renew();
    }
  }

  async #renew(): Promise<boolean> {
    const alive = await this.#options.database.withSystem((tx) =>
      queries.renewWorker(tx, this.id, this.#leaseMs),
    );
    const gapMs = performance.now() - this.#lastRenewal;
    this.#renewedInTime = gapMs < 2 * this.#renewMs ? this.#renewedInTime + 1 : 0;
    this.#lastRenewal = performance.now();
    return alive;
  }
}
