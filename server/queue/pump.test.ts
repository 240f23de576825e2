import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { advanceOnce } from '../../test/support/advance.ts';
import {
  makeCampaign,
  present,
  startTestSink,
  startTestWorker,
  type TestCampaign,
  until,
  untilState,
} from '../../test/support/campaign.ts';
import { startCutter } from '../../test/support/cutter.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { type Sink, WELL } from '../../test/support/sink.ts';
import { cancelCampaign, pauseCampaign, resumeCampaign, sendCampaign } from '../campaigns/campaign.ts';
import { campaignStatus } from '../campaigns/status.ts';
import { sql } from '../kernel/sql.ts';

let db: TestDatabase;
let sink: Sink;

before(async () => {
  db = await createTestDatabase();
  sink = await startTestSink();
});

after(async () => {
  await sink.stop();
  await db.drop();
});

/** What the sink recorded for a campaign, by recipient. */
async function deliveries(campaign: TestCampaign): Promise<Map<string, number>> {
  const subject = await db.database.withWorkspace(campaign.workspaceId, async (tx) => {
    const [row] = await tx.query<{ body: string }>(
      sql`SELECT template_body AS body FROM campaign WHERE id = ${campaign.campaignId}`,
    );
    return row?.body.split('\n')[1]?.replace('subject: ', '');
  });
  const records = (await sink.records()).filter((record) => record.subject === subject);
  return new Map(
    Map.groupBy(records, (record) => record.recipient)
      .entries()
      .map(([to, times]) => [to, times.length]),
  );
}

function events(campaign: TestCampaign) {
  return db.database.withWorkspace(campaign.workspaceId, (tx) =>
    tx.query<{ kind: string; rule: string; n: number }>(sql`
      SELECT kind, rule, count(*)::int AS n FROM event WHERE campaign_id = ${campaign.campaignId}
      GROUP BY kind, rule ORDER BY kind, rule`),
  );
}

describe('a campaign that is sent', () => {
  test('reaches everybody once, and state, events, counters and the relay agree', async () => {
    const campaign = await makeCampaign(db.database, 60);
    const worker = startTestWorker(db.url, sink.smtpUrl);
    await sendCampaign(db.database, campaign);
    const rows = await untilState(db.database, campaign, 'finished');
    await worker.drain();
    assert.deepEqual(present(rows.counts), { accepted: 60 });
    const counters = await campaignStatus(db.database, campaign, 'counters');
    assert.deepEqual(counters.counts, rows.counts);
    assert.equal(rows.campaign.audience, 60);
    assert.deepEqual(await events(campaign), [{ kind: 'accepted', rule: 'accepted', n: 60 }]);
    const got = await deliveries(campaign);
    assert.equal(got.size, 60);
    assert.ok([...got.values()].every((times) => times === 1));
  });

  test('is shared by two workers without anybody getting it twice', async () => {
    const campaign = await makeCampaign(db.database, 200);
    const workers = [startTestWorker(db.url, sink.smtpUrl), startTestWorker(db.url, sink.smtpUrl)];
    await sendCampaign(db.database, campaign);
    await untilState(db.database, campaign, 'finished');
    await Promise.all(workers.map((worker) => worker.drain()));
    const got = await deliveries(campaign);
    assert.equal(got.size, 200);
    assert.ok([...got.values()].every((times) => times === 1));
  });

  test('counts its audience exactly at every look, while it is sent', async () => {
    const campaign = await makeCampaign(db.database, 150);
    await sink.behave({ replyMs: [1, 20] });
    const worker = startTestWorker(db.url, sink.smtpUrl);
    await sendCampaign(db.database, campaign);
    const sums = new Set<number>();
    await until(async () => {
      const { campaign: row, counts } = await campaignStatus(db.database, campaign);
      if (row.frozenAt) sums.add(Object.values(counts).reduce((sum, n) => sum + n, 0));
      return row.state === 'finished';
    }, 'finished');
    await worker.drain();
    await sink.behave(WELL);
    assert.deepEqual([...sums], [150]);
  });
});

describe('pause, resume and cancel', () => {
  test('a paused campaign sends nothing more, also of what was claimed, and goes on where it stopped', async () => {
    const campaign = await makeCampaign(db.database, 120);
    const before = (await sink.report()).accepted;
    await sink.behave({ replyMs: [20, 40] });
    const worker = startTestWorker(db.url, sink.smtpUrl, { CAMP_CONNECTIONS: '3' });
    await sendCampaign(db.database, campaign);
    await sink.accepted(before + 10);
    await pauseCampaign(db.database, campaign);
    const paused = await until(async () => {
      const { counts } = await campaignStatus(db.database, campaign, 'rows');
      return counts.claimed + counts.committing === 0 && counts;
    }, 'nothing in flight');
    const got = await deliveries(campaign);
    assert.equal(got.size, paused.accepted);
    assert.ok(paused.queued > 0);
    assert.equal(paused.accepted + paused.queued, 120);
    await resumeCampaign(db.database, campaign);
    const finished = await untilState(db.database, campaign, 'finished');
    await worker.drain();
    await sink.behave(WELL);
    assert.deepEqual(present(finished.counts), { accepted: 120 });
    assert.ok([...(await deliveries(campaign)).values()].every((times) => times === 1));
  });

  test('a cancelled campaign cancels what waited and tells what still left', async () => {
    const campaign = await makeCampaign(db.database, 120);
    const before = (await sink.report()).accepted;
    await sink.behave({ replyMs: [20, 40] });
    const worker = startTestWorker(db.url, sink.smtpUrl, { CAMP_CONNECTIONS: '3' });
    await sendCampaign(db.database, campaign);
    await sink.accepted(before + 10);
    await cancelCampaign(db.database, campaign);
    const { counts } = await until(async () => {
      const status = await campaignStatus(db.database, campaign, 'rows');
      return status.counts.accepted + status.counts.cancelled === 120 && status;
    }, 'everything accepted or cancelled');
    await worker.drain();
    await sink.behave(WELL);
    assert.ok(counts.cancelled > 0);
    assert.equal((await deliveries(campaign)).size, counts.accepted);
    assert.deepEqual((await campaignStatus(db.database, campaign)).counts, counts);
  });
});

describe('what the relay answers', () => {
  test('a refusal at the final dot is tried again later, and everybody gets the message once', async () => {
    const campaign = await makeCampaign(db.database, 30);
    await sink.behave({ refuseAtDot: 0.3 });
    const worker = startTestWorker(db.url, sink.smtpUrl);
    await sendCampaign(db.database, campaign);
    const { counts } = await untilState(db.database, campaign, 'finished');
    await worker.drain();
    await sink.behave(WELL);
    assert.deepEqual(present(counts), { accepted: 30 });
    const kinds = (await events(campaign)).map((event) => event.kind);
    assert.ok(kinds.includes('deferred'));
    assert.ok([...(await deliveries(campaign)).values()].every((times) => times === 1));
  });

  test('a connection cut before the dot costs nobody the message', async () => {
    const campaign = await makeCampaign(db.database, 40);
    await sink.behave({ cutBeforeDot: 0.15 });
    const worker = startTestWorker(db.url, sink.smtpUrl);
    await sendCampaign(db.database, campaign);
    const { counts } = await untilState(db.database, campaign, 'finished');
    await worker.drain();
    await sink.behave(WELL);
    assert.deepEqual(present(counts), { accepted: 40 });
    assert.ok([...(await deliveries(campaign)).values()].every((times) => times === 1));
  });

  test('a connection cut after the dot makes the message uncertain, and it is not sent again', async () => {
    const campaign = await makeCampaign(db.database, 40);
    await sink.behave({ cutAfterDot: 0.2 });
    const worker = startTestWorker(db.url, sink.smtpUrl);
    await sendCampaign(db.database, campaign);
    const { counts } = await untilState(db.database, campaign, 'finished');
    await worker.drain();
    await sink.behave(WELL);
    assert.ok(counts.uncertain > 0);
    assert.equal(counts.accepted + counts.uncertain, 40);
    const got = await deliveries(campaign);
    assert.equal(got.size, 40);
    assert.ok([...got.values()].every((times) => times === 1));
  });

  test('a relay that is down for a while is nobody else’s trouble: no try is spent and all is sent after it', async () => {
    const campaign = await makeCampaign(db.database, 40);
    await sink.behave({ door: 'refuse' });
    const worker = startTestWorker(db.url, sink.smtpUrl);
    await sendCampaign(db.database, campaign);
    const waiting = await until(async () => {
      const status = await campaignStatus(db.database, campaign);
      return (status.routes[0]?.failures ?? 0) >= 2 && status;
    }, 'the route pauses');
    assert.match(waiting.routes[0]?.reason ?? '', /ECONNREFUSED|ECONNRESET/);
    await sink.behave(WELL);
    const { counts, routes } = await untilState(db.database, campaign, 'finished');
    await worker.drain();
    assert.deepEqual(present(counts), { accepted: 40 });
    assert.deepEqual(routes, []);
    const [spent] = await db.database.withWorkspace(campaign.workspaceId, (tx) =>
      tx.query<{ n: number }>(sql`SELECT sum(deferrals)::int AS n FROM message`),
    );
    assert.equal(spent?.n, 0);
  });
});

test('a claim whose answer was lost is found again, and nobody waits for ever', async () => {
  const campaign = await makeCampaign(db.database, 80);
  const cutter = await startCutter(db.directUrl);
  const worker = startTestWorker(cutter.url, sink.smtpUrl);
  await until(async () => {
    const rows = await db.database.withSystem((tx) => tx.query(sql`SELECT FROM worker`));
    return rows.length > 0;
  }, 'the worker is there');
  cutter.cutAfterCommit("SET state = 'claimed', worker_id");
  await sendCampaign(db.database, campaign);
  const { counts } = await untilState(db.database, campaign, 'finished');
  assert.equal(cutter.cuts(), 1);
  await worker.drain();
  await cutter.stop();
  assert.deepEqual(present(counts), { accepted: 80 });
  assert.ok([...(await deliveries(campaign)).values()].every((times) => times === 1));
});

test('a campaign whose template this version cannot compile is paused with the reason', async () => {
  const campaign = await makeCampaign(db.database, 3);
  await sendCampaign(db.database, campaign);
  await advanceOnce(db.database, campaign);
  await pauseCampaign(db.database, campaign);
  await db.database.withWorkspace(campaign.workspaceId, (tx) =>
    tx.query(sql`UPDATE campaign SET template_body = '---\nsubject: x\n---\n{% teleport %}'`),
  );
  const worker = startTestWorker(db.url, sink.smtpUrl);
  await resumeCampaign(db.database, campaign);
  const { campaign: row, counts } = await until(async () => {
    const status = await campaignStatus(db.database, campaign, 'rows');
    return status.campaign.failure !== null && status;
  }, 'held');
  await worker.drain();
  assert.equal(row.state, 'paused');
  assert.match(row.failure ?? '', /teleport/);
  assert.deepEqual(present(counts), { queued: 3 });
});

test('a worker that is told to end finishes what is on the wire and leaves nothing behind', async () => {
  const campaign = await makeCampaign(db.database, 100);
  const before = (await sink.report()).accepted;
  await sink.behave({ replyMs: [20, 40] });
  const worker = startTestWorker(db.url, sink.smtpUrl);
  await sendCampaign(db.database, campaign);
  await sink.accepted(before + 10);
  await worker.drain();
  const { counts } = await campaignStatus(db.database, campaign, 'rows');
  assert.equal(counts.accepted + counts.queued, 100);
  assert.ok(counts.queued > 0);
  assert.equal((await deliveries(campaign)).size, counts.accepted);
  const next = startTestWorker(db.url, sink.smtpUrl);
  await untilState(db.database, campaign, 'finished');
  await next.drain();
  await sink.behave(WELL);
  assert.ok([...(await deliveries(campaign)).values()].every((times) => times === 1));
});
