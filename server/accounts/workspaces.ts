/** Workspaces: whose contacts, campaigns and messages these are. A self-hosted installation begins with one. */
import type { Database } from '../kernel/database.ts';
import * as queries from './queries.ts';

export async function ensureWorkspace(database: Database, workspaceId: string, name: string): Promise<void> {
  await database.withWorkspace(workspaceId, (tx) => queries.insertWorkspace(tx, workspaceId, name));
}
