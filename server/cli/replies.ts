/** `camp replies …`: what a server's answer means to Camp, what nobody knows the meaning of, and history judged anew. */
import type { Command } from 'commander';
import { explanationOf } from '../outcomes/explanation.ts';
import { rerunReplies, type Undone } from '../outcomes/rerun.ts';
import { unclassifiedReplies } from '../outcomes/unclassified.ts';
import { PHASES } from '../smtp/classification.ts';
import { classify } from '../smtp/replies.ts';
import { readReply } from '../smtp/reply.ts';
import { readChoice, readTime } from './arguments.ts';
import { type Cli, run } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { count, plural, table } from './output.ts';

const BEGINNING = new Date(0);
const EXAMPLE_CHARS_MAX = 200;

export function repliesCommand(program: Command): void {
  const replies = program
    .command('replies')
    .description('what mail servers answer, and what follows from it');
  replies
    .command('explain')
    .description('what Camp would do with such a reply, and why')
    .argument('<text>', 'the reply, with its code')
    .option('--phase <phase>', `what it answers: ${PHASES.join(', ')}`, 'rcpt')
    .option('--mx <host>', 'who says it; without it, a relay')
    .action(run(explain));
  replies
    .command('unclassified')
    .description('replies that no rule knows, by kind')
    .option('--since <date>', 'such as 2030-01-31')
    .action(run(listUnclassified));
  replies
    .command('rerun')
    .description('judge past refusals by the rules of today; undo suppressions that they would not have made')
    .option('--since <date>', 'such as 2030-01-31')
    .option('--dry-run', 'say what would be undone, and change nothing')
    .action(run(rerun));
}

async function explain(cli: Cli, text: string, flags: { phase: string; mx?: string }): Promise<ExitCode> {
  const phase = readChoice(flags.phase, '--phase', PHASES);
  const reply = readReply(text);
  if (!reply)
    throw usageError(`"${text}" is not a reply: it begins with its code, such as "550 5.1.1 user unknown".`);
  const explanation = explanationOf(classify(phase, reply, flags.mx ?? null));
  cli.out.say(table(Object.entries(explanation).map(([name, value]) => [name, inWords(value)])));
  cli.out.result({ ...explanation, phase, mx: flags.mx ?? null });
  return EXIT.ok;
}

function inWords(value: ReturnType<typeof explanationOf>[keyof ReturnType<typeof explanationOf>]): string {
  if (value === null) return '-';
  if (typeof value !== 'object') return String(value);
  return `${plural(value.campaigns, 'campaign')} over ${plural(value.days, 'day')}`;
}

async function listUnclassified(cli: Cli, flags: { since?: string }): Promise<ExitCode> {
  const kinds = await withDatabase(cli, (database) => unclassifiedReplies(database, sinceOf(flags.since)));
  if (kinds.length === 0) cli.out.say('There is none: every reply was known to a rule.');
  for (const { template, count: times, phase, mxHost, example } of kinds)
    cli.out.say(
      `${count(times)} × ${template}\n  at ${phase}, ${mxHost ?? 'from a relay'}: ${example.slice(0, EXAMPLE_CHARS_MAX)}\n`,
    );
  cli.out.result({
    templates: kinds.map(({ template, count: times, phase, mxHost, lastAt, example }) => ({
      template,
      count: times,
      phase,
      mx: mxHost,
      last_at: lastAt.toISOString(),
      example,
    })),
  });
  return EXIT.ok;
}

async function rerun(cli: Cli, flags: { since?: string; dryRun?: boolean }): Promise<ExitCode> {
  const dryRun = flags.dryRun === true;
  const since = sinceOf(flags.since);
  const onUndone = ({ email, was, now }: Undone) =>
    cli.out.say(
      `${email}: ${dryRun ? 'would leave' : 'left'} the suppression list; was ${was}, is ${now} now`,
    );
  const done = await withDatabase(cli, (database) => rerunReplies(database, { since, dryRun, onUndone }));
  cli.out.say(
    `${plural(done.events, 'refusal')} judged, ${count(done.changed)} differently; ${plural(done.suppressions, 'suppression')} judged, ${count(done.undone.length)} ${dryRun ? 'to be undone' : 'undone'}.`,
  );
  const undone = done.undone.map(({ workspaceId, ...rest }) => ({ workspace: workspaceId, ...rest }));
  cli.out.result({ since: since.toISOString(), dry_run: dryRun, ...done, undone });
  return EXIT.ok;
}

function sinceOf(date: string | undefined): Date {
  return date === undefined ? BEGINNING : readTime(date, '--since');
}
