import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { advanceOnce } from '../../test/support/advance.ts';
import { makeCampaign, type TestCampaign } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import { changeSubscription, findOrCreateList } from '../audience/lists.ts';
import { sendCampaign } from '../campaigns/campaign.ts';
import { newId } from '../kernel/ids.ts';
import type { DueLane } from '../kernel/queries.ts';
import { sql } from '../kernel/sql.ts';
import { claim, LaneHints } from './claim.ts';
import * as queries from './queries.ts';

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});

after(() => db.drop());

async function frozen(people: number): Promise<TestCampaign> {
  const campaign = await makeCampaign(db.database, people);
  await sendCampaign(db.database, campaign);
  await advanceOnce(db.database, campaign);
  return campaign;
}

function laneOf(campaign: TestCampaign): DueLane {
  return {
    workspaceId: campaign.workspaceId,
    queue: 'message',
    key: campaign.campaignId,
    number: 0,
    servedAt: '-infinity',
    paced: false,
  };
}

function take(campaign: TestCampaign, limit: number, hints = new LaneHints()) {
  return db.database.withWorkspace(campaign.workspaceId, (tx) =>
    claim(tx, laneOf(campaign), { workerId: newId(), limit, shard: 1, hints }),
  );
}

test('what became due first is claimed first, and nothing is claimed twice', async () => {
  const campaign = await frozen(30);
  const inOrder = await db.database.withWorkspace(campaign.workspaceId, (tx) =>
    tx.query<{ contact_id: string }>(sql`
      UPDATE message SET due_at = now() - row * interval '1 s'
      FROM (SELECT contact_id AS id, row_number() OVER (ORDER BY contact_id) AS row FROM message) numbered
      WHERE contact_id = numbered.id RETURNING contact_id, due_at`),
  );
  assert.equal(inOrder.length, 30);
  const hints = new LaneHints();
  const batches = [
    await take(campaign, 10, hints),
    await take(campaign, 10, hints),
    await take(campaign, 20, hints),
  ];
  assert.deepEqual(
    batches.map((batch) => batch.length),
    [10, 10, 10],
  );
  const claimed = batches.map((batch) => batch.map((message) => message.contactId).sort());
  const expected = inOrder
    .map((row) => row.contact_id)
    .sort()
    .reverse();
  assert.deepEqual(claimed[0], expected.slice(0, 10).sort());
  assert.deepEqual(claimed[2], expected.slice(20).sort());
});

test('two workers that claim at the same moment share the rows and do not wait', async () => {
  const campaign = await frozen(40);
  const [first, second] = await Promise.all([take(campaign, 25), take(campaign, 25)]);
  const ids = [...first, ...second].map((message) => message.contactId);
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(ids.length >= 25);
});

test('a row that a failed claim left behind the hint is found when the lane runs short', async () => {
  const campaign = await frozen(10);
  const hints = new LaneHints();
  hints.set(laneOf(campaign), new Date(Date.now() + 60_000).toISOString());
  assert.equal((await take(campaign, 5, hints)).length, 5);
});

test('somebody who left between launch and claim is not written to', async () => {
  const campaign = await frozen(3);
  const { workspaceId } = campaign;
  await db.database.withWorkspace(workspaceId, async (tx) => {
    const listId = await findOrCreateList(tx, workspaceId, 'news');
    const ids = await tx.query<{ id: string; email: string }>(
      sql`SELECT id, email FROM contact ORDER BY email`,
    );
    const [left, bounced] = ids;
    assert.ok(left && bounced);
    await changeSubscription(tx, { workspaceId, listId, contactId: left.id }, 'unsubscribe');
    await tx.query(sql`INSERT INTO suppression (workspace_id, email, reason)
      VALUES (${workspaceId}, ${bounced.email}, 'hard_bounce')`);
  });
  const claimed = await take(campaign, 10);
  const reasons = claimed.sort((a, b) => (a.email < b.email ? -1 : 1)).map((message) => message.suppressedBy);
  assert.deepEqual(reasons, ['no longer subscribed', 'on the suppression list: hard_bounce', null]);
});

test('the give-up age counts from a message’s own first failure, not from the start of a long campaign', async () => {
  const campaign = await frozen(2);
  await db.database.withWorkspace(campaign.workspaceId, async (tx) => {
    await tx.query(sql`UPDATE campaign SET started_at = now() - interval '100 days'`);
    await tx.query(sql`
      UPDATE message SET state = 'deferred', deferrals = 1, first_deferred_at = now() - interval '3 days'
      WHERE contact_id = (SELECT min(contact_id::text)::uuid FROM message)`);
  });
  const claimed = (await take(campaign, 10)).sort((a, b) => a.deferrals - b.deferrals);
  assert.equal(claimed[0]?.secondsLeft, 172_800);
  assert.ok((claimed[1]?.secondsLeft ?? 0) <= 172_800 - 3 * 86_400);
});

test('every statement of the hot path is planned along its index, and the claim sorts nothing', async () => {
  const campaign = await frozen(2);
  const of = { ...campaign, workerId: newId(), attempt: 1 };
  const contactIds = [newId(), newId()];
  const accepted = { from: 'committing', to: 'accepted', dueInMs: null, spent: false, toLane: null };
  await db.database.withWorkspace(campaign.workspaceId, (tx) =>
    tx.query(sql`
      INSERT INTO message (workspace_id, campaign_id, contact_id, lane, state, due_at, email)
      SELECT ${campaign.workspaceId}, ${campaign.campaignId}, gen_random_uuid(), 0, 'queued', now(), 'x@y.example'
      FROM generate_series(1, 100000)`),
  );
  await db.database.withOwner((tx) => tx.query(sql`ANALYZE message`));
  const plans = await db.database.withWorkspace(campaign.workspaceId, (tx) =>
    explained(tx, async (spy) => {
      await queries.claimMessages(spy, { ...of, lane: 0, limit: 500, from: null });
      await queries.earliestDueMessage(spy, { ...of, lane: 0 });
      await queries.markCommitting(spy, of, contactIds);
      await queries.settleMessages(spy, of, accepted, contactIds);
      await queries.cancelWaiting(spy, of, 100);
      await queries.recoverMessages(spy, of.workspaceId, of.workerId);
    }),
  );
  const [claimPlan = '', earliest = '', mark = '', settle = '', cancel = '', recover = ''] = plans;
  // The other months' partitions are empty, and reading an empty table is no crime.
  const [partition = ''] = /message_\d+_\d+/.exec(claimPlan) ?? [];
  for (const plan of plans) assert.ok(!plan.includes(`Seq Scan on ${partition}`), plan);
  assert.match(claimPlan, /lane_due_at_contac_idx/);
  assert.doesNotMatch(claimPlan, /Sort/, claimPlan);
  assert.match(earliest, /lane_due_at_contac_idx/);
  assert.match(mark, /Index Scan using message_\d+_\d+_pkey/);
  assert.match(settle, /Index Scan using message_\d+_\d+_pkey/);
  assert.match(cancel, /lane_due_at_contac_idx/);
  assert.doesNotMatch(cancel, /Sort/, cancel);
  assert.match(recover, /Index Scan using message_\d+_\d+_workspace_id_worker_id/);
});
