/** The short form of `npm run test:charges`. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { prepareDatabase } from '../../server/cli/open-database.ts';
import { DEFAULT_WORKSPACE_ID } from '../../server/kernel/ids.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type Cell, Matrix } from './matrix.ts';

const ROUNDS = 5;
/** Where a crash leaves something half done. */
const CELLS: Cell[] = [
  { border: 'intended', retry: 'new-key' },
  { border: 'created', retry: 'same-key' },
  { border: 'sent', retry: 'new-key' },
  { border: 'confirmed', retry: 'same-key' },
  { border: 'settled', retry: 'new-key' },
];

let folder: string;
let db: TestDatabase;
let matrix: Matrix;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'camp-charges-test-'));
  db = await createTestDatabase();
  await prepareDatabase({ workspaceId: DEFAULT_WORKSPACE_ID }, db.database);
  matrix = await Matrix.start(db.directUrl, folder);
});
after(async () => {
  await matrix.stop();
  await db.drop();
  await rm(folder, { recursive: true });
});

test('a server that is killed at any border of a payment charges once, invoices once and mails once', async () => {
  await matrix.misbehave('any');
  await Promise.all(CELLS.map((cell) => matrix.run(cell, ROUNDS)));
  const { violations, ...count } = await matrix.check();
  assert.deepEqual(violations, []);
  assert.deepEqual(count, {
    rounds: CELLS.length * ROUNDS,
    charges_wrong: 0,
    invoices_wrong: 0,
    mails_wrong: 0,
    replays_wrong: 0,
    credits_wrong: 0,
    ledger_sum: 0,
  });
});
