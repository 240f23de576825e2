/** The SQL of how a campaign goes out: its plan, its stages, and what a person decided about it. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { Counts, HaltLimits } from './halt.ts';
import type { CampaignKey } from './queries.ts';

export interface PlanRow {
  timezone: string;
  sendWindow: string | null;
  localAt: string | null;
  stages: readonly number[];
  holdSeconds: number | null;
  haltLimits: HaltLimits | null;
}

export function setPlan(tx: Tx, of: CampaignKey, plan: PlanRow) {
  return tx.query(sql`
    UPDATE campaign SET timezone = ${plan.timezone}, send_window = ${plan.sendWindow},
      local_at = ${plan.localAt}::timestamp, stages = ${plan.stages}::float8[], hold_seconds = ${plan.holdSeconds},
      halt_limits = ${plan.haltLimits && JSON.stringify(plan.haltLimits)}
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId}`);
}

export function setWindow(tx: Tx, of: CampaignKey, window: string | null, timezone: string) {
  return tx.query(sql`UPDATE campaign SET send_window = ${window}, timezone = ${timezone}
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId}`);
}

export interface RolloutRow extends PlanRow {
  /** Index of the stage that is frozen or sent now. */
  stage: number;
  /** The audience when it began. */
  stageAudience: number;
  isStageFrozen: boolean;
  holdsUntil: Date | null;
  /** Counts of the campaign when a person last let it go on. */
  haltSince: Counts;
}

export async function findRollout(tx: Tx, of: CampaignKey): Promise<RolloutRow | undefined> {
  const [row] = await tx.query<RolloutRow>(sql`
    SELECT timezone, send_window AS "sendWindow", to_char(local_at, 'YYYY-MM-DD"T"HH24:MI') AS "localAt", stages, stage,
      stage_audience::float8 AS "stageAudience",
      frozen_list_count >= cardinality(list_ids) + least(cardinality(segment_ids), 1) AS "isStageFrozen",
      hold_seconds AS "holdSeconds", holds_until AS "holdsUntil", halt_limits AS "haltLimits",
      halt_since AS "haltSince"
    FROM campaign WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId}`);
  return row;
}

/** The instant of the campaign's local time in every timezone that Postgres knows; their names, in lower case. */
export async function insertTimezones(tx: Tx, of: CampaignKey): Promise<string[]> {
  const rows = await tx.query<{ name: string }>(sql`
    INSERT INTO campaign_timezone (workspace_id, campaign_id, name, due_at)
    SELECT workspace_id, id, lower(zone.name), local_at AT TIME ZONE zone.name
    FROM campaign, pg_timezone_names zone
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} AND zone.name !~ '^(posix|right)/'
    ON CONFLICT DO NOTHING RETURNING name`);
  return rows.map(({ name }) => name);
}

export function deleteTimezones(tx: Tx, of: CampaignKey) {
  return tx.query(sql`
    DELETE FROM campaign_timezone WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId}`);
}

/** sending → holding. The hold is counted from its first moment, also when the campaign was paused meanwhile. */
export function setHold(tx: Tx, of: CampaignKey) {
  return tx.query(sql`
    UPDATE campaign SET holds_until = coalesce(holds_until, now() + hold_seconds * interval '1 s')
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId}`);
}

/** The freeze begins again, for a larger share. */
export function beginNextStage(tx: Tx, of: CampaignKey) {
  return tx.query(sql`
    UPDATE campaign SET stage = stage + 1, stage_audience = audience, holds_until = NULL, frozen_list_count = 0,
      frozen_contact_id = '00000000-0000-0000-0000-000000000000'
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId}`);
}

/** What a halt is judged by from now on. */
export function setHaltSince(tx: Tx, of: CampaignKey, counts: Counts) {
  return tx.query(sql`UPDATE campaign SET halt_since = ${JSON.stringify(counts)}
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId}`);
}

export interface OverrideRow {
  at: Date;
  by: string;
  items: { id: string; sentence: string }[];
}

export function insertOverride(tx: Tx, of: CampaignKey, override: Omit<OverrideRow, 'at'>) {
  return tx.query(sql`
    INSERT INTO campaign_override (workspace_id, campaign_id, by, items)
    VALUES (${of.workspaceId}, ${of.campaignId}, ${override.by}, ${JSON.stringify(override.items)})`);
}

export function listOverrides(tx: Tx, of: CampaignKey) {
  return tx.query<OverrideRow>(sql`
    SELECT at, by, items FROM campaign_override
    WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId} ORDER BY at`);
}
