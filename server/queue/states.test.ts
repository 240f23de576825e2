import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { allowedWords } from '../../test/support/constraint.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { MESSAGE_MOVES, MESSAGE_STATES, mayMove, UNFINISHED_STATES } from './states.ts';

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});

after(() => db.drop());

test('the table allows exactly the states of the state machine', async () => {
  const allowed = await allowedWords(db.database, 'message', 'message_state_check');
  assert.deepEqual(allowed, [...MESSAGE_STATES].sort());
});

test('every state can be reached, and what was accepted never goes back to the queue', () => {
  const reached = new Set<string>(['queued', ...Object.values(MESSAGE_MOVES).flat()]);
  assert.deepEqual([...reached].sort(), [...MESSAGE_STATES].sort());
  const seen = new Set<string>();
  const walk = (state: keyof typeof MESSAGE_MOVES) => {
    seen.add(state);
    for (const next of MESSAGE_MOVES[state]) if (!seen.has(next)) walk(next);
  };
  walk('accepted');
  assert.deepEqual([...seen].sort(), ['accepted', 'bounced', 'complained']);
});

test('a message leaves the unfinished states by a result only', () => {
  for (const state of UNFINISHED_STATES)
    assert.ok(!mayMove('accepted', state) && !mayMove('rejected', state));
  assert.ok(!mayMove('claimed', 'accepted'), 'nothing is accepted without the mark before the dot');
  assert.ok(!mayMove('queued', 'committing'), 'nothing is committed without a claim');
});
