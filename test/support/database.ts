/**
 * A migrated database of its own for a test file, on a real Postgres.
 *
 * The server is the embedded one, shared by all test processes and gone when the last of them ends; its folder stays,
 * so that the next run begins in a tenth of a second. A database is a copy of a template that is migrated once per
 * content of `migrations/`. CAMP_TEST_DATABASE_URL names another server (its user needs CREATEDB and CREATEROLE);
 * CAMP_TEST_PGBOUNCER puts PgBouncer in front, in transaction mode with two connections.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { Database } from '../../server/kernel/database.ts';
import { startEmbeddedPostgres } from '../../server/kernel/embedded-postgres.ts';
import { isAlive } from '../../server/kernel/embedded-postgres-postmaster.ts';
import { migrate } from '../../server/kernel/migrate.ts';
import { startPgbouncer } from './pgbouncer.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Root's Postgres runs as another user, who cannot get into every checkout. */
const DATA_DIR = process.getuid?.() === 0 ? '/var/lib/camp-test' : join(ROOT, '.camp', 'test');

const ADMINISTER_MS_MAX = 20_000;
const ADMINISTER_TRIES_MAX = 4;
const QUERY_CANCELED = '57014';
/** An autovacuum worker is in the database: only a superuser may end it, and it ends by itself. */
const INSUFFICIENT_PRIVILEGE = '42501';
const AUTOVACUUM_MS = 500;

export interface TestDatabase {
  /** What the code under test uses: through PgBouncer when the run says so. */
  url: string;
  /** Past PgBouncer, for LISTEN, session settings and `kill`. */
  directUrl: string;
  database: Database;
  drop(): Promise<void>;
}

let server: Promise<TestServer> | undefined;
let databasesMade = 0;

/** Call `drop()` in `after()`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { serverUrl, template } = await testServer();
  const name = `camp_test_${process.pid}_${databasesMade++}`;
  await administer(serverUrl, `create database ${name} template ${template} strategy file_copy`);
  const directUrl = urlOfDatabase(serverUrl, name);
  const pgbouncer = process.env.CAMP_TEST_PGBOUNCER ? await startPgbouncer(directUrl) : undefined;
  const url = pgbouncer?.url ?? directUrl;
  const database = new Database(url);
  const drop = async () => {
    await database.close();
    await administer(serverUrl, `drop database ${name} with (force)`);
    await pgbouncer?.stop();
  };
  return { url, directUrl, database, drop };
}

interface TestServer {
  serverUrl: string;
  template: string;
}

/** The server that the tests of this process use; `npm test` holds it for the whole run. */
export function testServer(): Promise<TestServer> {
  server ??= prepareServer();
  return server;
}

async function prepareServer(): Promise<TestServer> {
  const serverUrl =
    process.env.CAMP_TEST_DATABASE_URL ?? (await startEmbeddedPostgres({ dataDir: DATA_DIR })).url;
  const template = `camp_template_${await contentOf('migrations', 'server/kernel')}`;
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  // One process makes the template; the others wait here and find it. The lock ends with the connection.
  await client.query(`select pg_advisory_lock(hashtext('camp_template'))`);
  await dropLeftovers(client, serverUrl, template);
  const found = await client.query('select from pg_database where datname = $1', [template]);
  if (found.rowCount === 0) await makeTemplate(client, serverUrl, template);
  await client.end();
  return { serverUrl, template };
}

async function makeTemplate(client: pg.Client, serverUrl: string, template: string): Promise<void> {
  await client.query(`create database ${template}_new`);
  const database = new Database(urlOfDatabase(serverUrl, `${template}_new`));
  try {
    await migrate(database);
  } finally {
    await database.close();
  }
  await client.query(`alter database ${template}_new with allow_connections false`);
  await client.query(`alter database ${template}_new rename to ${template}`);
}

/** What a killed test left, and templates of other migrations. */
async function dropLeftovers(client: pg.Client, serverUrl: string, template: string): Promise<void> {
  const { rows } = await client.query<{ datname: string }>(
    `select datname from pg_database where datname ~ '^camp_(test|template)_' and datname <> $1`,
    [template],
  );
  for (const { datname } of rows) {
    const pid = Number(/^camp_test_(\d+)_/.exec(datname)?.[1]);
    if (!isAlive(pid)) await administer(serverUrl, `drop database if exists ${datname} with (force)`);
  }
}

async function contentOf(...folders: string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of folders)
    for (const name of (await readdir(join(ROOT, folder))).sort())
      if (/\.sql$|^migrate\.ts$/.test(name))
        hash.update(name).update(await readFile(join(ROOT, folder, name)));
  return hash.digest('hex').slice(0, 12);
}

/**
 * CREATE and DROP DATABASE wait until every backend of the server has answered a signal, and Postgres 18 was once seen
 * to wait for ever. Asked again, it signals again; who it waited for is printed, so that a next time tells more.
 */
async function administer(serverUrl: string, statement: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const client = new pg.Client({ connectionString: serverUrl, statement_timeout: ADMINISTER_MS_MAX });
    await client.connect();
    try {
      await client.query(statement);
      return;
    } catch (error) {
      const code = error instanceof pg.DatabaseError ? error.code : undefined;
      const mayPass = code === QUERY_CANCELED || code === INSUFFICIENT_PRIVILEGE;
      if (!mayPass || tries === ADMINISTER_TRIES_MAX) throw error;
      if (code === INSUFFICIENT_PRIVILEGE) {
        await new Promise((resolve) => setTimeout(resolve, AUTOVACUUM_MS));
        continue;
      }
      const { rows } = await client.query(
        `select pid, backend_type, datname, state, wait_event_type, wait_event, query from pg_stat_activity`,
      );
      console.error(`${statement} took more than ${ADMINISTER_MS_MAX} ms:`, rows);
    } finally {
      await client.end();
    }
  }
}

function urlOfDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
