/** `camp suppression …`: addresses that get no mail of the workspace, whatever list they are on. */
import type { Command } from 'commander';
import { operator } from '../accounts/principal.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { normaliseEmail } from '../audience/email.ts';
import type { SuppressionRow } from '../audience/queries-suppressions.ts';
import { addSuppressions, removeSuppressions, suppressionsPage } from '../audience/suppressions.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { type Cli, run } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';
import { count, table } from './output.ts';

const SHOWN_MAX = 200;

export function suppressionCommand(program: Command): void {
  const suppression = program.command('suppression').description('addresses that get no mail');
  suppression
    .command('list')
    .description(`the first ${SHOWN_MAX} in the order of the addresses, and why`)
    .option('--prefix <text>', 'only those that begin like this')
    .action(run(list));
  suppression
    .command('add <email...>')
    .description('they get no mail from now on, whatever list they are on')
    .option('--note <text>', 'why')
    .action(run(add));
  suppression
    .command('remove <email...>')
    .description('they may have mail again; a mailbox that still refuses it is suppressed again')
    .requiredOption('--reason <text>', 'why; it stands in the audit log')
    .action(run(remove));
}

async function list(cli: Cli, flags: { prefix?: string }): Promise<ExitCode> {
  const { workspaceId, out } = cli;
  const of = { prefix: flags.prefix?.toLowerCase() ?? '', reason: null, after: null, limit: SHOWN_MAX };
  const rows = await withDatabase(cli, (database) =>
    database.readWorkspace(workspaceId, (tx) => suppressionsPage(tx, workspaceId, of)),
  );
  if (rows.length === 0) out.say('No address is suppressed.');
  else out.say(table(rows.map(describe), ''));
  const suppressions = rows.map(({ email, reason, rule, detail, createdAt }) => ({
    email,
    reason,
    rule,
    detail,
    created_at: createdAt,
  }));
  out.result({ suppressions });
  return EXIT.ok;
}

function describe({ email, reason, detail, createdAt }: SuppressionRow): string[] {
  return [email, reason, createdAt.toISOString().slice(0, 10), detail ?? ''];
}

async function add(cli: Cli, emails: string[], flags: { note?: string }): Promise<ExitCode> {
  const wish = { emails: readAddresses(emails), note: flags.note ?? null };
  const { workspaceId, out } = cli;
  const result = await withDatabase(cli, async (database) => {
    if (workspaceId === DEFAULT_WORKSPACE_ID) await ensureWorkspace(database, workspaceId, 'Default');
    return database.withWorkspace(workspaceId, (tx) => addSuppressions(tx, operator(workspaceId), wish));
  });
  out.say(`Suppressed: ${count(result.added)}. Already were: ${count(result.already)}.`);
  out.result({ ...result });
  return EXIT.ok;
}

async function remove(cli: Cli, emails: string[], flags: { reason: string }): Promise<ExitCode> {
  const wish = { emails: readAddresses(emails), reason: flags.reason };
  const { workspaceId, out } = cli;
  const removed = await withDatabase(cli, (database) =>
    database.withWorkspace(workspaceId, (tx) => removeSuppressions(tx, operator(workspaceId), wish)),
  );
  const { hard_bounce, complaint, manual } = removed;
  out.say(`May have mail again: ${count(hard_bounce + complaint + manual)}.`);
  out.result({ removed });
  return EXIT.ok;
}

function readAddresses(texts: readonly string[]): string[] {
  return texts.map((text) => {
    const address = normaliseEmail(text);
    if (address.kind === 'email') return address.email;
    throw usageError(`"${text}" is no address, because ${address.reason}.`);
  });
}
