/**
 * What has to be done once a day: the partitions of the months to come, and the end of jobs that are long done and of
 * limits that nobody needs any more. And what is asked for too often to wait a day: old idempotency keys, with their
 * answers, rate limits of those who rest, and the rejected records of old imports. Jobs like any other, so one worker does
 * them, whichever is there.
 */
import { REJECTS_DAYS } from '../audience/import-rejects-kept.ts';
import { deleteOldRejects } from '../audience/queries-imports.ts';
import { forgetOldLimits } from '../delivery/limits-report.ts';
import type { Database } from '../kernel/database.ts';
import { purgeKeys } from '../kernel/idempotency.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { enqueueJob, type JobHandler } from '../kernel/jobs.ts';
import { allWorkspaceIds, deleteOldJobs } from '../kernel/queries.ts';
import { purgeRateLimits } from '../kernel/rate-limits.ts';
import * as queries from './queries.ts';

export const MAINTAIN_JOB = 'maintain';
export const FORGET_JOB = 'forget';

const DAY_MS = 86_400_000;
const FORGET_EVERY_MS = 10 * 60_000;
const JOBS_KEPT_HOURS = 7 * 24;

export async function startMaintenance(database: Database): Promise<void> {
  await database.withWorkspace(DEFAULT_WORKSPACE_ID, async (tx) => {
    await enqueueJob(tx, DEFAULT_WORKSPACE_ID, { kind: MAINTAIN_JOB, key: 'daily' });
    await enqueueJob(tx, DEFAULT_WORKSPACE_ID, { kind: FORGET_JOB, key: 'often' });
  });
}

export const maintain: JobHandler = async ({ database }) => {
  await database.withSystem((tx) => queries.createPartitions(tx));
  const workspaceIds = await database.withSystem((tx) => allWorkspaceIds(tx));
  for (const workspaceId of workspaceIds)
    await database.withWorkspace(workspaceId, (tx) => deleteOldJobs(tx, workspaceId, JOBS_KEPT_HOURS));
  await forgetOldLimits(database);
  return { kind: 'again', afterMs: DAY_MS };
};

export const forget: JobHandler = async ({ database, scope }) => {
  const workspaceIds = await database.withSystem((tx) => allWorkspaceIds(tx));
  for (const workspaceId of workspaceIds) {
    scope.throwIfEnded();
    await purgeKeys(database, workspaceId);
    await database.withWorkspace(workspaceId, (tx) => deleteOldRejects(tx, workspaceId, REJECTS_DAYS));
  }
  await purgeRateLimits(database);
  return { kind: 'again', afterMs: FORGET_EVERY_MS };
};
