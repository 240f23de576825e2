/** Lists and subscriptions, as people look at them and change them: one, a page, a set of contacts. */
import type { Tx } from '../kernel/database.ts';
import { insertIntoOutbox } from '../kernel/queries-outbox.ts';
import { type Sql, sql, uuids } from '../kernel/sql.ts';
import { announceImports } from './queries-imports.ts';
import type { SubscriptionStatus } from './states.ts';

export interface ListRow {
  id: string;
  name: string;
  createdAt: Date;
  unconfirmed: number;
  subscribed: number;
  unsubscribed: number;
}

const COLUMNS = sql`l.id, l.name, l.created_at AS "createdAt", n.unconfirmed, n.subscribed, n.unsubscribed`;

/** A few rows of counters a list, whatever its length. */
function counted(workspaceId: string) {
  return sql`CROSS JOIN LATERAL (
    SELECT coalesce(sum(unconfirmed), 0)::float8 AS unconfirmed, coalesce(sum(subscribed), 0)::float8 AS subscribed,
      coalesce(sum(unsubscribed), 0)::float8 AS unsubscribed
    FROM list_count WHERE workspace_id = ${workspaceId} AND list_id = l.id) n`;
}

/** By name. Index: list_workspace_id_name_key. */
export function listPage(tx: Tx, workspaceId: string, after: string | null, limit: number) {
  return tx.query<ListRow>(sql`
    SELECT ${COLUMNS} FROM list l ${counted(workspaceId)}
    WHERE l.workspace_id = ${workspaceId} AND l.name > ${after ?? ''} ORDER BY l.name LIMIT ${limit}`);
}

export async function findListById(tx: Tx, workspaceId: string, id: string): Promise<ListRow | undefined> {
  const [row] = await tx.query<ListRow>(sql`
    SELECT ${COLUMNS} FROM list l ${counted(workspaceId)} WHERE l.workspace_id = ${workspaceId} AND l.id = ${id}`);
  return row;
}

/** Keeps the list from being deleted until the transaction ends; false: there is none. */
export async function holdList(tx: Tx, workspaceId: string, id: string): Promise<boolean> {
  const rows = await tx.query(
    sql`SELECT id FROM list WHERE workspace_id = ${workspaceId} AND id = ${id} FOR KEY SHARE`,
  );
  return rows.length === 1;
}

/** Those of the lists that are there; they are not deleted until the transaction ends. */
export async function holdLists(tx: Tx, workspaceId: string, ids: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(sql`
    SELECT id FROM list WHERE workspace_id = ${workspaceId} AND id = ANY (${uuids(ids)}::uuid[])
    ORDER BY id FOR KEY SHARE`);
  return rows.map(({ id }) => id);
}

/** Its name; waits for whoever holds it. */
export async function lockList(tx: Tx, workspaceId: string, id: string): Promise<string | undefined> {
  const [row] = await tx.query<{ name: string }>(
    sql`SELECT name FROM list WHERE workspace_id = ${workspaceId} AND id = ${id} FOR UPDATE`,
  );
  return row?.name;
}

/** Throws unique_violation when another one has the name. */
export function renameList(tx: Tx, workspaceId: string, id: string, name: string) {
  return tx.query(sql`UPDATE list SET name = ${name} WHERE workspace_id = ${workspaceId} AND id = ${id}`);
}

/**
 * A campaign that is not over and goes to this list, leaves it out, or asks for it in the rules that it was frozen by. One
 * that failed may become a draft again.
 */
export async function campaignThatNeedsList(tx: Tx, workspaceId: string, id: string) {
  const [row] = await tx.query<{ name: string }>(sql`
    SELECT name FROM campaign WHERE workspace_id = ${workspaceId} AND state NOT IN ('finished', 'cancelled')
      AND (${id}::uuid = ANY (list_ids || excluded_list_ids) OR ${rulesName(sql`frozen_rules`, id)})
    ORDER BY id LIMIT 1`);
  return row?.name;
}

/** A segment whose rules ask for the list. A workspace has few segments. */
export async function segmentThatNeedsList(tx: Tx, workspaceId: string, id: string) {
  const [row] = await tx.query<{ name: string }>(sql`
    SELECT name FROM segment WHERE workspace_id = ${workspaceId} AND ${rulesName(sql`rules`, id)} ORDER BY name LIMIT 1`);
  return row?.name;
}

function rulesName(rules: Sql, listId: string): Sql {
  return sql`coalesce(jsonb_path_exists(${rules}, '$.**.list_id ? (@ == $id)', jsonb_build_object('id', ${listId}::text)), false)`;
}

/** Waits for a chunk that is being merged; none is merged afterwards. */
export function failImportsOfList(tx: Tx, workspaceId: string, id: string, error: string) {
  return tx.query(sql`
    WITH ended AS (
      UPDATE import SET state = 'failed', error = ${error}, finished_at = now()
      WHERE workspace_id = ${workspaceId} AND list_id = ${id} AND state = 'running'
      RETURNING id, list_id, state, records_done, created, updated, rejected)
    ${announceImports(workspaceId)}`);
}

/** With its subscriptions and their counters. */
export async function deleteList(tx: Tx, workspaceId: string, id: string): Promise<void> {
  await tx.query(sql`DELETE FROM subscription WHERE workspace_id = ${workspaceId} AND list_id = ${id}`);
  await tx.query(sql`DELETE FROM list_count WHERE workspace_id = ${workspaceId} AND list_id = ${id}`);
  await tx.query(sql`DELETE FROM list WHERE workspace_id = ${workspaceId} AND id = ${id}`);
}

export interface SubscriptionRow {
  listId: string;
  listName: string;
  status: SubscriptionStatus;
  changedAt: Date;
}

/** All of a contact's. Index: subscription_of_contact. */
export function subscriptionsOf(tx: Tx, workspaceId: string, contactId: string) {
  return tx.query<SubscriptionRow>(sql`
    SELECT s.list_id AS "listId", l.name AS "listName", s.status, s.changed_at AS "changedAt"
    FROM subscription s
    CROSS JOIN LATERAL (SELECT name FROM list WHERE workspace_id = ${workspaceId} AND id = s.list_id LIMIT 1) l
    WHERE s.workspace_id = ${workspaceId} AND s.contact_id = ${contactId} ORDER BY l.name`);
}

/**
 * Nobody else changes them until the transaction ends. A statement of its own: only the next one sees what those whom this one
 * waited for have written. Index: subscription_of_contact.
 */
export function lockSubscriptionsOf(tx: Tx, workspaceId: string, contactIds: readonly string[]) {
  return tx.query(sql`
    SELECT FROM unnest(${uuids(contactIds)}::uuid[]) wanted_id
    CROSS JOIN LATERAL (SELECT list_id FROM subscription
      WHERE workspace_id = ${workspaceId} AND contact_id = wanted_id FOR UPDATE) s`);
}

export interface ManySubscriptions {
  workspaceId: string;
  listId: string;
  contactIds: readonly string[];
}

/** Those of the contacts who were not on the list in any status; waits for others who are adding the same. */
export async function insertSubscriptions(tx: Tx, of: ManySubscriptions, status: SubscriptionStatus) {
  const rows = await tx.query<{ contactId: string }>(sql`
    WITH changed AS (
      INSERT INTO subscription (workspace_id, list_id, contact_id, status)
      SELECT ${of.workspaceId}, ${of.listId}, contact_id, ${status}
      FROM unnest(${uuids(of.contactIds)}::uuid[]) contact_id ORDER BY contact_id
      ON CONFLICT (workspace_id, list_id, contact_id) DO NOTHING RETURNING list_id, contact_id, status),
    announced AS (${announceSubscriptions(of.workspaceId)})
    SELECT contact_id AS "contactId" FROM changed`);
  return rows.map(({ contactId }) => contactId);
}

/** Rows of `changed`: subscriptions that the same statement has written. */
export function announceSubscriptions(workspaceId: string): Sql {
  return insertIntoOutbox(workspaceId, {
    type: sql`('contact.' || changed.status)`,
    data: sql`jsonb_build_object('contact_id', changed.contact_id, 'list_id', changed.list_id)`,
    from: sql`changed`,
  });
}

/** Moves those who are in a status of `from` to the one in the same place of `to`. */
export async function moveSubscriptions(
  tx: Tx,
  of: ManySubscriptions,
  { from, to }: { from: readonly SubscriptionStatus[]; to: readonly SubscriptionStatus[] },
) {
  const rows = await tx.query<{ contactId: string }>(sql`
    WITH changed AS (
      UPDATE subscription SET status = (${to}::text[])[array_position(${from}::text[], status)], changed_at = now()
      WHERE workspace_id = ${of.workspaceId} AND list_id = ${of.listId}
        AND contact_id = ANY (${uuids(of.contactIds)}::uuid[]) AND status = ANY (${from}::text[])
      RETURNING list_id, contact_id, status),
    announced AS (${announceSubscriptions(of.workspaceId)})
    SELECT contact_id AS "contactId" FROM changed`);
  return rows.map(({ contactId }) => contactId);
}

/** How many of the contacts are on the list and have left it. */
export async function countLeft(tx: Tx, of: ManySubscriptions): Promise<number> {
  const [row] = await tx.query<{ n: number }>(sql`
    SELECT count(*)::float8 AS n FROM subscription
    WHERE workspace_id = ${of.workspaceId} AND list_id = ${of.listId}
      AND contact_id = ANY (${uuids(of.contactIds)}::uuid[]) AND status = 'unsubscribed'`);
  return row?.n ?? 0;
}

/** The lists that any of the contacts is on, in whatever status, and who of them. Index: subscription_of_contact. */
export function listsOf(tx: Tx, workspaceId: string, contactIds: readonly string[]) {
  return tx.query<{ listId: string; contactIds: string[] }>(sql`
    SELECT s.list_id AS "listId", array_agg(wanted_id ORDER BY wanted_id) AS "contactIds"
    FROM unnest(${uuids(contactIds)}::uuid[]) wanted_id
    CROSS JOIN LATERAL (SELECT list_id FROM subscription
      WHERE workspace_id = ${workspaceId} AND contact_id = wanted_id OFFSET 0) s
    GROUP BY s.list_id ORDER BY s.list_id`);
}
