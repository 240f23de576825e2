import assert from 'node:assert/strict';
import { test } from 'node:test';
import { etagOf, requireMatch } from './etag.ts';
import { Problem } from './problem.ts';

function verdict(header: string | undefined, current = etagOf(7)): string {
  try {
    requireMatch(header === undefined ? {} : { 'if-match': header }, current);
    return 'goes on';
  } catch (error) {
    return error instanceof Problem ? error.code : assert.fail(String(error));
  }
}

test('who changes a thing says which version they have seen, and is stopped when it is another by now', () => {
  assert.equal(verdict('"7"'), 'goes on');
  assert.equal(verdict('"6", "7"'), 'goes on');
  assert.equal(verdict('*'), 'goes on');
  assert.equal(verdict('"6"'), 'precondition-failed');
  assert.equal(verdict('7'), 'precondition-failed');
  assert.equal(verdict('W/"7"'), 'precondition-failed');
  assert.equal(verdict(undefined), 'precondition-required');
});
