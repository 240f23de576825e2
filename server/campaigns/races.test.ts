/** A campaign's own job against what people do at the same moment; who waits for whom is a lock, and not a time. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { advanceOnce } from '../../test/support/advance.ts';
import { makeCampaign, present, type TestCampaign, until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { Database, type Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { dueLanes } from '../kernel/queries.ts';
import { sql } from '../kernel/sql.ts';
import { claim, LaneHints } from '../queue/claim.ts';
import { retryMessage } from '../queue/messages.ts';
import { Moves } from '../stats/counters.ts';
import { pause, sendCampaign } from './campaign.ts';
import type { SendPlan } from './plan.ts';
import { campaignStatus } from './status.ts';

const PEOPLE = 60;

let db: TestDatabase;
/** Sees who waits, also while the pooler has no connection left. */
let watcher: Database;

before(async () => {
  db = await createTestDatabase();
  watcher = new Database(db.directUrl, { connectionsMax: 1 });
});
after(async () => {
  await watcher.close();
  await db.drop();
});

async function sent(plan: SendPlan): Promise<TestCampaign> {
  const campaign = await makeCampaign(db.database, PEOPLE);
  await sendCampaign(db.database, campaign, plan);
  return campaign;
}

const look = (campaign: TestCampaign) => campaignStatus(db.database, campaign);
const stateOf = async (campaign: TestCampaign) => (await look(campaign)).campaign.state;
const advance = (campaign: TestCampaign) => advanceOnce(db.database, campaign);

function inWorkspace<T>({ workspaceId }: TestCampaign, work: (tx: Tx) => Promise<T>): Promise<T> {
  return db.database.withWorkspace(workspaceId, work);
}

/** All who wait or are claimed got it; but one of them, tried a second time, perhaps. Gives that one's key. */
async function answeredButOne(campaign: TestCampaign) {
  return inWorkspace(campaign, async (tx) => {
    const rows = await tx.query<{ contactId: string }>(sql`
      UPDATE message SET state = 'accepted', due_at = NULL RETURNING contact_id AS "contactId"`);
    const contactId = rows[0]?.contactId ?? '';
    await tx.query(
      sql`UPDATE message SET state = 'uncertain', attempt = 2, deferrals = 1 WHERE contact_id = ${contactId}`,
    );
    const moves = new Moves();
    moves.move('queued', 'accepted', rows.length - 1);
    moves.move('queued', 'uncertain');
    moves.write(tx, campaign, 1);
    return { ...campaign, contactId };
  });
}

/** Whether a worker that looks for work now finds the campaign. */
async function isOffered(campaign: TestCampaign): Promise<boolean> {
  const lanes = await db.database.withSystem((tx) => dueLanes(tx, 'message', null, 1_000));
  return lanes.some(({ key }) => key === campaign.campaignId);
}

/** The campaign's job looks while `work` is done and not committed; resolves when both have ended. */
async function advanceDuring(campaign: TestCampaign, work: (tx: Tx) => Promise<unknown>): Promise<void> {
  const { begun } = await inWorkspace(campaign, async (tx) => {
    await work(tx);
    const advancing = advance(campaign);
    await until(isAnybodyWaiting, 'the job waits for a lock');
    return { begun: advancing };
  });
  await begun;
}

/** `work` is done as a chunk begins, and committed while the chunk waits for it. */
async function freezeDuring(campaign: TestCampaign, work: (tx: Tx) => Promise<unknown>): Promise<void> {
  const done = Promise.withResolvers<void>();
  let working: Promise<void> | undefined;
  await advanceOnce(db.database, campaign, () => {
    working ??= inWorkspace(campaign, async (tx) => {
      await work(tx);
      done.resolve();
      await until(isAnybodyWaiting, 'the chunk waits for a lock');
    });
    return Promise.race([done.promise, working]);
  });
  await working;
}

function isAnybodyWaiting(): Promise<boolean> {
  return watcher.withSystem(async (tx) => {
    const waiting = await tx.query(sql`
      SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
      WHERE NOT granted AND datname = current_database()`);
    return waiting.length > 0;
  });
}

test('what may have arrived is sent again, and the rollout goes on to its next stage', async () => {
  const campaign = await sent({ stages: [20, 100] });
  await advance(campaign);
  const of = await answeredButOne(campaign);
  await inWorkspace(campaign, (tx) => retryMessage(tx, of, true));
  const lane = {
    workspaceId: campaign.workspaceId,
    queue: 'message',
    key: campaign.campaignId,
    number: 0,
    servedAt: '-infinity',
    paced: false,
  } as const;
  await inWorkspace(campaign, async (tx) => {
    const worker = { workerId: newId(), limit: 10, shard: 1, hints: new LaneHints() };
    assert.equal((await claim(tx, lane, worker)).length, 1);
    await tx.query(sql`UPDATE message SET state = 'accepted', worker_id = NULL WHERE state = 'claimed'`);
    const moves = new Moves();
    moves.move('claimed', 'accepted');
    moves.write(tx, campaign, 1);
  });
  const { counts, campaign: row } = await look(campaign);
  assert.deepEqual(present(counts), { accepted: row.audience });
  await advance(campaign);
  assert.equal(await stateOf(campaign), 'holding');
});

test('a message that somebody sends again while the campaign is about to end is sent', async () => {
  const campaign = await sent({});
  await advance(campaign);
  const of = await answeredButOne(campaign);
  await advanceDuring(campaign, (tx) => retryMessage(tx, of, true));
  assert.notEqual(await stateOf(campaign), 'finished');
  assert.equal(await isOffered(campaign), true);
});

test('a pause while the last of the audience is frozen holds everything back', async () => {
  const campaign = await sent({});
  await freezeDuring(campaign, (tx) => pause(tx, campaign));
  assert.equal(await stateOf(campaign), 'paused');
  assert.equal(await isOffered(campaign), false);
});
