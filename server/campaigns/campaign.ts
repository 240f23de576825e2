/**
 * What a campaign can do: be created, sent (now or at a time), paused, resumed, cancelled. The states are in
 * states.ts; what happens by itself is in advance.ts. Next down the ladder: audience/freeze.ts.
 */
import type { Database, Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { enqueueJob } from '../kernel/jobs.ts';
import { ensureLane, setLanesOpen } from '../kernel/queries.ts';
import { CHECK, compileContent } from '../queue/campaign-content.ts';
import { RELAY_ROUTE } from '../queue/pump.ts';
import { ensureRoute } from '../queue/queries.ts';
import * as queries from './queries.ts';
import { type CampaignState, statesBefore } from './states.ts';

export const ADVANCE_JOB = 'campaign.advance';

/** A verb that the campaign's state does not allow, or a campaign that is not there. One sentence for the user. */
export class CampaignRefused extends Error {
  override readonly name = 'CampaignRefused';
}

export interface NewCampaign {
  name: string;
  listIds: string[];
  from: { name?: string; email: string };
  replyTo?: string;
  /** File name (its extension says MJML, HTML or text) and content. */
  template: { name: string; body: string };
  giveUpSeconds?: number;
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

/** Starts the campaign now, or at `at`. */
export function sendCampaign(database: Database, of: queries.CampaignKey, at?: Date): Promise<void> {
  return database.withWorkspace(of.workspaceId, async (tx) => {
    // Not from paused: going on is another verb.
    await move(tx, of, at ? 'scheduled' : 'starting', 'sent', at ? ['draft'] : ['draft', 'scheduled']);
    if (at) await queries.setSchedule(tx, of, at);
    await queries.createPartitions(tx);
    await ensureRoute(tx, of.workspaceId, RELAY_ROUTE);
    await ensureLane(tx, { ...lanes(of), number: 0, route: RELAY_ROUTE, open: false, dueInMs: 0 });
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

export function resumeCampaign(database: Database, of: queries.CampaignKey): Promise<void> {
  return database.withWorkspace(of.workspaceId, async (tx) => {
    const campaign = await find(tx, of);
    const frozen = campaign.frozenAt !== null;
    if (!(await queries.moveState(tx, of, ['paused'], frozen ? 'sending' : 'starting')))
      throw refused(campaign, 'resumed', ['paused']);
    if (frozen) await setLanesOpen(tx, of.workspaceId, of.campaignId, true);
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
  if (!(await queries.moveState(tx, of, from, to))) throw refused(await find(tx, of), verb, from);
}

async function find(tx: Tx, of: queries.CampaignKey): Promise<queries.CampaignRow> {
  const campaign = await queries.findCampaign(tx, of);
  if (!campaign)
    throw new CampaignRefused(
      `There is no campaign ${of.campaignId} in this workspace. List them with \`camp campaign list\`.`,
    );
  return campaign;
}

function refused(campaign: queries.CampaignRow, verb: string, from: CampaignState[]): CampaignRefused {
  return new CampaignRefused(
    `Campaign "${campaign.name}" (${campaign.id}) is ${campaign.state} and cannot be ${verb}: that is possible while it is ${from.join(' or ')}.`,
  );
}

function lanes(of: queries.CampaignKey) {
  return { workspaceId: of.workspaceId, queue: 'message' as const, key: of.campaignId };
}
