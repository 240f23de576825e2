/**
 * How a campaign is to be sent: when, in which stages, inside which windows, how fast, and when it halts. Said once, with
 * `send`; kept in columns of the campaign and in its gate (kernel/queries-gates.ts).
 */
import type { Tx } from '../kernel/database.ts';
import { deleteGate, findGate, insertGate, setGateTimes } from '../kernel/queries-gates.ts';
import { type HaltLimits, ROLLOUT_HALT_LIMITS } from './halt.ts';
import type { CampaignKey } from './queries.ts';
import * as queries from './queries-rollout.ts';
import { CampaignRefused, findOrRefuse, noSuchCampaign } from './refused.ts';
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

export const STAGES_MAX = 20;
export const PER_HOUR_MAX = 100_000_000;
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

/** Throws CampaignRefused for what cannot be meant, and for what excludes each other. */
export function checkPlan(plan: SendPlan): void {
  const fault = faultOf(plan);
  if (fault !== undefined) throw new CampaignRefused('plan', fault);
}

function faultOf({ at, atLocal, timezone, window, stages, holdSeconds }: SendPlan): string | undefined {
  if (at !== undefined && at.getTime() < Date.now())
    return `The start, ${at.toISOString()}, is in the past: correct it, or leave it out to send now.`;
  if (timezone !== undefined && !isTimezone(timezone))
    return `The timezone "${timezone}" is not known: write a name such as Europe/Berlin or America/New_York.`;
  if (window !== undefined && !parseWindow(window))
    return `The window "${window}" cannot be used: write days and times such as "Mon-Fri 09:00-17:00", several with commas.`;
  if (stages !== undefined && !areStages(stages))
    return `The stages ${stages.join(', ')} cannot be used: at most ${STAGES_MAX} growing percentages up to 100, such as 1, 10, 100.`;
  if (holdSeconds !== undefined && stages === undefined)
    return 'A hold is between stages, and there are none: name the stages, such as 1, 10, 100.';
  return atLocal === undefined ? undefined : localFault(atLocal, { at, window, stages });
}

function localFault(
  atLocal: string,
  { at, window, stages }: Pick<SendPlan, 'at' | 'window' | 'stages'>,
): string | undefined {
  if (!isLocalTime(atLocal))
    return `The local time "${atLocal}" cannot be used: write one without a zone, such as 2030-01-31T09:00.`;
  for (const [other, name] of [
    [at, 'a start'],
    [window, 'a window'],
    [stages, 'stages'],
  ])
    if (other !== undefined)
      return `A local time says when for every recipient, so it cannot be combined with ${name}: leave one of them out.`;
  if (instantIn(LATEST_ZONE, atLocal) < Date.now())
    return `The local time "${atLocal}" is in the past wherever a recipient may be: correct it, or leave it out to send now.`;
  return undefined;
}

/** Percent of the audience: growing, the last is all. */
export function areStages(stages: readonly number[]): boolean {
  const grow = stages.every((stage, index) => stage > (stages[index - 1] ?? 0));
  return grow && stages.at(-1) === 100 && stages.length <= STAGES_MAX;
}

/** A name of the IANA time zone database; offsets are not, and Postgres reads them the other way round. */
export function isTimezone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    Temporal.PlainDateTime.from('2030-01-31').toZonedDateTime(name);
    return true;
  } catch {
    return false;
  }
}

/** `2030-01-31T09:00`, of a day that there is. */
export function isLocalTime(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(text)) return false;
  try {
    return (
      Temporal.PlainDateTime.from(text, { overflow: 'reject' }).toString({ smallestUnit: 'minute' }) === text
    );
  } catch {
    return false;
  }
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

/** What is written down of a plan, with how fast it is. */
export interface KeptPlan extends queries.PlanRow {
  scheduledAt: Date | null;
  maxPerHour: number | null;
}

/** Throws CampaignRefused. */
export async function findPlan(tx: Tx, of: CampaignKey): Promise<KeptPlan> {
  const { scheduledAt } = await findOrRefuse(tx, of);
  const rollout = await queries.findRollout(tx, of);
  if (!rollout) throw noSuchCampaign(of);
  const gate = await findGate(tx, { workspaceId: of.workspaceId, key: of.campaignId });
  return { ...rollout, scheduledAt, maxPerHour: gate?.perHour ?? null };
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

/** At which times from now on; a window of null: at any. Throws CampaignRefused. */
export async function changeWindow(
  tx: Tx,
  of: CampaignKey,
  { window, timezone }: { window: string | null; timezone?: string | undefined },
): Promise<void> {
  checkPlan({ window: window ?? undefined, timezone });
  const rollout = await queries.findRollout(tx, of);
  if (!rollout) throw new Error(`campaign ${of.campaignId} is locked and not there`);
  if (rollout.localAt !== null && window !== null)
    throw new CampaignRefused('plan', 'It is sent at each recipient’s own time, so it can have no window.');
  const zone = timezone ?? rollout.timezone;
  await queries.setWindow(tx, of, window, zone);
  const parsed = window === null ? undefined : parseWindow(window);
  const opening = parsed && currentOrNextOpening(parsed, zone, new Date());
  const key = { workspaceId: of.workspaceId, key: of.campaignId };
  await setGateTimes(tx, key, opening ?? { opensAt: null, closesAt: null });
}

async function keepTimezones(tx: Tx, of: CampaignKey, timezone: string): Promise<void> {
  const names = await queries.insertTimezones(tx, of);
  if (!names.includes(timezone.toLowerCase()))
    throw new CampaignRefused(
      'plan',
      `Postgres does not know the timezone "${timezone}": choose a city near it.`,
    );
}

function instantIn(offset: string, local: string): number {
  return Temporal.PlainDateTime.from(local).toZonedDateTime(offset).epochMilliseconds;
}
