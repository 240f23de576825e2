/** `camp suppression` as a person or a script runs it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { camp, type Ended } from '../../test/support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { EXIT } from './exit-codes.ts';

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});

after(() => db.drop());

const run = (...args: string[]): Promise<Ended> =>
  camp(['suppression', ...args, '--json'], { DATABASE_URL: db.url });

test('addresses are suppressed, listed and let go again', async () => {
  const added = await run('add', 'Ann@acme.example', 'ben@b.example', '--note', 'asked by phone');
  assert.deepEqual([added.code, added.json], [EXIT.ok, { added: 2, already: 0 }], added.stderr);
  const listed = await run('list', '--prefix', 'ANN');
  const [row, ...others] = listed.json.suppressions as Record<string, unknown>[];
  assert.deepEqual([row?.email, row?.reason, row?.detail], ['ann@acme.example', 'manual', 'asked by phone']);
  assert.deepEqual(others, []);
  const removed = await run('remove', 'ann@acme.example', '--reason', 'came back');
  assert.deepEqual(removed.json, { removed: { hard_bounce: 0, complaint: 0, manual: 1 } });
  assert.deepEqual((await run('list', '--prefix', 'ann')).json.suppressions, []);
});

test('what is no address is refused in a sentence', async () => {
  const { code, stderr } = await run('add', 'nobody');
  assert.equal(code, EXIT.usage);
  assert.match(stderr, /"nobody" is no address, because it has no @\./);
});
