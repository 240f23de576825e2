/**
 * The life of a claim.
 *
 * A lane with due messages is found (kernel/lanes.ts); a batch of its rows becomes `claimed` by this worker, attempt
 * number raised: worker and attempt together are the fence of every later write. The rows are the worker's until it
 * writes them (queue/writer.ts), or until its session is declared dead (queue/recover.ts). No transaction stays open
 * in between.
 *
 * What a crash does: before the commit nothing was claimed; after it the rows wait for the session's lease to run out.
 * When adding a state: MESSAGE_MOVES, the CHECK constraints of the table, and recoverMessages must agree.
 */
import type { DueMessage } from '../delivery/deliver.ts';
import type { Tx } from '../kernel/database.ts';
import type { DueLane } from '../kernel/queries.ts';
import { Moves } from '../stats/counters.ts';
import * as queries from './queries.ts';

/** Where the next scan of a lane may start: a hint of this process, see claimMessages. */
export class LaneHints {
  readonly #from = new Map<string, string>();

  get(lane: DueLane): string | null {
    return this.#from.get(`${lane.key} ${lane.number}`) ?? null;
  }

  set(lane: DueLane, from: string | null): void {
    const name = `${lane.key} ${lane.number}`;
    if (from) this.#from.set(name, from);
    else this.#from.delete(name);
  }
}

export async function claim(
  tx: Tx,
  lane: DueLane,
  of: { workerId: string; limit: number; shard: number; hints: LaneHints },
): Promise<DueMessage[]> {
  const key = { workspaceId: lane.workspaceId, campaignId: lane.key };
  const from = of.hints.get(lane);
  const take = (limit: number, start: string | null) =>
    queries.claimMessages(tx, { ...key, lane: lane.number, workerId: of.workerId, limit, from: start });
  const rows = await take(of.limit, from);
  const latest = rows.length < of.limit ? null : (rows[0]?.latestDueAt ?? null);
  if (rows.length < of.limit && from) rows.push(...(await take(of.limit - rows.length, null)));
  of.hints.set(lane, latest);
  const moves = new Moves();
  for (const row of rows) moves.move(row.deferrals > 0 ? 'deferred' : 'queued', 'claimed');
  moves.write(tx, key, of.shard);
  return rows.map(({ latestDueAt: _, attributes, ...row }) => ({
    ...key,
    ...row,
    lane: lane.number,
    attributes: attributes ?? {},
  }));
}
