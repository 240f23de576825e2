import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { normaliseEmail } from '../../server/audience/email.ts';

const BYTES_MAX = 1_200_000;

const shipped = readFileSync('examples/contacts.csv', 'utf8');

test('the shipped contacts are what their script writes', () => {
  const options = { encoding: 'utf8', maxBuffer: 2 * BYTES_MAX } as const;
  assert.ok(execFileSync(process.execPath, ['scripts/make-contacts.ts'], options) === shipped);
});

test('the shipped contacts are 10,000, no two the same, and none of them can exist', () => {
  const records: Record<string, string>[] = parse(shipped, { columns: true });
  const emails = records.map(({ email = '' }) => email);
  for (const email of emails) {
    assert.deepEqual(normaliseEmail(email), { kind: 'email', email });
    assert.match(email, /\.example$/);
  }
  assert.equal(new Set(emails).size, 10_000);
  assert.ok(Buffer.byteLength(shipped) < BYTES_MAX);
});
