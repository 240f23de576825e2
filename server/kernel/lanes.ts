/**
 * Claiming by lanes: fairness is decided on lanes, rows are taken from one lane at a time.
 *
 * One claim is one transaction: take due rows (SKIP LOCKED), then lock the lane's row, and only then look for the
 * earliest row that is still due. Whoever makes a row due touches the lane after the row. So either the claim sees the
 * row, or the lane is woken after the claim: no row waits in a lane that nobody looks at.
 *
 * All lanes of one key may share a gate (queries-gates.ts): closed for a time, or opened for so many rows an hour by
 * all workers together. What a gate does not let through now stays due; its lanes are looked at when it lets through.
 */
import { type Database, isRetryable, type Tx } from './database.ts';
import type { Log } from './log.ts';
import type { DueLane, QueueName } from './queries.ts';
import * as queries from './queries.ts';
import { lockAllowance, spendAllowance } from './queries-gates.ts';
import { type Scope, ScopeEnded } from './scope.ts';

const LANES_PER_LOOK = 256;
const POLL_MS_MIN = 50;
const POLL_MS_MAX = 250;
const DATABASE_AWAY_RETRY_MS = 300;

export interface LaneReader<Row> {
  queue: QueueName;
  /** For whom the rows are claimed: a worker that was declared dead gets none. */
  workerId: string;
  /** Takes up to `limit` due rows of the lane for this worker. */
  claim(tx: Tx, lane: DueLane, limit: number): Promise<Row[]>;
  /** When the earliest row that still waits in the lane is due. */
  earliestDue(tx: Tx, lane: DueLane): Promise<Date | null>;
  /** How many rows this worker can take now. */
  free(): number;
  /** How many of them one lane may have in one turn. */
  turn(lane: DueLane, free: number): number;
  /** Must not fail: from here on the rows are this worker's to settle. */
  accept(rows: Row[], lane: DueLane): void;
  /** Reads what turns depend on, in the same moment as the lanes. */
  look?(tx: Tx): Promise<void>;
  /** What is due of this lane may be taken; asked before the turn, and may do what a claim needs first. */
  prepare?(lane: DueLane): Promise<boolean>;
  /** Gives back rows that a claim took whose answer was lost: they are this worker's, and it does not know them. */
  releaseLost(): Promise<void>;
}

export interface ClaimLoopOptions<Row> {
  database: Database;
  log: Log;
  reader: LaneReader<Row>;
}

/** Claims until the scope ends. Polls faster while there is work, slower while there is none. */
export class ClaimLoop<Row> {
  readonly #options: ClaimLoopOptions<Row>;
  #wake: (() => void) | undefined;
  #mayHaveLost = false;

  constructor(options: ClaimLoopOptions<Row>) {
    this.#options = options;
  }

  /** Room was made: look now instead of at the next poll. */
  wake(): void {
    this.#wake?.();
  }

  async run(scope: Scope): Promise<void> {
    let pollMs = POLL_MS_MIN;
    while (!scope.ended) {
      try {
        if (this.#mayHaveLost) await this.#options.reader.releaseLost();
        this.#mayHaveLost = false;
        const claimed = await this.#claimRound(scope);
        pollMs = claimed > 0 ? POLL_MS_MIN : Math.min(POLL_MS_MAX, pollMs * 1.5);
        if (claimed === 0 || this.#options.reader.free() <= 0) await this.#rest(scope, pollMs);
      } catch (error) {
        if (error instanceof ScopeEnded) return;
        if (!isRetryable(error)) throw error;
        // Once an outage, not once a try.
        if (!this.#mayHaveLost)
          this.#options.log.warn({ event: 'claim_retried', error: (error as Error).message });
        this.#mayHaveLost = true;
        await this.#rest(scope, DATABASE_AWAY_RETRY_MS);
      }
    }
  }

  async #claimRound(scope: Scope): Promise<number> {
    const { database, reader } = this.#options;
    if (reader.free() <= 0) return 0;
    let claimed = 0;
    let after: DueLane | null = null;
    const spent = new Set<string>();
    // Lanes that may not be served now stay in front: they must not hide the others.
    do {
      const lanes: DueLane[] = await database.withSystem((tx) => this.#look(tx, after));
      for (const lane of lanes) {
        if (scope.ended) return claimed;
        claimed += await this.#serve(lane, spent);
      }
      after = lanes.length < LANES_PER_LOOK ? null : (lanes.at(-1) ?? null);
    } while (after !== null && reader.free() > 0);
    return claimed;
  }

  async #look(tx: Tx, after: DueLane | null): Promise<DueLane[]> {
    const { reader } = this.#options;
    const [lanes] = await Promise.all([
      queries.dueLanes(tx, reader.queue, after, LANES_PER_LOOK),
      reader.look?.(tx),
    ]);
    return lanes;
  }

  /** `spent`: keys whose allowance was used up in this round; their other lanes keep their turn. */
  async #serve(lane: DueLane, spent: Set<string>): Promise<number> {
    const { database, reader } = this.#options;
    if (spent.has(lane.key) || reader.free() <= 0 || (await reader.prepare?.(lane)) === false) return 0;
    const limit = reader.turn(lane, reader.free());
    if (limit <= 0) return 0;
    const { rows, allowed } = await claimFromLane(database, reader, lane, limit);
    if (rows.length >= allowed) spent.add(lane.key);
    if (rows.length > 0) reader.accept(rows, lane);
    return rows.length;
  }

  async #rest(scope: Scope, ms: number): Promise<void> {
    const rest = scope.child('poll');
    this.#wake = () => rest.cancel('woken');
    await rest.sleep(ms).catch(() => {});
    this.#wake = undefined;
    rest.cancel('done');
  }
}

/** `allowed`: how many rows the lane's gate let through. */
function claimFromLane<Row>(
  database: Database,
  reader: LaneReader<Row>,
  lane: DueLane,
  wanted: number,
): Promise<{ rows: Row[]; allowed: number }> {
  return database.withWorkspace(lane.workspaceId, async (tx) => {
    const allowed = lane.paced ? await lockAllowance(tx, lane) : Number.POSITIVE_INFINITY;
    const limit = Math.min(wanted, allowed);
    if (limit === 0 || !(await queries.holdWorker(tx, reader.workerId))) return { rows: [], allowed };
    const rows = await reader.claim(tx, lane, limit);
    await queries.serveLane(tx, lane);
    if (rows.length < limit) await queries.setLaneDue(tx, lane, await reader.earliestDue(tx, lane));
    if (lane.paced && rows.length > 0) spendAllowance(tx, lane, rows.length);
    return { rows, allowed };
  });
}
