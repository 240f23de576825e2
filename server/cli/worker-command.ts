/** `camp worker`: one worker process. Several may run, on several machines. */
import type { Command } from 'commander';
import { createLog } from '../kernel/log.ts';
import { parseSmtpUrl } from '../smtp/url.ts';
import { type Cli, run } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { followParent, interruptScope } from './interrupt.ts';
import { awaitDatabase, openDatabase, requireMigrated } from './open-database.ts';
import { runWorker } from './worker.ts';

export function workerCommand(program: Command): void {
  program
    .command('worker')
    .description('send messages and run jobs until Ctrl-C or SIGTERM, then drain')
    .option('--connections <n>', 'SMTP connections of this worker')
    .action(run(work));
}

async function work(cli: Cli): Promise<ExitCode> {
  const { smtpUrl, resolver } = cli.config;
  if (smtpUrl === undefined && resolver === undefined)
    throw usageError(
      'Neither SMTP_URL nor CAMP_RESOLVER is set: name the relay, such as smtp://user:password@mail.example.com:587, or the DNS server by which mail goes straight to its recipients (CAMP_RESOLVER=system: this machine’s own).',
    );
  if (smtpUrl !== undefined) parseSmtpUrl(smtpUrl);
  if (process.connected) followParent();
  const scope = interruptScope('worker');
  const open = await openDatabase(cli);
  try {
    await awaitDatabase(() => requireMigrated(open.database));
    const config = { ...cli.config, databaseUrl: open.url };
    await runWorker({ config, log: createLog(cli.config.logLevel, 'worker'), scope });
    return EXIT.ok;
  } finally {
    await open.close();
  }
}
