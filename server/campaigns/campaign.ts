/**
 * What a person does with a campaign: sends it (by a plan), pauses, resumes and cancels it, lets it go on between two
 * stages, takes it back before it began, changes its speed and its window. In which states what is possible is in verbs.ts;
 * what happens by itself is in advance.ts; drafts are in draft.ts. `sendCampaign` asks no questions: launch.ts goes through
 * the checklist first. Next down the ladder: audience/freeze.ts.
 *
 * Each verb is a function of the caller's transaction, so that whatever belongs to it (an entry of the audit log, the
 * answer under an idempotency key) commits with it; `…Campaign` is the verb in a transaction of its own.
 */
import type { Database, Tx } from '../kernel/database.ts';
import { enqueueJob } from '../kernel/jobs.ts';
import { ensureLane, setLanesOpen } from '../kernel/queries.ts';
import { deleteGate, setGatePace } from '../kernel/queries-gates.ts';
import { campaignCounts } from '../stats/counters.ts';
import { changeWindow, checkPlan, keepPlan, type SendPlan, startOf } from './plan.ts';
import * as queries from './queries.ts';
import {
  deleteTimezones,
  findRollout,
  insertOverride,
  type OverrideRow,
  setHaltSince,
} from './queries-rollout.ts';
import { findOrRefuse, noSuchCampaign, refusedInState } from './refused.ts';
import { startNextStage } from './rollout.ts';
import type { CampaignState } from './states.ts';
import { type CampaignVerb, isPossible, statesFor } from './verbs.ts';

export const ADVANCE_JOB = 'campaign.advance';

export type Verb = (tx: Tx, of: queries.CampaignKey) => Promise<void>;

/** Who sends it against the checklist, and against what of it. */
export type Override = Omit<OverrideRow, 'at'>;

export function sendCampaign(
  database: Database,
  of: queries.CampaignKey,
  plan: SendPlan = {},
  override: Override | null = null,
): Promise<void> {
  return database.withWorkspace(of.workspaceId, (tx) => send(tx, of, plan, override));
}

export const pauseCampaign = inItsOwnTransaction(pause);
export const resumeCampaign = inItsOwnTransaction(resume);
export const continueCampaign = inItsOwnTransaction(goOn);
export const cancelCampaign = inItsOwnTransaction(cancel);

function inItsOwnTransaction(verb: Verb) {
  return (database: Database, of: queries.CampaignKey): Promise<void> =>
    database.withWorkspace(of.workspaceId, (tx) => verb(tx, of));
}

/**
 * Starts the campaign now, or when the plan says. What an earlier plan of a scheduled campaign said is forgotten.
 * Throws CampaignRefused, as all verbs do.
 */
export async function send(
  tx: Tx,
  of: queries.CampaignKey,
  plan: SendPlan,
  override: Override | null,
): Promise<void> {
  checkPlan(plan);
  const at = startOf(plan);
  await move(tx, of, verbOf(plan), at ? 'scheduled' : 'starting');
  if (at) await queries.setSchedule(tx, of, at);
  await keepPlan(tx, of, plan);
  if (override) await insertOverride(tx, of, override);
  await queries.createPartitions(tx);
  await ensureLane(tx, { ...lanes(of), number: 0, open: false, dueInMs: 0 });
  const dueInMs = at ? await queries.msUntil(tx, at) : 0;
  await enqueueJob(tx, of.workspaceId, { kind: ADVANCE_JOB, key: of.campaignId, dueInMs });
}

export function verbOf(plan: SendPlan): CampaignVerb {
  return startOf(plan) ? 'schedule' : 'send';
}

/** Bites at once: a message whose mark before the dot comes later than this is not sent. */
export async function pause(tx: Tx, of: queries.CampaignKey): Promise<void> {
  await move(tx, of, 'pause', 'paused');
  await setLanesOpen(tx, of.workspaceId, of.campaignId, false);
}

/** Goes on where it was. What a halt counted up to now does not halt it again. */
export async function resume(tx: Tx, of: queries.CampaignKey): Promise<void> {
  const isFrozen = (await findRollout(tx, of))?.isStageFrozen ?? false;
  await move(tx, of, 'resume', isFrozen ? 'sending' : 'starting');
  await setHaltSince(tx, of, await campaignCounts(tx, of));
  if (isFrozen) await setLanesOpen(tx, of.workspaceId, of.campaignId, true);
  await hasten(tx, of);
}

/** On to the next stage, without waiting for the end of the hold. */
export async function goOn(tx: Tx, of: queries.CampaignKey): Promise<void> {
  if (!(await startNextStage(tx, of))) throw refusedInState(await findOrRefuse(tx, of), 'continue');
  await hasten(tx, of);
}

/** Back to a draft. Its job looks at once, finds a draft and ends, so that it does not sleep through an earlier start. */
export async function revise(tx: Tx, of: queries.CampaignKey): Promise<void> {
  await move(tx, of, 'revise', 'draft');
  await queries.forgetStart(tx, of);
  await deleteTimezones(tx, of);
  await deleteGate(tx, { workspaceId: of.workspaceId, key: of.campaignId });
  await hasten(tx, of);
}

/** What waits is cancelled, what is on the wire ends as it ends. */
export async function cancel(tx: Tx, of: queries.CampaignKey): Promise<void> {
  await move(tx, of, 'cancel', 'cancelled');
  await setLanesOpen(tx, of.workspaceId, of.campaignId, false);
  await hasten(tx, of);
}

/** So many an hour from now on, by all workers together; null: as fast as can be. */
export async function setPace(tx: Tx, of: queries.CampaignKey, maxPerHour: number | null): Promise<void> {
  await lockFor(tx, of, 'pace');
  await setGatePace(tx, { workspaceId: of.workspaceId, key: of.campaignId }, maxPerHour);
}

/** Only at these times from now on; null: at any. */
export async function setWindow(
  tx: Tx,
  of: queries.CampaignKey,
  window: { window: string | null; timezone?: string | undefined },
): Promise<void> {
  await lockFor(tx, of, 'window');
  await changeWindow(tx, of, window);
  await hasten(tx, of);
}

/** The campaign, which stays as it is until the transaction ends. */
export async function lockFor(
  tx: Tx,
  of: queries.CampaignKey,
  verb: CampaignVerb,
): Promise<queries.CampaignRow> {
  const campaign = await queries.lockCampaign(tx, of);
  if (!campaign) throw noSuchCampaign(of);
  if (!isPossible(verb, campaign.state)) throw refusedInState(campaign, verb);
  return campaign;
}

/** Before work that is in vain otherwise; whoever moves it is refused all the same. */
export async function assertPossible(tx: Tx, of: queries.CampaignKey, verb: CampaignVerb): Promise<void> {
  const campaign = await findOrRefuse(tx, of);
  if (!isPossible(verb, campaign.state)) throw refusedInState(campaign, verb);
}

async function move(tx: Tx, of: queries.CampaignKey, verb: CampaignVerb, to: CampaignState): Promise<void> {
  if (!(await queries.moveState(tx, of, statesFor(verb), to)))
    throw refusedInState(await findOrRefuse(tx, of), verb);
}

async function hasten(tx: Tx, of: queries.CampaignKey): Promise<void> {
  await enqueueJob(tx, of.workspaceId, { kind: ADVANCE_JOB, key: of.campaignId });
}

function lanes(of: queries.CampaignKey) {
  return { workspaceId: of.workspaceId, queue: 'message' as const, key: of.campaignId };
}
