/** The web server on a free port, as a client sees it, with keys of workspaces of its own. */
import { createKey } from '../../server/accounts/keys.ts';
import { operator } from '../../server/accounts/principal.ts';
import type { Role } from '../../server/accounts/roles.ts';
import { ensureWorkspace } from '../../server/accounts/workspaces.ts';
import { readConfig } from '../../server/kernel/config.ts';
import { newId } from '../../server/kernel/ids.ts';
import { createLog } from '../../server/kernel/log.ts';
import type { Endpoint, Method } from '../../server/web/endpoint.ts';
import { ROUTES, table } from '../../server/web/routes.ts';
import { startWeb, type Web, type WebOptions } from '../../server/web/server.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

export interface TestWeb extends Web {
  db: TestDatabase;
  /** A key of a workspace, a new one unless told. */
  newKey(role?: Role, workspaceId?: string): Promise<TestKey>;
}

export interface TestKey {
  workspaceId: string;
  /** To be sent with a request. */
  headers: { authorization: string };
}

/** `endpoints`: beside those of Camp. `env`: settings. */
export async function startTestWeb(
  endpoints: Record<`${Method} /${string}`, Endpoint> = {},
  { env = {}, ...options }: { env?: Record<string, string> } & Partial<WebOptions> = {},
): Promise<TestWeb> {
  const db = await createTestDatabase();
  const web = await startWeb({
    config: readConfig({ CAMP_HTTP_PORT: '0', ...env }),
    database: db.database,
    log: createLog('silent'),
    routes: [...ROUTES, ...table(endpoints)],
    checkAnswers: true,
    ...options,
  });
  const newKey = async (role: Role = 'owner', workspaceId = newId()) => {
    await ensureWorkspace(db.database, workspaceId, 'Test');
    const { key } = await createKey(db.database, operator(workspaceId), { name: 'test', role }, {});
    return { workspaceId, headers: { authorization: `Bearer ${key}` } };
  };
  const stop = async () => {
    await web.stop();
    await db.drop();
  };
  return { ...web, db, newKey, stop };
}
