/** The flags of `camp campaign send` that say when, in which stages and how fast. */
import type { Command } from 'commander';
import type { HaltLimits } from '../campaigns/halt.ts';
import { areStages, isLocalTime, isTimezone, PER_HOUR_MAX, type SendPlan } from '../campaigns/plan.ts';
import { parseWindow } from '../campaigns/window.ts';
import { readDuration, readInteger, readTime } from './arguments.ts';
import { usageError } from './errors.ts';

export interface PlanFlags {
  at?: string;
  atLocal?: string;
  timezone?: string;
  window?: string;
  stages?: string;
  hold?: string;
  haltBounces?: string;
  haltComplaints?: string;
  haltDeferrals?: string;
  maxPerHour?: string;
}

export function planOptions(command: Command): Command {
  return command
    .option('--at <time>', 'such as 2030-01-31T09:00:00Z')
    .option(
      '--at-local <time>',
      "such as 2030-01-31T09:00, by each recipient's own clock (attribute timezone)",
    )
    .option('--timezone <name>', 'such as Europe/Berlin: of --window, and of recipients without one', 'UTC')
    .option('--window <times>', 'send only then, such as "Mon-Fri 09:00-17:00"')
    .option('--stages <shares>', 'shares of the audience, one after the other, such as 1%,10%,100%')
    .option('--hold <time>', 'between stages: such as 30m, or manual')
    .option('--halt-bounces <share>', 'halt above this share, or off; with --stages 5%')
    .option('--halt-complaints <share>', 'halt above this share, or off; with --stages 0.3%')
    .option('--halt-deferrals <share>', 'halt above this share, or off; with --stages 30%')
    .option('--max-per-hour <n>', 'messages, by all workers together');
}

export function readPlan(flags: PlanFlags): SendPlan {
  if (flags.hold !== undefined && flags.stages === undefined)
    throw usageError('--hold is between stages: say --stages 1%,10%,100% as well.');
  const limits = readLimits(flags);
  return {
    ...(flags.at !== undefined && { at: readSendTime(flags.at) }),
    ...(flags.atLocal !== undefined && { atLocal: readLocalTime(flags.atLocal) }),
    ...(flags.timezone !== undefined && { timezone: readTimezone(flags.timezone) }),
    ...(flags.window !== undefined && { window: readWindow(flags.window) }),
    ...(flags.stages !== undefined && { stages: readStages(flags.stages) }),
    ...(flags.hold !== undefined && { holdSeconds: readHold(flags.hold) }),
    ...(Object.keys(limits).length > 0 && { haltLimits: limits }),
    ...(flags.maxPerHour !== undefined && {
      maxPerHour: readInteger(flags.maxPerHour, '--max-per-hour', 1, PER_HOUR_MAX),
    }),
  };
}

function readSendTime(text: string): Date {
  const at = readTime(text, '--at');
  if (at.getTime() < Date.now())
    throw usageError(`--at "${text}" is in the past: correct it, or leave it out to send now.`);
  return at;
}

function readLocalTime(text: string): string {
  const local = text.replace(' ', 'T');
  if (isLocalTime(local)) return local;
  throw usageError(
    `--at-local "${text}" cannot be used: write a time without a zone, such as 2030-01-31T09:00.`,
  );
}

function readTimezone(text: string): string {
  if (isTimezone(text)) return text;
  throw usageError(
    `--timezone "${text}" is not known: write a name such as Europe/Berlin or America/New_York.`,
  );
}

function readWindow(text: string): string {
  if (parseWindow(text)) return text;
  throw usageError(
    `--window "${text}" cannot be used: write days and times such as "Mon-Fri 09:00-17:00", several with commas.`,
  );
}

function readStages(text: string): number[] {
  const stages = text.split(',').map(readPercent);
  if (areStages(stages)) return stages;
  throw usageError(`--stages "${text}" cannot be used: write growing shares up to all, such as 1%,10%,100%.`);
}

function readHold(text: string): number | null {
  return text === 'manual' ? null : readDuration(text, '--hold');
}

function readLimits(flags: PlanFlags): Partial<HaltLimits> {
  return {
    ...(flags.haltBounces !== undefined && { bounces: readLimit(flags.haltBounces, '--halt-bounces') }),
    ...(flags.haltComplaints !== undefined && {
      complaints: readLimit(flags.haltComplaints, '--halt-complaints'),
    }),
    ...(flags.haltDeferrals !== undefined && {
      deferrals: readLimit(flags.haltDeferrals, '--halt-deferrals'),
    }),
  };
}

function readLimit(text: string, flag: string): number | null {
  if (text === 'off') return null;
  const percent = readPercent(text);
  if (percent > 0 && percent <= 100) return percent / 100;
  throw usageError(`${flag} "${text}" cannot be used: write a share such as 5%, or off.`);
}

/** NaN: it is none. */
function readPercent(text: string): number {
  return /^\s*\d+(\.\d+)?\s*%\s*$/.test(text) ? Number.parseFloat(text) : Number.NaN;
}
