import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { allowedWords } from '../../test/support/constraint.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { CAMPAIGN_MOVES, CAMPAIGN_STATES, statesBefore } from './states.ts';

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});

after(() => db.drop());

test('the table allows exactly the states of the state machine', async () => {
  const allowed = await allowedWords(db.database, 'campaign', 'campaign_state_check');
  assert.deepEqual(allowed, [...CAMPAIGN_STATES].sort());
});

test('a campaign that ended stays as it ended', () => {
  assert.deepEqual(CAMPAIGN_MOVES.finished, []);
  assert.deepEqual(CAMPAIGN_MOVES.cancelled, []);
});

test('the guard of a move names the states that the table names', () => {
  assert.deepEqual(statesBefore('paused'), ['starting', 'sending', 'holding', 'finishing']);
  assert.deepEqual(statesBefore('scheduled'), ['draft']);
});
