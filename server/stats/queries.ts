/** Counters of a campaign's messages by state, moved by the transactions that move the messages. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';

/** Adds `by[i]` to the number of messages in `states[i]`. Rows are sorted by the caller: one lock order for all. */
export function addCounts(
  tx: Tx,
  of: { workspaceId: string; campaignId: string; shard: number },
  states: string[],
  by: number[],
) {
  tx.atCommit(sql`
    INSERT INTO campaign_count AS c (workspace_id, campaign_id, state, shard, n)
    SELECT ${of.workspaceId}, ${of.campaignId}, t.state, ${of.shard}, t.n
    FROM unnest(${states}::text[], ${by}::bigint[]) AS t(state, n)
    ON CONFLICT (workspace_id, campaign_id, state, shard) DO UPDATE SET n = c.n + excluded.n`);
}

/** As addCounts, for the day that it is; nothing for a stream of transactional messages. */
export function addDayCounts(
  tx: Tx,
  of: { workspaceId: string; campaignId: string; shard: number },
  states: string[],
  by: number[],
) {
  tx.atCommit(sql`
    INSERT INTO day_count AS c (workspace_id, day, state, shard, n)
    SELECT ${of.workspaceId}, (now() AT TIME ZONE 'UTC')::date, t.state, ${of.shard}, t.n
    FROM unnest(${states}::text[], ${by}::bigint[]) AS t(state, n)
    WHERE EXISTS (SELECT FROM campaign WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId}
      AND kind = 'campaign')
    ON CONFLICT (workspace_id, day, state, shard) DO UPDATE SET n = c.n + excluded.n`);
}

export interface DayRow {
  /** 2030-01-31 */
  day: string;
  state: string;
  n: number;
}

/** Days in `from` … `to`, both included. Index: day_count_pkey. */
export function dayCounts(tx: Tx, workspaceId: string, from: string, to: string) {
  return tx.query<DayRow>(sql`
    SELECT day::text, state, sum(n)::float8 AS n FROM day_count
    WHERE workspace_id = ${workspaceId} AND day BETWEEN ${from}::date AND ${to}::date
    GROUP BY day, state ORDER BY day, state`);
}

export interface CountsRow {
  campaignId: string;
  counts: Record<string, number>;
}

/** Of each of these campaigns. Index: a range of campaign_count_pkey for each. */
export function countsOfAll(tx: Tx, workspaceId: string, campaignIds: readonly string[]) {
  return tx.query<CountsRow>(sql`
    SELECT t.id AS "campaignId", counted.counts FROM unnest(${campaignIds}::uuid[]) AS t(id)
    CROSS JOIN LATERAL (
      SELECT coalesce(jsonb_object_agg(state, n), '{}') AS counts FROM (
        SELECT state, sum(n) AS n FROM campaign_count
        WHERE workspace_id = ${workspaceId} AND campaign_id = t.id GROUP BY state) one) counted`);
}

export function countsOf(tx: Tx, workspaceId: string, campaignId: string) {
  return tx.query<{ state: string; n: number }>(sql`
    SELECT state, sum(n)::float8 AS n FROM campaign_count
    WHERE workspace_id = ${workspaceId} AND campaign_id = ${campaignId} GROUP BY state`);
}

/** The truth itself, row by row: what the counters must equal. Reads the whole campaign. */
export function countRows(tx: Tx, workspaceId: string, campaignId: string) {
  return tx.query<{ state: string; n: number }>(sql`
    SELECT state, count(*)::float8 AS n FROM message
    WHERE workspace_id = ${workspaceId} AND campaign_id = ${campaignId} GROUP BY state`);
}
