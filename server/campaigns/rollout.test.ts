/** How a campaign goes out by its plan, step by step of its own job; the answers of the providers are written by the test. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { advanceOnce } from '../../test/support/advance.ts';
import { makeCampaign, present, type TestCampaign } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newId } from '../kernel/ids.ts';
import { dueLanes, setLaneDue } from '../kernel/queries.ts';
import { findGate, renewGateTimes } from '../kernel/queries-gates.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import { earliestDueMessage, markCommitting } from '../queue/queries.ts';
import { Moves } from '../stats/counters.ts';
import {
  cancelCampaign,
  continueCampaign,
  pauseCampaign,
  resumeCampaign,
  sendCampaign,
  setPace,
  setWindow,
} from './campaign.ts';
import type { SendPlan } from './plan.ts';
import { CampaignRefused } from './refused.ts';
import { campaignStatus } from './status.ts';

const PEOPLE = 60;

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

async function sent(plan: SendPlan, people = PEOPLE): Promise<TestCampaign> {
  const campaign = await makeCampaign(db.database, people);
  await sendCampaign(db.database, campaign, plan);
  return campaign;
}

const look = (campaign: TestCampaign) => campaignStatus(db.database, campaign);
const stateOf = async (campaign: TestCampaign) => (await look(campaign)).campaign.state;
const advance = (campaign: TestCampaign) => advanceOnce(db.database, campaign);

async function advanceTo(campaign: TestCampaign, state: string): Promise<void> {
  for (let steps = 0; (await stateOf(campaign)) !== state; steps += 1) {
    assert.ok(steps < 6, `it is ${await stateOf(campaign)} and does not become ${state}`);
    await advance(campaign);
  }
}

/** What the providers said to messages that waited for a first try; undefined: to all of them. */
async function answered(campaign: TestCampaign, state: 'accepted' | 'rejected' | 'deferred', n?: number) {
  await db.database.withWorkspace(campaign.workspaceId, async (tx) => {
    const rows = await tx.query(sql`
      UPDATE message SET state = ${state}, due_at = CASE WHEN ${state} = 'deferred' THEN now() + interval '1 h' END
      WHERE contact_id IN (SELECT contact_id FROM message
        WHERE campaign_id = ${campaign.campaignId} AND state = 'queued' LIMIT ${n ?? null})
        AND campaign_id = ${campaign.campaignId} RETURNING contact_id`);
    const moves = new Moves();
    moves.move('queued', state, rows.length);
    moves.write(tx, campaign, 1);
  });
}

function set(campaign: TestCampaign, table: 'campaign' | 'lane_gate', columns: Sql) {
  const update = table === 'campaign' ? sql`UPDATE campaign` : sql`UPDATE lane_gate`;
  return db.database.withWorkspace(campaign.workspaceId, (tx) => tx.query(sql`${update} SET ${columns}`));
}

/** Whether a worker that looks for work now finds the campaign. */
async function isOffered(campaign: TestCampaign): Promise<boolean> {
  const lanes = await db.database.withSystem((tx) => dueLanes(tx, 'message', null, 1_000));
  return lanes.some(({ key }) => key === campaign.campaignId);
}

/** Whether a message that a worker has claimed would be marked now, and so be sent. */
function mayLeave(campaign: TestCampaign): Promise<boolean> {
  const fence = { ...campaign, workerId: newId(), attempt: 1 };
  return db.database.withWorkspace(campaign.workspaceId, async (tx) => {
    const [claimed] = await tx.query<{ id: string }>(sql`
      UPDATE message SET state = 'claimed', due_at = NULL, worker_id = ${fence.workerId}, attempt = 1
      WHERE contact_id = (SELECT contact_id FROM message WHERE due_at IS NOT NULL LIMIT 1) RETURNING contact_id AS id`);
    return (await markCommitting(tx, fence, [claimed?.id ?? ''])).length === 1;
  });
}

/** What a worker does that looks at the lane and finds nothing due. */
async function claimNothing({ workspaceId, campaignId }: TestCampaign): Promise<void> {
  const lane = { workspaceId, queue: 'message', key: campaignId, number: 0 } as const;
  await db.database.withWorkspace(workspaceId, async (tx) =>
    setLaneDue(tx, lane, await earliestDueMessage(tx, { workspaceId, campaignId, lane: 0 })),
  );
}

describe('stages', () => {
  const plan: SendPlan = { stages: [20, 50, 100], holdSeconds: 1_800 };

  test('one share after the other is frozen and sent, and audience = Σ states all the while', async () => {
    const campaign = await sent(plan);
    let before = 0;
    for (const state of ['holding', 'holding', 'finished']) {
      await advanceTo(campaign, 'sending');
      const { campaign: row, counts } = await look(campaign);
      assert.ok(row.audience > before, 'the audience grew');
      assert.equal(
        Object.values(counts).reduce((sum, n) => sum + n, 0),
        row.audience,
      );
      before = row.audience;
      await answered(campaign, 'accepted');
      await advanceTo(campaign, state);
      if (state === 'holding') await continueCampaign(db.database, campaign);
    }
    const { campaign: row, counts } = await campaignStatus(db.database, campaign, 'rows');
    assert.equal(row.audience, PEOPLE);
    assert.deepEqual(present(counts), { accepted: PEOPLE });
  });

  test('between two stages it holds as long as was said, and then goes on by itself', async () => {
    const campaign = await sent(plan);
    await advanceTo(campaign, 'sending');
    assert.deepEqual((await look(campaign)).stage, { number: 1, stages: [20, 50, 100] });
    await answered(campaign, 'accepted');
    await advanceTo(campaign, 'holding');
    const waits = (await look(campaign)).waits;
    const minutes = ((waits?.until?.getTime() ?? 0) - Date.now()) / 60_000;
    assert.ok(waits?.for === 'the next stage' && minutes > 29 && minutes <= 30, `${minutes} min`);
    await advance(campaign);
    assert.equal(await stateOf(campaign), 'holding');
    await set(campaign, 'campaign', sql`holds_until = now()`);
    await advanceTo(campaign, 'sending');
    assert.equal((await look(campaign)).stage?.number, 2);
  });

  test('a hold by hand ends when somebody says so', async () => {
    const campaign = await sent({ ...plan, holdSeconds: null });
    await assert.rejects(continueCampaign(db.database, campaign), /is starting and cannot be continued/);
    await advanceTo(campaign, 'sending');
    await answered(campaign, 'accepted');
    await advanceTo(campaign, 'holding');
    assert.deepEqual((await look(campaign)).waits, { until: null, for: 'the next stage' });
    await advance(campaign);
    assert.equal(await stateOf(campaign), 'holding');
    await continueCampaign(db.database, campaign);
    await advanceTo(campaign, 'sending');
  });

  test('what was put off is tried again during the hold, and does not keep the next stage waiting', async () => {
    const campaign = await sent({ ...plan, haltLimits: { deferrals: null } });
    await advanceTo(campaign, 'sending');
    await answered(campaign, 'deferred');
    await advanceTo(campaign, 'holding');
    assert.equal(await isOffered(campaign), true);
    assert.equal(await mayLeave(campaign), true);
    await continueCampaign(db.database, campaign);
    assert.equal(await mayLeave(campaign), false);
    assert.equal(await isOffered(campaign), false, 'while the next share is frozen, nothing leaves');
    await advanceTo(campaign, 'sending');
    assert.equal(await isOffered(campaign), true);
  });

  test('a pause during the hold keeps its time, a cancellation ends it', async () => {
    const campaign = await sent(plan);
    await advanceTo(campaign, 'sending');
    await answered(campaign, 'accepted');
    await advanceTo(campaign, 'holding');
    const { waits } = await look(campaign);
    await pauseCampaign(db.database, campaign);
    assert.equal((await look(campaign)).waits, null);
    await resumeCampaign(db.database, campaign);
    await advanceTo(campaign, 'holding');
    assert.deepEqual((await look(campaign)).waits, waits);
    await cancelCampaign(db.database, campaign);
    assert.equal(await stateOf(campaign), 'cancelled');
  });

  test('a pause while a later stage is frozen goes on with the freeze', async () => {
    const campaign = await sent(plan);
    await advanceTo(campaign, 'sending');
    await answered(campaign, 'accepted');
    await advanceTo(campaign, 'holding');
    await continueCampaign(db.database, campaign);
    await pauseCampaign(db.database, campaign);
    await resumeCampaign(db.database, campaign);
    assert.equal(await stateOf(campaign), 'starting');
    await advanceTo(campaign, 'sending');
    assert.ok((await look(campaign)).counts.queued > 0);
  });

  test('a share that is nobody is passed over, not waited for', async () => {
    const campaign = await sent({ stages: [0.0001, 0.0002, 100] }, 3);
    await advanceTo(campaign, 'sending');
    assert.deepEqual(present((await look(campaign)).counts), { queued: 3 });
    assert.equal((await look(campaign)).stage?.number, 3);
  });
});

describe('a halt', () => {
  test('too many bounces pause the campaign with the reason, and nothing more is offered', async () => {
    const campaign = await sent({ stages: [50, 100] });
    await advanceTo(campaign, 'sending');
    await answered(campaign, 'rejected', 6);
    await advance(campaign);
    const { campaign: row } = await look(campaign);
    assert.equal(row.state, 'paused');
    assert.match(row.failure ?? '', /halted by itself: 6 bounces among 6 messages/);
    assert.equal(await isOffered(campaign), false);
  });

  test('a person lets it go on, and it halts again only for what comes then', async () => {
    const campaign = await sent({ stages: [99, 100] });
    await advanceTo(campaign, 'sending');
    await answered(campaign, 'rejected', 10);
    await advanceTo(campaign, 'paused');
    await resumeCampaign(db.database, campaign);
    await answered(campaign, 'rejected', 5);
    await advance(campaign);
    assert.equal(await stateOf(campaign), 'sending');
    assert.equal((await look(campaign)).campaign.failure, null);
    await answered(campaign, 'rejected', 1);
    await advance(campaign);
    assert.equal(await stateOf(campaign), 'paused');
  });

  test('bounces that come during a hold keep the next stage from beginning', async () => {
    const campaign = await sent({ stages: [50, 100], holdSeconds: 60 });
    await advanceTo(campaign, 'sending');
    await answered(campaign, 'accepted');
    await advanceTo(campaign, 'holding');
    await db.database.withWorkspace(campaign.workspaceId, async (tx) => {
      await tx.query(sql`UPDATE message SET state = 'bounced'`);
      const moves = new Moves();
      moves.move('accepted', 'bounced', 20);
      moves.write(tx, campaign, 1);
    });
    await set(campaign, 'campaign', sql`holds_until = now()`);
    await advance(campaign);
    assert.equal(await stateOf(campaign), 'paused');
  });

  test('a campaign without stages halts only by the limits that it was given', async () => {
    const plain = await sent({});
    const watched = await sent({ haltLimits: { bounces: 0.05 } });
    for (const campaign of [plain, watched]) {
      await advanceTo(campaign, 'sending');
      await answered(campaign, 'rejected', 20);
      await advance(campaign);
    }
    assert.equal(await stateOf(plain), 'sending');
    assert.equal(await stateOf(watched), 'paused');
  });
});

/** A window of an hour that begins in so many minutes, on the clocks of UTC. */
function windowIn(minutes: number): string {
  const time = (offset: number) => new Date(Date.now() + offset * 60_000).toISOString().slice(11, 16);
  return `Mon-Sun ${time(minutes)}-${time(minutes + 60)}`;
}

describe('a window', () => {
  test('outside of it nothing is offered and the status says until when; inside it is sent', async () => {
    const closed = await sent({ window: windowIn(60) });
    await advanceTo(closed, 'sending');
    const { waits, counts } = await look(closed);
    assert.match(waits?.for ?? '', /its window Mon-Sun .* \(UTC\)/);
    assert.ok(waits?.until && waits.until.getTime() > Date.now());
    assert.deepEqual(present(counts), { queued: PEOPLE });
    assert.equal(await isOffered(closed), false);
    const open = await sent({ window: windowIn(-30) });
    await advanceTo(open, 'sending');
    assert.equal((await look(open)).waits, null);
    assert.equal(await isOffered(open), true);
  });

  test('when it closes nothing more is offered, also before its job has looked, and it opens again', async () => {
    const campaign = await sent({ window: windowIn(-30) });
    await advanceTo(campaign, 'sending');
    await set(
      campaign,
      'lane_gate',
      sql`opens_at = now() - interval '2 h', closes_at = now() - interval '1 s'`,
    );
    assert.equal(await isOffered(campaign), false);
    const outcome = await advance(campaign);
    assert.equal(await isOffered(campaign), true, 'the window of the plan is open now');
    assert.ok(outcome.kind === 'again' && outcome.afterMs <= 250);
  });

  test('the job looks again when the window opens, and not all night long', async () => {
    const campaign = await sent({ window: windowIn(60) });
    await advanceTo(campaign, 'sending');
    const outcome = await advance(campaign);
    assert.ok(outcome.kind === 'again' && outcome.afterMs === 2_000);
  });
});

describe('the recipient’s own time', () => {
  test('the campaign is scheduled for the earliest recipient, and then waits with its messages', async () => {
    const campaign = await sent({ atLocal: '2100-01-01T09:00', timezone: 'Europe/Berlin' });
    const { campaign: row, waits } = await look(campaign);
    assert.equal(row.state, 'scheduled');
    assert.equal(waits?.until?.toISOString(), '2099-12-31T18:45:00.000Z');
    await set(campaign, 'campaign', sql`scheduled_at = now()`);
    await advanceTo(campaign, 'sending');
    await claimNothing(campaign);
    const status = await look(campaign);
    assert.equal(status.waits?.until?.toISOString(), '2100-01-01T08:00:00.000Z');
    assert.equal(await isOffered(campaign), false);
  });

  test('it cannot be combined with another when, and not be over everywhere', async () => {
    const campaign = await makeCampaign(db.database, 1);
    const atLocal = '2100-01-01T09:00';
    for (const plan of [
      { atLocal, window: 'Mon 09:00-10:00' },
      { atLocal, stages: [1, 100] },
      { atLocal, at: new Date() },
      { atLocal: '2020-01-01T09:00' },
    ])
      await assert.rejects(sendCampaign(db.database, campaign, plan), CampaignRefused);
    assert.equal(await stateOf(campaign), 'draft');
  });
});

test('a speed cap counts from the first message on: a long freeze saves nothing up', async () => {
  const campaign = await sent({ maxPerHour: 60 });
  await set(campaign, 'lane_gate', sql`spent_until = now() - interval '1 h'`);
  assert.equal(await isOffered(campaign), false);
  await advanceTo(campaign, 'sending');
  assert.equal(await isOffered(campaign), false);
  await set(campaign, 'lane_gate', sql`spent_until = now() - interval '61 s'`);
  assert.equal(await isOffered(campaign), true);
});

test('a speed cap is in the status and in the gate, and a later plan of a scheduled campaign replaces it', async () => {
  const campaign = await sent({ at: new Date(Date.now() + 3_600_000), maxPerHour: 500 });
  assert.equal((await look(campaign)).maxPerHour, 500);
  await sendCampaign(db.database, campaign, { stages: [10, 100] });
  const { maxPerHour, stage } = await look(campaign);
  assert.equal(maxPerHour, null);
  assert.equal(stage?.number, 1);
});

test('a campaign that is under way gets slower and faster', async () => {
  const campaign = await sent({});
  await advanceTo(campaign, 'sending');
  assert.equal(await isOffered(campaign), true);
  const setTo = (perHour: number | null) =>
    db.database.withWorkspace(campaign.workspaceId, (tx) => setPace(tx, campaign, perHour));
  await setTo(1);
  assert.equal((await look(campaign)).maxPerHour, 1);
  await set(campaign, 'lane_gate', sql`spent_until = now() + interval '1 min'`);
  assert.equal(await isOffered(campaign), false);
  await setTo(null);
  assert.equal(await isOffered(campaign), true);
});

test('a window that somebody gives it is not undone by the next opening of the one before', async () => {
  const campaign = await sent({ window: 'Mon-Sun 00:00-24:00' });
  await advanceTo(campaign, 'sending');
  const key = { workspaceId: campaign.workspaceId, key: campaign.campaignId };
  const window = { window: 'Mon-Sun 03:00-03:01', timezone: 'Europe/Berlin' };
  await db.database.withWorkspace(campaign.workspaceId, async (tx) => {
    await setWindow(tx, campaign, window);
    const before = await findGate(tx, key);
    const opensAt = new Date('2020-01-01T00:00:00Z');
    await renewGateTimes(tx, key, { opensAt, closesAt: new Date('2100-01-01T00:00:00Z') });
    assert.deepEqual(await findGate(tx, key), before);
    await setWindow(tx, campaign, { window: null });
    assert.equal((await findGate(tx, key))?.opensAt, null);
  });
  assert.equal(await isOffered(campaign), true);
});
