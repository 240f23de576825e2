/** The campaigns' SQL. A move of state is one UPDATE that names the states it may come from. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { CampaignState } from './states.ts';

export interface CampaignKey {
  workspaceId: string;
  campaignId: string;
}

export interface NewCampaignRow extends CampaignKey {
  name: string;
  listIds: string[];
  fromName: string | null;
  fromEmail: string;
  replyTo: string | null;
  templateName: string;
  templateBody: string;
  giveUpSeconds: number;
  postalAddress: string | null;
}

export function insertCampaign(tx: Tx, row: NewCampaignRow) {
  return tx.query(sql`
    INSERT INTO campaign (workspace_id, id, name, list_ids, from_name, from_email, reply_to, template_name,
      template_body, give_up_seconds, postal_address)
    VALUES (${row.workspaceId}, ${row.campaignId}, ${row.name}, ${row.listIds}, ${row.fromName}, ${row.fromEmail},
      ${row.replyTo}, ${row.templateName}, ${row.templateBody}, ${row.giveUpSeconds}, ${row.postalAddress})`);
}

export interface CampaignRow {
  id: string;
  name: string;
  state: CampaignState;
  audience: number;
  createdAt: Date;
  scheduledAt: Date | null;
  startedAt: Date | null;
  frozenAt: Date | null;
  finishedAt: Date | null;
  failure: string | null;
}

const COLUMNS = sql`
  id, name, state, audience::float8 AS audience, created_at AS "createdAt", scheduled_at AS "scheduledAt",
  started_at AS "startedAt", frozen_at AS "frozenAt", finished_at AS "finishedAt", failure`;

export async function findCampaign(tx: Tx, of: CampaignKey): Promise<CampaignRow | undefined> {
  const [row] = await tx.query<CampaignRow>(sql`
    SELECT ${COLUMNS} FROM campaign
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} AND kind = 'campaign'`);
  return row;
}

/** The newest campaigns first; ids are UUIDv7. */
export function listCampaigns(tx: Tx, workspaceId: string, limit: number) {
  return tx.query<CampaignRow>(sql`
    SELECT ${COLUMNS} FROM campaign WHERE workspace_id = ${workspaceId} AND kind = 'campaign' ORDER BY id DESC LIMIT ${limit}`);
}

/** False: the campaign is in none of the states `from`. */
export async function moveState(
  tx: Tx,
  of: CampaignKey,
  from: CampaignState[],
  to: CampaignState,
): Promise<boolean> {
  const rows = await tx.query(sql`
    UPDATE campaign SET state = ${to}, state_changed_at = now(), failure = NULL,
      started_at = CASE WHEN ${to} = 'starting' THEN coalesce(started_at, now()) ELSE started_at END,
      finished_at = CASE WHEN ${to} IN ('finished', 'cancelled', 'failed') THEN now() END
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} AND state = ANY(${from}) RETURNING id`);
  return rows.length === 1;
}

export function setSchedule(tx: Tx, of: CampaignKey, at: Date) {
  return tx.query(sql`UPDATE campaign SET scheduled_at = ${at}
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId}`);
}

export function setFailure(tx: Tx, of: CampaignKey, failure: string) {
  return tx.query(sql`UPDATE campaign SET failure = ${failure}
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId}`);
}

export function setFrozen(tx: Tx, of: CampaignKey) {
  return tx.query(sql`UPDATE campaign SET frozen_at = now()
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} AND frozen_at IS NULL
      AND stage + 1 >= cardinality(stages)`);
}

export async function msUntil(tx: Tx, at: Date): Promise<number> {
  const [row] = await tx.query<{ ms: number }>(
    sql`SELECT greatest(0, extract(epoch FROM ${at}::timestamptz - now())::float8 * 1000) AS ms`,
  );
  return row?.ms ?? 0;
}

export interface RouteRow {
  name: string;
  failures: number;
  pausedUntil: Date | null;
  reason: string | null;
}

/** Routes in trouble: why a campaign waits. */
export function troubledRoutes(tx: Tx, workspaceId: string) {
  return tx.query<RouteRow>(sql`
    SELECT name, failures, paused_until AS "pausedUntil", reason
    FROM route WHERE workspace_id = ${workspaceId} AND failures > 0`);
}

/** Of this month and the next two. */
export function createPartitions(tx: Tx) {
  return tx.query(
    sql`SELECT create_month_partitions(now() + make_interval(months => n)) FROM generate_series(0, 2) n`,
  );
}

/** Which of these merge fields no contact of the lists has, among the attributes. */
export async function attributesPresent(tx: Tx, workspaceId: string, listIds: string[], names: string[]) {
  const rows = await tx.query<{ name: string; present: boolean }>(sql`
    SELECT t.name, EXISTS (SELECT FROM subscription s
      JOIN contact c ON c.workspace_id = s.workspace_id AND c.id = s.contact_id
      WHERE s.workspace_id = ${workspaceId} AND s.list_id = ANY(${listIds}::uuid[]) AND s.status = 'subscribed'
        AND c.attributes ? t.name) AS present
    FROM unnest(${names}::text[]) AS t(name)`);
  return new Set(rows.filter((row) => row.present).map((row) => row.name));
}
