/**
 * The parts of a whole Camp on one machine: a Postgres and a mail server (built-in ones, unless DATABASE_URL and
 * SMTP_URL name others) and worker processes. Started in that order and ended in the other.
 */
import { join } from 'node:path';
import { Scope } from '../kernel/scope.ts';
import { type Sandbox, startSandbox } from '../sandbox/sandbox.ts';
import { parseSmtpUrl } from '../smtp/url.ts';
import type { Cli } from './cli.ts';
import { dataFolder } from './data-folder.ts';
import { awaitDatabase, type OpenDatabase, openDatabase, prepareDatabase } from './open-database.ts';
import { plural, seconds, styled } from './output.ts';
import { startWorkers } from './workers.ts';

const LOOK_AFTER_POSTGRES_MS = 1_000;

export interface PartsOptions {
  workers: number;
  /** The workers' logs go to a file in the data folder instead of standard error. */
  logToFile?: boolean;
}

export interface Parts {
  open: OpenDatabase;
  /** Undefined when SMTP_URL names a relay. */
  sandbox: Sandbox | undefined;
  /** Drains the workers, then ends the rest. */
  stop(): Promise<void>;
}

/** Throws what the first part that cannot start says; what was started before it is ended again. */
export async function startParts(cli: Cli, options: PartsOptions): Promise<Parts> {
  const { smtpUrl, connections } = cli.config;
  if (smtpUrl !== undefined) parseSmtpUrl(smtpUrl);
  await using started = new AsyncDisposableStack();
  const open = await startDatabase(cli, started);
  const sandbox = smtpUrl === undefined ? await startMailServer(cli, started) : undefined;
  const workers = startWorkers({
    count: options.workers,
    env: {
      DATABASE_URL: open.url,
      SMTP_URL: smtpUrl ?? sandbox?.smtpUrl ?? '',
      CAMP_CONNECTIONS: String(connections),
      // Nobody wants to wait five minutes to see a retry of mail that goes nowhere.
      ...(sandbox ? { CAMP_RETRY_BASE_SECONDS: process.env.CAMP_RETRY_BASE_SECONDS ?? '1' } : {}),
    },
    say: (line) => cli.out.say(line),
    ...(options.logToFile ? { logFile: join(dataFolder(cli.config), 'workers.log') } : {}),
  });
  started.defer(() => workers.stop());
  step(cli, `${plural(options.workers, 'worker')}, ${plural(connections, 'connection')} each`);
  const all = started.move();
  return { open, sandbox, stop: () => all.disposeAsync() };
}

/** One line of what is there now, and how long it took. */
export function step(cli: Cli, text: string, startedAt?: number): void {
  const took =
    startedAt === undefined ? '' : styled(cli.out, 'dim', `  ${seconds(performance.now() - startedAt)}`);
  cli.out.say(`  ${styled(cli.out, 'green', '✓')} ${text}${took}`);
}

async function startDatabase(cli: Cli, started: AsyncDisposableStack): Promise<OpenDatabase> {
  const startedAt = performance.now();
  const open = await openDatabase(cli, { create: true });
  started.defer(() => open.close());
  const applied = open.isBuiltIn
    ? open.applied
    : await awaitDatabase(() => prepareDatabase(cli, open.database));
  const url = new URL(open.url);
  const migrated = applied.length > 0 ? `, ${plural(applied.length, 'migration')} applied` : '';
  step(cli, `Postgres on ${url.hostname || 'a socket'}:${url.port || 5432}${migrated}`, startedAt);
  if (open.isBuiltIn) keepPostgres(cli, open, started);
  return open;
}

/** A Postgres that ends by itself (killed, out of memory) comes back on the same port, and the workers go on. */
function keepPostgres(cli: Cli, open: OpenDatabase, started: AsyncDisposableStack): void {
  const scope = Scope.root('keep postgres');
  const keep = async () => {
    while (!scope.ended) {
      await scope.sleep(LOOK_AFTER_POSTGRES_MS).catch(() => {});
      if (!scope.ended && (await open.revive())) cli.out.say('  Postgres had ended and was started again.');
    }
  };
  const kept = keep();
  started.defer(async () => {
    scope.cancel('stopped');
    await kept;
  });
}

async function startMailServer(cli: Cli, started: AsyncDisposableStack): Promise<Sandbox> {
  const sandbox = await startSandbox({ dataDir: dataFolder(cli.config) });
  started.defer(() => sandbox.stop());
  step(cli, `Sandbox mail server on ${new URL(sandbox.smtpUrl).host}: it delivers nothing`);
  return sandbox;
}
