import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { type Pgbouncer, startPgbouncer } from '../../test/support/pgbouncer.ts';
import { Database } from './database.ts';
import { MigrationRefused, migrate, pendingMigrations } from './migrate.ts';
import { Sql } from './sql.ts';

const OURS = join(import.meta.dirname, '../../migrations');

let db: TestDatabase;
let operator: pg.Client;
let pgbouncer: Pgbouncer | undefined;
/** Empty, and made anew for every test, as the folder is. */
let database: Database;
let folder: string;
let databasesMade = 0;

before(async () => {
  db = await createTestDatabase();
  operator = new pg.Client({ connectionString: db.directUrl });
  await operator.connect();
});

after(async () => {
  await operator.end();
  await db.drop();
});

beforeEach(async () => {
  databasesMade += 1;
  await operator.query(`CREATE DATABASE ${nameOfDatabase()} TEMPLATE template0`);
  const url = new URL(db.directUrl);
  url.pathname = `/${nameOfDatabase()}`;
  pgbouncer = process.env.CAMP_TEST_PGBOUNCER ? await startPgbouncer(url.href) : undefined;
  database = new Database(pgbouncer?.url ?? url.href);
  folder = await mkdtemp(join(tmpdir(), 'camp-migrations-'));
});

afterEach(async () => {
  await database.close();
  await operator.query(`DROP DATABASE ${nameOfDatabase()} WITH (FORCE)`);
  await pgbouncer?.stop();
  await rm(folder, { recursive: true });
});

function nameOfDatabase(): string {
  return `camp_test_${process.pid}_empty${databasesMade}`;
}

function file(name: string, text: string): Promise<void> {
  return writeFile(join(folder, name), text);
}

async function tableNames(): Promise<string[]> {
  const statement = `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')`;
  const rows = await database.withOwner((tx) => tx.query<{ relname: string }>(new Sql(statement, [])));
  return rows.map((row) => row.relname).sort();
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof MigrationRefused, String(error));
  return error.message;
}

test('an empty database becomes Camp’s, and doing it again changes nothing', async () => {
  const names = (await readdir(OURS)).filter((name) => name.endsWith('.sql')).sort();
  assert.deepEqual(await pendingMigrations(database), names);
  assert.deepEqual(await migrate(database), names);
  assert.deepEqual(await pendingMigrations(database), []);
  assert.deepEqual(await migrate(database), []);
  assert.ok((await tableNames()).includes('message'));
});

test('two processes that start at the same moment apply every migration once', async () => {
  const other = new Database(database.url);
  const [first, second] = await Promise.all([migrate(database), migrate(other)]);
  await other.close();
  assert.deepEqual([...first, ...second].sort(), (await readdir(OURS)).sort());
});

test('a message of its own whose month was dropped does not stop the upgrade', async () => {
  const names = (await readdir(OURS)).sort();
  const copy = async (name: string) => file(name, await readFile(join(OURS, name), 'utf8'));
  await Promise.all(names.filter((name) => name < '0018').map(copy));
  await migrate(database, folder);
  await database.withOwner(async (tx) => {
    const id = '018f0000-0000-7000-8000-000000000000';
    await tx.query(new Sql('ALTER TABLE transactional_message NO FORCE ROW LEVEL SECURITY', []));
    await tx.query(
      new Sql(
        'INSERT INTO transactional_message (workspace_id, id, campaign_id, body) VALUES ($1, $1, $1, $2)',
        [id, '{}'],
      ),
    );
    await tx.query(new Sql('ALTER TABLE transactional_message FORCE ROW LEVEL SECURITY', []));
  });
  await copy('0018_messages.sql');
  assert.deepEqual(await migrate(database, folder), ['0018_messages.sql']);
});

test('an upgrade applies what is new and nothing else, in the order of the numbers', async () => {
  await file('0001_a.sql', 'CREATE TABLE a (id int); INSERT INTO a VALUES (1)');
  await migrate(database, folder);
  await file('0003_c.sql', 'INSERT INTO a VALUES (3)');
  await file('0002_b.sql', 'ALTER TABLE a ADD UNIQUE (id); INSERT INTO a VALUES (2)');
  await file('notes.txt', 'not a migration');
  assert.deepEqual(await pendingMigrations(database, folder), ['0002_b.sql', '0003_c.sql']);
  assert.deepEqual(await migrate(database, folder), ['0002_b.sql', '0003_c.sql']);
});

test('a migration that fails leaves nothing half done, and goes on when it was corrected', async () => {
  await file('0001_a.sql', 'CREATE TABLE a ()');
  await file('0002_b.sql', 'CREATE TABLE half_done (); INSERT INTO nowhere VALUES (1)');
  await file('0003_c.sql', 'CREATE TABLE c ()');
  await assert.rejects(migrate(database, folder), /relation "nowhere" does not exist/);
  assert.deepEqual(await tableNames(), ['a', 'migration']);
  await file('0002_b.sql', 'CREATE TABLE b ()');
  assert.deepEqual(await migrate(database, folder), ['0002_b.sql', '0003_c.sql']);
  assert.deepEqual(await tableNames(), ['a', 'b', 'c', 'migration']);
});

test('a migration of a large table is not cut off after the minute that other statements have', async () => {
  await file(
    '0001_a.sql',
    `DO $$ BEGIN ASSERT current_setting('statement_timeout') = '0', 'there is a time limit'; END $$`,
  );
  assert.deepEqual(await migrate(database, folder), ['0001_a.sql']);
});

test('a migration that was edited after it was applied stops the start with a sentence', async () => {
  await file('0001_a.sql', 'CREATE TABLE a ()');
  await file('0002_b.sql', 'CREATE TABLE b ()');
  await migrate(database, folder);
  await file('0001_a.sql', 'CREATE TABLE a (id int)');
  await file('0003_c.sql', 'CREATE TABLE c ()');
  const sentence =
    'Migration 0001_a.sql was applied with another content than 0001_a.sql has now. Restore the file: an applied migration is never edited, a new one is added.';
  assert.equal(await refusal(migrate(database, folder)), sentence);
  assert.equal(await refusal(pendingMigrations(database, folder)), sentence);
  assert.deepEqual(await tableNames(), ['a', 'b', 'migration'], 'nothing more was applied');
});

test('a database that a newer Camp has migrated stops the start with a sentence', async () => {
  await file('0001_a.sql', 'CREATE TABLE a ()');
  await file('0002_b.sql', 'CREATE TABLE b ()');
  await migrate(database, folder);
  await rm(join(folder, '0002_b.sql'));
  const sentence =
    'The database is newer than this version of Camp: it has migration 0002_b.sql, this version ends at 0001_a.sql. Start the newer version, or restore a backup from before the upgrade.';
  assert.equal(await refusal(migrate(database, folder)), sentence);
  assert.equal(await refusal(pendingMigrations(database, folder)), sentence);
});
