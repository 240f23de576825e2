/** Once a day: deliveries that ended a month ago are forgotten, and deleted endpoints with the last of theirs. */
import type { Database } from '../kernel/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { enqueueJob, type JobHandler } from '../kernel/jobs.ts';
import { allWorkspaceIds } from '../kernel/queries.ts';
import * as queries from './queries.ts';

const RETENTION_JOB = 'webhooks.forget';

const KEPT_DAYS = 30;
const DELETED_AT_ONCE = 5_000;
const DAY_MS = 86_400_000;

export const WEBHOOK_HANDLERS: Record<string, JobHandler> = { [RETENTION_JOB]: forgetOld };

export function startForgetting(database: Database): Promise<boolean> {
  return database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    enqueueJob(tx, DEFAULT_WORKSPACE_ID, { kind: RETENTION_JOB, key: 'daily' }),
  );
}

async function forgetOld({ database, scope }: Parameters<JobHandler>[0]): ReturnType<JobHandler> {
  for (const workspaceId of await database.withSystem(allWorkspaceIds)) {
    const endpointIds = await database.withWorkspace(workspaceId, (tx) =>
      queries.everyEndpointId(tx, workspaceId),
    );
    for (const endpointId of endpointIds)
      for (let deleted = DELETED_AT_ONCE; deleted === DELETED_AT_ONCE && !scope.ended; )
        deleted = await database.withWorkspace(workspaceId, (tx) =>
          queries.deleteOldDeliveries(tx, { workspaceId, endpointId }, KEPT_DAYS, DELETED_AT_ONCE),
        );
    if (endpointIds.length > 0)
      await database.withWorkspace(workspaceId, (tx) => queries.forgetDeletedEndpoints(tx, workspaceId));
  }
  return { kind: 'again', afterMs: DAY_MS };
}
