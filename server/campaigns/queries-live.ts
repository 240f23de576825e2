/** What screens watch: one statement a look, over counters and never over messages. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { CampaignKey } from './queries.ts';
import type { CampaignState } from './states.ts';

export interface LiveCampaign {
  name: string;
  state: CampaignState;
  audience: number;
  failure: string | null;
  startedAt: Date | null;
  finishedAt: Date | null;
  /** Of the messages, by state; those of which there are some. */
  counts: Record<string, number>;
}

/** Indexes: campaign_pkey, and a range of campaign_count_pkey. */
export async function liveCampaign(tx: Tx, of: CampaignKey): Promise<LiveCampaign | undefined> {
  const [row] = await tx.query<LiveCampaign>(sql`
    SELECT name, state, audience::float8, failure, started_at AS "startedAt", finished_at AS "finishedAt",
      (SELECT coalesce(jsonb_object_agg(state, n), '{}') FROM (
        SELECT state, sum(n) AS n FROM campaign_count
        WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId}
        GROUP BY state HAVING sum(n) <> 0) counted) AS counts
    FROM campaign WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} AND kind = 'campaign'`);
  return row;
}

export interface LiveCampaignLine {
  id: string;
  name: string;
  state: CampaignState;
  audience: number;
}

/** The newest. Index: campaign_pkey, backwards. */
export function liveCampaigns(tx: Tx, workspaceId: string, limit: number) {
  return tx.query<LiveCampaignLine>(sql`
    SELECT id, name, state, audience::float8 FROM campaign
    WHERE workspace_id = ${workspaceId} AND kind = 'campaign' ORDER BY id DESC LIMIT ${limit}`);
}

/**
 * How many messages of the workspace wait, or are on their way, by state: of campaigns that have not ended, and of messages
 * of their own. Indexes: campaign_of_state and campaign_stream, and a range of campaign_count_pkey for each.
 */
export function liveQueue(tx: Tx, workspaceId: string) {
  return tx.query<{ state: string; n: number }>(sql`
    SELECT counted.state, sum(counted.n)::float8 AS n
    FROM (
      SELECT id FROM campaign WHERE workspace_id = ${workspaceId} AND kind = 'campaign'
        AND state IN ('starting', 'sending', 'holding', 'finishing', 'paused')
      UNION ALL
      SELECT id FROM campaign WHERE workspace_id = ${workspaceId} AND kind = 'transactional'
        AND stream_month >= date_trunc('month', now() - interval '1 month', 'UTC')::date) open
    CROSS JOIN LATERAL (
      SELECT state, sum(n) AS n FROM campaign_count
      WHERE workspace_id = ${workspaceId} AND campaign_id = open.id
        AND state IN ('queued', 'deferred', 'claimed', 'committing') GROUP BY state) counted
    GROUP BY counted.state`);
}
