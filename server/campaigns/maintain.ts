/**
 * What has to be done once a day: the partitions of the months to come, and the end of jobs that are long done and of
 * limits that nobody needs any more. A job like any other, so one worker does it, whichever is there.
 */
import { forgetOldLimits } from '../delivery/limits-report.ts';
import type { Database } from '../kernel/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { enqueueJob, type JobHandler } from '../kernel/jobs.ts';
import { allWorkspaceIds, deleteOldJobs } from '../kernel/queries.ts';
import * as queries from './queries.ts';

export const MAINTAIN_JOB = 'maintain';

const DAY_MS = 86_400_000;
const JOBS_KEPT_HOURS = 7 * 24;

export function startMaintenance(database: Database): Promise<boolean> {
  return database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    enqueueJob(tx, DEFAULT_WORKSPACE_ID, { kind: MAINTAIN_JOB, key: 'daily' }),
  );
}

export const maintain: JobHandler = async ({ database }) => {
  await database.withSystem((tx) => queries.createPartitions(tx));
  const workspaceIds = await database.withSystem((tx) => allWorkspaceIds(tx));
  for (const workspaceId of workspaceIds)
    await database.withWorkspace(workspaceId, (tx) => deleteOldJobs(tx, workspaceId, JOBS_KEPT_HOURS));
  await forgetOldLimits(database);
  return { kind: 'again', afterMs: DAY_MS };
};
