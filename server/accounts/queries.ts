/** Workspaces' SQL. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';

export function insertWorkspace(tx: Tx, workspaceId: string, name: string) {
  return tx.query(
    sql`INSERT INTO workspace (workspace_id, name) VALUES (${workspaceId}, ${name}) ON CONFLICT DO NOTHING`,
  );
}
