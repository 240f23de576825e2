/** `camp limits`: how much each mailbox provider takes from us now, who sends it, and why it is not more. */
import type { Command } from 'commander';
import { type LimitReport, limitsInForce, resumeTarget } from '../delivery/limits-report.ts';
import type { Limits } from '../smtp/providers.ts';
import { type Cli, run } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { count, plural, styled } from './output.ts';

export function limitsCommand(program: Command): void {
  const limits = program
    .command('limits')
    .description('how much each mailbox provider and site is sent at a time');
  limits
    .command('show', { isDefault: true })
    .description('of all that are in use: how much, by whom, and why it is not more')
    .action(run(showLimits));
  limits
    .command('resume <target>')
    .description('let messages go again to a target that is shut, such as "provider google"')
    .option('--source <address>', "the source address that it is shut for; the machine's own unless told", '')
    .action(run(resume));
}

async function resume(cli: Cli, target: string, { source }: { source: string }): Promise<ExitCode> {
  const resumed = await withDatabase(cli, (database) => resumeTarget(database, { source, target }));
  if (!resumed) throw usageError(`Nothing stands in the way to "${target}": see \`camp limits\`.`);
  cli.out.say(`Messages go to ${target} again.`);
  cli.out.result({ source, target, resumed });
  return EXIT.ok;
}

async function showLimits(cli: Cli): Promise<ExitCode> {
  const reports = await withDatabase(cli, limitsInForce);
  for (const report of reports) {
    const from = report.source === '' ? '' : `  from ${report.source}`;
    cli.out.say(`${styled(cli.out, 'bold', report.target)}${from}`);
    for (const line of [limitsLine(report), workersLine(report)]) cli.out.say(`  ${line}`);
    for (const { sentence } of report.reasons) cli.out.say(styled(cli.out, 'yellow', `  ${sentence}`));
  }
  if (reports.length === 0) cli.out.say('No limit is in use, and none was learned.');
  cli.out.result({ limits: reports.map(jsonOf) });
  return EXIT.ok;
}

function limitsLine({ inForce, sentToday }: LimitReport): string {
  const { connections, messagesPerConnection, messagesPerSecond, messagesPerDay } = inForce;
  const parts = [plural(connections, 'connection'), `${plural(messagesPerConnection, 'message')} each`];
  if (messagesPerSecond !== null) parts.push(`${Number(messagesPerSecond.toPrecision(3))} messages a second`);
  if (messagesPerDay !== null)
    parts.push(`${count(sentToday ?? 0)} of ${plural(messagesPerDay, 'message')} today`);
  return parts.join(', ');
}

function workersLine({ workers }: LimitReport): string {
  if (workers.length === 0) return 'no worker sends there now';
  const parts = workers.map(({ id, connections }) => `${id.slice(-8)} ${connections}`);
  return `connections by worker: ${parts.join(', ')}`;
}

function jsonOf({ source, target, rule, inForce, door, sentToday, workers, reasons }: LimitReport) {
  return {
    source,
    target,
    door,
    rule: jsonOfLimits(rule),
    in_force: jsonOfLimits(inForce),
    sent_today: sentToday,
    workers: workers.map(({ id, connections, messagesPerSecond }) => ({
      id,
      connections,
      messages_per_second: messagesPerSecond,
    })),
    reasons: reasons.map(({ sinceMs, untilMs, ...reason }) => ({
      ...reason,
      since: new Date(sinceMs).toISOString(),
      until: untilMs === null ? null : new Date(untilMs).toISOString(),
    })),
  };
}

function jsonOfLimits(limits: Limits) {
  return {
    connections: limits.connections,
    messages_per_connection: limits.messagesPerConnection,
    messages_per_second: limits.messagesPerSecond,
    messages_per_day: limits.messagesPerDay,
  };
}
