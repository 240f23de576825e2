/** Takes an idempotency key, begins its effect, and never ends: to be killed in the middle. */
import { Database } from '../../server/kernel/database.ts';
import { claim } from '../../server/kernel/idempotency.ts';
import { newId } from '../../server/kernel/ids.ts';
import { sql } from '../../server/kernel/sql.ts';
import { serveHelper } from './helper-process.ts';

export interface Hold {
  url: string;
  workspaceId: string;
  key: string;
  fingerprint: Buffer;
  leaseMs: number;
}

export interface Holding {
  kind: string;
  pid: number;
}

serveHelper<Hold, Holding>(async ({ url, leaseMs, workspaceId, key, fingerprint }) => {
  const database = new Database(url);
  const { kind } = await claim(
    database,
    { workspaceId, key, fingerprint: Buffer.from(fingerprint) },
    { leaseMs },
  );
  const begun = Promise.withResolvers<Holding>();
  void database.withWorkspace(workspaceId, async (tx) => {
    await tx.query(
      sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${newId()}, 'half done')`,
    );
    begun.resolve({ kind, pid: process.pid });
    await new Promise(() => {});
  });
  return begun.promise;
});
