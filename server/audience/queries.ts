/**
 * The audience's SQL. One function a statement.
 *
 * A lookup that must stay an index probe per row, however large the tables grow, is written as a LATERAL subquery
 * with LIMIT 1: the planner cannot turn that into a join, and so never into a scan of a whole table.
 */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { SubscriptionStatus } from './states.ts';

export interface ContactValues {
  id: string;
  email: string;
  name: string | null;
  attributes: Record<string, unknown>;
}

/** Inserts, or fills in what is given: a missing name and missing attributes leave what is there. */
export async function upsertContact(tx: Tx, workspaceId: string, contact: ContactValues) {
  const [row] = await tx.query<{ id: string }>(sql`
    INSERT INTO contact (workspace_id, id, email, name, attributes)
    VALUES (${workspaceId}, ${contact.id}, ${contact.email}, ${contact.name}, ${JSON.stringify(contact.attributes)})
    ON CONFLICT (workspace_id, email) DO UPDATE SET
      name = coalesce(excluded.name, contact.name),
      attributes = contact.attributes || excluded.attributes, updated_at = now()
    RETURNING id`);
  if (!row) throw new Error('upsertContact gave no row');
  return row.id;
}

export async function findContact(tx: Tx, workspaceId: string, email: string) {
  const [row] = await tx.query<ContactValues>(sql`
    SELECT id, email, name, attributes FROM contact WHERE workspace_id = ${workspaceId} AND email = ${email}`);
  return row;
}

export async function findList(tx: Tx, workspaceId: string, name: string): Promise<string | undefined> {
  const [row] = await tx.query<{ id: string }>(
    sql`SELECT id FROM list WHERE workspace_id = ${workspaceId} AND name = ${name}`,
  );
  return row?.id;
}

export function insertList(tx: Tx, workspaceId: string, id: string, name: string) {
  return tx.query(sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${id}, ${name})
    ON CONFLICT (workspace_id, name) DO NOTHING`);
}

export function countSubscriptions(tx: Tx, workspaceId: string, listId: string) {
  return tx.query<{ status: SubscriptionStatus; n: number }>(sql`
    SELECT status, count(*)::float8 AS n FROM subscription
    WHERE workspace_id = ${workspaceId} AND list_id = ${listId} GROUP BY status`);
}

export interface SubscriptionKey {
  workspaceId: string;
  listId: string;
  contactId: string;
}

export async function lockSubscription(tx: Tx, key: SubscriptionKey): Promise<SubscriptionStatus | 'absent'> {
  const [row] = await tx.query<{ status: SubscriptionStatus }>(sql`
    SELECT status FROM subscription WHERE workspace_id = ${key.workspaceId} AND list_id = ${key.listId}
      AND contact_id = ${key.contactId} FOR UPDATE`);
  return row?.status ?? 'absent';
}

/** False: somebody else inserted it first. */
export async function insertSubscription(tx: Tx, key: SubscriptionKey, status: SubscriptionStatus) {
  const rows = await tx.query(sql`
    INSERT INTO subscription (workspace_id, list_id, contact_id, status)
    VALUES (${key.workspaceId}, ${key.listId}, ${key.contactId}, ${status})
    ON CONFLICT (workspace_id, list_id, contact_id) DO NOTHING RETURNING status`);
  return rows.length === 1;
}

export function updateSubscription(tx: Tx, key: SubscriptionKey, status: SubscriptionStatus) {
  return tx.query(sql`UPDATE subscription SET status = ${status}, changed_at = now()
    WHERE workspace_id = ${key.workspaceId} AND list_id = ${key.listId} AND contact_id = ${key.contactId}`);
}

export interface FreezePosition {
  /** The list that is being frozen; null when all are. */
  listId: string | null;
  afterContactId: string;
  isLastList: boolean;
}

/** Where the freeze of a campaign stands; its row stays locked until the transaction ends. */
export async function lockFreezePosition(tx: Tx, workspaceId: string, campaignId: string) {
  const [row] = await tx.query<FreezePosition>(sql`
    SELECT list_ids[frozen_list_count + 1] AS "listId", frozen_contact_id AS "afterContactId",
      frozen_list_count + 1 >= cardinality(list_ids) AS "isLastList"
    FROM campaign WHERE workspace_id = ${workspaceId} AND id = ${campaignId} FOR UPDATE`);
  return row;
}

/**
 * For the rest of the transaction: read in the order of an index rather than collect and sort. Right after an import
 * the statistics know nothing of the new list; the planner would then sort the rest of it anew for every chunk.
 */
export function preferIndexOrder(tx: Tx) {
  return tx.query(sql`SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)`);
}

/**
 * Turns the next `chunkRows` subscriptions of one list into messages and moves the campaign's position past them.
 *
 * Plan: one range of subscription_pkey from the position on, for each row one probe of contact_pkey and one of
 * suppression_pkey; so a chunk costs the same wherever it stands. Rows are read whatever their status is, so that a list
 * full of people who left is walked in bounded steps too. `read` < chunkRows: the list has ended.
 */
export async function freezeSubscriptions(
  tx: Tx,
  page: { workspaceId: string; campaignId: string; listId: string; afterContactId: string; chunkRows: number },
) {
  const [row] = await tx.query<{ read: number; frozen: number; suppressed: number }>(sql`
    WITH page AS MATERIALIZED (
      SELECT contact_id, status FROM subscription
      WHERE workspace_id = ${page.workspaceId}
        AND (list_id, contact_id) > (${page.listId}, ${page.afterContactId}) AND list_id <= ${page.listId}
      ORDER BY list_id, contact_id LIMIT ${page.chunkRows}),
    inserted AS (
      INSERT INTO message (workspace_id, campaign_id, contact_id, email, lane, state, due_at)
      SELECT ${page.workspaceId}, ${page.campaignId}, page.contact_id, person.email, 0,
        CASE WHEN suppressed.yes THEN 'suppressed' ELSE 'queued' END,
        CASE WHEN suppressed.yes THEN NULL ELSE now() END
      FROM page
      CROSS JOIN LATERAL (SELECT email FROM contact
        WHERE workspace_id = ${page.workspaceId} AND id = page.contact_id LIMIT 1) person
      LEFT JOIN LATERAL (SELECT true AS yes FROM suppression
        WHERE workspace_id = ${page.workspaceId} AND email = person.email LIMIT 1) suppressed ON true
      WHERE page.status = 'subscribed'
      ON CONFLICT (workspace_id, campaign_id, contact_id) DO NOTHING
      RETURNING state),
    counted AS (
      SELECT (SELECT count(*) FROM page) AS read,
        count(*) FILTER (WHERE state = 'queued') AS frozen,
        count(*) FILTER (WHERE state = 'suppressed') AS suppressed
      FROM inserted),
    moved AS (
      UPDATE campaign SET audience = audience + counted.frozen + counted.suppressed,
        frozen_contact_id = coalesce((SELECT contact_id FROM page ORDER BY contact_id DESC LIMIT 1), frozen_contact_id)
      FROM counted WHERE workspace_id = ${page.workspaceId} AND id = ${page.campaignId})
    SELECT read::float8, frozen::float8, suppressed::float8 FROM counted`);
  if (!row) throw new Error('freezeSubscriptions gave no row');
  return row;
}

/** The current list has ended: on to the next one, or the audience is complete. */
export function finishFrozenList(tx: Tx, workspaceId: string, campaignId: string, isLastList: boolean) {
  return tx.query(sql`
    UPDATE campaign SET frozen_list_count = frozen_list_count + 1,
      frozen_contact_id = '00000000-0000-0000-0000-000000000000',
      frozen_at = CASE WHEN ${isLastList} THEN now() END
    WHERE workspace_id = ${workspaceId} AND id = ${campaignId}`);
}
