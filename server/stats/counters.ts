/**
 * Counters that screens read: how many of a campaign's messages are in each state.
 *
 * They are not a cache: every transaction that moves messages moves them by the same numbers, so their sum is the
 * audience at every instant. Beside them a day counts what became of campaigns' messages on it (UTC).
 */
import type { Tx } from '../kernel/database.ts';
import * as queries from './queries.ts';

/** Writers of different shards never wait for one another. */
export const SHARDS = 64;

export interface CampaignRef {
  workspaceId: string;
  campaignId: string;
}

/** What became of messages, as a day counts it: nothing that waits or is under way. */
export const DAY_STATES = [
  'accepted',
  'rejected',
  'uncertain',
  'suppressed',
  'cancelled',
  'expired',
  'bounced',
  'complained',
] as const;

export type DayState = (typeof DAY_STATES)[number];

/** A tally of moves between states, to be written once. */
export class Moves {
  readonly #by = new Map<string, number>();
  readonly #became = new Map<string, number>();

  move(from: string | null, to: string, count = 1): void {
    if (from !== null) this.#by.set(from, (this.#by.get(from) ?? 0) - count);
    this.#by.set(to, (this.#by.get(to) ?? 0) + count);
    if (isOfDays(to)) this.#became.set(to, (this.#became.get(to) ?? 0) + count);
  }

  /** At the transaction's commit: the counters' row locks are held for as short as can be. */
  write(tx: Tx, campaign: CampaignRef, shard: number): void {
    Moves.writeAll(tx, [{ campaign, moves: this }], shard);
  }

  /** Of several campaigns, in one order for all. Days come after all campaigns: a day's row is shared by them. */
  static writeAll(tx: Tx, all: readonly { campaign: CampaignRef; moves: Moves }[], shard: number): void {
    for (const { campaign, moves } of all) {
      const changes = sorted(moves.#by);
      if (changes.length > 0)
        queries.addCounts(tx, { ...campaign, shard }, states(changes), numbers(changes));
    }
    for (const { campaign, moves } of all) {
      const became = sorted(moves.#became);
      if (became.length > 0)
        queries.addDayCounts(tx, { ...campaign, shard }, states(became), numbers(became));
    }
  }
}

function isOfDays(state: string): boolean {
  return DAY_STATES.some((known) => known === state);
}

/** One order for everybody who locks the rows. */
function sorted(tally: ReadonlyMap<string, number>): [string, number][] {
  return [...tally].filter(([, n]) => n !== 0).sort(([a], [b]) => (a < b ? -1 : 1));
}

function states(changes: [string, number][]): string[] {
  return changes.map(([state]) => state);
}

function numbers(changes: [string, number][]): number[] {
  return changes.map(([, n]) => n);
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
