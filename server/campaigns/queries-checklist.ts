/** The SQL of the checklist before a campaign: who would get it, and what is not known of them. */
import type { Tx } from '../kernel/database.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import type { CampaignKey } from './queries.ts';

export interface CheckedCampaignRow {
  listIds: string[];
  fromEmail: string;
  postalAddress: string | null;
  templateName: string;
  templateBody: string;
}

export async function campaignToCheck(tx: Tx, of: CampaignKey): Promise<CheckedCampaignRow | undefined> {
  const [row] = await tx.query<CheckedCampaignRow>(sql`
    SELECT list_ids AS "listIds", from_email AS "fromEmail", postal_address AS "postalAddress",
      template_name AS "templateName", template_body AS "templateBody"
    FROM campaign WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId}`);
  return row;
}

export async function countAudience(
  tx: Tx,
  workspaceId: string,
  listIds: readonly string[],
): Promise<number> {
  const [row] = await tx.query<{ n: number }>(
    sql`SELECT count(DISTINCT contact_id)::float8 AS n FROM subscription
      WHERE workspace_id = ${workspaceId} AND list_id = ANY(${listIds}::uuid[]) AND status = 'subscribed'`,
  );
  return row?.n ?? 0;
}

/**
 * For each merge field (`city`, `address.street`) how many of the audience have nothing there. One pass over the
 * contacts, however many fields and lists: the ids of the audience are hashed, and nobody is counted twice.
 */
export async function countMissing(
  tx: Tx,
  workspaceId: string,
  listIds: readonly string[],
  paths: readonly string[],
): Promise<number[]> {
  if (paths.length === 0) return [];
  const counts = paths
    .map((path) => sql`count(*) FILTER (WHERE coalesce(${fieldValue(path)}, '') = '')`)
    .reduce((before, next) => sql`${before}, ${next}`);
  const [row] = await tx.query<{ missing: number[] }>(sql`
    SELECT ARRAY[${counts}]::float8[] AS missing FROM contact c
    WHERE c.workspace_id = ${workspaceId} AND EXISTS (SELECT FROM subscription s
      WHERE s.workspace_id = ${workspaceId} AND s.list_id = ANY(${listIds}::uuid[]) AND s.contact_id = c.id
        AND s.status = 'subscribed')`);
  return row?.missing ?? [];
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
export async function sampleContact(tx: Tx, workspaceId: string, listIds: readonly string[]) {
  const [row] = await tx.query<SampleContact>(sql`
    SELECT person.* FROM (SELECT contact_id FROM subscription
      WHERE workspace_id = ${workspaceId} AND list_id = ANY(${listIds}::uuid[]) AND status = 'subscribed' LIMIT 1) s
    CROSS JOIN LATERAL (SELECT id, email, name, attributes FROM contact
      WHERE workspace_id = ${workspaceId} AND id = s.contact_id LIMIT 1) person`);
  return row;
}
