/**
 * What a campaign can do: be created, sent (by a plan), paused, resumed, continued between two stages, cancelled. The
 * states are in states.ts; what happens by itself is in advance.ts. `sendCampaign` asks no questions: launch.ts goes
 * through the checklist first. Next down the ladder: audience/freeze.ts.
 */
import type { Database, Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { enqueueJob } from '../kernel/jobs.ts';
import { ensureLane, setLanesOpen } from '../kernel/queries.ts';
import { CHECK, compileContent } from '../queue/campaign-content.ts';
import { campaignCounts } from '../stats/counters.ts';
import { checkPlan, keepPlan, type SendPlan, startOf } from './plan.ts';
import * as queries from './queries.ts';
import { findRollout, insertOverride, type OverrideRow, setHaltSince } from './queries-rollout.ts';
import { findOrRefuse, refusedInState } from './refused.ts';
import { startNextStage } from './rollout.ts';
import { type CampaignState, statesBefore } from './states.ts';

export const ADVANCE_JOB = 'campaign.advance';

export interface NewCampaign {
  name: string;
  listIds: string[];
  from: { name?: string; email: string };
  replyTo?: string;
  /** File name (its extension says MJML, HTML or text) and content. */
  template: { name: string; body: string };
  giveUpSeconds?: number;
  /** For {{ postal_address }}. */
  postalAddress?: string | undefined;
}

const GIVE_UP_SECONDS = 2 * 86_400;

/** Throws TemplateError or SenderError when it could never be sent: such a draft is not kept. */
export async function createCampaign(
  database: Database,
  workspaceId: string,
  campaign: NewCampaign,
): Promise<string> {
  const of = { workspaceId, campaignId: newId() };
  const content = {
    templateName: campaign.template.name,
    templateBody: campaign.template.body,
    fromName: campaign.from.name ?? null,
    fromEmail: campaign.from.email,
    replyTo: campaign.replyTo ?? null,
    postalAddress: campaign.postalAddress ?? null,
  };
  compileContent(of, content, CHECK);
  await database.withWorkspace(workspaceId, (tx) =>
    queries.insertCampaign(tx, {
      ...of,
      ...content,
      name: campaign.name,
      listIds: campaign.listIds,
      giveUpSeconds: campaign.giveUpSeconds ?? GIVE_UP_SECONDS,
    }),
  );
  return of.campaignId;
}

/**
 * Starts the campaign now, or when the plan says. What an earlier plan of a scheduled campaign said is forgotten.
 * `override`: who sends it against the checklist.
 */
export function sendCampaign(
  database: Database,
  of: queries.CampaignKey,
  plan: SendPlan = {},
  override: Omit<OverrideRow, 'at'> | null = null,
): Promise<void> {
  checkPlan(plan);
  const at = startOf(plan);
  return database.withWorkspace(of.workspaceId, async (tx) => {
    // Not from paused: going on is another verb.
    await move(tx, of, at ? 'scheduled' : 'starting', 'sent', at ? ['draft'] : ['draft', 'scheduled']);
    if (at) await queries.setSchedule(tx, of, at);
    await keepPlan(tx, of, plan);
    if (override) await insertOverride(tx, of, override);
    await queries.createPartitions(tx);
    await ensureLane(tx, { ...lanes(of), number: 0, open: false, dueInMs: 0 });
    const dueInMs = at ? await queries.msUntil(tx, at) : 0;
    await enqueueJob(tx, of.workspaceId, { kind: ADVANCE_JOB, key: of.campaignId, dueInMs });
  });
}

/** Bites at once: a message whose mark before the dot comes later than this is not sent. */
export function pauseCampaign(database: Database, of: queries.CampaignKey): Promise<void> {
  return database.withWorkspace(of.workspaceId, async (tx) => {
    await move(tx, of, 'paused', 'paused');
    await setLanesOpen(tx, of.workspaceId, of.campaignId, false);
  });
}

/** Goes on where it was. What a halt counted up to now does not halt it again. */
export function resumeCampaign(database: Database, of: queries.CampaignKey): Promise<void> {
  return database.withWorkspace(of.workspaceId, async (tx) => {
    const campaign = await findOrRefuse(tx, of);
    const isFrozen = (await findRollout(tx, of))?.isStageFrozen ?? false;
    if (!(await queries.moveState(tx, of, ['paused'], isFrozen ? 'sending' : 'starting')))
      throw refusedInState(campaign, 'resumed', ['paused']);
    await setHaltSince(tx, of, await campaignCounts(tx, of));
    if (isFrozen) await setLanesOpen(tx, of.workspaceId, of.campaignId, true);
    await enqueueJob(tx, of.workspaceId, { kind: ADVANCE_JOB, key: of.campaignId });
  });
}

/** On to the next stage, without waiting for the end of the hold. */
export function continueCampaign(database: Database, of: queries.CampaignKey): Promise<void> {
  return database.withWorkspace(of.workspaceId, async (tx) => {
    if (!(await startNextStage(tx, of)))
      throw refusedInState(await findOrRefuse(tx, of), 'continued', ['holding']);
    await enqueueJob(tx, of.workspaceId, { kind: ADVANCE_JOB, key: of.campaignId });
  });
}

/** What waits is cancelled, what is on the wire ends as it ends. */
export function cancelCampaign(database: Database, of: queries.CampaignKey): Promise<void> {
  return database.withWorkspace(of.workspaceId, async (tx) => {
    await move(tx, of, 'cancelled', 'cancelled');
    await setLanesOpen(tx, of.workspaceId, of.campaignId, false);
    await enqueueJob(tx, of.workspaceId, { kind: ADVANCE_JOB, key: of.campaignId });
  });
}

async function move(
  tx: Tx,
  of: queries.CampaignKey,
  to: CampaignState,
  verb: string,
  from = statesBefore(to),
): Promise<void> {
  if (!(await queries.moveState(tx, of, from, to)))
    throw refusedInState(await findOrRefuse(tx, of), verb, from);
}

function lanes(of: queries.CampaignKey) {
  return { workspaceId: of.workspaceId, queue: 'message' as const, key: of.campaignId };
}
