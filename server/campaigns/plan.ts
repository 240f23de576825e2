/**
 * How a campaign is to be sent: when, in which stages, inside which windows, how fast, and when it halts. Said once, with
 * `send`; kept in columns of the campaign and in its gate (kernel/queries-gates.ts).
 */
import type { Tx } from '../kernel/database.ts';
import { deleteGate, insertGate } from '../kernel/queries-gates.ts';
import { type HaltLimits, ROLLOUT_HALT_LIMITS } from './halt.ts';
import type { CampaignKey } from './queries.ts';
import * as queries from './queries-rollout.ts';
import { CampaignRefused } from './refused.ts';
import { currentOrNextOpening, parseWindow } from './window.ts';

export interface SendPlan {
  /** Not before this. */
  at?: Date | undefined;
  /** What the clock on the recipient's wall shows, without a zone: `2026-12-01T09:00`. */
  atLocal?: string | undefined;
  /** IANA name: of the window, and of recipients whose own is not known. */
  timezone?: string | undefined;
  /** As parseWindow reads it. */
  window?: string | undefined;
  /** Percent of the audience, growing; the last is 100. */
  stages?: readonly number[] | undefined;
  /** Between two stages; null: until a person says so. */
  holdSeconds?: number | null | undefined;
  /** What is not said is as usual for a rollout, and not watched without one. */
  haltLimits?: Partial<HaltLimits> | undefined;
  maxPerHour?: number | undefined;
}

const HOLD_SECONDS = 30 * 60;
/** The zone whose clocks are first, and the time that the largest audience takes to be frozen. */
const EARLIEST_ZONE = '+14:00';
const LATEST_ZONE = '-12:00';
const FREEZE_AHEAD_MS = 15 * 60_000;

/** When the campaign starts; undefined: now. */
export function startOf({ at, atLocal }: SendPlan): Date | undefined {
  if (atLocal === undefined) return at;
  return new Date(instantIn(EARLIEST_ZONE, atLocal) - FREEZE_AHEAD_MS);
}

/** Throws CampaignRefused for what excludes each other. */
export function checkPlan(plan: SendPlan): void {
  if (plan.atLocal === undefined) return;
  for (const [other, flag] of [
    [plan.at, '--at'],
    [plan.window, '--window'],
    [plan.stages, '--stages'],
  ])
    if (other !== undefined)
      throw new CampaignRefused(
        `--at-local says when for every recipient, so it cannot be combined with ${flag}: leave one of them out.`,
      );
  if (instantIn(LATEST_ZONE, plan.atLocal) < Date.now())
    throw new CampaignRefused(
      `--at-local "${plan.atLocal}" is in the past wherever a recipient may be: correct it, or leave it out to send now.`,
    );
}

/** Writes the plan down, instead of one that a scheduled campaign may have. */
export async function keepPlan(tx: Tx, of: CampaignKey, plan: SendPlan): Promise<void> {
  const stages = plan.stages ?? [100];
  const { timezone = 'UTC', window = null, atLocal = null } = plan;
  await queries.setPlan(tx, of, {
    timezone,
    sendWindow: window,
    localAt: atLocal,
    stages,
    holdSeconds: plan.holdSeconds === undefined ? HOLD_SECONDS : plan.holdSeconds,
    haltLimits: haltLimitsOf(plan, stages.length > 1),
  });
  await keepGate(tx, of, { ...plan, timezone });
  await queries.deleteTimezones(tx, of);
  if (atLocal !== null) await keepTimezones(tx, of, timezone);
}

function haltLimitsOf({ haltLimits }: SendPlan, isRollout: boolean): HaltLimits {
  const usual = isRollout ? ROLLOUT_HALT_LIMITS : { bounces: null, complaints: null, deferrals: null };
  return { ...usual, ...haltLimits };
}

async function keepGate(
  tx: Tx,
  of: CampaignKey,
  { window, timezone, maxPerHour }: SendPlan & { timezone: string },
): Promise<void> {
  const key = { workspaceId: of.workspaceId, key: of.campaignId };
  await deleteGate(tx, key);
  const parsed = window === undefined ? undefined : parseWindow(window);
  if (!parsed && maxPerHour === undefined) return;
  const opening = parsed && currentOrNextOpening(parsed, timezone, new Date());
  await insertGate(tx, key, {
    opensAt: opening?.opensAt ?? null,
    closesAt: opening?.closesAt ?? null,
    perHour: maxPerHour ?? null,
  });
}

async function keepTimezones(tx: Tx, of: CampaignKey, timezone: string): Promise<void> {
  const names = await queries.insertTimezones(tx, of);
  if (!names.includes(timezone.toLowerCase()))
    throw new CampaignRefused(`Postgres does not know the timezone "${timezone}": choose a city near it.`);
}

function instantIn(offset: string, local: string): number {
  return Temporal.PlainDateTime.from(local).toZonedDateTime(offset).epochMilliseconds;
}
