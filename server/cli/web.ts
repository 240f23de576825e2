/** `camp web`: one process of the web server. Several may run, on several machines, behind a proxy that shares them out. */
import type { Command } from 'commander';
import { makeFirstRunLink } from '../accounts/first-run.ts';
import { SETTINGS } from '../kernel/config.ts';
import { Database } from '../kernel/database.ts';
import { createLog } from '../kernel/log.ts';
import { startWeb, type Web } from '../web/server.ts';
import { type Cli, run } from './cli.ts';
import { unavailable } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { followParent, interruptScope } from './interrupt.ts';
import { awaitDatabase, openDatabase, requireMigrated } from './open-database.ts';

const DATABASE_CONNECTIONS = 16;
/** Transactions that many requests share. */
const PIPELINES = 4;

export function webCommand(program: Command): void {
  program
    .command('web')
    .description('serve the API and its documentation until Ctrl-C or SIGTERM, then drain')
    .option('--port <n>', 'instead of CAMP_HTTP_PORT')
    .action(run(serve));
}

async function serve(cli: Cli): Promise<ExitCode> {
  if (process.connected) followParent();
  const scope = interruptScope('web');
  const open = await openDatabase(cli);
  const options = {
    connectionsMax: DATABASE_CONNECTIONS,
    applicationName: 'camp web',
    prepare: cli.config.preparedStatements === 'on',
  };
  const database = new Database(open.url, options);
  const pipelined = new Database(open.url, { ...options, connectionsMax: PIPELINES, pipeline: true });
  try {
    await awaitDatabase(() => requireMigrated(open.database));
    const log = createLog(cli.config.logLevel, 'web');
    const web = await startWeb({ config: cli.config, database, pipelined, log }).catch(explainListening);
    log.info({ event: 'web_started', url: web.url });
    await announce(cli, web, open.database);
    await new Promise<void>((resolve) => scope.onEnd(() => resolve()));
    await web.stop();
    log.info({ event: 'web_ended' });
    return EXIT.ok;
  } finally {
    await Promise.all([database.close(), pipelined.close()]);
    await open.close();
  }
}

async function announce(cli: Cli, { url }: Web, database: Database): Promise<void> {
  if (process.connected) {
    process.send?.(url);
    return;
  }
  cli.out.say(`Camp listens on ${url}; the API is described at ${url}/docs.`);
  await sayFirstRunLink(cli, database, url);
}

/** While nobody owns the installation: the link by which somebody will. `url`: where the web server listens. */
export async function sayFirstRunLink({ out, config }: Cli, database: Database, url: string): Promise<void> {
  const token = await makeFirstRunLink(database);
  // Who has not said where Camp is found finds it where it listens.
  const origin = config.publicUrl === SETTINGS.publicUrl.default ? url : config.publicUrl;
  // In the fragment, which stays in the browser: no log of a proxy has it.
  if (token !== null)
    out.say(`Nobody owns this Camp yet. Become its owner within a day:\n  ${origin}/first-run#${token}`);
}

function explainListening(error: NodeJS.ErrnoException): never {
  const { code, message } = error;
  const sentences: Record<string, string> = {
    EADDRINUSE: 'The port of the web server is in use: choose another with --port or CAMP_HTTP_PORT.',
    EACCES:
      'The port of the web server may not be used by this user: choose one above 1023 with --port or CAMP_HTTP_PORT.',
    EADDRNOTAVAIL: 'This machine has no such address: correct CAMP_HTTP_HOST.',
    ENOTFOUND: 'This machine has no such address: correct CAMP_HTTP_HOST.',
  };
  const sentence = sentences[code ?? ''];
  throw sentence === undefined ? error : unavailable(`${sentence} (${message})`);
}
