/**
 * A route's trouble, as this worker sees it and as all workers share it.
 *
 * A relay that is down, refuses or answers nothing is not a message's fault: the route pauses for a growing, jittered
 * while, messages go back untouched, and when the pause is over one message probes the way. The pause is a row, so that
 * all workers keep it; the first success that was begun after it clears it. Nothing here is ever given up.
 */
import type { RouteTrouble } from '../delivery/outcome.ts';
import type { Database } from '../kernel/database.ts';
import type { Log } from '../kernel/log.ts';
import * as queries from './queries.ts';

const PAUSE_MS_BASE = 500;
const PAUSE_MS_CAP = 30_000;
/** Lost connections in a row, with no success between, that make a trouble certain. */
const LOSSES_MAX = 5;

export class RouteHealth {
  readonly #database: Database;
  readonly #log: Log;
  readonly #workspaceId: string;
  readonly #name: string;
  #losses = 0;
  /** Monotonic; null while the route is well. */
  #troubledSince: number | null = null;
  /** Monotonic time of the last answer that was about a message. */
  lastSuccess = performance.now();

  constructor(database: Database, log: Log, workspaceId: string, name: string) {
    this.#database = database;
    this.#log = log;
    this.#workspaceId = workspaceId;
    this.#name = name;
  }

  /** Only probes may be sent this way now. */
  get troubled(): boolean {
    return this.#troubledSince !== null;
  }

  /** Somebody found the route in trouble before: what is sent next is a probe. */
  probe(): void {
    this.#troubledSince ??= performance.now();
  }

  /** True when this trouble stops the route. */
  note(trouble: RouteTrouble): boolean {
    this.#losses += 1;
    if (!trouble.certain && this.#losses < LOSSES_MAX && !this.troubled) return false;
    this.probe();
    void this.#pause(trouble.detail);
    return true;
  }

  /**
   * A message that was begun at `since` got an answer; true when that ended a trouble. An answer to what was begun before
   * the trouble says nothing of the route as it is now.
   */
  succeeded(since: number): boolean {
    this.lastSuccess = performance.now();
    if (this.#troubledSince !== null && since < this.#troubledSince) return false;
    this.#losses = 0;
    if (!this.troubled) return false;
    this.#troubledSince = null;
    void this.#clear();
    return true;
  }

  async #pause(reason: string): Promise<void> {
    const pause = { reason, baseMs: PAUSE_MS_BASE, capMs: PAUSE_MS_CAP };
    // When the database is away as well, nothing is claimed, and so nothing is sent.
    const paused = await this.#database
      .withWorkspace(this.#workspaceId, (tx) => queries.pauseRoute(tx, this.#workspaceId, this.#name, pause))
      .catch(() => []);
    for (const { failures, pausedMs } of paused)
      this.#log.warn({
        event: 'route_paused',
        route: this.#name,
        failures,
        paused_ms: Math.round(pausedMs),
        reason,
      });
  }

  async #clear(): Promise<void> {
    await this.#database
      .withWorkspace(this.#workspaceId, (tx) => queries.clearRoute(tx, this.#workspaceId, this.#name))
      .then(() => this.#log.info({ event: 'route_well', route: this.#name }))
      .catch(() => {
        this.probe();
      });
  }
}
