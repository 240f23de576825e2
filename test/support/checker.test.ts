/** The checker against made-up histories, each with one thing wrong. Bugs in running code: test/crash/planted.test.ts. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ensureWorkspace } from '../../server/accounts/workspaces.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../../server/kernel/ids.ts';
import { sql } from '../../server/kernel/sql.ts';
import { type CheckResult, check } from './checker.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

let testDatabase: TestDatabase;

before(async () => {
  testDatabase = await createTestDatabase();
  await ensureWorkspace(testDatabase.database, DEFAULT_WORKSPACE_ID, 'Default');
});
after(() => testDatabase.drop());

interface History {
  /** By recipient: the message's state. */
  rows: Record<string, string>;
  /** As many records as the recipient got messages. */
  delivered: string[];
  state?: string;
  counters?: Record<string, number>;
  audience?: number;
}

const WELL: History = {
  rows: { ada: 'accepted', bob: 'accepted', cat: 'rejected', dan: 'uncertain', eve: 'uncertain' },
  delivered: ['ada', 'bob', 'dan'],
};

const CASES: { name: string; history: History; expected: Partial<CheckResult>; violation: RegExp }[] = [
  {
    name: 'somebody whose message is called accepted and never arrived is lost',
    history: { ...WELL, delivered: ['ada', 'dan'] },
    expected: { lost: 1, duplicates: 0 },
    violation: /bob is accepted and never got it/,
  },
  {
    name: 'somebody of the audience who is not in the campaign is lost',
    history: {
      rows: { ada: 'accepted', bob: 'accepted', cat: 'rejected', dan: 'uncertain' },
      delivered: WELL.delivered,
    },
    expected: { lost: 1, sumsOk: false },
    violation: /eve is not in the campaign and never got it/,
  },
  {
    name: 'somebody who still waits in a finished campaign is lost',
    history: { ...WELL, rows: { ...WELL.rows, cat: 'queued' } },
    expected: { lost: 1 },
    violation: /cat is queued and never got it/,
  },
  {
    name: 'somebody who got it twice is a duplicate, whatever Camp says',
    history: { ...WELL, delivered: [...WELL.delivered, 'dan'] },
    expected: { duplicates: 1, lost: 0 },
    violation: /dan got it 2 times/,
  },
  {
    name: 'somebody who got it and is called rejected is misreported',
    history: { ...WELL, delivered: [...WELL.delivered, 'cat'] },
    expected: { misreported: 1 },
    violation: /cat got it and is rejected/,
  },
  {
    name: 'a counter that differs from the rows is found',
    history: { ...WELL, counters: { accepted: 3, rejected: 1, uncertain: 1 } },
    expected: { sumsOk: false, lost: 0 },
    violation: /the counter of accepted is 3, but 2 are there/,
  },
  {
    name: 'an audience that differs from the rows is found',
    history: { ...WELL, audience: 6 },
    expected: { sumsOk: false },
    violation: /campaign\.audience is 6, but 5 are there/,
  },
  {
    name: 'a campaign that has not finished is found',
    history: { ...WELL, state: 'sending' },
    expected: { lost: 0, duplicates: 0 },
    violation: /the campaign is sending/,
  },
];

test('a campaign in which everybody is explained has no violation', async () => {
  assert.deepEqual(await checkHistory(WELL), {
    audience: 5,
    accepted: 2,
    rejected: 1,
    lost: 0,
    duplicates: 0,
    uncertain: 2,
    uncertainDelivered: 1,
    misreported: 0,
    sumsOk: true,
    violations: [],
  });
});

test('more uncertain messages than there can be are a violation', async () => {
  const { violations } = await checkHistory(WELL, 1);
  assert.deepEqual(violations, ['2 messages are uncertain, at most 1 may be']);
});

for (const { name, history, expected, violation } of CASES)
  test(name, async () => {
    const result = await checkHistory(history);
    assert.partialDeepStrictEqual(result, expected);
    assert.match(result.violations.join('\n'), violation);
  });

async function checkHistory(history: History, uncertainMax = 2): Promise<CheckResult> {
  const id = newId();
  await insertCampaign(id, history);
  return check({
    database: testDatabase.database,
    campaigns: [{ id, subject: 'Spring' }],
    audience: Object.keys(WELL.rows),
    records: history.delivered.map((recipient) => ({ atMs: 0, subject: 'Spring', recipient, messageId: '' })),
    uncertainMax,
  });
}

function insertCampaign(
  id: string,
  { rows, state = 'finished', counters, audience }: History,
): Promise<void> {
  const key = sql`${DEFAULT_WORKSPACE_ID}, ${id}`;
  const states = Object.values(rows);
  const counted =
    counters ??
    Object.fromEntries(
      Object.entries(Object.groupBy(states, (name) => name)).map(([name, all]) => [name, all?.length ?? 0]),
    );
  return testDatabase.database.withWorkspace(DEFAULT_WORKSPACE_ID, async (tx) => {
    await tx.query(sql`
      INSERT INTO campaign (workspace_id, id, name, list_ids, from_email, template_name, template_body, state, audience)
      VALUES (${key}, 'Spring', '{}', 'news@camp.example', 'a.txt', '', ${state}, ${audience ?? states.length})`);
    for (const [email, of] of Object.entries(rows))
      await tx.query(sql`
        INSERT INTO message (workspace_id, campaign_id, contact_id, lane, state, email, due_at)
        VALUES (${key}, ${newId()}, 0, ${of}, ${email}, CASE WHEN ${of} = 'queued' THEN now() END)`);
    for (const [of, n] of Object.entries(counted))
      await tx.query(sql`
        INSERT INTO campaign_count (workspace_id, campaign_id, state, shard, n) VALUES (${key}, ${of}, 0, ${n})`);
  });
}
