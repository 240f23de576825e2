/**
 * The audience's SQL. One function a statement.
 *
 * A lookup that must stay an index probe per row, however large the tables grow, is written as a LATERAL subquery
 * with LIMIT 1: the planner cannot turn that into a join, and so never into a scan of a whole table.
 */
import { from as copyFrom } from 'pg-copy-streams';
import type { Tx } from '../kernel/database.ts';
import { type Sql, sql } from '../kernel/sql.ts';
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

export function allLists(tx: Tx, workspaceId: string) {
  return tx.query<{ id: string; name: string }>(
    sql`SELECT id, name FROM list WHERE workspace_id = ${workspaceId} ORDER BY name`,
  );
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
  /** How much of the audience is to be frozen by the end of this stage. */
  stagePercent: number;
  /** When the campaign is sent at the recipient's own time: when that is for those whose timezone is not known. */
  localDueAt: Date | null;
}

/** Where the freeze of a campaign stands; its row stays locked until the transaction ends. */
export async function lockFreezePosition(tx: Tx, workspaceId: string, campaignId: string) {
  const [row] = await tx.query<FreezePosition>(sql`
    SELECT list_ids[frozen_list_count + 1] AS "listId", frozen_contact_id AS "afterContactId",
      frozen_list_count + 1 >= cardinality(list_ids) AS "isLastList", stages[stage + 1] AS "stagePercent",
      local_at AT TIME ZONE timezone AS "localDueAt"
    FROM campaign WHERE workspace_id = ${workspaceId} AND id = ${campaignId} FOR UPDATE`);
  return row;
}

/**
 * For the rest of the transaction: read in the order of an index rather than collect and sort, and compile nothing.
 * Right after an import the statistics know nothing of the new list: the planner would sort the rest of it anew for
 * every chunk. And by its estimates a chunk is so large that JIT pays, which costs more than the chunk.
 */
export function planForChunks(tx: Tx) {
  return tx.query(sql`SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true),
    set_config('jit', 'off', true)`);
}

/**
 * Turns the next `chunkRows` subscriptions of one list into messages and moves the campaign's position past them.
 *
 * Plan: one range of subscription_pkey from the position on, for each row one probe of contact_pkey and one of
 * suppression_pkey; so a chunk costs the same wherever it stands. Rows are read whatever their status is, so that a list
 * full of people who left is walked in bounded steps too. `read` < chunkRows: the list has ended.
 *
 * Who is in a stage is a matter of chance, and another one in each campaign: what the id and the campaign's hash to. A
 * later stage takes everybody in again whom it may take; the key of `message` leaves out those who have theirs, and who
 * came onto the list since is not forgotten.
 */
export async function freezeSubscriptions(
  tx: Tx,
  page: {
    workspaceId: string;
    campaignId: string;
    listId: string;
    afterContactId: string;
    chunkRows: number;
    stagePercent: number;
    localDueAt: Date | null;
  },
) {
  const dueAt = page.localDueAt === null ? sql`now()` : localDueAt(page, page.localDueAt);
  const [row] = await tx.query<{ read: number; frozen: number; suppressed: number }>(sql`
    WITH page AS MATERIALIZED (
      SELECT contact_id, status FROM subscription
      WHERE workspace_id = ${page.workspaceId}
        AND (list_id, contact_id) > (${page.listId}, ${page.afterContactId}) AND list_id <= ${page.listId}
      ORDER BY list_id, contact_id LIMIT ${page.chunkRows}),
    inserted AS (
      INSERT INTO message (workspace_id, campaign_id, contact_id, email, lane, state, due_at)
      SELECT ${page.workspaceId}, ${page.campaignId}, page.contact_id, person.email, coalesce(known.lane, 0),
        CASE WHEN suppressed.yes THEN 'suppressed' ELSE 'queued' END,
        CASE WHEN suppressed.yes THEN NULL ELSE ${dueAt} END
      FROM page
      CROSS JOIN LATERAL (SELECT email, attributes FROM contact
        WHERE workspace_id = ${page.workspaceId} AND id = page.contact_id LIMIT 1) person
      LEFT JOIN LATERAL (SELECT true AS yes FROM suppression
        WHERE workspace_id = ${page.workspaceId} AND email = person.email LIMIT 1) suppressed ON true
      LEFT JOIN LATERAL (SELECT destination_id AS lane FROM mail_domain
        WHERE domain = split_part(person.email, '@', 2) LIMIT 1) known ON true
      WHERE page.status = 'subscribed'
        AND (uuid_hash_extended(page.contact_id, uuid_hash_extended(${page.campaignId}, 0)) & 1048575)
          < ${page.stagePercent}::float8 / 100 * 1048576
      ON CONFLICT (workspace_id, campaign_id, contact_id) DO NOTHING
      RETURNING state, lane, due_at),
    lanes AS (
      INSERT INTO lane (workspace_id, queue, key, number, open, next_due_at)
      SELECT ${page.workspaceId}, 'message', ${page.campaignId}, inserted.lane,
        (SELECT open FROM lane first WHERE first.workspace_id = ${page.workspaceId} AND first.queue = 'message'
          AND first.key = ${page.campaignId} AND first.number = 0),
        min(due_at)
      FROM inserted WHERE due_at IS NOT NULL GROUP BY inserted.lane ORDER BY inserted.lane
      ON CONFLICT (workspace_id, queue, key, number)
      DO UPDATE SET next_due_at = least(lane.next_due_at, excluded.next_due_at)),
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

/** By the attribute `timezone` of a contact; a name that Postgres does not know has no row (campaign_timezone). */
function localDueAt(of: { workspaceId: string; campaignId: string }, otherwise: Date): Sql {
  return sql`coalesce((SELECT due_at FROM campaign_timezone
    WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId}
      AND name = lower(btrim(person.attributes->>'timezone'))), ${otherwise}::timestamptz)`;
}

/** The current list has ended: on to the next one, or the stage is complete, and with the last one the audience. */
export function finishFrozenList(tx: Tx, workspaceId: string, campaignId: string, isLastList: boolean) {
  return tx.query(sql`
    UPDATE campaign SET frozen_list_count = frozen_list_count + 1,
      frozen_contact_id = '00000000-0000-0000-0000-000000000000',
      frozen_at = CASE WHEN ${isLastList} AND stage + 1 >= cardinality(stages) THEN now() END
    WHERE workspace_id = ${workspaceId} AND id = ${campaignId}`);
}

export interface ImportCounts {
  created: number;
  updated: number;
  /** Records that say nothing new about a contact who was there before the import. */
  unchanged: number;
  /** Records about a contact whom an earlier record of the same import made or changed. */
  duplicates: number;
  rejected: number;
  /** Of all contacts in the file, those who had left the list and stay away. */
  keptUnsubscribed: number;
}

export interface ImportRow extends ImportCounts {
  id: string;
  recordsDone: number;
}

/** The import of this fingerprint that began and did not end, latest first. Index: import_unfinished. */
export async function findUnfinishedImport(tx: Tx, workspaceId: string, fingerprint: string) {
  const [row] = await tx.query<ImportRow>(sql`
    SELECT id, records_done::float8 AS "recordsDone", created::float8, updated::float8, unchanged::float8,
      duplicates::float8, rejected::float8, kept_unsubscribed::float8 AS "keptUnsubscribed"
    FROM import WHERE workspace_id = ${workspaceId} AND fingerprint = ${fingerprint} AND state = 'running'
    ORDER BY created_at DESC LIMIT 1`);
  return row;
}

export function insertImport(
  tx: Tx,
  row: { workspaceId: string; id: string; listId: string; fingerprint: string; fileName: string },
) {
  return tx.query(sql`INSERT INTO import (workspace_id, id, list_id, fingerprint, file_name)
    VALUES (${row.workspaceId}, ${row.id}, ${row.listId}, ${row.fingerprint}, ${row.fileName})`);
}

/** How far the import is, when it still runs; its row stays locked until the transaction ends. */
export async function lockImport(tx: Tx, workspaceId: string, id: string): Promise<number | undefined> {
  const [row] = await tx.query<{ n: number }>(sql`SELECT records_done::float8 AS n FROM import
    WHERE workspace_id = ${workspaceId} AND id = ${id} AND state = 'running' FOR UPDATE`);
  return row?.n;
}

export function addImportCounts(
  tx: Tx,
  workspaceId: string,
  id: string,
  records: number,
  counts: ImportCounts,
) {
  return tx.query(sql`UPDATE import SET records_done = records_done + ${records},
      created = created + ${counts.created}, updated = updated + ${counts.updated},
      unchanged = unchanged + ${counts.unchanged}, duplicates = duplicates + ${counts.duplicates},
      rejected = rejected + ${counts.rejected},
      kept_unsubscribed = kept_unsubscribed + ${counts.keptUnsubscribed}
    WHERE workspace_id = ${workspaceId} AND id = ${id}`);
}

export function finishImport(tx: Tx, workspaceId: string, id: string, error: string | null) {
  return tx.query(sql`UPDATE import SET state = CASE WHEN ${error}::text IS NULL THEN 'finished' ELSE 'failed' END,
      error = ${error}, finished_at = now()
    WHERE workspace_id = ${workspaceId} AND id = ${id} AND state = 'running'`);
}

/** Tables with row-level security refuse COPY, a temporary one takes it; it is gone when the transaction ends. */
export function createStagedContacts(tx: Tx) {
  return tx.query(sql`CREATE TEMPORARY TABLE staged_contact
    (id uuid NOT NULL, email text NOT NULL, name text, attributes jsonb NOT NULL) ON COMMIT DROP`);
}

/** Takes rows in COPY's text format, columns in the table's order. */
export function copyStagedContacts(tx: Tx) {
  return tx.client.query(copyFrom('COPY pg_temp.staged_contact FROM STDIN'));
}

/**
 * Contacts from staged_contact, one row an address: made, or filled in where the file says something new. In order of
 * the address, so that two imports lock the contacts that they share in the same order and never wait for one another
 * in a ring.
 */
export function mergeStagedContacts(tx: Tx, workspaceId: string) {
  return tx.query(sql`
    INSERT INTO contact (workspace_id, id, email, name, attributes)
    SELECT ${workspaceId}, id, email, name, attributes FROM pg_temp.staged_contact ORDER BY email COLLATE "C"
    ON CONFLICT (workspace_id, email) DO UPDATE SET
      name = coalesce(excluded.name, contact.name),
      attributes = contact.attributes || excluded.attributes, updated_at = now()
    WHERE coalesce(excluded.name, contact.name) IS DISTINCT FROM contact.name
      OR contact.attributes || excluded.attributes <> contact.attributes`);
}

/**
 * Puts the contacts of staged_contact on the list, and says what mergeStagedContacts did in this transaction: what it
 * made or changed bears the transaction's own time. Who is on the list in whatever status stays as they are.
 *
 * Plan: for each staged row one probe of contact_workspace_id_email_key and one of an index of subscription.
 */
export async function subscribeStagedContacts(
  tx: Tx,
  row: { workspaceId: string; listId: string; importId: string; status: SubscriptionStatus },
): Promise<Omit<ImportCounts, 'rejected'>> {
  const [counts] = await tx.query<Omit<ImportCounts, 'rejected'>>(sql`
    WITH person AS MATERIALIZED (
      SELECT found.* FROM pg_temp.staged_contact staged
      CROSS JOIN LATERAL (SELECT id, created_at, updated_at FROM contact
        WHERE workspace_id = ${row.workspaceId} AND email = staged.email LIMIT 1) found),
    subscribed AS (
      INSERT INTO subscription (workspace_id, list_id, contact_id, status)
      SELECT ${row.workspaceId}, ${row.listId}, id, ${row.status} FROM person
      ON CONFLICT (workspace_id, list_id, contact_id) DO NOTHING),
    import_began AS (
      SELECT created_at AS at FROM import WHERE workspace_id = ${row.workspaceId} AND id = ${row.importId})
    SELECT count(*) FILTER (WHERE created_at = now())::float8 AS created,
      count(*) FILTER (WHERE created_at < began.at AND updated_at = now())::float8 AS updated,
      count(*) FILTER (WHERE updated_at < began.at)::float8 AS unchanged,
      count(*) FILTER (WHERE created_at < now() AND (created_at >= began.at
        OR updated_at >= began.at AND updated_at < now()))::float8 AS duplicates,
      count(*) FILTER (WHERE status = 'unsubscribed')::float8 AS "keptUnsubscribed"
    FROM import_began began, person
    LEFT JOIN LATERAL (SELECT status FROM subscription
      WHERE workspace_id = ${row.workspaceId} AND list_id = ${row.listId} AND contact_id = person.id LIMIT 1) before ON true`);
  if (!counts) throw new Error('subscribeStagedContacts gave no row');
  return counts;
}

/** What a merge of staged_contact would do, without doing it. `listId` null: the list would be made. */
export async function previewStagedContacts(tx: Tx, workspaceId: string, listId: string | null) {
  const [counts] = await tx.query<Omit<ImportCounts, 'rejected' | 'duplicates'>>(sql`
    SELECT count(*) FILTER (WHERE found.id IS NULL)::float8 AS created,
      count(*) FILTER (WHERE found.changes)::float8 AS updated,
      count(*) FILTER (WHERE NOT found.changes)::float8 AS unchanged,
      count(*) FILTER (WHERE status = 'unsubscribed')::float8 AS "keptUnsubscribed"
    FROM pg_temp.staged_contact staged
    LEFT JOIN LATERAL (SELECT id, coalesce(staged.name, contact.name) IS DISTINCT FROM contact.name
        OR contact.attributes || staged.attributes <> contact.attributes AS changes
      FROM contact WHERE workspace_id = ${workspaceId} AND email = staged.email LIMIT 1) found ON true
    LEFT JOIN LATERAL (SELECT status FROM subscription
      WHERE workspace_id = ${workspaceId} AND list_id = ${listId} AND contact_id = found.id LIMIT 1) before ON true`);
  if (!counts) throw new Error('previewStagedContacts gave no row');
  return counts;
}
