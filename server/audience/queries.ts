/**
 * The audience's SQL. One function a statement.
 *
 * A lookup that must stay an index probe per row, however large the tables grow, is written as a LATERAL subquery
 * with LIMIT 1: the planner cannot turn that into a join, and so never into a scan of a whole table.
 */
import { from as copyFrom } from 'pg-copy-streams';
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import { announceImports } from './queries-imports.ts';
import { announceSubscriptions } from './queries-lists.ts';
import type { SubscriptionStatus } from './states.ts';

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

/** False: there is one of this name already. */
export async function insertList(tx: Tx, workspaceId: string, id: string, name: string): Promise<boolean> {
  const rows =
    await tx.query(sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${id}, ${name})
    ON CONFLICT (workspace_id, name) DO NOTHING RETURNING id`);
  return rows.length === 1;
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
    WITH changed AS (
      INSERT INTO subscription (workspace_id, list_id, contact_id, status)
      VALUES (${key.workspaceId}, ${key.listId}, ${key.contactId}, ${status})
      ON CONFLICT (workspace_id, list_id, contact_id) DO NOTHING RETURNING list_id, contact_id, status),
    announced AS (${announceSubscriptions(key.workspaceId)})
    SELECT status FROM changed`);
  return rows.length === 1;
}

export function updateSubscription(tx: Tx, key: SubscriptionKey, status: SubscriptionStatus) {
  return tx.query(sql`
    WITH changed AS (
      UPDATE subscription SET status = ${status}, changed_at = now()
      WHERE workspace_id = ${key.workspaceId} AND list_id = ${key.listId} AND contact_id = ${key.contactId}
      RETURNING list_id, contact_id, status)
    ${announceSubscriptions(key.workspaceId)}`);
}

/**
 * For the rest of the transaction: read in the order of an index rather than collect and sort, and compile nothing. Also
 * for pages, and for statements on a few hundred rows by their keys.
 *
 * Right after an import the statistics know nothing of the new list: the planner would sort the rest of it anew for
 * every chunk. And by its estimates a chunk is so large that JIT pays, which costs more than the chunk.
 */
export function planForChunks(tx: Tx) {
  return tx.query(sql`SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true),
    set_config('jit', 'off', true)`);
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

export interface UnfinishedImport extends ImportCounts {
  id: string;
  recordsDone: number;
  recordsSha256: string | null;
}

/** The import of this fingerprint that began and did not end, latest first. Index: import_unfinished. */
export async function findUnfinishedImport(tx: Tx, workspaceId: string, fingerprint: string) {
  const [row] = await tx.query<UnfinishedImport>(sql`
    SELECT id, records_done::float8 AS "recordsDone", records_sha256 AS "recordsSha256", created::float8,
      updated::float8, unchanged::float8, duplicates::float8, rejected::float8, kept_unsubscribed::float8 AS "keptUnsubscribed"
    FROM import WHERE workspace_id = ${workspaceId} AND fingerprint = ${fingerprint} AND state = 'running'
    ORDER BY created_at DESC LIMIT 1`);
  return row;
}

export function insertImport(
  tx: Tx,
  row: {
    workspaceId: string;
    id: string;
    listId: string;
    fingerprint: string;
    fileName: string;
    bytesTotal: number | null;
    titles: string[];
  },
) {
  return tx.query(sql`INSERT INTO import (workspace_id, id, list_id, fingerprint, file_name, bytes_total, titles)
    VALUES (${row.workspaceId}, ${row.id}, ${row.listId}, ${row.fingerprint}, ${row.fileName}, ${row.bytesTotal},
      ${row.titles})`);
}

/** How far the import is, or why it failed; its row stays locked until the transaction ends. */
export async function lockImport(tx: Tx, workspaceId: string, id: string) {
  const [row] = await tx.query<{ state: string; recordsDone: number; error: string | null }>(sql`
    SELECT state, records_done::float8 AS "recordsDone", error FROM import
    WHERE workspace_id = ${workspaceId} AND id = ${id} FOR UPDATE`);
  return row;
}

export function addImportCounts(
  tx: Tx,
  workspaceId: string,
  id: string,
  counts: ImportCounts & { records: number; sha256: string; bytesDone: number },
) {
  return tx.query(sql`UPDATE import SET records_done = records_done + ${counts.records},
      records_sha256 = ${counts.sha256}, bytes_done = ${counts.bytesDone}, progressed_at = now(),
      created = created + ${counts.created}, updated = updated + ${counts.updated},
      unchanged = unchanged + ${counts.unchanged}, duplicates = duplicates + ${counts.duplicates},
      rejected = rejected + ${counts.rejected},
      kept_unsubscribed = kept_unsubscribed + ${counts.keptUnsubscribed}
    WHERE workspace_id = ${workspaceId} AND id = ${id}`);
}

/**
 * `error`: why it failed; null: all of it is merged. False: it had ended before, or a chunk was merged in the last
 * `idleMs`.
 */
export async function finishImport(
  tx: Tx,
  workspaceId: string,
  id: string,
  error: string | null,
  idleMs = 0,
): Promise<boolean> {
  const rows = await tx.query(sql`
    WITH ended AS (
      UPDATE import SET state = CASE WHEN ${error}::text IS NULL THEN 'finished' ELSE 'failed' END,
        error = ${error}, finished_at = now()
      WHERE workspace_id = ${workspaceId} AND id = ${id} AND state = 'running'
        AND (${idleMs}::float8 = 0 OR progressed_at <= now() - ${idleMs}::float8 * interval '1 ms')
      RETURNING id, list_id, state, records_done, created, updated, rejected),
    announced AS (${announceImports(workspaceId)})
    SELECT id FROM ended`);
  return rows.length === 1;
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
