import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { sql } from '../kernel/sql.ts';
import { CAMPAIGN_MOVES, CAMPAIGN_STATES, statesBefore } from './states.ts';

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});

after(() => db.drop());

test('the table allows exactly the states of the state machine', async () => {
  const [check] = await db.database.withOwner((tx) =>
    tx.query<{ definition: string }>(sql`
      SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint
      WHERE conrelid = 'campaign'::regclass AND conname = 'campaign_state_check'`),
  );
  const allowed = [...(check?.definition ?? '').matchAll(/'(\w+)'/g)].map((match) => match[1]);
  assert.deepEqual(allowed.sort(), [...CAMPAIGN_STATES].sort());
});

test('a campaign that ended stays as it ended', () => {
  assert.deepEqual(CAMPAIGN_MOVES.finished, []);
  assert.deepEqual(CAMPAIGN_MOVES.cancelled, []);
});

test('the guard of a move names the states that the table names', () => {
  assert.deepEqual(statesBefore('paused'), ['starting', 'sending', 'finishing']);
  assert.deepEqual(statesBefore('scheduled'), ['draft']);
});
