/** The SQL of a campaign's breakdown: by where its messages go, and by what was answered there. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { CampaignKey } from './queries.ts';

export interface DestinationCounts {
  /** `provider google`, `site mx.acme.example`; of mail that a relay takes, or that nobody has sorted yet, a domain. */
  name: string;
  messages: number;
  /** By state; those that there are. */
  counts: Record<string, number>;
}

/** The largest. Reads every message of the campaign: for a job, and for no page. */
export function countByDestination(tx: Tx, of: CampaignKey, limit: number) {
  return tx.query<DestinationCounts>(sql`
    WITH counted AS (
      SELECT lane, CASE WHEN lane = 0 THEN split_part(email, '@', 2) END AS domain, state, count(*) AS n
      FROM message WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId} GROUP BY 1, 2, 3)
    SELECT coalesce(domain, (SELECT name FROM destination WHERE id = lane), 'unknown') AS name,
      sum(n)::float8 AS messages, jsonb_object_agg(state, n) AS counts
    FROM counted GROUP BY lane, domain ORDER BY sum(n) DESC, lane, domain LIMIT ${limit}`);
}

export interface RefusalCounts {
  /** What became of the messages. */
  kind: string;
  /** The rule of the reply table that judged. */
  rule: string | null;
  replies: number;
  latestAt: string;
  /** One of the replies, as it came. */
  example: string | null;
}

/** The most frequent. Index: event_of_refusal, all of the campaign's. */
export function countByRule(tx: Tx, of: CampaignKey, limit: number) {
  return tx.query<RefusalCounts>(sql`
    SELECT kind, rule, count(*)::float8 AS replies, max(at) AS "latestAt", min(detail) AS example FROM event
    WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId} AND phase IS NOT NULL
    GROUP BY kind, rule ORDER BY count(*) DESC, kind, rule LIMIT ${limit}`);
}

export interface Breakdown {
  madeAt: Date;
  destinations: DestinationCounts[];
  refusals: RefusalCounts[];
}

export function putBreakdown(tx: Tx, of: CampaignKey, { destinations, refusals }: Omit<Breakdown, 'madeAt'>) {
  return tx.query(sql`
    INSERT INTO campaign_breakdown (workspace_id, campaign_id, made_at, destinations, refusals)
    VALUES (${of.workspaceId}, ${of.campaignId}, now(), ${JSON.stringify(destinations)}, ${JSON.stringify(refusals)})
    ON CONFLICT (workspace_id, campaign_id) DO UPDATE
    SET made_at = now(), destinations = excluded.destinations, refusals = excluded.refusals`);
}

export async function findBreakdown(tx: Tx, of: CampaignKey): Promise<Breakdown | undefined> {
  const [row] = await tx.query<Breakdown>(sql`
    SELECT made_at AS "madeAt", destinations, refusals FROM campaign_breakdown
    WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId}`);
  return row;
}

export interface ReplyRow {
  at: Date;
  contactId: string;
  kind: string;
  attempt: number;
  detail: string | null;
  rule: string | null;
  phase: string;
  mxHost: string | null;
}

/** Refusals, the latest first. Index: event_of_refusal, backwards, in the partitions from the latest on. */
export function latestReplies(tx: Tx, of: CampaignKey, limit: number) {
  return tx.query<ReplyRow>(sql`
    SELECT at, contact_id AS "contactId", kind, attempt, detail, rule, phase, mx_host AS "mxHost" FROM event
    WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId} AND phase IS NOT NULL
    ORDER BY at DESC LIMIT ${limit}`);
}
