import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { allowedWords } from '../../test/support/constraint.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { PAYMENT_MOVES, PAYMENT_STATES, statesBefore } from './states.ts';

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

test('the table allows exactly the states of the state machine', async () => {
  assert.deepEqual(await allowedWords(db.database, 'payment', 'payment_state'), [...PAYMENT_STATES].sort());
});

test('what is decided stays decided, and nothing goes back to before it was sent', () => {
  assert.deepEqual([PAYMENT_MOVES.succeeded, PAYMENT_MOVES.failed], [[], []]);
  assert.deepEqual(statesBefore('intended'), []);
  assert.deepEqual(statesBefore('sent'), ['intended']);
});

test('money that may have moved is never called failed or paid without having been sent', () => {
  assert.deepEqual(statesBefore('succeeded'), ['sent', 'unknown', 'pending', 'needs_review']);
});
