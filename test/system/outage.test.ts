/**
 * A relay that is away for some seconds. Silence is noticed after a second here instead of half a minute, so that the
 * outage is long enough for the route to be paused and tried again.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Change, changedCopy } from '../crash/copy.ts';
import { OUTAGES, outagePhase } from '../crash/outage.ts';
import { SLOW_REPLIES } from '../crash/phases.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { Rig } from '../support/rig.ts';

const RECIPIENTS = 1_500;
const CONNECTIONS = 20;
const OUTAGE_MS = 6_000;

const QUICK_TO_NOTICE: Change[] = [
  { file: 'server/queue/pump.ts', find: 'PARK_AFTER_MS = 30_000', replace: 'PARK_AFTER_MS = 1_000' },
  { file: 'server/smtp/timeouts.ts', find: 'greeting: 60_000', replace: 'greeting: 2_000' },
];

let folder: string;
let testDatabase: TestDatabase;
let rig: Rig;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'camp-outage-'));
  testDatabase = await createTestDatabase();
  const root = await changedCopy(folder, QUICK_TO_NOTICE);
  rig = await Rig.start({ databaseUrl: testDatabase.directUrl, folder, recipients: RECIPIENTS, root });
  await rig.sink.behave(SLOW_REPLIES);
});
after(async () => {
  await rig.stop();
  await testDatabase.drop();
  await rm(folder, { recursive: true });
});

const WAYS: Record<(typeof OUTAGES)[number], string> = {
  refuse: 'refuses connections',
  silent: 'accepts connections and never answers',
  busy: 'answers 421 to everything',
};

for (const door of OUTAGES)
  test(`a campaign goes on by itself after a relay that ${WAYS[door]}`, async (t) => {
    const say = (line: string) => t.diagnostic(line);
    const context = { rig, random: Math.random, connections: CONNECTIONS, say };
    const { uncertainMax, violations = [] } = await outagePhase(context, [door], OUTAGE_MS);
    const result = await rig.check(uncertainMax);
    assert.deepEqual([...result.violations, ...violations], []);
    assert.partialDeepStrictEqual(result, { lost: 0, duplicates: 0, misreported: 0, sumsOk: true });
  });
