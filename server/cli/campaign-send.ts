/** `camp campaign send`: goes through the checklist, asks what is to be asked, and sends by the plan of the flags. */
import { hostname, userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { creditsAllow, OUT_OF_CREDITS } from '../billing/credits.ts';
import type { ChecklistItem } from '../campaigns/checked.ts';
import { type LaunchOutcome, launch } from '../campaigns/launch.ts';
import { startOf } from '../campaigns/plan.ts';
import { sayItems, withSurroundings } from './campaign-check.ts';
import { type PlanFlags, readPlan } from './campaign-plan.ts';
import { waitForEnd } from './campaign-status.ts';
import { type Cli, uuid } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { plural } from './output.ts';

interface SendFlags extends PlanFlags {
  wait?: boolean;
  yes?: boolean;
  force?: boolean;
}

export async function send(cli: Cli, id: string, flags: SendFlags): Promise<ExitCode> {
  const of = { workspaceId: cli.workspaceId, campaignId: uuid(id, 'campaign id') };
  const plan = readPlan(flags);
  const consent = {
    force: flags.force === true,
    by: `${userInfo().username} on ${hostname()}`,
    confirm: async (items: ChecklistItem[]) => flags.yes === true || ask(cli, items),
  };
  return withDatabase(cli, async (database) => {
    const { config, workspaceId } = cli;
    if (!(await database.withWorkspace(workspaceId, (tx) => creditsAllow(tx, config, workspaceId))))
      throw usageError(OUT_OF_CREDITS);
    const outcome = await withSurroundings(cli, database, (around) => launch(around, of, plan, consent));
    if (outcome.kind !== 'sent') return sayRefusal(cli, id, outcome);
    sayRehearsal(cli, id, outcome);
    if (flags.wait) return waitForEnd(cli, database, of);
    const at = startOf(plan);
    cli.out.say(
      `${at ? `Scheduled for ${at.toISOString()}` : 'Starting'}: workers take it from here. See \`camp campaign status ${id} --watch\`.`,
    );
    cli.out.result({ id: of.campaignId });
    return EXIT.ok;
  });
}

/** A script is not asked: its answer is --yes. */
async function ask({ out }: Cli, items: ChecklistItem[]): Promise<boolean> {
  if (out.json || !process.stdin.isTTY || !out.stream.isTTY) return false;
  sayItems(out, items);
  const terminal = createInterface({ input: process.stdin, output: out.stream });
  const answer = await terminal.question('\nSend it all the same? [y/N] ');
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

function sayRefusal(
  { out }: Cli,
  id: string,
  { kind, items }: Extract<LaunchOutcome, { items: ChecklistItem[] }>,
): ExitCode {
  const refused = kind === 'refused';
  const error = refused
    ? `The campaign was not sent: ${plural(items.filter(({ verdict }) => verdict === 'red').length, 'check')} of it failed. Correct that, or say --force, which is written down; \`camp campaign check ${id}\` shows all.`
    : `The campaign was not sent: ${plural(items.length, 'check')} of it should be looked at first. Say --yes to send it as it is.`;
  const exitCode = refused ? EXIT.usage : EXIT.unconfirmed;
  sayItems(out, items);
  process.stderr.write(`${error}\n`);
  out.result({ error, exit_code: exitCode, items });
  return exitCode;
}

function sayRehearsal(
  { out }: Cli,
  id: string,
  { checklist }: Extract<LaunchOutcome, { kind: 'sent' }>,
): void {
  if (checklist.isRehearsal && checklist.verdict !== 'green')
    out.say(
      `A rehearsal: the mail goes to a test server. Before real mail there are questions: \`camp campaign check ${id}\`.`,
    );
}
