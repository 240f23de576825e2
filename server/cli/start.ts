/** `camp start`: all parts on this machine, until Ctrl-C or SIGTERM. */
import type { Command } from 'commander';
import { readInteger } from './arguments.ts';
import { type Cli, run } from './cli.ts';
import { dataFolder } from './data-folder.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { interruptScope } from './interrupt.ts';
import { styled } from './output.ts';
import { type Parts, startParts } from './parts.ts';
import { sayFirstRunLink } from './web.ts';

const WORKERS_MAX = 64;

export function startCommand(program: Command): void {
  program
    .command('start')
    .description(
      'run everything on this machine: Postgres and a sandbox unless the URLs are set, workers and the web server',
    )
    .option('--workers <n>', 'worker processes', '2')
    .option('--connections <n>', 'SMTP connections of each worker')
    .option('--port <n>', 'of the web server, instead of CAMP_HTTP_PORT')
    .action(run(start));
}

async function start(cli: Cli, flags: { workers: string }): Promise<ExitCode> {
  const workers = readInteger(flags.workers, '--workers', 1, WORKERS_MAX);
  const scope = interruptScope('start', () =>
    cli.out.say('\nStopping: what is on the wire is finished first. Ctrl-C again ends at once.'),
  );
  cli.out.say(`${styled(cli.out, 'bold', 'Camp')}\n`);
  const parts = await startParts(cli, { workers, web: true, scope });
  sayWhatNext(cli, parts);
  if (parts.webUrl !== undefined) await sayFirstRunLink(cli, parts.open.database, parts.webUrl);
  await new Promise<void>((resolve) => scope.onEnd(() => resolve()));
  await parts.stop();
  if (parts.lost() !== undefined) throw parts.lost();
  cli.out.say('Stopped.');
  cli.out.result({ stopped: true });
  return EXIT.ok;
}

function sayWhatNext(cli: Cli, { open, sandbox }: Parts): void {
  const { config, out } = cli;
  const here = open.isBuiltIn && config.dataDir !== undefined ? ` --data-dir ${dataFolder(config)}` : '';
  out.say(`\nRunning. In another terminal:\n
  bin/camp import examples/contacts.csv --list News${here}
  bin/camp campaign create --name Hello --list News --template examples/welcome.mjml --from "You <you@example.com>"${here}
  bin/camp campaign send ID --wait${here}\n`);
  if (open.isBuiltIn) out.say(`Its data are in ${dataFolder(config)}. For production set DATABASE_URL.`);
  if (sandbox) out.say(`Nothing leaves this machine: mails are in ${sandbox.folder}. To send, set SMTP_URL.`);
}
