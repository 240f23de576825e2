/**
 * The parts of a whole Camp on one machine: a Postgres and a mail server (built-in ones, unless DATABASE_URL and
 * SMTP_URL name others), worker processes and the web server. Started in that order and ended in the other.
 */
import { join } from 'node:path';
import { isAlive } from '../kernel/embedded-postgres-postmaster.ts';
import { Scope } from '../kernel/scope.ts';
import { type PaymentSandbox, startPaymentSandbox } from '../sandbox/payments/payments.ts';
import { type Sandbox, startSandbox } from '../sandbox/sandbox.ts';
import { parseSmtpUrl } from '../smtp/url.ts';
import { PROVIDER_EVENTS } from '../web/payments.ts';
import type { Cli } from './cli.ts';
import { dataFolder } from './data-folder.ts';
import { unavailable } from './errors.ts';
import { awaitDatabase, type OpenDatabase, openDatabase, prepareDatabase } from './open-database.ts';
import { plural, seconds, styled } from './output.ts';
import { startWorkers } from './workers.ts';

const LOOK_EVERY_MS = 1_000;

export interface PartsOptions {
  workers: number;
  /** Whether the web server is wanted. */
  web?: boolean;
  /** The command's own: it is ended when a part is lost for good. */
  scope: Scope;
  /** The workers' logs go to a file in the data folder instead of standard error. */
  logToFile?: boolean;
}

export interface Parts {
  open: OpenDatabase;
  /** Undefined when SMTP_URL names a relay, or CAMP_RESOLVER the way to all mail servers. */
  sandbox: Sandbox | undefined;
  /** Where the web server listens. */
  webUrl: string | undefined;
  /** Why a part is lost for good. */
  lost(): unknown;
  /** Drains the workers, then ends the rest. May be called again. */
  stop(): Promise<void>;
}

/** Throws what the first part that cannot start says; what was started before it is ended again. */
export async function startParts(
  cli: Cli,
  { workers, web = false, scope, logToFile = false }: PartsOptions,
): Promise<Parts> {
  const { smtpUrl, resolver, connections } = cli.config;
  if (smtpUrl !== undefined) parseSmtpUrl(smtpUrl);
  await using started = new AsyncDisposableStack();
  const open = await startDatabase(cli, started);
  const leaves = smtpUrl !== undefined || resolver !== undefined;
  const sandbox = leaves ? undefined : await startMailServer(cli, started);
  const provider = await startProvider(cli, started);
  const keeper = keepParts(cli, { open, sandbox, scope });
  started.defer(keeper.stop);
  const processes = startWorkers({
    count: workers,
    env: { ...workerEnv(cli, open, sandbox), ...provider?.env },
    say: (line) => cli.out.say(line),
    ...(logToFile ? { logFile: join(dataFolder(cli.config), 'workers.log') } : {}),
  });
  started.defer(() => processes.stop(keeper.lost() === undefined ? 'SIGTERM' : 'SIGKILL'));
  step(cli, `${plural(workers, 'worker')}, ${plural(connections, 'connection')} each`);
  // What its checklist and its plans say must be true of the workers.
  const webEnv = { ...(sandbox ? { SMTP_URL: sandbox.smtpUrl } : {}), ...provider?.env };
  const webUrl = web ? await startWebServer(cli, started, open, webEnv) : undefined;
  if (webUrl !== undefined) await provider?.behave({ webhookUrl: webUrl + PROVIDER_EVENTS });
  const all = started.move();
  return { open, sandbox, webUrl, lost: keeper.lost, stop: () => all.disposeAsync() };
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
  return open;
}

async function startMailServer(cli: Cli, started: AsyncDisposableStack): Promise<Sandbox> {
  const sandbox = await startSandbox({ dataDir: dataFolder(cli.config) });
  started.defer(() => sandbox.stop());
  step(cli, `Sandbox mail server on ${new URL(sandbox.smtpUrl).host}: it delivers nothing`);
  return sandbox;
}

/** With billing and without an account at a real provider. */
async function startProvider(
  { config, out }: Cli,
  started: AsyncDisposableStack,
): Promise<PaymentSandbox | undefined> {
  if (config.billing === 'off' || config.stripeSecretKey !== undefined) return undefined;
  const provider = await startPaymentSandbox();
  started.defer(() => provider.stop());
  step({ out }, `Sandbox payment provider on 127.0.0.1:${provider.port}: no money moves`);
  return provider;
}

/** Gives its URL when it listens; throws when it ends before that. */
async function startWebServer(
  cli: Cli,
  started: AsyncDisposableStack,
  { url: databaseUrl, isBuiltIn }: OpenDatabase,
  more: Record<string, string> = {},
): Promise<string> {
  const listening = Promise.withResolvers<string>();
  const env = {
    DATABASE_URL: databaseUrl,
    CAMP_HTTP_PORT: String(cli.config.httpPort),
    ...more,
    ...(isBuiltIn ? { CAMP_PREPARED_STATEMENTS: 'on' } : {}),
  };
  const web = startWorkers({
    role: 'web',
    count: 1,
    env,
    say: (line) => {
      listening.reject(unavailable('The web server cannot start: see its words above.'));
      cli.out.say(line);
    },
    onMessage: (message) => listening.resolve(String(message)),
  });
  started.defer(() => web.stop('SIGTERM'));
  const url = await listening.promise;
  step(cli, `Web server on ${url}`);
  return url;
}

function workerEnv(
  cli: Cli,
  { url: databaseUrl, isBuiltIn }: OpenDatabase,
  sandbox: Sandbox | undefined,
): Record<string, string> {
  const common = {
    DATABASE_URL: databaseUrl,
    CAMP_CONNECTIONS: String(cli.config.connections),
    CAMP_RETRY_BASE_SECONDS: String(cli.config.retryBaseSeconds),
    // Nothing stands between a worker and the built-in Postgres.
    ...(isBuiltIn ? { CAMP_PREPARED_STATEMENTS: 'on' } : {}),
  };
  const { smtpUrl = '', resolver, mxPort } = cli.config;
  const mx = resolver === undefined ? {} : { CAMP_RESOLVER: resolver, CAMP_MX_PORT: String(mxPort) };
  if (!sandbox) return { ...common, ...mx, SMTP_URL: smtpUrl };
  // Nobody wants to wait five minutes to see a retry of mail that goes nowhere.
  const retryBaseSeconds = process.env.CAMP_RETRY_BASE_SECONDS ?? '1';
  return { ...common, SMTP_URL: sandbox.smtpUrl, CAMP_RETRY_BASE_SECONDS: retryBaseSeconds };
}

/**
 * A Postgres that ends by itself (killed, out of memory) comes back on the same port, and the workers go on. When it
 * cannot come back, or the sandbox is gone with its count, all is over.
 */
function keepParts(
  cli: Cli,
  { open, sandbox, scope }: { open: OpenDatabase; sandbox: Sandbox | undefined; scope: Scope },
): { lost(): unknown; stop(): Promise<void> } {
  const keeping = Scope.root('keep parts');
  let lost: unknown;
  const keep = async () => {
    while (!keeping.ended) {
      if (await open.revive()) cli.out.say('  Postgres had ended and was started again.');
      if (sandbox && !isAlive(sandbox.pid))
        throw unavailable('The sandbox mail server has ended. Start Camp again.');
      await keeping.sleep(LOOK_EVERY_MS).catch(() => {});
    }
  };
  const kept = keep().catch((error: unknown) => {
    lost = error;
    scope.cancel('a part is lost');
  });
  const stop = () => {
    keeping.cancel('stopped');
    return kept;
  };
  return { lost: () => lost, stop };
}

/** One line of what is there now, and how long it took. */
export function step(cli: Pick<Cli, 'out'>, text: string, startedAt?: number): void {
  const took =
    startedAt === undefined ? '' : styled(cli.out, 'dim', `  ${seconds(performance.now() - startedAt)}`);
  cli.out.say(`  ${styled(cli.out, 'green', '✓')} ${text}${took}`);
}
