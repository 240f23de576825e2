/**
 * Who may use a pool of sources. A new pool is open to every workspace. The first grant closes it: from then on only the
 * workspaces that it was granted to get out through it, until it is opened again.
 */
import type { Database } from '../kernel/database.ts';
import * as queries from './queries-routes.ts';
import { RouteRefused } from './route-names.ts';

export async function grantPool(database: Database, workspaceId: string, pool: string): Promise<void> {
  await findPool(database, workspaceId, pool);
  // In this order: what breaks off between the two has taken the pool from nobody.
  await database.withWorkspace(workspaceId, (tx) => queries.insertGrant(tx, workspaceId, pool));
  await database.withSystem((tx) => queries.setPoolOpen(tx, pool, false));
}

export async function revokePool(database: Database, workspaceId: string, pool: string): Promise<void> {
  const { open } = await findPool(database, workspaceId, pool);
  if (open)
    throw new RouteRefused(
      `The pool ${pool} is open to every workspace: \`camp source grant ${pool}\` closes it to all but those that it is granted to.`,
      'conflict',
    );
  await database.withWorkspace(workspaceId, (tx) => queries.deleteGrant(tx, workspaceId, pool));
}

/** Every workspace may use it. Its grants stay, for the day when the next one closes it again. */
export async function openPool(database: Database, workspaceId: string, pool: string): Promise<void> {
  await findPool(database, workspaceId, pool);
  await database.withSystem((tx) => queries.setPoolOpen(tx, pool, true));
}

async function findPool(database: Database, workspaceId: string, pool: string): Promise<queries.PoolRow> {
  const [found] = await database.withWorkspace(workspaceId, (tx) =>
    queries.poolsNamed(tx, workspaceId, [pool]),
  );
  if (found) return found;
  throw new RouteRefused(`There is no pool "${pool}": see \`camp source list\`.`, 'not-found');
}
