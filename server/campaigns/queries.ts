/** The campaigns' SQL. A move of state is one UPDATE that names the states it may come from. */
import type { Tx } from '../kernel/database.ts';
import { insertIntoOutbox } from '../kernel/queries-outbox.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import type { CampaignState } from './states.ts';

export interface CampaignKey {
  workspaceId: string;
  campaignId: string;
}

/** What a draft says, and a person may change. */
export interface DraftRow {
  name: string;
  listIds: readonly string[];
  segmentIds: readonly string[];
  excludedListIds: readonly string[];
  excludedSegmentIds: readonly string[];
  fromName: string | null;
  fromEmail: string;
  replyTo: string | null;
  templateName: string;
  templateBody: string;
  giveUpSeconds: number;
  postalAddress: string | null;
}

export function insertCampaign(tx: Tx, of: CampaignKey, row: DraftRow) {
  return tx.query(sql`
    INSERT INTO campaign (workspace_id, id, name, list_ids, segment_ids, excluded_list_ids, excluded_segment_ids, from_name,
      from_email, reply_to, template_name, template_body, give_up_seconds, postal_address)
    VALUES (${of.workspaceId}, ${of.campaignId}, ${row.name}, ${row.listIds}, ${row.segmentIds}, ${row.excludedListIds},
      ${row.excludedSegmentIds}, ${row.fromName}, ${row.fromEmail}, ${row.replyTo}, ${row.templateName},
      ${row.templateBody}, ${row.giveUpSeconds}, ${row.postalAddress})`);
}

export function updateDraft(tx: Tx, of: CampaignKey, row: DraftRow) {
  return tx.query(sql`
    UPDATE campaign SET name = ${row.name}, list_ids = ${row.listIds}, segment_ids = ${row.segmentIds},
      excluded_list_ids = ${row.excludedListIds}, excluded_segment_ids = ${row.excludedSegmentIds},
      from_name = ${row.fromName}, from_email = ${row.fromEmail}, reply_to = ${row.replyTo},
      template_name = ${row.templateName}, template_body = ${row.templateBody},
      give_up_seconds = ${row.giveUpSeconds}, postal_address = ${row.postalAddress}, version = version + 1
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} AND state = 'draft'`);
}

export function deleteDraft(tx: Tx, of: CampaignKey) {
  return tx.query(sql`
    DELETE FROM campaign WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} AND state = 'draft'`);
}

/** Nothing of it is frozen; as if it had never been sent. */
export function forgetStart(tx: Tx, of: CampaignKey) {
  return tx.query(sql`
    UPDATE campaign SET scheduled_at = NULL, started_at = NULL, frozen_at = NULL, stage = 0, frozen_list_count = 0,
      frozen_contact_id = '00000000-0000-0000-0000-000000000000', frozen_rules = NULL, freeze_began_at = NULL,
      version = version + 1
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId}`);
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

/** Nobody changes or moves it until the transaction ends. */
export async function lockCampaign(tx: Tx, of: CampaignKey): Promise<CampaignRow | undefined> {
  const [row] = await tx.query<CampaignRow>(sql`
    SELECT ${COLUMNS} FROM campaign
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} AND kind = 'campaign' FOR UPDATE`);
  return row;
}

export interface CampaignDetail extends CampaignRow, DraftRow {
  version: number;
}

export async function findCampaignDetail(tx: Tx, of: CampaignKey): Promise<CampaignDetail | undefined> {
  const [row] = await tx.query<CampaignDetail>(sql`
    SELECT ${COLUMNS}, version, list_ids AS "listIds", segment_ids AS "segmentIds",
      excluded_list_ids AS "excludedListIds", excluded_segment_ids AS "excludedSegmentIds", from_name AS "fromName",
      from_email AS "fromEmail", reply_to AS "replyTo", template_name AS "templateName",
      template_body AS "templateBody", give_up_seconds AS "giveUpSeconds", postal_address AS "postalAddress"
    FROM campaign WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} AND kind = 'campaign'`);
  return row;
}

/** The newest first, those older than `after`. Index: campaign_pkey. */
export function campaignPage(tx: Tx, workspaceId: string, after: string | null, limit: number) {
  return tx.query<CampaignRow>(sql`
    SELECT ${COLUMNS} FROM campaign WHERE workspace_id = ${workspaceId} AND kind = 'campaign'
      AND id < coalesce(${after}::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY id DESC LIMIT ${limit}`);
}

/** As campaignPage, of one state. Index: campaign_of_state. */
export function campaignPageOfState(
  tx: Tx,
  workspaceId: string,
  state: CampaignState,
  after: string | null,
  limit: number,
) {
  return tx.query<CampaignRow>(sql`
    SELECT ${COLUMNS} FROM campaign WHERE workspace_id = ${workspaceId} AND kind = 'campaign' AND state = ${state}
      AND id < coalesce(${after}::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY id DESC LIMIT ${limit}`);
}

/** False: the campaign is in none of the states `from`. */
export async function moveState(
  tx: Tx,
  of: CampaignKey,
  from: readonly CampaignState[],
  to: CampaignState,
): Promise<boolean> {
  const rows = await tx.query(sql`
    WITH moved AS (
      UPDATE campaign SET state = ${to}, state_changed_at = now(), failure = NULL,
        started_at = CASE WHEN ${to} = 'starting' THEN coalesce(started_at, now()) ELSE started_at END,
        finished_at = CASE WHEN ${to} IN ('finished', 'cancelled', 'failed') THEN now() END
      WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} AND kind = 'campaign'
        AND state = ANY(${from})
      RETURNING id, name, audience),
    announced AS (${announceMoved(of, from, to)})
    SELECT id FROM moved`);
  return rows.length === 1;
}

const ANNOUNCED_STATES: readonly CampaignState[] = ['paused', 'finished', 'cancelled', 'failed'];

/** A campaign is started once, however many stages it has and however often it goes on after a pause. */
function announceMoved(of: CampaignKey, from: readonly CampaignState[], to: CampaignState): Sql {
  const isStart = to === 'starting' && (from.includes('draft') || from.includes('scheduled'));
  const name = isStart ? 'started' : ANNOUNCED_STATES.find((state) => state === to);
  return insertIntoOutbox(of.workspaceId, {
    type: sql`${name ? `campaign.${name}` : null}::text`,
    data: sql`jsonb_build_object('campaign_id', moved.id, 'name', moved.name, 'audience', moved.audience)`,
    from: sql`moved`,
  });
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

/** Which of these merge fields somebody has who is subscribed to one of the lists; null: to any. */
export async function attributesPresent(
  tx: Tx,
  workspaceId: string,
  listIds: string[] | null,
  names: string[],
) {
  const ofLists = listIds ? sql`AND s.list_id = ANY(${listIds}::uuid[])` : sql``;
  const rows = await tx.query<{ name: string; present: boolean }>(sql`
    SELECT t.name, EXISTS (SELECT FROM subscription s
      JOIN contact c ON c.workspace_id = s.workspace_id AND c.id = s.contact_id
      WHERE s.workspace_id = ${workspaceId} ${ofLists} AND s.status = 'subscribed'
        AND c.attributes ? t.name) AS present
    FROM unnest(${names}::text[]) AS t(name)`);
  return new Set(rows.filter((row) => row.present).map((row) => row.name));
}
