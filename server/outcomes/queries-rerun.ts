/** History judged anew: refusals and the suppressions that came of them, a page at a time, in the order of an index. */
import type { Tx } from '../kernel/database.ts';
import { sql, uuids } from '../kernel/sql.ts';
import type { Phase } from '../smtp/classification.ts';
import type { Trouble } from './trouble.ts';

/** An event's key. `at` is text: a Date would lose its microseconds. */
export interface EventKey {
  at: string;
  campaignId: string;
  contactId: string;
  attempt: number;
}

export interface RefusalRow extends EventKey {
  /** null: an event that tells of an address without a reply. */
  phase: Phase | null;
  mxHost: string | null;
  detail: string | null;
  rule: string | null;
  trouble: Trouble | null;
}

/** Expected plan: a range of event_of_reply in each month, merged; no sort. */
export function refusalsAfter(tx: Tx, workspaceId: string, after: EventKey, limit: number) {
  return tx.query<RefusalRow>(sql`
    SELECT at::text, campaign_id AS "campaignId", contact_id AS "contactId", attempt, phase, mx_host AS "mxHost", detail,
      rule, trouble
    FROM event
    WHERE workspace_id = ${workspaceId} AND phase IS NOT NULL AND at >= ${after.at}::timestamptz
      AND (at, campaign_id, contact_id, attempt)
        > (${after.at}::timestamptz, ${after.campaignId}::uuid, ${after.contactId}::uuid, ${after.attempt}::integer)
    ORDER BY event.at, campaign_id, contact_id, attempt LIMIT ${limit}`);
}

/** Writes what the table says now. */
export function relabelRefusals(
  tx: Tx,
  workspaceId: string,
  rows: (EventKey & { rule: string; trouble: Trouble | null })[],
) {
  tx.atCommit(sql`
    UPDATE event e SET rule = t.rule, trouble = t.trouble
    FROM unnest(${rows.map((row) => row.at)}::timestamptz[], ${uuids(rows.map((row) => row.campaignId))}::uuid[],
      ${uuids(rows.map((row) => row.contactId))}::uuid[], ${rows.map((row) => row.attempt)}::integer[],
      ${rows.map((row) => row.rule)}::text[], ${rows.map((row) => row.trouble)}::text[])
      AS t(at, campaign_id, contact_id, attempt, rule, trouble)
    WHERE e.workspace_id = ${workspaceId} AND e.at = t.at AND e.campaign_id = t.campaign_id
      AND e.contact_id = t.contact_id AND e.attempt = t.attempt AND e.phase IS NOT NULL`);
}

export interface SuppressionKey {
  email: string;
  campaignId: string;
  attempt: number;
}

export interface SuppressionRow extends SuppressionKey {
  rule: string | null;
  /** What told of the address until then. */
  events: (RefusalRow & { daysBefore: number })[] | null;
}

/** Suppressions that came of an event, with the events that could have led to them. */
export function suppressionsAfter(
  tx: Tx,
  workspaceId: string,
  page: { email: string; since: Date; daysMax: number; limit: number },
) {
  return tx.query<SuppressionRow>(sql`
    SELECT s.email, s.rule, s.campaign_id AS "campaignId", s.attempt, told.events
    FROM suppression s
    CROSS JOIN LATERAL (
      SELECT json_agg(json_build_object('at', e.at::text, 'campaignId', e.campaign_id, 'contactId', e.contact_id,
        'attempt', e.attempt, 'phase', e.phase, 'mxHost', e.mx_host, 'detail', e.detail, 'rule', e.rule,
        'trouble', e.trouble, 'daysBefore', extract(epoch FROM s.created_at - e.at)::float8 / 86400)) AS events
      FROM event e
      WHERE e.workspace_id = ${workspaceId} AND e.contact_id = s.contact_id AND e.trouble IS NOT NULL
        AND e.at <= s.created_at AND e.at > s.created_at - ${page.daysMax}::integer * interval '1 day') told
    WHERE s.workspace_id = ${workspaceId} AND s.email > ${page.email} AND s.reason = 'hard_bounce'
      AND s.campaign_id IS NOT NULL AND s.created_at >= ${page.since}
    ORDER BY s.email LIMIT ${page.limit}`);
}

/** Only what still is as it was read: a person may have put the address on the list meanwhile. */
export function deleteSuppressions(tx: Tx, workspaceId: string, keys: SuppressionKey[]) {
  tx.atCommit(sql`
    DELETE FROM suppression s USING ${columnsOf(keys)} AS t(email, campaign_id, attempt)
    WHERE ${isSame(workspaceId)}`);
}

export function renameSuppressions(tx: Tx, workspaceId: string, keys: (SuppressionKey & { rule: string })[]) {
  tx.atCommit(sql`
    UPDATE suppression s SET rule = names.rule
    FROM ${columnsOf(keys)} WITH ORDINALITY AS t(email, campaign_id, attempt, number)
    JOIN unnest(${keys.map((key) => key.rule)}::text[]) WITH ORDINALITY AS names(rule, number) USING (number)
    WHERE ${isSame(workspaceId)}`);
}

function columnsOf(keys: SuppressionKey[]) {
  return sql`unnest(${keys.map((key) => key.email)}::text[], ${uuids(keys.map((key) => key.campaignId))}::uuid[],
      ${keys.map((key) => key.attempt)}::integer[])`;
}

function isSame(workspaceId: string) {
  return sql`s.workspace_id = ${workspaceId} AND s.email = t.email AND s.reason = 'hard_bounce'
      AND s.campaign_id = t.campaign_id AND s.attempt = t.attempt`;
}

export interface TemplateRow {
  template: string;
  phase: Phase;
  mxHost: string | null;
  count: number;
  lastAt: Date;
  /** The newest of them. */
  example: string;
}

/** What nobody knows the meaning of, one row a kind. */
export function refusalsByTemplate(tx: Tx, workspaceId: string, rules: string[], since: Date, limit: number) {
  return tx.query<TemplateRow>(sql`
    SELECT template, count(*)::float8 AS count, max(at) AS "lastAt", (array_agg(detail ORDER BY at DESC))[1] AS example,
      (array_agg(phase ORDER BY at DESC))[1] AS phase, (array_agg(mx_host ORDER BY at DESC))[1] AS "mxHost"
    FROM event
    WHERE workspace_id = ${workspaceId} AND phase IS NOT NULL AND at >= ${since} AND rule = ANY (${rules})
    GROUP BY template ORDER BY count(*) DESC, template LIMIT ${limit}`);
}
