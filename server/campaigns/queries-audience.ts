/** The SQL of a draft's audience: whether what it names is there. */
import type { Tx } from '../kernel/database.ts';
import { sql, uuids } from '../kernel/sql.ts';

/** Those of the ids that are no list of the workspace. */
export async function unknownLists(tx: Tx, workspaceId: string, ids: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(sql`
    SELECT t.id FROM unnest(${uuids(ids)}::uuid[]) AS t(id)
    WHERE NOT EXISTS (SELECT FROM list WHERE workspace_id = ${workspaceId} AND list.id = t.id)`);
  return rows.map(({ id }) => id);
}
