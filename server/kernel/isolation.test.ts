/** One workspace never sees or touches another's rows: asked of every table that has a workspace, whichever they are. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { Database, type Tx } from './database.ts';
import { newId } from './ids.ts';
import { Sql, sql } from './sql.ts';

/** What may be read of all workspaces: who is there, where work waits, and who asks (found by a hash, before it is known). */
const SEEN_BY_SYSTEM = [
  ...['lane', 'lane_gate', 'route', 'workspace'],
  ...['api_key', 'invitation', 'member', 'session'],
];
/** Postgres: insufficient_privilege, also said by row-level security. */
const REFUSED = { code: '42501' };

interface Table {
  name: string;
  forced: boolean;
  partition: boolean;
}

let db: TestDatabase;
let all: Table[];
/** Without the partitions, which are only reached through their parents. */
let tables: string[];
const ours = newId();
const theirs = newId();

before(async () => {
  db = await createTestDatabase();
  all = await db.database.withOwner((tx) =>
    tx.query<Table>(sql`
      SELECT c.relname AS name, c.relforcerowsecurity AND c.relrowsecurity AS forced, c.relispartition AS partition
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'workspace_id'
      WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname`),
  );
  tables = all.filter((table) => !table.partition).map((table) => table.name);
  for (const workspaceId of [ours, theirs])
    for (const table of tables)
      await db.database.withWorkspace(workspaceId, (tx) => insertRow(tx, table, workspaceId));
});

after(() => db.drop());

/** Columns that a row cannot do without because of a CHECK; the others are filled in by their type. */
const NEEDED: Record<string, Record<string, unknown>> = {
  api_key: { role: 'owner' },
  audit_entry: { actor_kind: 'key' },
  credit_balance: { account: 'balance' },
  dkim_key: { algorithm: 'rsa-sha256', private_key: 'sealed' },
  idempotency_key: { fingerprint: Buffer.alloc(32), lease_until: new Date() },
  invitation: { role: 'owner' },
  job: { due_at: new Date() },
  invoice: { kind: 'invoice', currency: 'EUR' },
  invoice_document: { content: Buffer.alloc(0), sha256: createHash('sha256').digest() },
  lane: { queue: 'job' },
  ledger_posting: { account: 'balance' },
  ledger_transaction: { kind: 'purchase' },
  member: { role: 'owner' },
  message: { state: 'accepted' },
  payment: { kind: 'charge', currency: 'EUR' },
  subscription: { status: 'subscribed' },
  suppression: { reason: 'manual' },
};

const VALUES: Record<string, () => unknown> = {
  uuid: newId,
  text: newId,
  'uuid[]': () => [],
  smallint: () => 0,
  integer: () => 0,
  bigint: () => 0,
  bytea: () => Buffer.alloc(32),
  jsonb: () => '{}',
  'timestamp with time zone': () => new Date(),
};

async function insertRow(tx: Tx, table: string, workspaceId: string): Promise<void> {
  const columns = await tx.query<{ name: string; type: string }>(sql`
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
    WHERE attrelid = ${table}::regclass AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef`);
  const row: Record<string, unknown> = {};
  for (const { name, type } of columns) row[name] = VALUES[type]?.();
  Object.assign(row, NEEDED[table], { workspace_id: workspaceId });
  const names = Object.keys(row);
  const places = names.map((_, index) => `$${index + 1}`);
  await tx.query(new Sql(`INSERT INTO ${table} (${names}) VALUES (${places})`, Object.values(row)));
}

async function workspacesIn(tx: Tx, table: string): Promise<string[]> {
  const rows = await tx.query<{ workspace_id: string }>(new Sql(`SELECT workspace_id FROM ${table}`, []));
  return rows.map((row) => row.workspace_id);
}

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
    assert.deepEqual(seen, [ours], table);
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
    assert.deepEqual(still, [theirs], table);
  }
});

test('who forgot to say which workspace sees nothing, in every table', async () => {
  for (const table of tables) {
    const seen = await db.database.withOwner(async (tx) => {
      await tx.query(sql`SET LOCAL ROLE camp_app`);
      return workspacesIn(tx, table);
    });
    assert.deepEqual(seen, [], table);
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
    assert.deepEqual(await database.withWorkspace(ours, (tx) => workspacesIn(tx, table)), [ours], table);
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

for (const pipeline of [false, true])
  test(`twenty workspaces that share two connections never see each other's rows${pipeline ? ', without waiting for answers' : ''}`, async () => {
    const database = new Database(db.url, { connectionsMax: 2, pipeline });
    const workspaceIds = Array.from({ length: 20 }, newId);
    for (const workspaceId of workspaceIds)
      await database.withWorkspace(workspaceId, (tx) => insertRow(tx, 'contact', workspaceId));
    const seen = new Map<string, number>();
    const look = (workspaceId: string, round: number) =>
      database.withWorkspace(workspaceId, async (tx) => {
        tx.atCommit(sql`UPDATE contact SET updated_at = now()`);
        for (const owner of await workspacesIn(tx, 'contact')) {
          const pair = owner === workspaceId ? 'own' : 'foreign';
          seen.set(pair, (seen.get(pair) ?? 0) + 1);
        }
        if (round % 5 === 0) throw new Error('a mistake');
        if (round % 7 === 0) await tx.query(sql`SELECT 1 / 0`);
      });
    const rounds = async (workspaceId: string) => {
      for (let round = 1; round <= 100; round += 1) await look(workspaceId, round).catch(() => {});
    };
    await Promise.all(workspaceIds.map(rounds));
    assert.deepEqual(Object.fromEntries(seen), { own: 2_000 });
    await database.close();
  });
