/** `camp password-link`: for somebody who has forgotten their password where Camp has no domain to mail from. */
import type { Command } from 'commander';
import { resetLinkFor } from '../accounts/password-reset.ts';
import { mailingOf } from '../web/mailing.ts';
import { type Cli, run } from './cli.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { withDatabase } from './open-database.ts';

export function passwordLinkCommand(program: Command): void {
  program
    .command('password-link <email>')
    .description('a link by which somebody chooses a new password, once, within an hour')
    .action(run(print));
}

async function print(cli: Cli, email: string): Promise<ExitCode> {
  const token = await withDatabase(cli, (database) => resetLinkFor(database, email));
  const link = mailingOf(cli.config, 'password-reset').linkOf(token);
  cli.out.say(`${link}\n\nWhoever opens it within an hour chooses the password: give it to nobody else.`);
  cli.out.result({ link });
  return EXIT.ok;
}
