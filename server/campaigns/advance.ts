/**
 * What a campaign does by itself, as a job that runs until the campaign has ended: scheduled → starting when its time
 * comes, starting → sending when the audience is frozen, sending → finishing → finished when no message is unfinished,
 * and after a cancellation the sweep of what still waits. With stages: sending → holding → starting, once a stage
 * (rollout.ts); and whatever was agreed on, it halts by itself when too much goes wrong.
 *
 * Every step is one transaction that may be repeated: the job may die anywhere and any worker goes on.
 */
import { audienceFault, freezeChunk } from '../audience/freeze.ts';
import type { Tx } from '../kernel/database.ts';
import { enqueueJob, type JobContext, type JobHandler, type JobOutcome } from '../kernel/jobs.ts';
import { setLanesOpen } from '../kernel/queries.ts';
import { restartPace } from '../kernel/queries-gates.ts';
import { CHECK, compileContent } from '../queue/campaign-content.ts';
import { campaignContent, cancelWaiting, hasUnfinished } from '../queue/queries.ts';
import { Moves } from '../stats/counters.ts';
import { BREAKDOWN_JOB } from './breakdown.ts';
import type { CampaignKey } from './queries.ts';
import * as queries from './queries.ts';
import { deleteTimezones } from './queries-rollout.ts';
import { type Look, lookAfter, skipEmptyStage, startHold, startNextStage } from './rollout.ts';
import { type CampaignState, statesBefore } from './states.ts';

/** A pause waits for the chunk that is being frozen: about 150 ms. */
const FREEZE_ROWS = 10_000;
const SWEEP_ROWS = 10_000;
const LOOK_AGAIN_MS = 250;
const SWEEP_AGAIN_MS = 100;
/** While nothing moves: a hold, a closed window, a pause. Verbs of a person hasten the job. */
const QUIET_LOOK_AGAIN_MS = 2_000;
const PAUSED_LOOK_AGAIN_MS = 5_000;
const CAMPAIGN_SHARD = 0;
const BREAKDOWN_AFTER_MS = 5_000;

/** What to do in a state; the states that are not here need nothing done by themselves. */
const STEPS: Partial<Record<CampaignState, (job: JobContext, of: CampaignKey) => Promise<JobOutcome>>> = {
  scheduled: startOnTime,
  starting: freeze,
  sending: finish,
  holding: hold,
  finishing: finish,
  // Stays, so that a resume at this very moment finds a job that will look again.
  paused: async () => again(PAUSED_LOOK_AGAIN_MS),
  cancelled: sweep,
};

export const advanceCampaign: JobHandler = async (job) => {
  const of = { workspaceId: job.workspaceId, campaignId: job.key ?? '' };
  const campaign = await inWorkspace(job, (tx) => queries.findCampaign(tx, of));
  const step = campaign && STEPS[campaign.state];
  return step ? step(job, of) : { kind: 'done' };
};

async function startOnTime(job: JobContext, of: CampaignKey): Promise<JobOutcome> {
  return inWorkspace(job, async (tx) => {
    const campaign = await queries.findCampaign(tx, of);
    if (campaign?.state !== 'scheduled' || !campaign.scheduledAt) return again();
    const waitMs = await queries.msUntil(tx, campaign.scheduledAt);
    if (waitMs > 0) return again(waitMs);
    await queries.moveState(tx, of, ['scheduled'], 'starting');
    return again(0);
  });
}

/** One chunk a transaction, and the chunk's messages, cursor and counters in it. */
async function freeze(job: JobContext, of: CampaignKey): Promise<JobOutcome> {
  const fault = await inWorkspace(
    job,
    async (tx) => (await contentFault(tx, of)) ?? audienceFault(tx, of.workspaceId, of.campaignId),
  );
  if (fault !== undefined) return fail(job, of, fault);
  while (!job.scope.ended) {
    const done = await inWorkspace(job, async (tx) => {
      await job.fence(tx);
      // A pause that came first is seen, and one that comes later waits for the chunk.
      const campaign = await queries.lockCampaign(tx, of);
      if (campaign?.state !== 'starting') return true;
      const chunk = await freezeChunk(tx, of.workspaceId, of.campaignId, FREEZE_ROWS);
      const moves = new Moves();
      moves.move(null, 'queued', chunk.frozen);
      moves.move(null, 'suppressed', chunk.suppressed);
      moves.write(tx, of, CAMPAIGN_SHARD);
      if (!chunk.done) return false;
      const audience = campaign.audience + chunk.frozen + chunk.suppressed;
      if (await skipEmptyStage(tx, of, audience)) return false;
      await startSending(tx, of);
      return true;
    });
    if (done) return again(0);
  }
  return again(0);
}

/** Why no message of the campaign could be made; another version may have accepted the template. */
async function contentFault(tx: Tx, of: CampaignKey): Promise<string | undefined> {
  const content = await campaignContent(tx, of);
  try {
    if (content) compileContent(of, content, CHECK);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** What is frozen already must not wait in a campaign that has ended: then it is paused instead. */
async function fail(job: JobContext, of: CampaignKey, failure: string): Promise<JobOutcome> {
  await inWorkspace(job, async (tx) => {
    const campaign = await queries.findCampaign(tx, of);
    const to = campaign && campaign.audience > 0 ? 'paused' : 'failed';
    if (await queries.moveState(tx, of, ['starting'], to)) await queries.setFailure(tx, of, failure);
  });
  return { kind: 'done' };
}

async function startSending(tx: Tx, of: CampaignKey): Promise<void> {
  await queries.setFrozen(tx, of);
  await deleteTimezones(tx, of);
  await queries.moveState(tx, of, ['starting'], 'sending');
  await setLanesOpen(tx, of.workspaceId, of.campaignId, true);
  restartPace(tx, { workspaceId: of.workspaceId, key: of.campaignId });
  await enqueueJob(tx, of.workspaceId, {
    kind: BREAKDOWN_JOB,
    key: of.campaignId,
    dueInMs: BREAKDOWN_AFTER_MS,
  });
}

/** Looks at the counters first, and believes only the rows. */
async function finish(job: JobContext, of: CampaignKey): Promise<JobOutcome> {
  return inWorkspace(job, async (tx) => {
    const look = await lookAfter(tx, of);
    if (!look) return again(0);
    const { counts, isLastStage } = look;
    const isTried = (counts.queued ?? 0) === 0;
    if (isTried && !isLastStage) {
      await startHold(tx, of);
      return again(0);
    }
    const inFlight = (counts.claimed ?? 0) + (counts.committing ?? 0);
    const waiting = (counts.queued ?? 0) + (counts.deferred ?? 0);
    if (inFlight + waiting === 0 && isLastStage && (await end(tx, of))) return { kind: 'done' };
    if (isTried) await queries.moveState(tx, of, ['sending'], 'finishing');
    return again(inFlight === 0 ? quietMs(look) : LOOK_AGAIN_MS);
  });
}

/** False: there is something to send still, or a person was faster. */
async function end(tx: Tx, of: CampaignKey): Promise<boolean> {
  // Who tries a message again holds the campaign still: either its message is seen, or it finds the campaign finished.
  await queries.lockCampaign(tx, of);
  if (await hasUnfinished(tx, of)) return false;
  if (!(await queries.moveState(tx, of, statesBefore('finished'), 'finished'))) return false;
  await setLanesOpen(tx, of.workspaceId, of.campaignId, false);
  return true;
}

/** Between two stages. */
async function hold(job: JobContext, of: CampaignKey): Promise<JobOutcome> {
  return inWorkspace(job, async (tx) => {
    const look = await lookAfter(tx, of);
    if (!look) return again(0);
    if (look.holdsUntil === null) return again(QUIET_LOOK_AGAIN_MS);
    const waitMs = await queries.msUntil(tx, look.holdsUntil);
    if (waitMs === 0) await startNextStage(tx, of);
    return again(Math.min(waitMs, QUIET_LOOK_AGAIN_MS));
  });
}

function quietMs({ closedMs }: Look): number {
  return closedMs === 0 ? LOOK_AGAIN_MS : Math.min(closedMs, QUIET_LOOK_AGAIN_MS);
}

async function sweep(job: JobContext, of: CampaignKey): Promise<JobOutcome> {
  return inWorkspace(job, async (tx) => {
    await job.fence(tx);
    const cancelled = await cancelWaiting(tx, of, SWEEP_ROWS);
    const moves = new Moves();
    for (const row of cancelled) moves.move(row.deferrals > 0 ? 'deferred' : 'queued', 'cancelled');
    moves.write(tx, of, CAMPAIGN_SHARD);
    if (cancelled.length === 0 && !(await hasUnfinished(tx, of))) return { kind: 'done' };
    return again(SWEEP_AGAIN_MS);
  });
}

function inWorkspace<T>(job: JobContext, work: (tx: Tx) => Promise<T>): Promise<T> {
  return job.database.withWorkspace(job.workspaceId, work);
}

function again(afterMs = LOOK_AGAIN_MS): JobOutcome {
  return { kind: 'again', afterMs };
}
