/** `camp source warm-up`: how much a new address may send on a day, until the mailbox providers know it. */
import type { Command } from 'commander';
import { endWarmUp, setWarmUp } from '../senders/sources.ts';
import { ANY_PROVIDER, dayOf, type WarmUp, warmUpPerDay } from '../senders/warm-up.ts';
import { readInteger } from './arguments.ts';
import { type Cli, run } from './cli.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { count } from './output.ts';

const MESSAGES_MAX = 2_000_000_000;
const DAY_MS = 86_400_000;

export function addWarmUp(source: Command): void {
  source
    .command('warm-up <address>')
    .description('how many messages it may send to each provider on a day, more every day')
    .option('--start <day>', 'the first day (UTC), such as 2030-01-31; today unless told')
    .option('--from <n>', 'messages on the first day', '50')
    .option('--factor <n>', 'how many times as many on each day after', '1.5')
    .option('--until <n>', 'no limit from the day on that would reach this many', '100000')
    .option(
      '--provider <name>',
      'for this provider only; else for all that have no warm-up of their own',
      ANY_PROVIDER,
    )
    .option('--end', 'it is warm')
    .action(run(warmUp));
}

interface Flags {
  start?: string;
  from: string;
  factor: string;
  until: string;
  provider: string;
  end?: boolean;
}

function warmUp(cli: Cli, address: string, flags: Flags): Promise<ExitCode> {
  return flags.end ? end(cli, address, flags.provider) : start(cli, address, readRamp(flags));
}

async function start(cli: Cli, address: string, ramp: WarmUp): Promise<ExitCode> {
  await withDatabase(cli, (database) => setWarmUp(database, address, ramp));
  const days = daysOf(ramp);
  const first = days.slice(0, 7).map(count).join(', ');
  cli.out.say(
    `From ${ramp.start} on ${address} may send ${first}${days.length > 7 ? ', …' : ''} messages a day to ${whom(ramp)}; it is warm after ${days.length} days.`,
  );
  cli.out.result({ address, ...ramp, days: days.length });
  return EXIT.ok;
}

async function end(cli: Cli, address: string, provider: string): Promise<ExitCode> {
  await withDatabase(cli, (database) => endWarmUp(database, address, provider));
  cli.out.say(`The warm-up of ${address} for ${whom({ provider })} has ended.`);
  cli.out.result({ address, provider, ended: true });
  return EXIT.ok;
}

function readRamp({ start = dayOf(new Date()), from, factor, until, provider }: Flags): WarmUp {
  return {
    provider,
    start,
    from: readInteger(from, '--from', 1, MESSAGES_MAX),
    factor: Number(factor),
    until: readInteger(until, '--until', 1, MESSAGES_MAX),
  };
}

/** Messages on each day of the ramp. */
function daysOf(ramp: WarmUp): number[] {
  const days: number[] = [];
  for (;;) {
    const day = dayOf(new Date(Date.parse(ramp.start) + days.length * DAY_MS));
    const messages = warmUpPerDay({ warmUps: [ramp] }, ramp.provider, day);
    if (messages === null) return days;
    days.push(messages);
  }
}

function whom({ provider }: Pick<WarmUp, 'provider'>): string {
  return provider === ANY_PROVIDER ? 'each provider' : provider;
}
