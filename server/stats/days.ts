/** What became of a workspace's mail day by day, and of one campaign beside another: sums of counters, whatever was sent. */
import type { Tx } from '../kernel/database.ts';
import { DAY_STATES, type DayState } from './counters.ts';
import * as queries from './queries.ts';

export type DayCounts = Record<DayState, number>;

export interface DayTotals {
  /** 2030-01-31, in UTC. */
  day: string;
  counts: DayCounts;
}

/** Every day from `from` to `to`, both included, also those on which nothing was. */
export async function dayTotals(
  tx: Tx,
  workspaceId: string,
  { from, to }: { from: string; to: string },
): Promise<DayTotals[]> {
  const byDay = Map.groupBy(await queries.dayCounts(tx, workspaceId, from, to), ({ day }) => day);
  return daysBetween(from, to).map((day) => ({ day, counts: countsIn(byDay.get(day) ?? []) }));
}

export function sumOf(days: readonly DayTotals[]): DayCounts {
  return countsIn(days.flatMap(({ counts }) => DAY_STATES.map((state) => ({ state, n: counts[state] }))));
}

/** By campaign: how many of its messages are in each state. A campaign that has none is not in it. */
export async function countsOfCampaigns(
  tx: Tx,
  workspaceId: string,
  campaignIds: readonly string[],
): Promise<Map<string, Record<string, number>>> {
  const rows = await queries.countsOfAll(tx, workspaceId, campaignIds);
  return new Map(rows.map(({ campaignId, counts }) => [campaignId, counts]));
}

function countsIn(rows: readonly { state: string; n: number }[]): DayCounts {
  const sum = (state: string) =>
    rows.reduce((total, row) => (row.state === state ? total + row.n : total), 0);
  return Object.fromEntries(DAY_STATES.map((state) => [state, sum(state)])) as DayCounts;
}

function daysBetween(from: string, to: string): string[] {
  const days: string[] = [];
  const last = Temporal.PlainDate.from(to);
  for (
    let day = Temporal.PlainDate.from(from);
    Temporal.PlainDate.compare(day, last) <= 0;
    day = day.add({ days: 1 })
  )
    days.push(day.toString());
  return days;
}
