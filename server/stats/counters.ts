/**
 * Counters that screens read: how many of a campaign's messages are in each state.
 *
 * They are not a cache: every transaction that moves messages moves them by the same numbers, so their sum is the
 * audience at every instant.
 */
import type { Tx } from '../kernel/database.ts';
import * as queries from './queries.ts';

/** Writers of different shards never wait for one another. */
export const SHARDS = 64;

export interface CampaignRef {
  workspaceId: string;
  campaignId: string;
}

/** A tally of moves between states, to be written once. */
export class Moves {
  readonly #by = new Map<string, number>();

  move(from: string | null, to: string, count = 1): void {
    if (from !== null) this.#by.set(from, (this.#by.get(from) ?? 0) - count);
    this.#by.set(to, (this.#by.get(to) ?? 0) + count);
  }

  /** At the transaction's commit: the counters' row locks are held for as short as can be. */
  write(tx: Tx, campaign: CampaignRef, shard: number): void {
    const changes = [...this.#by].filter(([, n]) => n !== 0).sort(([a], [b]) => (a < b ? -1 : 1));
    if (changes.length === 0) return;
    queries.addCounts(
      tx,
      { ...campaign, shard },
      changes.map(([state]) => state),
      changes.map(([, n]) => n),
    );
  }
}

export async function campaignCounts(tx: Tx, campaign: CampaignRef): Promise<Record<string, number>> {
  const rows = await queries.countsOf(tx, campaign.workspaceId, campaign.campaignId);
  return Object.fromEntries(rows.map((row) => [row.state, row.n]));
}

/** As campaignCounts, but counted from the rows themselves. */
export async function campaignRowCounts(tx: Tx, campaign: CampaignRef): Promise<Record<string, number>> {
  const rows = await queries.countRows(tx, campaign.workspaceId, campaign.campaignId);
  return Object.fromEntries(rows.map((row) => [row.state, row.n]));
}
