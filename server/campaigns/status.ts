/** A campaign as a screen or a script sees it: its state, its audience, where every message of it is, and why it waits. */
import type { Database, Tx } from '../kernel/database.ts';
import { earliestLaneDue } from '../kernel/queries.ts';
import { findGate } from '../kernel/queries-gates.ts';
import { MESSAGE_STATES, type MessageState } from '../queue/states.ts';
import { campaignCounts, campaignRowCounts } from '../stats/counters.ts';
import * as queries from './queries.ts';
import { type Breakdown, findBreakdown, latestReplies, type ReplyRow } from './queries-breakdown.ts';
import { findRollout, listOverrides, type OverrideRow } from './queries-rollout.ts';
import { findOrRefuse } from './refused.ts';

export interface CampaignStatus {
  campaign: queries.CampaignRow;
  /** Every state, also those with no message: they add up to the audience. */
  counts: Record<MessageState, number>;
  /** Why it waits, when a route is in trouble. */
  routes: queries.RouteRow[];
  /** Of a rollout, the stage that is frozen, sent or held now. */
  stage: Stage | null;
  waits: Wait | null;
  maxPerHour: number | null;
  /** Who sent it against the checklist. */
  overrides: OverrideRow[];
  /** Refusals, the latest first. */
  replies: ReplyRow[];
  /** By provider, and by what was answered; undefined: nobody has added it up yet. */
  breakdown: Breakdown | undefined;
}

export interface Stage {
  /** From 1 on. */
  number: number;
  /** Percent of the audience up to which each stage goes. */
  stages: readonly number[];
}

export interface Wait {
  /** Null: until a person says so. */
  until: Date | null;
  for: string;
}

/** `from: 'rows'` counts the messages themselves, `'counters'` adds up what the queue's transactions kept. */
export function campaignStatus(
  database: Database,
  of: queries.CampaignKey,
  from: 'rows' | 'counters' = 'counters',
): Promise<CampaignStatus> {
  return database.readWorkspace(of.workspaceId, (tx) => statusOf(tx, of, from));
}

/** In a transaction whose statements see one moment. Throws CampaignRefused. */
export async function statusOf(
  tx: Tx,
  of: queries.CampaignKey,
  from: 'rows' | 'counters' = 'counters',
): Promise<CampaignStatus> {
  const campaign = await findOrRefuse(tx, of);
  const counted = await (from === 'rows' ? campaignRowCounts(tx, of) : campaignCounts(tx, of));
  const counts = Object.fromEntries(MESSAGE_STATES.map((state) => [state, counted[state] ?? 0]));
  return {
    campaign,
    counts: counts as Record<MessageState, number>,
    routes: await queries.troubledRoutes(tx, of.workspaceId),
    ...(await sendingOf(tx, of, campaign)),
    overrides: await listOverrides(tx, of),
    replies: await latestReplies(tx, of, REPLIES_SHOWN),
    breakdown: await findBreakdown(tx, of),
  };
}

const REPLIES_SHOWN = 20;

async function sendingOf(tx: Tx, of: queries.CampaignKey, campaign: queries.CampaignRow) {
  const rollout = await findRollout(tx, of);
  const gate = await findGate(tx, { workspaceId: of.workspaceId, key: of.campaignId });
  const maxPerHour = gate?.perHour ?? null;
  if (!rollout) return { stage: null, waits: null, maxPerHour };
  const { stage, stages, localAt, sendWindow, timezone } = rollout;
  const isRollout = stages.length > 1;
  const waits = (): Wait | null => {
    if (campaign.state === 'scheduled') return { until: campaign.scheduledAt, for: 'its time' };
    if (campaign.state === 'holding') return { until: rollout.holdsUntil, for: 'the next stage' };
    if (!STATES_THAT_SEND.has(campaign.state) || !gate?.opensAt) return null;
    return { until: gate.opensAt, for: `its window ${sendWindow} (${timezone})` };
  };
  return {
    stage: isRollout ? { number: stage + 1, stages } : null,
    waits: waits() ?? (localAt === null ? null : await localTimeWait(tx, of, campaign, localAt)),
    maxPerHour,
  };
}

const STATES_THAT_SEND: ReadonlySet<string> = new Set(['sending', 'finishing']);

/** Until it is that time where the next recipients are. */
async function localTimeWait(
  tx: Tx,
  of: queries.CampaignKey,
  { state }: queries.CampaignRow,
  localAt: string,
): Promise<Wait | null> {
  if (!STATES_THAT_SEND.has(state)) return null;
  const until = await earliestLaneDue(tx, of.workspaceId, of.campaignId);
  return until && { until, for: `its recipients’ own time, ${localAt.replace('T', ' ')}` };
}
