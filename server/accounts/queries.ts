/** Workspaces' SQL. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';

export interface WorkspaceRow {
  id: string;
  name: string;
  createdAt: Date;
}

export async function findWorkspace(tx: Tx, workspaceId: string): Promise<WorkspaceRow | undefined> {
  const [workspace] = await tx.query<WorkspaceRow>(sql`
    SELECT workspace_id AS id, name, created_at AS "createdAt" FROM workspace WHERE workspace_id = ${workspaceId}`);
  return workspace;
}

export function renameWorkspace(tx: Tx, workspaceId: string, name: string) {
  return tx.query(sql`UPDATE workspace SET name = ${name} WHERE workspace_id = ${workspaceId}`);
}

export function insertWorkspace(tx: Tx, workspaceId: string, name: string) {
  return tx.query(
    sql`INSERT INTO workspace (workspace_id, name) VALUES (${workspaceId}, ${name}) ON CONFLICT DO NOTHING
      RETURNING workspace_id`,
  );
}
