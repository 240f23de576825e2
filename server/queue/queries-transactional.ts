/** The SQL of messages of their own: streams, and what such a message says. Many at a time, because many come at a time. */
import type { Tx } from '../kernel/database.ts';
import { sql, uuids } from '../kernel/sql.ts';
import type { CampaignKey } from './queries.ts';

/** The streams of these From addresses and this month (UTC) that are there. Index: campaign_stream. */
export function findStreams(tx: Tx, workspaceId: string, fromEmails: readonly string[]) {
  return tx.query<{ fromEmail: string; campaignId: string }>(sql`
    SELECT from_email AS "fromEmail", id AS "campaignId" FROM campaign
    WHERE workspace_id = ${workspaceId} AND from_email = ANY (${fromEmails}::text[])
      AND stream_month = date_trunc('month', now(), 'UTC')::date AND kind = 'transactional'`);
}

/** Made by its first message; two may come at once. */
export async function ensureStream(
  tx: Tx,
  stream: CampaignKey & { fromEmail: string; giveUpSeconds: number },
): Promise<string> {
  const [row] = await tx.query<{ id: string }>(sql`
    INSERT INTO campaign (workspace_id, id, kind, stream_month, name, state, list_ids, from_email, template_name,
      template_body, give_up_seconds, started_at, frozen_at)
    VALUES (${stream.workspaceId}, ${stream.campaignId}, 'transactional', date_trunc('month', now(), 'UTC')::date,
      'transactional', 'sending', '{}', ${stream.fromEmail}, '', '', ${stream.giveUpSeconds}, now(), now())
    ON CONFLICT (workspace_id, from_email, stream_month) WHERE kind = 'transactional'
    DO UPDATE SET from_email = excluded.from_email RETURNING id`);
  if (!row) throw new Error('ensureStream gave no row');
  return row.id;
}

/** Writes nothing when it is tried for so long already. Index: campaign_pkey. */
export function lengthenGiveUp(tx: Tx, of: CampaignKey, seconds: number) {
  return tx.query(sql`UPDATE campaign SET give_up_seconds = ${seconds}
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} AND give_up_seconds < ${seconds}`);
}

/** The stream of a message of its own. Index: transactional_message_pkey. */
export async function streamOfMessage(tx: Tx, workspaceId: string, id: string): Promise<string | undefined> {
  const [row] = await tx.query<{ campaignId: string }>(sql`
    SELECT campaign_id AS "campaignId" FROM transactional_message WHERE workspace_id = ${workspaceId} AND id = ${id}`);
  return row?.campaignId;
}

export interface TransactionalRow {
  id: string;
  email: string;
  queuedBy: string | null;
  /** TransactionalBody, as JSON. */
  body: string;
}

/** Under ids that are new. */
export function insertTransactional(tx: Tx, of: CampaignKey, rows: readonly TransactionalRow[]): void {
  tx.atCommit(inserting(of, rows));
}

/** False: it was there already. */
export async function insertTransactionalOnce(
  tx: Tx,
  of: CampaignKey,
  row: TransactionalRow,
): Promise<boolean> {
  const fresh = await tx.query(sql`${inserting(of, [row])} ON CONFLICT DO NOTHING RETURNING id`);
  return fresh.length === 1;
}

function inserting(of: CampaignKey, rows: readonly TransactionalRow[]) {
  return sql`
    INSERT INTO transactional_message (workspace_id, campaign_id, id, email, queued_by, body)
    SELECT ${of.workspaceId}, ${of.campaignId}, t.id, t.email, t.queued_by, t.body::jsonb
    FROM unnest(${uuids(rows.map(({ id }) => id))}::uuid[], ${rows.map(({ email }) => email)}::text[],
      ${rows.map(({ queuedBy }) => queuedBy)}::text[], ${rows.map(({ body }) => body)}::text[])
      AS t(id, email, queued_by, body)`;
}

/** They wait in the lane of what is not sorted yet. */
export function insertTransactionalMessages(
  tx: Tx,
  of: CampaignKey,
  rows: readonly TransactionalRow[],
): void {
  tx.atCommit(sql`
    INSERT INTO message (workspace_id, campaign_id, lane, state, due_at, contact_id, email)
    SELECT ${of.workspaceId}, ${of.campaignId}, 0, 'queued', now(), t.id, t.email
    FROM unnest(${uuids(rows.map(({ id }) => id))}::uuid[], ${rows.map(({ email }) => email)}::text[]) AS t(id, email)`);
}

/** Those of these addresses that are suppressed, and why. Index: suppression_pkey. */
export function suppressedAmong(tx: Tx, workspaceId: string, emails: readonly string[]) {
  return tx.query<{ email: string; reason: string }>(sql`
    SELECT email, reason FROM suppression WHERE workspace_id = ${workspaceId} AND email = ANY (${emails}::text[])`);
}
