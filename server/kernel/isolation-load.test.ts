/**
 * Fifty workspaces share two connections: transactions that read, write, throw, are cancelled in the middle of a
 * statement, forget their workspace or go on after their end, all at once. No row of another is ever seen or touched.
 * CAMP_ISOLATION_TRANSACTIONS says how many there are; the steps of `npm test` run it with and without PgBouncer.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { seededRandom } from '../../test/support/random.ts';
import { insertRow } from '../../test/support/tenant-rows.ts';
import { Database, type Tx } from './database.ts';
import { newId } from './ids.ts';
import { openScopeNames, Scope, ScopeEnded } from './scope.ts';
import { sql } from './sql.ts';

const TRANSACTIONS = Number(process.env.CAMP_ISOLATION_TRANSACTIONS ?? 4_000);
const WORKSPACES = 50;
const CONNECTIONS = 2;
/** For each of the two ways to send statements. */
const EACH = TRANSACTIONS / 2;
/** Of one workspace, so that its own transactions meet as well. */
const AT_ONCE = 2;

let db: TestDatabase;
const workspaceIds = Array.from({ length: WORKSPACES }, newId);

before(async () => {
  db = await createTestDatabase();
  for (const workspaceId of workspaceIds)
    await db.database.withWorkspace(workspaceId, (tx) => insertRow(tx, 'contact', workspaceId));
});
after(async () => {
  await db.drop();
  assert.deepEqual(openScopeNames(), []);
});

class Mistake extends Error {}

interface Seen {
  own: number;
  foreign: number;
  /** By those who said no workspace. */
  forgotten: number;
  /** How each transaction ended. */
  ends: Record<string, number>;
}

interface Run {
  database: Database;
  seen: Seen;
  random: () => number;
}

type Kind = (run: Run, workspaceId: string) => Promise<void>;

/** Everybody's rows are asked for, and everybody's are written: only row-level security stands between. */
const owners = sql`SELECT workspace_id AS owner FROM contact`;
const touchAll = sql`UPDATE contact SET updated_at = now() RETURNING workspace_id AS owner`;

const KINDS: Record<string, Kind> = {
  reads: ({ database, seen }, workspaceId) =>
    database.readWorkspace(workspaceId, (tx) => look(tx, seen, workspaceId)),
  writes: ({ database, seen }, workspaceId) =>
    database.withWorkspace(workspaceId, async (tx) => {
      note(seen, workspaceId, await tx.query<Row>(touchAll));
      tx.atCommit(sql`UPDATE contact SET updated_at = now()`);
    }),
  throws: ({ database, seen }, workspaceId) =>
    database.withWorkspace(workspaceId, async (tx) => {
      await look(tx, seen, workspaceId);
      throw new Mistake('ours');
    }),
  fails: ({ database, seen }, workspaceId) =>
    database.withWorkspace(workspaceId, async (tx) => {
      await look(tx, seen, workspaceId);
      await tx.query(sql`SELECT 1 / 0`);
    }),
  leaves: async ({ database, seen, random }, workspaceId) => {
    await using scope = Scope.root('who leaves');
    const work = async (tx: Tx) => {
      const looking = look(tx, seen, workspaceId);
      if (random() < 0.5) await looking;
      scope.cancel('gone');
      await looking;
      await look(tx, seen, workspaceId);
    };
    await database.withWorkspace(workspaceId, work, scope);
  },
  forgets: ({ database, seen }) =>
    database.withOwner(async (tx) => {
      await tx.query(sql`SET LOCAL ROLE camp_app`);
      seen.forgotten += (await tx.query(owners)).length + (await tx.query(touchAll)).length;
    }),
  asSystem: async ({ database }) => {
    await database.withSystem((tx) => tx.query(owners));
  },
  afterItsEnd: async ({ database, seen }, workspaceId) => {
    const late = await database.withWorkspace(workspaceId, async (tx) => tx);
    await look(late, seen, workspaceId);
  },
};

interface Row {
  owner: string;
}

async function look(tx: Tx, seen: Seen, workspaceId: string): Promise<void> {
  note(seen, workspaceId, await tx.query<Row>(owners));
}

function note(seen: Seen, workspaceId: string, rows: Row[]): void {
  for (const { owner } of rows) seen[owner === workspaceId ? 'own' : 'foreign'] += 1;
}

for (const pipeline of [false, true])
  test(`${EACH} transactions of ${WORKSPACES} workspaces over ${CONNECTIONS} connections see nothing of one another${pipeline ? ', without waiting for answers' : ''}`, async (t) => {
    const database = new Database(db.url, { connectionsMax: CONNECTIONS, pipeline });
    const seen: Seen = { own: 0, foreign: 0, forgotten: 0, ends: {} };
    const random = seededRandom(EACH);
    const kinds = Object.entries(KINDS);
    let left = EACH;
    const client = async (workspaceId: string) => {
      while (left-- > 0) {
        const [name, kind] = kinds[Math.floor(random() * kinds.length)] ?? ['', KINDS.reads];
        const end = await kind?.({ database, seen, random }, workspaceId).then(() => 'done', endOf);
        seen.ends[`${name} ${end}`] = (seen.ends[`${name} ${end}`] ?? 0) + 1;
      }
    };
    await Promise.all(workspaceIds.flatMap((id) => Array.from({ length: AT_ONCE }, () => client(id))));
    await database.close();
    assert.deepEqual([seen.foreign, seen.forgotten], [0, 0]);
    assert.ok(seen.own > EACH / 2, `${seen.own} own rows`);
    const { ends } = seen;
    assert.deepEqual(Object.keys(ends).sort(), EXPECTED, JSON.stringify(ends));
    if (process.env.CAMP_ISOLATION_TRANSACTIONS) t.diagnostic(`${JSON.stringify(seen)}`);
  });

/** Every kind ended in its own way, and in no other. */
const EXPECTED = [
  'afterItsEnd after its end',
  'asSystem 42501',
  'fails 22012',
  'forgets done',
  'leaves left',
  'reads done',
  'throws Mistake',
  'writes done',
];

function endOf(error: unknown): string {
  if (error instanceof ScopeEnded) return 'left';
  if (error instanceof Mistake) return 'Mistake';
  if (error instanceof Error && 'code' in error) return String(error.code);
  return error instanceof Error && error.message.startsWith('a statement came after')
    ? 'after its end'
    : String(error);
}
