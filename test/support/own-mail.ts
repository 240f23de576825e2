/** The letters that Camp writes to people, as they are queued. */
import type { Database } from '../../server/kernel/database.ts';
import { sql } from '../../server/kernel/sql.ts';

export interface QueuedLetter {
  from: { name: string; email: string };
  subject: string;
  text: string;
}

/** As if the domain had been added, and its DNS records found. */
export async function addSigningDomain(
  database: Database,
  workspaceId: string,
  domain: string,
): Promise<void> {
  await database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`INSERT INTO dkim_key (workspace_id, domain, selector, algorithm, public_key, private_key, state)
      VALUES (${workspaceId}, ${domain}, 'a', 'rsa-sha256', 'public', 'sealed', 'active')`),
  );
}

/** Oldest first. */
export async function queuedLetters(database: Database, workspaceId: string): Promise<QueuedLetter[]> {
  const rows = await database.readWorkspace(workspaceId, (tx) =>
    tx.query<{ body: QueuedLetter }>(sql`SELECT body FROM transactional_message ORDER BY id`),
  );
  return rows.map(({ body }) => body);
}
