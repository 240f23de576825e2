/** One workspace never sees or touches another's rows: asked of every table that has a workspace, whichever they are. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { insertRow, type TenantTable, tenantTables, workspacesIn } from '../../test/support/tenant-rows.ts';
import { Database, type Tx } from './database.ts';
import { newId } from './ids.ts';
import { Sql, sql } from './sql.ts';

/** What may be read of all workspaces: who is there, where work waits, and who asks (found by a hash, before it is known). */
const SEEN_BY_SYSTEM = [
  ...['lane', 'lane_gate', 'route', 'workspace'],
  ...['api_key', 'invitation', 'member', 'session'],
  ...['webhook_delivery', 'webhook_endpoint'],
];
/** Postgres: insufficient_privilege, also said by row-level security. */
const REFUSED = { code: '42501' };

let db: TestDatabase;
let all: TenantTable[];
/** Without the partitions, which are only reached through their parents. */
let tables: string[];
const ours = newId();
const theirs = newId();

before(async () => {
  db = await createTestDatabase();
  all = await db.database.withOwner(tenantTables);
  tables = all.filter((table) => !table.partition).map((table) => table.name);
  for (const workspaceId of [ours, theirs])
    for (const table of tables)
      await db.database.withWorkspace(workspaceId, (tx) => insertRow(tx, table, workspaceId));
});

after(() => db.drop());

async function touched(tx: Tx, statement: string): Promise<number> {
  return (await tx.query(new Sql(`${statement} RETURNING workspace_id`, [theirs]))).length;
}

test('there is something to be asked: people, messages and what happened to them are among the tables', () => {
  for (const name of ['contact', 'message', 'event', 'campaign', 'job'])
    assert.ok(tables.includes(name), name);
  assert.ok(all.length > tables.length, 'some tables have partitions');
});

test('row-level security is forced on every table of a workspace, and on every partition', () => {
  assert.deepEqual(
    all.filter((table) => !table.forced).map((table) => table.name),
    [],
  );
});

test('every primary key and every unique index of a workspace begins with the workspace', async () => {
  const wrong = await db.database.withOwner((tx) =>
    tx.query(sql`
      SELECT i.indexrelid::regclass::text AS index FROM pg_index i
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = 'workspace_id'
      JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      WHERE i.indisunique AND i.indkey[0] <> a.attnum`),
  );
  assert.deepEqual(wrong, []);
});

test('a workspace sees its own rows and no others, in every table', async () => {
  for (const table of tables) {
    const seen = await db.database.withWorkspace(ours, (tx) => workspacesIn(tx, table));
    assert.deepEqual(new Set(seen), new Set([ours]), table);
  }
});

test('a workspace cannot change, delete or add another’s rows, in any table', async () => {
  for (const table of tables) {
    await db.database.withWorkspace(ours, async (tx) => {
      const changed = await touched(
        tx,
        `UPDATE ${table} SET workspace_id = workspace_id WHERE workspace_id = $1`,
      );
      const deleted = await touched(tx, `DELETE FROM ${table} WHERE workspace_id = $1`);
      assert.deepEqual([changed, deleted], [0, 0], table);
    });
    const added = db.database.withWorkspace(ours, (tx) => insertRow(tx, table, theirs));
    await assert.rejects(added, REFUSED, table);
    const given = db.database.withWorkspace(ours, (tx) =>
      touched(tx, `UPDATE ${table} SET workspace_id = $1`),
    );
    await assert.rejects(given, REFUSED, table);
    const still = await db.database.withWorkspace(theirs, (tx) => workspacesIn(tx, table));
    assert.deepEqual(new Set(still), new Set([theirs]), table);
  }
});

/** As `withWorkspace` does, without saying which. */
function forgotten<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
  return db.database.withOwner(async (tx) => {
    await tx.query(sql`SET LOCAL ROLE camp_app`);
    return work(tx);
  });
}

test('who forgot to say which workspace sees nothing and changes nothing, in every table', async () => {
  for (const table of tables) {
    assert.deepEqual(await forgotten((tx) => workspacesIn(tx, table)), [], table);
    for (const statement of [
      `UPDATE ${table} SET workspace_id = workspace_id WHERE workspace_id = $1`,
      `DELETE FROM ${table} WHERE workspace_id = $1`,
    ])
      assert.equal(await forgotten((tx) => touched(tx, statement)), 0, statement);
    const adding = forgotten((tx) => insertRow(tx, table, theirs));
    await assert.rejects(adding, REFUSED, table);
  }
});

test('no workspace reaches a partition past its table', async () => {
  for (const { name } of all.filter((table) => table.partition))
    await assert.rejects(
      db.database.withWorkspace(ours, (tx) => workspacesIn(tx, name)),
      REFUSED,
      name,
    );
});

test('the user of the connection string sees no more of a workspace’s rows than the system does', async (t) => {
  const [user] = await db.database.withOwner((tx) =>
    tx.query<{ bound: boolean }>(
      sql`SELECT NOT (rolsuper OR rolbypassrls) AS bound FROM pg_roles WHERE rolname = current_user`,
    ),
  );
  if (!user?.bound) return t.skip('this server’s user is a superuser');
  for (const { name } of all.filter((table) => !SEEN_BY_SYSTEM.includes(table.name)))
    assert.deepEqual(await db.database.withOwner((tx) => workspacesIn(tx, name)), [], name);
});

test('the system reads which workspaces have work, changes none of it, and reads nothing else', async () => {
  for (const table of tables) {
    const reading = db.database.withSystem((tx) => workspacesIn(tx, table));
    if (SEEN_BY_SYSTEM.includes(table))
      assert.deepEqual((await reading).sort(), [ours, theirs].sort(), table);
    else await assert.rejects(reading, REFUSED, table);
    const changing = db.database.withSystem((tx) =>
      touched(tx, `DELETE FROM ${table} WHERE workspace_id = $1`),
    );
    await assert.rejects(changing, REFUSED, table);
  }
});

test('a superuser in the connection string is bound as everybody is', async (t) => {
  const url = superuserUrl(db.directUrl);
  const database = new Database(url);
  const [user] = await database.withOwner((tx) =>
    tx.query<{ rolsuper: boolean }>(sql`SELECT rolsuper FROM pg_roles WHERE rolname = current_user`),
  );
  if (user?.rolsuper) await assertBound(database);
  else t.skip('this server’s user is no superuser');
  await database.close();
});

async function assertBound(database: Database): Promise<void> {
  for (const table of tables) {
    const seen = await database.withWorkspace(ours, (tx) => workspacesIn(tx, table));
    assert.deepEqual(new Set(seen), new Set([ours]), table);
    await assert.rejects(
      database.withWorkspace(ours, (tx) => insertRow(tx, table, theirs)),
      REFUSED,
      table,
    );
    if (!SEEN_BY_SYSTEM.includes(table))
      await assert.rejects(
        database.withSystem((tx) => workspacesIn(tx, table)),
        REFUSED,
        table,
      );
  }
}

/** The built-in server gives both of its users one password. */
function superuserUrl(ofUser: string): string {
  const url = new URL(ofUser);
  if (!process.env.CAMP_TEST_DATABASE_URL) url.username = 'postgres';
  return url.href;
}
