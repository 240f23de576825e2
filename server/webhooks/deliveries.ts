/**
 * The loop of a worker that posts what waits in the outbox.
 *
 * Before: rows of webhook_delivery, written in the transaction of what they tell of (kernel/queries-outbox.ts). Here they are
 * claimed, posted (attempt.ts) and settled (settle.ts), fenced by worker and attempt as messages and jobs are. Whoever dies
 * in between has its rows tried again under the same webhook-id: at least once.
 *
 * An endpoint is a lane, and a slow one holds up nobody but itself:
 *
 * - To begin with it gets one post at a time, with each success one more up to WINDOW_MAX, and after a failure one again.
 * - Those that have failed since their last success, which every worker knows from their rows, share FAILING_SLOTS among
 *   them; the other slots are for those that answer. Of neither a workspace holds more than it leaves free for others.
 *   Turns go to whoever had none for the longest.
 * - What is due of one that is disabled, or has no secret that opens, has failed without a call.
 */
import { type Database, isRetryable, type Tx } from '../kernel/database.ts';
import type { Log } from '../kernel/log.ts';
import { addZombieWrites, allWorkspaceIds, holdWorker } from '../kernel/queries.ts';
import { Scope } from '../kernel/scope.ts';
import type { Secrets } from '../kernel/secrets.ts';
import { type Attempt, attempt, isSuccess, type Network, type Post } from './attempt.ts';
import { EndpointLanes, type Lane } from './endpoint-lanes.ts';
import { openSecrets } from './endpoints.ts';
import { type EndpointKey, type EndpointRow, findEndpoint } from './queries.ts';
import * as queries from './queries-deliveries.ts';
import { type Settled, settle } from './settle.ts';

const ENDPOINTS_PER_LOOK = 500;
const CLAIMS_AT_ONCE = 4;
const FAILED_PER_TURN = 1_000;
/** Sooner while there is something to do. */
const LOOK_AGAIN_MS_MIN = 50;
const LOOK_AGAIN_MS_MAX = 250;
const WRITE_RETRY_MS = 300;
/** Longer than an attempt takes. */
const DRAIN_MS_MAX = 20_000;

export interface DeliveriesOptions {
  database: Database;
  log: Log;
  workerId: string;
  secrets: Secrets;
  network: Network;
}

export class Deliveries {
  readonly #options: DeliveriesOptions;
  readonly #lanes = new EndpointLanes();
  /** By delivery id. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #work = Scope.root('webhooks');
  #after: EndpointKey | null = null;
  #lookAgainMs = LOOK_AGAIN_MS_MAX;
  #mayHaveLost = false;
  #wake: (() => void) | undefined;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  /** Posts until the scope ends, then lets the posts that are under way finish. */
  async run(scope: Scope): Promise<void> {
    while (!scope.ended) {
      const rest = await this.#round().catch((error) => this.#recover(error));
      await this.#rest(scope, rest);
    }
    // They end with #work. One that did not must not keep the worker.
    const patience = this.#work.sleep(DRAIN_MS_MAX).catch(() => {});
    await Promise.race([Promise.all(this.#running.values()), patience]);
    this.#work.cancel('drained');
  }

  /** Ends the posts too: this worker was declared dead. */
  abandon(): void {
    this.#work.cancel('declared dead');
  }

  /** Gives how long to rest: until the next look, or until a slot is free when something waits for one. */
  async #round(): Promise<number> {
    const { database } = this.#options;
    if (this.#mayHaveLost) await this.#releaseLost();
    const due = await database.withSystem((tx) => queries.dueEndpoints(tx, this.#after, ENDPOINTS_PER_LOOK));
    const isPage = due.length === ENDPOINTS_PER_LOOK;
    this.#after = isPage ? (due.at(-1) ?? null) : null;
    const turns = this.#lanes.inTurn(due).values();
    // All of them end before one's failure is answered: what another has just claimed is not lost.
    const ends = await Promise.allSettled(
      Array.from({ length: CLAIMS_AT_ONCE }, () => this.#serveAll(turns)),
    );
    const claimed = ends.reduce((sum, end) => sum + countOf(end), 0);
    this.#lookAgainMs =
      claimed > 0 ? LOOK_AGAIN_MS_MIN : Math.min(LOOK_AGAIN_MS_MAX, this.#lookAgainMs * 1.5);
    return claimed > 0 ? 0 : this.#lookAgainMs;
  }

  async #serveAll(turns: Iterable<queries.DueEndpoint>): Promise<number> {
    let claimed = 0;
    for (const due of turns) claimed += await this.#serve(due);
    return claimed;
  }

  async #serve(due: queries.DueEndpoint): Promise<number> {
    const room = this.#lanes.room(due);
    if (room <= 0) return 0;
    const lane = this.#lanes.take(due, room);
    const { posts, failed } = await this.#claim(due, room).catch((error) => {
      this.#lanes.giveBack(lane, room);
      throw error;
    });
    this.#lanes.giveBack(lane, room - posts.length);
    for (const post of posts) this.#start(post, lane);
    return posts.length + failed;
  }

  #claim(of: EndpointKey, limit: number): Promise<{ posts: (Post & Settled)[]; failed: number }> {
    const { database, workerId, secrets } = this.#options;
    const { workspaceId, endpointId } = of;
    return database.withWorkspace(workspaceId, async (tx) => {
      if (!(await holdWorker(tx, workerId))) return { posts: [], failed: 0 };
      const endpoint = await findEndpoint(tx, of);
      const keys = endpoint ? openSecrets(secrets, of, endpoint.secrets) : [];
      if (!endpoint || endpoint.disabledAt || keys.length === 0) {
        await queries.failDue(tx, of, notTried(whyNot(endpoint)), FAILED_PER_TURN);
        return { posts: [], failed: 1 };
      }
      const rows = await queries.claimDeliveries(tx, of, workerId, limit);
      const common = { workspaceId, endpointId, workerId, url: endpoint.url, secrets: keys };
      return { posts: rows.map((row) => ({ ...row, ...common })), failed: 0 };
    });
  }

  #start(post: Post & Settled, lane: Lane): void {
    const run = this.#deliver(post, lane).finally(() => {
      this.#running.delete(post.id);
      this.#wake?.();
    });
    this.#running.set(post.id, run);
  }

  async #deliver(post: Post & Settled, lane: Lane): Promise<void> {
    let succeeded = false;
    try {
      const met = await attempt(this.#work, post, this.#options.network);
      succeeded = isSuccess(met.status);
      await this.#write(post, met);
    } catch (error) {
      // It is this worker's until its session ends, and then tried again.
      if (!this.#work.ended)
        this.#options.log.error({ event: 'webhook_failed', webhook: post.id, err: error });
    } finally {
      this.#lanes.end(lane, succeeded);
    }
  }

  /** A database that is away is waited for. */
  async #write(post: Settled, met: Attempt): Promise<void> {
    const { database, log } = this.#options;
    for (let again = false; ; again = true) {
      try {
        const ours = await database.withWorkspace(post.workspaceId, (tx) => settle(tx, post, met));
        // A try whose answer was lost may have written it.
        if (ours || again) return;
        log.warn({ event: 'zombie_write', webhook: post.id });
        return await database.withSystem(async (tx) => {
          await addZombieWrites(tx, 1);
        });
      } catch (error) {
        if (!isRetryable(error)) throw error;
        await this.#work.sleep(WRITE_RETRY_MS);
      }
    }
  }

  #recover(error: unknown): number {
    if (!isRetryable(error)) throw error;
    if (!this.#mayHaveLost)
      this.#options.log.warn({ event: 'webhooks_retried', error: (error as Error).message });
    this.#mayHaveLost = true;
    return WRITE_RETRY_MS;
  }

  /** What a claim took whose answer was lost. */
  async #releaseLost(): Promise<void> {
    const { database, workerId } = this.#options;
    const mine = [...this.#running.keys()];
    for (const workspaceId of await database.withSystem(allWorkspaceIds))
      await database.withWorkspace(workspaceId, (tx) =>
        queries.recoverDeliveries(tx, workspaceId, workerId, mine),
      );
    this.#mayHaveLost = false;
  }

  async #rest(scope: Scope, ms: number): Promise<void> {
    if (ms === 0) return;
    const rest = scope.child('look');
    this.#wake = () => rest.cancel('a slot is free');
    await rest.sleep(ms).catch(() => {});
    this.#wake = undefined;
    rest.cancel('done');
  }
}

function countOf(end: PromiseSettledResult<number>): number {
  if (end.status === 'rejected') throw end.reason;
  return end.value;
}

function whyNot(endpoint: EndpointRow | undefined): string {
  if (!endpoint) return 'the endpoint was deleted';
  return endpoint.disabledAt ? 'the endpoint was disabled' : 'its secret does not open, so rotate it';
}

function notTried(why: string): Attempt {
  const error = `It was not tried: ${why}.`;
  return { at: new Date().toISOString(), ms: 0, status: null, reply: null, error };
}

/** What a dead worker's deliveries mean: they are tried again. For WorkerSession. */
export function recoverDeliveriesOf(tx: Tx, workspaceId: string, deadWorkerId: string) {
  return queries.recoverDeliveries(tx, workspaceId, deadWorkerId, []);
}
