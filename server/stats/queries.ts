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
