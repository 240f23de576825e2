/** The event log and the suppression list. */
import type { Tx } from '../kernel/database.ts';
import { insertIntoOutbox } from '../kernel/queries-outbox.ts';
import { type Sql, sql, uuids } from '../kernel/sql.ts';
import type { Trouble } from './trouble.ts';

/** Of the raw reply, in what is posted to an endpoint. */
const DETAIL_CHARS_TOLD = 500;

export interface CampaignKey {
  workspaceId: string;
  campaignId: string;
}

export interface LikeEvents {
  kind: string;
  attempt: number;
  rule: string | null;
}

/** Events that differ only in the contact and in what was said. */
export function insertEvents(
  tx: Tx,
  of: CampaignKey,
  { kind, attempt, rule }: LikeEvents,
  contactIds: string[],
  details: (string | null)[],
) {
  tx.atCommit(sql`
    WITH told AS (
      SELECT ${kind}::text AS kind, ${attempt}::integer AS attempt, ${rule}::text AS rule, t.contact_id, t.detail
      FROM unnest(${uuids(contactIds)}::uuid[], ${details}::text[]) AS t(contact_id, detail)),
    announced AS (${announceTold(of)})
    INSERT INTO event (workspace_id, campaign_id, kind, attempt, rule, contact_id, detail)
    SELECT ${of.workspaceId}, ${of.campaignId}, kind, attempt, rule, contact_id, detail FROM told`);
}

/** The events of `told`, for the endpoints that want to know; which message it is says webhooks/payload.ts. */
function announceTold(of: CampaignKey): Sql {
  return insertIntoOutbox(of.workspaceId, {
    type: sql`('message.' || told.kind)`,
    data: sql`jsonb_build_object('campaign_id', ${of.campaignId}::uuid, 'contact_id', told.contact_id, 'transactional',
      (SELECT kind = 'transactional' FROM campaign WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId}),
      'attempt', told.attempt, 'rule', told.rule, 'detail', left(told.detail, ${DETAIL_CHARS_TOLD}::integer))`,
    from: sql`told`,
  });
}

export interface Refusal {
  contactId: string;
  email: string;
  kind: string;
  attempt: number;
  detail: string | null;
  rule: string | null;
  trouble: Trouble | null;
  phase: string | null;
  mxHost: string | null;
  template: string | null;
}

/** Events that tell of a reply, or of an address. */
export function insertRefusals(tx: Tx, of: CampaignKey, rows: Refusal[]) {
  const column = <Key extends keyof Refusal>(key: Key) => rows.map((row) => row[key]);
  tx.atCommit(sql`
    WITH told AS (
      SELECT * FROM unnest(${uuids(column('contactId'))}::uuid[], ${column('kind')}::text[],
        ${column('attempt')}::integer[], ${column('detail')}::text[], ${column('rule')}::text[],
        ${column('trouble')}::text[], ${column('phase')}::text[], ${column('mxHost')}::text[],
        ${column('template')}::text[])
        AS t(contact_id, kind, attempt, detail, rule, trouble, phase, mx_host, template)),
    announced AS (${announceTold(of)})
    INSERT INTO event (workspace_id, campaign_id, contact_id, kind, attempt, detail, rule, trouble, phase, mx_host, template)
    SELECT ${of.workspaceId}, ${of.campaignId}, told.* FROM told`);
}

export function insertSuppressions(tx: Tx, of: CampaignKey, rows: Refusal[]) {
  tx.atCommit(sql`
    INSERT INTO suppression (workspace_id, reason, campaign_id, email, rule, detail, contact_id, attempt)
    SELECT ${of.workspaceId}, 'hard_bounce', ${of.campaignId}, t.email, t.rule, t.detail, t.contact_id, t.attempt
    FROM ${origins(rows)} ORDER BY t.email ON CONFLICT DO NOTHING`);
}

function origins(rows: Refusal[]) {
  return sql`unnest(${rows.map((row) => row.email)}::text[], ${rows.map((row) => row.rule)}::text[],
      ${rows.map((row) => row.detail)}::text[], ${uuids(rows.map((row) => row.contactId))}::uuid[],
      ${rows.map((row) => row.attempt)}::integer[], ${rows.map((row) => row.trouble)}::text[])
      WITH ORDINALITY AS t(email, rule, detail, contact_id, attempt, trouble, number)`;
}

/**
 * Suppresses those of the addresses whose troubles of this kind are enough by now; the events of this transaction are
 * among them. An acceptance wipes out what came before it.
 *
 * Expected plan: for each address a range of event_of_trouble in the partitions of the last months; only for the few that
 * have enough, a probe of event_of_message for each campaign that could have had an acceptance since.
 */
export function suppressRepeated(
  tx: Tx,
  of: CampaignKey,
  rows: (Refusal & { campaigns: number; days: number })[],
  daysMax: number,
) {
  tx.atCommit(sql`
    WITH told AS MATERIALIZED (
      SELECT t.*, n.campaigns, n.days, troubles.since
      FROM ${origins(rows)}
      JOIN unnest(${rows.map((row) => row.campaigns)}::integer[], ${rows.map((row) => row.days)}::integer[])
        WITH ORDINALITY AS n(campaigns, days, number) USING (number)
      CROSS JOIN LATERAL (
        SELECT count(DISTINCT e.campaign_id) AS campaigns, min(e.at) AS since FROM event e
        WHERE e.workspace_id = ${of.workspaceId} AND e.contact_id = t.contact_id AND e.trouble = t.trouble
          AND e.at > now() - ${daysMax}::integer * interval '1 day') AS troubles
      WHERE troubles.campaigns >= n.campaigns AND troubles.since <= now() - n.days * interval '1 day')
    INSERT INTO suppression (workspace_id, reason, campaign_id, email, rule, detail, contact_id, attempt)
    SELECT ${of.workspaceId}, 'hard_bounce', ${of.campaignId}, told.email, told.rule, told.detail, told.contact_id,
      told.attempt
    FROM told
    CROSS JOIN LATERAL (
      SELECT max(a.at) AS at FROM campaign c
      CROSS JOIN LATERAL (SELECT a.at FROM event a
        WHERE a.workspace_id = ${of.workspaceId} AND a.campaign_id = c.id AND a.contact_id = told.contact_id
          AND a.kind = 'accepted' AND a.at > told.since ORDER BY a.at DESC LIMIT 1) a
      WHERE c.workspace_id = ${of.workspaceId} AND (c.finished_at IS NULL OR c.finished_at > told.since)) AS accepted
    CROSS JOIN LATERAL (
      SELECT count(DISTINCT e.campaign_id) AS campaigns, min(e.at) AS since FROM event e
      WHERE e.workspace_id = ${of.workspaceId} AND e.contact_id = told.contact_id AND e.trouble = told.trouble
        AND e.at >= told.since AND e.at > coalesce(accepted.at, '-infinity')) AS left_over
    WHERE left_over.campaigns >= told.campaigns AND left_over.since <= now() - told.days * interval '1 day'
    ORDER BY told.email ON CONFLICT DO NOTHING`);
}
