/** The checklist counts a million people in seconds. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import { findOrCreateList } from '../audience/lists.ts';
import type { Tx } from '../kernel/database.ts';
import { DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { countMissing } from './queries-checklist.ts';

const PEOPLE = 100_000;

let db: TestDatabase;
let listIds: string[];

before(async () => {
  db = await createTestDatabase();
  listIds = await db.database.withWorkspace(workspaceId, async (tx) => {
    const lists = [
      await findOrCreateList(tx, workspaceId, 'a'),
      await findOrCreateList(tx, workspaceId, 'b'),
    ];
    await tx.query(sql`
      INSERT INTO contact (workspace_id, id, email, attributes)
      SELECT ${workspaceId}, gen_random_uuid(), n || '@acme.example', jsonb_build_object('city', CASE WHEN n % 4 > 0 THEN 'Bonn' END)
      FROM generate_series(1, ${PEOPLE}::int) n`);
    await tx.query(sql`
      INSERT INTO subscription (workspace_id, list_id, contact_id, status)
      SELECT ${workspaceId}, list, id, 'subscribed' FROM contact, unnest(${lists}::uuid[]) list`);
    return lists;
  });
});
after(() => db.drop());

function count(tx: Tx): Promise<number[]> {
  const asked = {
    workspaceId,
    at: new Date(),
    listIds,
    segments: [],
    excludedListIds: [],
    excludedSegments: [],
  };
  return countMissing(tx, asked, ['city', 'first_name']);
}

async function planOfCount(): Promise<string> {
  const [plan = ''] = await db.database.withWorkspace(workspaceId, (tx) => explained(tx, count));
  return plan;
}

test('right after an import, what is missing is looked up by key, and nobody is counted twice', async () => {
  const plan = await planOfCount();
  assert.match(plan, /HashAggregate[\s\S]*contact_pkey|Hash (Right )?Semi Join/, plan);
  assert.deepEqual(await db.database.withWorkspace(workspaceId, count), [PEOPLE / 4, PEOPLE]);
});

test('once the tables are analysed, it is counted in one pass over the contacts', async () => {
  await db.database.withOwner((tx) => tx.query(sql`ANALYZE contact, subscription`));
  const plan = await planOfCount();
  assert.match(plan, /Hash (Right Semi |Semi )?Join/, plan);
  assert.doesNotMatch(plan, /Nested Loop|SubPlan/, plan);
});
