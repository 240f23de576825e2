/** `camp audit …`: is the audit log of the workspace what was written? */
import type { Command } from 'commander';
import { type AuditHead, verifyAuditLog } from '../accounts/audit.ts';
import { type Cli, run } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';

export function auditCommand(program: Command): void {
  program
    .command('audit')
    .description('the audit log of the workspace')
    .command('verify')
    .description('compute its chain again; prints a head to note where nobody can change it')
    .option('--noted <head>', 'a head that was noted before: the log must still begin with it')
    .action(run(verify));
}

async function verify(cli: Cli, { noted }: { noted?: string }): Promise<ExitCode> {
  const head = noted === undefined ? undefined : readHead(noted);
  const verdict = await withDatabase(cli, (database) => verifyAuditLog(database, cli.workspaceId, head));
  if (verdict.kind === 'tampered') {
    const { position, reason } = verdict;
    cli.out.say(`The audit log was tampered with: at entry ${position}, ${reason}.`);
    cli.out.result({ intact: false, position, reason });
    return EXIT.failed;
  }
  const { entries, hash } = verdict.head;
  cli.out.say('The audit log is as it was written. Its length and head, to be noted elsewhere:');
  cli.out.say(`\n  ${entries}:${hash}`);
  cli.out.result({ intact: true, entries, head: `${entries}:${hash}` });
  return EXIT.ok;
}

function readHead(text: string): AuditHead {
  const [, entries, hash = ''] = /^(\d{1,15}):((?:[0-9a-f]{64})?)$/.exec(text) ?? [];
  if (entries === undefined)
    throw usageError(`--noted is "${text}", but must be a head as \`camp audit verify\` prints it.`);
  return { entries: Number(entries), hash };
}
