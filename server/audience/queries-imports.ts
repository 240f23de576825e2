/** Imports as people look at them, and the records that they rejected. */
import type { Tx } from '../kernel/database.ts';
import { insertIntoOutbox } from '../kernel/queries-outbox.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import type { ImportCounts } from './queries.ts';

export const IMPORT_STATES = ['running', 'finished', 'failed'] as const;

const AFTER_ALL = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

export interface ImportRow extends ImportCounts {
  id: string;
  listId: string;
  fileName: string;
  state: (typeof IMPORT_STATES)[number];
  recordsDone: number;
  bytesDone: number;
  bytesTotal: number | null;
  titles: string[];
  error: string | null;
  createdAt: Date;
  progressedAt: Date;
  finishedAt: Date | null;
}

const FIELDS = sql`id, list_id AS "listId", file_name AS "fileName", state, records_done::float8 AS "recordsDone",
  created::float8, updated::float8, unchanged::float8, duplicates::float8, rejected::float8,
  kept_unsubscribed::float8 AS "keptUnsubscribed", bytes_done::float8 AS "bytesDone",
  bytes_total::float8 AS "bytesTotal", titles, error, created_at AS "createdAt", progressed_at AS "progressedAt",
  finished_at AS "finishedAt"`;

/** Newest first. Index: import_pkey. */
export function importPage(tx: Tx, workspaceId: string, beforeId: string | null, limit: number) {
  return tx.query<ImportRow>(sql`
    SELECT ${FIELDS} FROM import WHERE workspace_id = ${workspaceId} AND id < ${beforeId ?? AFTER_ALL}
    ORDER BY id DESC LIMIT ${limit}`);
}

export async function findImport(tx: Tx, workspaceId: string, id: string) {
  const [row] = await tx.query<ImportRow>(
    sql`SELECT ${FIELDS} FROM import WHERE workspace_id = ${workspaceId} AND id = ${id}`,
  );
  return row;
}

export interface RejectRow {
  line: number;
  column: string;
  value: string;
  reason: string;
  cells: string[];
}

/** A line that is there already stays. */
export function insertRejects(tx: Tx, workspaceId: string, importId: string, rows: readonly RejectRow[]) {
  return tx.query(sql`
    INSERT INTO import_reject (workspace_id, import_id, line, title, value, reason, cells)
    SELECT ${workspaceId}, ${importId}, (r->>'line')::bigint, r->>'column', r->>'value', r->>'reason',
      ARRAY(SELECT jsonb_array_elements_text(r->'cells'))
    FROM jsonb_array_elements(${JSON.stringify(rows)}::jsonb) r
    ON CONFLICT (workspace_id, import_id, line) DO NOTHING`);
}

/** Index: import_reject_pkey. */
export function rejectPage(
  tx: Tx,
  workspaceId: string,
  importId: string,
  { afterLine, limit }: { afterLine: number; limit: number },
) {
  return tx.query<RejectRow>(sql`
    SELECT line::float8, title AS column, value, reason, cells FROM import_reject
    WHERE workspace_id = ${workspaceId} AND import_id = ${importId} AND line > ${afterLine}
    ORDER BY line LIMIT ${limit}`);
}

/** Of imports that began longer ago: their ids are smaller. */
export function deleteOldRejects(tx: Tx, workspaceId: string, days: number) {
  return tx.query(sql`
    DELETE FROM import_reject
    WHERE workspace_id = ${workspaceId} AND import_id < uuid_floor(now() - ${days}::integer * interval '1 day')`);
}

/** Rows of `ended`: imports that the same statement has ended. */
export function announceImports(workspaceId: string): Sql {
  return insertIntoOutbox(workspaceId, {
    type: sql`('import.' || ended.state)`,
    data: sql`jsonb_build_object('import_id', ended.id, 'list_id', ended.list_id, 'records_done', ended.records_done,
      'created', ended.created, 'updated', ended.updated, 'rejected', ended.rejected)`,
    from: sql`ended`,
  });
}
