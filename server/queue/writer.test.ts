import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { advanceOnce } from '../../test/support/advance.ts';
import { makeCampaign, present, type TestCampaign } from '../../test/support/campaign.ts';
import { startCutter } from '../../test/support/cutter.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { pauseCampaign, sendCampaign } from '../campaigns/campaign.ts';
import { campaignStatus } from '../campaigns/status.ts';
import type { DueMessage } from '../delivery/deliver.ts';
import { Database } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { createLog } from '../kernel/log.ts';
import type { DueLane } from '../kernel/queries.ts';
import { Scope } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { claim, LaneHints } from './claim.ts';
import { recoverMessagesOf } from './recover.ts';
import { type Result, Writer } from './writer.ts';

const log = createLog('silent');
let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});

after(() => db.drop());

/** A frozen campaign of which one worker has claimed everything. */
async function claimed(people: number) {
  const campaign = await makeCampaign(db.database, people);
  await sendCampaign(db.database, campaign);
  await advanceOnce(db.database, campaign);
  const workerId = newId();
  const messages = await claimBy(campaign, workerId);
  assert.equal(messages.length, people);
  return { campaign, workerId, messages };
}

function claimBy(campaign: TestCampaign, workerId: string): Promise<DueMessage[]> {
  const lane: DueLane = {
    workspaceId: campaign.workspaceId,
    queue: 'message',
    key: campaign.campaignId,
    number: 0,
    servedAt: '-infinity',
    paced: false,
  };
  return db.database.withWorkspace(campaign.workspaceId, (tx) =>
    claim(tx, lane, { workerId, limit: 100, shard: 1, hints: new LaneHints() }),
  );
}

async function writing<T>(workerId: string, work: (writer: Writer) => Promise<T>, database = db.database) {
  const scope = Scope.root('test');
  const writer = new Writer({ database, log, workerId });
  const run = writer.run(scope);
  try {
    return await work(writer);
  } finally {
    scope.cancel();
    await run;
  }
}

function accepted(message: DueMessage): Result {
  const event = { kind: 'accepted', detail: '250 ok', rule: 'accepted', metAt: null, trouble: null };
  return { message, from: 'committing', to: 'accepted', dueInMs: null, spent: false, toLane: null, event };
}

async function counts(campaign: TestCampaign) {
  const rows = (await campaignStatus(db.database, campaign, 'rows')).counts;
  assert.deepEqual((await campaignStatus(db.database, campaign, 'counters')).counts, rows);
  return present(rows);
}

async function zombieWrites(): Promise<number> {
  const [row] = await db.database.withSystem((tx) =>
    tx.query<{ n: number }>(sql`SELECT zombie_writes::int AS n FROM installation`),
  );
  return row?.n ?? 0;
}

test('a mark lets the dot go, and the result follows it', async () => {
  const { campaign, workerId, messages } = await claimed(5);
  await writing(workerId, async (writer) => {
    const marks = await Promise.all(messages.map((message) => writer.mark(message)));
    assert.deepEqual(marks, [true, true, true, true, true]);
    assert.deepEqual(await counts(campaign), { committing: 5 });
    for (const message of messages.slice(1)) writer.settle(accepted(message));
    await writer.flushed();
  });
  assert.deepEqual(await counts(campaign), { committing: 1, accepted: 4 });
});

test('a campaign that was paused after the claim lets no dot go', async () => {
  const { campaign, workerId, messages } = await claimed(3);
  await pauseCampaign(db.database, campaign);
  await writing(workerId, async (writer) => {
    const marks = await Promise.all(messages.map((message) => writer.mark(message)));
    assert.deepEqual(marks, [false, false, false]);
  });
  assert.deepEqual(await counts(campaign), { claimed: 3 });
});

test('a worker that was declared dead can neither mark nor settle, and is counted', async () => {
  const { campaign, workerId, messages } = await claimed(4);
  const [first, second, ...others] = messages;
  assert.ok(first && second);
  const before = await zombieWrites();
  await writing(workerId, async (writer) => {
    assert.equal(await writer.mark(first), true);
    await db.database.withWorkspace(campaign.workspaceId, (tx) =>
      recoverMessagesOf(tx, campaign.workspaceId, workerId),
    );
    assert.deepEqual(await counts(campaign), { uncertain: 1, queued: 3 });
    assert.equal(await writer.mark(second), false);
    writer.settle(accepted(first));
    await writer.flushed();
  });
  assert.deepEqual(await counts(campaign), { uncertain: 1, queued: 3 });
  assert.equal(others.length, 2);
  assert.equal(await zombieWrites(), before + 1);
});

test('a message that the same worker claimed again is not touched by a write of the first claim', async () => {
  const { campaign, workerId, messages } = await claimed(1);
  const [stale] = messages;
  assert.ok(stale);
  await db.database.withWorkspace(campaign.workspaceId, (tx) =>
    recoverMessagesOf(tx, campaign.workspaceId, workerId),
  );
  const [fresh] = await claimBy(campaign, workerId);
  assert.equal(fresh?.attempt, stale.attempt + 1);
  await writing(workerId, async (writer) => {
    assert.equal(await writer.mark(stale), false);
    assert.equal(fresh && (await writer.mark(fresh)), true);
  });
});

test('a commit whose answer was lost is neither forgotten nor done twice', async () => {
  const { campaign, workerId, messages } = await claimed(3);
  const cutter = await startCutter(db.directUrl);
  const database = new Database(cutter.url);
  const before = await zombieWrites();
  await writing(
    workerId,
    async (writer) => {
      cutter.cutAfterCommit();
      const marks = await Promise.all(messages.map((message) => writer.mark(message)));
      assert.deepEqual(marks, [true, true, true]);
      assert.equal(cutter.cuts(), 1);
      cutter.cutAfterCommit();
      for (const message of messages) writer.settle(accepted(message));
      await writer.flushed();
      assert.equal(cutter.cuts(), 2);
    },
    database,
  );
  await database.close();
  await cutter.stop();
  assert.deepEqual(await counts(campaign), { accepted: 3 });
  assert.equal(await zombieWrites(), before);
});

test('a result that the state machine does not know is a bug, not a row', async () => {
  const { workerId, messages } = await claimed(1);
  const [message] = messages;
  assert.ok(message);
  await writing(workerId, async (writer) => {
    assert.throws(() => writer.settle({ ...accepted(message), from: 'claimed' }), /no move from claimed/);
  });
});
