/** The SQL of letters that Camp itself writes. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';

/** A domain that signs; the same one each time. */
export async function firstSigningDomain(tx: Tx, workspaceId: string): Promise<string | undefined> {
  const [row] = await tx.query<{ domain: string }>(sql`
    SELECT domain FROM dkim_key WHERE workspace_id = ${workspaceId} AND state = 'active' ORDER BY domain LIMIT 1`);
  return row?.domain;
}
