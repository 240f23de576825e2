import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { advanceOnce } from '../../test/support/advance.ts';
import { makeCampaign, present } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { upsertContact } from '../audience/contacts.ts';
import { changeSubscription, deleteList, findOrCreateList } from '../audience/lists.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { enqueueTransactional, streamsOf } from '../queue/transactional.ts';
import { cancelCampaign, pauseCampaign, resumeCampaign, sendCampaign } from './campaign.ts';
import { createCampaign, duplicate } from './draft.ts';
import { CampaignRefused } from './refused.ts';
import { campaignStatus } from './status.ts';

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});

after(() => db.drop());

describe('a campaign’s verbs', () => {
  test('a draft is sent once: a second send is refused with its state', async () => {
    const campaign = await makeCampaign(db.database, 1);
    await sendCampaign(db.database, campaign);
    await assert.rejects(sendCampaign(db.database, campaign), (error) => {
      assert.ok(error instanceof CampaignRefused);
      assert.match(error.message, /is starting and cannot be sent/);
      return true;
    });
  });

  test('a campaign that does not exist is named', async () => {
    const { workspaceId } = await makeCampaign(db.database, 0);
    const campaignId = newId();
    await assert.rejects(pauseCampaign(db.database, { workspaceId, campaignId }), new RegExp(campaignId));
  });

  test('a campaign of another workspace does not exist', async () => {
    const campaign = await makeCampaign(db.database, 0);
    const other = await makeCampaign(db.database, 0);
    const stolen = { workspaceId: other.workspaceId, campaignId: campaign.campaignId };
    await assert.rejects(sendCampaign(db.database, stolen), CampaignRefused);
    await assert.rejects(campaignStatus(db.database, stolen), CampaignRefused);
  });

  test('the stream that messages of their own go by is no campaign', async () => {
    const { workspaceId } = await makeCampaign(db.database, 0);
    const campaignId = await db.database.withWorkspace(workspaceId, async (tx) => {
      const from = { email: 'news@camp.example' };
      await enqueueTransactional(tx, {
        workspaceId,
        from,
        to: { email: 'ada@x.example' },
        subject: 'x',
        text: 'x',
      });
      return (await streamsOf(tx, workspaceId, [from.email])).get(from.email) ?? '';
    });
    const refused = /There is no campaign/;
    await assert.rejects(pauseCampaign(db.database, { workspaceId, campaignId }), refused);
    await assert.rejects(cancelCampaign(db.database, { workspaceId, campaignId }), refused);
  });

  test('a draft cannot be paused, a paused one goes on, a cancelled one stays cancelled', async () => {
    const campaign = await makeCampaign(db.database, 1);
    await assert.rejects(pauseCampaign(db.database, campaign), CampaignRefused);
    await sendCampaign(db.database, campaign);
    await pauseCampaign(db.database, campaign);
    await assert.rejects(sendCampaign(db.database, campaign), /is paused and cannot be sent/);
    await resumeCampaign(db.database, campaign);
    assert.equal((await campaignStatus(db.database, campaign)).campaign.state, 'starting');
    await cancelCampaign(db.database, campaign);
    await assert.rejects(resumeCampaign(db.database, campaign), CampaignRefused);
  });

  test('a template that cannot be compiled makes no campaign', async () => {
    const { workspaceId } = await makeCampaign(db.database, 0);
    const template = { name: 'bad.txt', body: '---\nsubject: Hi\n---\n{% include "/etc/passwd" %}' };
    await assert.rejects(
      createCampaign(db.database, workspaceId, {
        name: 'bad',
        listIds: [newId()],
        from: { email: 'news@camp.example' },
        template,
      }),
      /bad\.txt line \d+.*include/,
    );
  });
});

describe('freeze', () => {
  test('a contact on two lists gets one message, and a campaign of an empty list finishes', async () => {
    const campaign = await makeCampaign(db.database, 5);
    const { workspaceId } = campaign;
    await db.database.withWorkspace(workspaceId, async (tx) => {
      const second = await findOrCreateList(tx, workspaceId, 'second');
      const [both] = await tx.query<{ id: string }>(sql`SELECT id FROM contact LIMIT 1`);
      assert.ok(both);
      await changeSubscription(tx, { workspaceId, listId: second, contactId: both.id }, 'subscribe');
      const other = await upsertContact(tx, workspaceId, { email: 'only-second@x.example' });
      assert.ok(other.kind === 'saved');
      await changeSubscription(tx, { workspaceId, listId: second, contactId: other.id }, 'subscribe');
      await tx.query(sql`UPDATE campaign SET list_ids = list_ids || ${second}::uuid`);
    });
    await sendCampaign(db.database, campaign);
    await advanceOnce(db.database, campaign);
    const { campaign: row, counts } = await campaignStatus(db.database, campaign, 'rows');
    assert.equal(row.audience, 6);
    assert.deepEqual(present(counts), { queued: 6 });
    assert.equal(row.state, 'sending');
    const empty = await makeCampaign(db.database, 0);
    await sendCampaign(db.database, empty);
    await advanceOnce(db.database, empty);
    await advanceOnce(db.database, empty);
    assert.equal((await campaignStatus(db.database, empty)).campaign.state, 'finished');
  });

  test('a pause while the audience is frozen keeps what is frozen, and resume completes it', async () => {
    const campaign = await makeCampaign(db.database, 4);
    await sendCampaign(db.database, campaign);
    await pauseCampaign(db.database, campaign);
    assert.deepEqual(await advanceOnce(db.database, campaign), { kind: 'again', afterMs: 5_000 });
    await resumeCampaign(db.database, campaign);
    await advanceOnce(db.database, campaign);
    const { campaign: row, counts } = await campaignStatus(db.database, campaign, 'rows');
    assert.equal(row.state, 'sending');
    assert.deepEqual(present(counts), { queued: 4 });
  });
});

test('a campaign whose template this version cannot compile fails with the reason, and freezes nobody', async () => {
  const campaign = await makeCampaign(db.database, 2);
  await db.database.withWorkspace(campaign.workspaceId, (tx) =>
    tx.query(sql`UPDATE campaign SET template_body = '---\nsubject: x\n---\n{% teleport %}'`),
  );
  await sendCampaign(db.database, campaign);
  await advanceOnce(db.database, campaign);
  const { campaign: row, counts } = await campaignStatus(db.database, campaign, 'rows');
  assert.equal(row.state, 'failed');
  assert.match(row.failure ?? '', /teleport/);
  assert.deepEqual(present(counts), {});
});

test('a campaign that turns out unsendable half frozen is paused, so that nothing waits in one that has ended', async () => {
  const campaign = await makeCampaign(db.database, 2);
  await sendCampaign(db.database, campaign);
  await db.database.withWorkspace(campaign.workspaceId, (tx) =>
    tx.query(
      sql`UPDATE campaign SET audience = 1, template_body = '---\\nsubject: x\\n---\\n{% teleport %}'`,
    ),
  );
  await advanceOnce(db.database, campaign);
  const { campaign: row } = await campaignStatus(db.database, campaign);
  assert.equal(row.state, 'paused');
  assert.match(row.failure ?? '', /teleport/);
});

test('a copy of a campaign whose excluded list is gone is sent to nobody, and says which', async () => {
  const campaign = await makeCampaign(db.database, 2);
  const { workspaceId } = campaign;
  const copyId = await db.database.withWorkspace(workspaceId, async (tx) => {
    const excluded = await findOrCreateList(tx, workspaceId, 'not them');
    await tx.query(sql`UPDATE campaign SET state = 'finished', excluded_list_ids = ${[excluded]}`);
    await deleteList(tx, workspaceId, excluded);
    return duplicate(tx, campaign);
  });
  const copy = { workspaceId, campaignId: copyId };
  await sendCampaign(db.database, copy);
  await advanceOnce(db.database, copy);
  const { campaign: row } = await campaignStatus(db.database, copy);
  assert.deepEqual([row.state, row.audience], ['failed', 0]);
  assert.match(row.failure ?? '', /^There is no list \S+ any more: choose another audience/);
});

describe('a schedule', () => {
  test('a campaign waits for its time and starts then', async () => {
    const campaign = await makeCampaign(db.database, 2);
    await sendCampaign(db.database, campaign, { at: new Date(Date.now() + 3_600_000) });
    const outcome = await advanceOnce(db.database, campaign);
    assert.equal((await campaignStatus(db.database, campaign)).campaign.state, 'scheduled');
    assert.ok(outcome.kind === 'again' && outcome.afterMs > 3_500_000 && outcome.afterMs <= 3_600_000);
    await db.database.withWorkspace(campaign.workspaceId, (tx) =>
      tx.query(sql`UPDATE campaign SET scheduled_at = now() - interval '1 s'`),
    );
    await advanceOnce(db.database, campaign);
    await advanceOnce(db.database, campaign);
    assert.equal((await campaignStatus(db.database, campaign)).campaign.state, 'sending');
  });
});

test('a cancelled campaign cancels what waits, and its counters agree with its rows', async () => {
  const campaign = await makeCampaign(db.database, 7);
  await sendCampaign(db.database, campaign);
  await advanceOnce(db.database, campaign);
  await cancelCampaign(db.database, campaign);
  await advanceOnce(db.database, campaign);
  assert.deepEqual(await advanceOnce(db.database, campaign), { kind: 'done' });
  const rows = await campaignStatus(db.database, campaign, 'rows');
  assert.deepEqual(present(rows.counts), { cancelled: 7 });
  assert.deepEqual((await campaignStatus(db.database, campaign)).counts, rows.counts);
});
