/**
 * The database that a command works on: the one of DATABASE_URL, or the built-in one in the data folder, which runs
 * for as long as somebody uses it. The built-in one is migrated on the way; another's only by `camp migrate` and
 * `camp start`.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { Database, type Tx } from '../kernel/database.ts';
import { startEmbeddedPostgres } from '../kernel/embedded-postgres.ts';
import { isAlive } from '../kernel/embedded-postgres-postmaster.ts';
import { migrate, pendingMigrations } from '../kernel/migrate.ts';
import { loadSecrets, type Secrets } from '../kernel/secrets.ts';
import type { Cli } from './cli.ts';
import { dataFolder, postgresFolder } from './data-folder.ts';
import { unavailable, usageError } from './errors.ts';
import { plural } from './output.ts';

const CONNECTIONS_MAX = 4;
const WAIT_MS_MAX = 8_000;
const LOOK_AGAIN_MS = 300;

export interface OpenDatabase {
  database: Database;
  url: string;
  isBuiltIn: boolean;
  /** Migrations that opening it has applied. */
  applied: string[];
  /** Starts the built-in Postgres again if it has ended; true when it had. */
  revive(): Promise<boolean>;
  close(): Promise<void>;
}

/** Opens the database, sees that it is migrated, works, and closes it again. */
export async function withDatabase<T>(cli: Cli, work: (database: Database) => Promise<T>): Promise<T> {
  const open = await openDatabase(cli);
  try {
    await requireMigrated(open.database);
    return await work(open.database);
  } finally {
    await open.close();
  }
}

/** One transaction of the command's workspace. */
export function inWorkspace<T>(cli: Cli, work: (tx: Tx, secrets: Secrets) => Promise<T>): Promise<T> {
  return withDatabase(cli, async (database) => {
    const secrets = await loadSecrets(database, cli.config.secret);
    return database.withWorkspace(cli.workspaceId, (tx) => work(tx, secrets));
  });
}

/** `create`: make the built-in one when it is not there yet. */
export async function openDatabase(cli: Cli, { create = false } = {}): Promise<OpenDatabase> {
  const { databaseUrl } = cli.config;
  if (databaseUrl !== undefined) return openExternal(databaseUrl);
  const folder = postgresFolder(dataFolder(cli.config));
  if (!create && !existsSync(folder))
    throw unavailable(
      `There is no database: set DATABASE_URL, or start Camp's own with \`camp start\` (it would be in ${folder}).`,
    );
  return openBuiltIn(cli, folder);
}

function openExternal(url: string): OpenDatabase {
  const protocol = URL.parse(url)?.protocol;
  if (protocol !== 'postgres:' && protocol !== 'postgresql:')
    throw usageError(
      'DATABASE_URL cannot be read: it must look like postgres://user:password@host:5432/database, with special characters in the password percent-encoded.',
    );
  const database = databaseOf(url);
  const revive = async () => false;
  return { database, url, isBuiltIn: false, applied: [], revive, close: () => database.close() };
}

async function openBuiltIn(cli: Cli, folder: string): Promise<OpenDatabase> {
  const start = () => startEmbeddedPostgres({ dataDir: folder, log: (line) => cli.out.say(`  ${line}`) });
  let postgres = await start();
  const { url } = postgres;
  const database = databaseOf(url);
  const revive = async () => {
    if (isAlive(postgres.pid)) return false;
    postgres = await start();
    return true;
  };
  const close = async () => {
    await database.close();
    await postgres.stop();
  };
  try {
    const applied = await prepareDatabase(cli, database);
    return { database, url, isBuiltIn: true, applied, revive, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function databaseOf(url: string): Database {
  return new Database(url, { connectionsMax: CONNECTIONS_MAX, applicationName: 'camp cli' });
}

/** Migrates, and makes the workspace if it is the first time. Gives the names of the migrations applied. */
export async function prepareDatabase(cli: Pick<Cli, 'workspaceId'>, database: Database): Promise<string[]> {
  const applied = await migrate(database);
  await ensureWorkspace(database, cli.workspaceId, 'Default');
  return applied;
}

export async function requireMigrated(database: Database): Promise<void> {
  const pending = await pendingMigrations(database);
  if (pending.length > 0)
    throw unavailable(
      `The database lacks ${plural(pending.length, 'migration')} (${pending.join(', ')}): run \`camp migrate\`.`,
    );
}

/** Repeats `look` for a moment while Postgres is just starting; every other trouble is told at once. */
export async function awaitDatabase<T>(look: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + WAIT_MS_MAX;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      const starting = code === 'ECONNREFUSED' || code === '57P03';
      if (!starting || performance.now() > deadline) throw error;
      await sleep(LOOK_AGAIN_MS);
    }
  }
}
