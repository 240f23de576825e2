/** The short form of `npm run test:crash`. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { CheckResult } from '../support/checker.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { seededRandom } from '../support/random.ts';
import { Rig } from '../support/rig.ts';
import { killWorkers, type PhaseContext, type PhaseEnd, SLOW_REPLIES, terminateWorkers } from './phases.ts';

const RECIPIENTS = 2_000;
const CONNECTIONS = 20;
const SEED = Date.now() % 1_000_000;
const PAUSE_MS: [number, number] = [300, 1_000];

let folder: string;
let testDatabase: TestDatabase;
let rig: Rig;
let context: PhaseContext;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'camp-crash-test-'));
  testDatabase = await createTestDatabase();
  const databaseUrl = testDatabase.directUrl;
  rig = await Rig.start({ databaseUrl, folder, recipients: RECIPIENTS, seed: SEED });
  await rig.sink.behave(SLOW_REPLIES);
  context = { rig, random: seededRandom(SEED), connections: CONNECTIONS, say: () => {} };
});
after(async () => {
  await rig.stop();
  await testDatabase.drop();
  await rm(folder, { recursive: true });
});

test('workers that are asked to end leave nothing in doubt', async (t) => {
  await expectNothingLost(t, await terminateWorkers(context, 2, PAUSE_MS));
});

test('workers that are killed lose nobody and write to nobody twice', async (t) => {
  await expectNothingLost(t, await killWorkers(context, 4, PAUSE_MS));
});

async function expectNothingLost(
  t: { diagnostic(line: string): void },
  { uncertainMax, violations = [] }: PhaseEnd,
): Promise<void> {
  t.diagnostic(`seed ${SEED}`);
  const result: CheckResult = await rig.check(uncertainMax);
  assert.deepEqual([...result.violations, ...violations], []);
  assert.partialDeepStrictEqual(result, { lost: 0, duplicates: 0, misreported: 0, sumsOk: true });
  assert.equal(result.accepted + result.uncertain, result.audience);
}
