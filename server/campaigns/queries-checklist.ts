/** The SQL of the checklist before a campaign: who would get it, and what is not known of them. */
import type { Audience } from '../audience/estimate.ts';
import { excludedSql, mailable } from '../audience/queries-freeze.ts';
import { anyRuleSql, type RuleContext } from '../audience/queries-rules.ts';
import type { Group } from '../audience/segment-rules.ts';
import type { Tx } from '../kernel/database.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import type { CampaignKey } from './queries.ts';

export interface CheckedCampaignRow extends Audience {
  fromEmail: string;
  postalAddress: string | null;
  templateName: string;
  templateBody: string;
}

export async function campaignToCheck(tx: Tx, of: CampaignKey): Promise<CheckedCampaignRow | undefined> {
  const [row] = await tx.query<CheckedCampaignRow>(sql`
    SELECT list_ids AS "listIds", segment_ids AS "segmentIds", excluded_list_ids AS "excludedListIds",
      excluded_segment_ids AS "excludedSegmentIds", from_email AS "fromEmail", postal_address AS "postalAddress",
      template_name AS "templateName", template_body AS "templateBody"
    FROM campaign WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} AND kind = 'campaign'`);
  return row;
}

/** Who is asked about, of the contacts `c`. */
export interface AskedAudience extends RuleContext {
  listIds: readonly string[];
  segments: readonly Group[];
  excludedListIds: readonly string[];
  excludedSegments: readonly Group[];
}

/**
 * For each merge field (`city`, `address.street`) how many of the audience have nothing there. One pass over the
 * contacts, however many fields and lists: the ids of the lists' people are hashed, and nobody is counted twice.
 */
export async function countMissing(
  tx: Tx,
  asked: AskedAudience,
  paths: readonly string[],
): Promise<number[]> {
  if (paths.length === 0) return [];
  const counts = paths
    .map((path) => sql`count(*) FILTER (WHERE coalesce(${fieldValue(path)}, '') = '')`)
    .reduce((before, next) => sql`${before}, ${next}`);
  const [row] = await tx.query<{ missing: number[] }>(sql`
    SELECT ARRAY[${counts}]::float8[] AS missing FROM contact c
    WHERE c.workspace_id = ${asked.workspaceId} AND ${isAsked(asked)}`);
  return row?.missing ?? [];
}

/** The freeze's own rules: audience/freeze.ts. */
function isAsked({
  workspaceId,
  at,
  listIds,
  segments,
  excludedListIds,
  excludedSegments,
}: AskedAudience): Sql {
  const isListed = sql`EXISTS (SELECT FROM subscription s
      WHERE s.workspace_id = ${workspaceId} AND s.list_id = ANY(${listIds}::uuid[]) AND s.contact_id = c.id
        AND s.status = 'subscribed')`;
  const isDescribed = sql`${anyRuleSql(segments, { workspaceId, at })} AND ${mailable(workspaceId, listIds)}`;
  const isExcluded = excludedSql({ workspaceId, at, excludedListIds, excludedRules: excludedSegments });
  // Without segments the lists are joined, and not asked contact by contact.
  const isIn = segments.length === 0 ? isListed : sql`(${isListed} OR ${isDescribed})`;
  return isExcluded ? sql`${isIn} AND NOT ${isExcluded}` : isIn;
}

/** As recipientData (content/message.ts) finds it. */
function fieldValue(path: string): Sql {
  if (path === 'name') return sql`coalesce(c.name, c.attributes->>'name')`;
  if (path === 'first_name') return sql`coalesce(c.attributes->>'first_name', c.name)`;
  return sql`c.attributes #>> string_to_array(${path}, '.')`;
}

export interface SampleContact {
  id: string;
  email: string;
  name: string | null;
  attributes: Record<string, unknown>;
}

/** One of the audience; any. */
export async function sampleContact(tx: Tx, asked: AskedAudience): Promise<SampleContact | undefined> {
  const { workspaceId, listIds, segments } = asked;
  const [row] = await tx.query<SampleContact>(
    segments.length > 0 || isAnybodyExcluded(asked)
      ? sql`SELECT id, email, name, attributes FROM contact c
          WHERE c.workspace_id = ${workspaceId} AND ${isAsked(asked)} LIMIT 1`
      : sql`
    SELECT person.* FROM (SELECT contact_id FROM subscription
      WHERE workspace_id = ${workspaceId} AND list_id = ANY(${listIds}::uuid[]) AND status = 'subscribed' LIMIT 1) s
    CROSS JOIN LATERAL (SELECT id, email, name, attributes FROM contact
      WHERE workspace_id = ${workspaceId} AND id = s.contact_id LIMIT 1) person`,
  );
  return row;
}

function isAnybodyExcluded({ excludedListIds, excludedSegments }: AskedAudience): boolean {
  return excludedListIds.length + excludedSegments.length > 0;
}
