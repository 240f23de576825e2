/**
 * A rollout under way: the audience is frozen and sent in stages, each a larger share of it. Between two stages the
 * campaign holds, for a time or until a person says `continue`; whenever too much goes wrong it halts by itself.
 *
 * advance.ts drives it. Every function is one step inside its caller's transaction. A stage ends when none of its
 * messages waits for a first try; what is tried again goes on meanwhile. The share is frozen stage after stage, so that
 * audience = Σ states stays true at every instant.
 */
import type { Tx } from '../kernel/database.ts';
import { setLanesOpen } from '../kernel/queries.ts';
import { findGate, renewGateTimes } from '../kernel/queries-gates.ts';
import { campaignCounts } from '../stats/counters.ts';
import { type Counts, haltReason } from './halt.ts';
import { type CampaignKey, moveState, setFailure } from './queries.ts';
import * as queries from './queries-rollout.ts';
import { currentOrNextOpening, parseWindow } from './window.ts';

/** States in which messages leave. */
const UNDER_WAY = ['sending', 'holding', 'finishing'] as const;

export interface Look {
  counts: Counts;
  isLastStage: boolean;
  /** Until when it holds; null: until a person says so. */
  holdsUntil: Date | null;
  /** How long its window is closed from now; 0 while it is open. */
  closedMs: number;
}

/** What there is to know before the next step; undefined: it has halted. */
export async function lookAfter(tx: Tx, of: CampaignKey): Promise<Look | undefined> {
  const rollout = await queries.findRollout(tx, of);
  const counts: Counts = await campaignCounts(tx, of);
  if (!rollout) return undefined;
  const reason = rollout.haltLimits && haltReason(rollout.haltLimits, counts, rollout.haltSince);
  if (reason) {
    await halt(tx, of, reason);
    return undefined;
  }
  const { stage, stages, holdsUntil } = rollout;
  const closedMs = rollout.sendWindow === null ? 0 : await keepWindow(tx, of, rollout);
  return { counts, isLastStage: stage + 1 >= stages.length, holdsUntil, closedMs };
}

/** The stage's messages were all tried once. */
export async function startHold(tx: Tx, of: CampaignKey): Promise<void> {
  if (await moveState(tx, of, ['sending'], 'holding')) await queries.setHold(tx, of);
}

/** False: it does not hold. Lanes close while the next share is frozen. */
export async function startNextStage(tx: Tx, of: CampaignKey): Promise<boolean> {
  if (!(await moveState(tx, of, ['holding'], 'starting'))) return false;
  await queries.beginNextStage(tx, of);
  await setLanesOpen(tx, of.workspaceId, of.campaignId, false);
  return true;
}

/** Of a small audience a small share may be nobody: then there is nothing to wait for. False: the stage has messages. */
export async function skipEmptyStage(tx: Tx, of: CampaignKey, audience: number): Promise<boolean> {
  const rollout = await queries.findRollout(tx, of);
  if (!rollout || rollout.stage + 1 >= rollout.stages.length || audience > rollout.stageAudience)
    return false;
  await queries.beginNextStage(tx, of);
  return true;
}

async function halt(tx: Tx, of: CampaignKey, reason: string): Promise<void> {
  if (!(await moveState(tx, of, [...UNDER_WAY], 'paused'))) return;
  await setFailure(tx, of, reason);
  await setLanesOpen(tx, of.workspaceId, of.campaignId, false);
}

/** The gate closes by itself on time; this says when it opens again, before it is time. */
async function keepWindow(tx: Tx, of: CampaignKey, rollout: queries.RolloutRow): Promise<number> {
  const key = { workspaceId: of.workspaceId, key: of.campaignId };
  const gate = await findGate(tx, key);
  if (!gate) return 0;
  if (!gate.isOver) return gate.opensAt ? gate.opensAt.getTime() - gate.now.getTime() : 0;
  const window = parseWindow(rollout.sendWindow ?? '');
  if (!window) throw new Error(`the send window "${rollout.sendWindow}" cannot be read`);
  const opening = currentOrNextOpening(window, rollout.timezone, gate.now);
  await renewGateTimes(tx, key, opening);
  return Math.max(0, opening.opensAt.getTime() - gate.now.getTime());
}
