/** Whom a campaign to segments reaches: nobody without a subscription, nobody who is excluded, nobody twice, nobody lost. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import type { Tx } from '../kernel/database.ts';
import { newId, DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { ensureLane } from '../kernel/queries.ts';
import { sql } from '../kernel/sql.ts';
import { claimMessages } from '../queue/queries.ts';
import { upsertContact } from './contacts.ts';
import { estimateAudience } from './estimate.ts';
import { audienceFault, freezeChunk } from './freeze.ts';
import { changeSubscription, findOrCreateList } from './lists.ts';
import { createSegment, deleteSegment, lockSegment, updateSegment } from './segments.ts';
import type { SubscriptionAct } from './states.ts';

let db: TestDatabase;
const inWorkspace = <T>(work: (tx: Tx) => Promise<T>) => db.database.withWorkspace(workspaceId, work);

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

interface Known {
  attributes?: Record<string, unknown>;
  /** By list. */
  acts?: Record<string, SubscriptionAct>;
}

/** Contacts of the test's own: their addresses end with its word. */
function makePeople(people: Record<string, Known>): Promise<void> {
  return inWorkspace(async (tx) => {
    for (const [email, { attributes = {}, acts = {} }] of Object.entries(people)) {
      const contact = await upsertContact(tx, workspaceId, { email, attributes });
      assert.equal(contact.kind, 'saved');
      if (contact.kind !== 'saved') continue;
      for (const [listId, act] of Object.entries(acts))
        await changeSubscription(tx, { workspaceId, listId, contactId: contact.id }, act);
    }
  });
}

const makeList = () => inWorkspace((tx) => findOrCreateList(tx, workspaceId, `list ${newId()}`));

async function makeSegment(...all: object[]): Promise<string> {
  const segment = { name: `segment ${newId()}`, rules: { all } };
  return (await inWorkspace((tx) => createSegment(tx, workspaceId, segment))).id;
}

const domain = (value: string) => ({ field: 'email_domain', op: 'equals', value });

interface Asked {
  listIds?: string[];
  segmentIds?: string[];
  excludedListIds?: string[];
  excludedSegmentIds?: string[];
}

const whole = (asked: Asked) => ({
  ...{ listIds: [], segmentIds: [], excludedListIds: [], excludedSegmentIds: [] },
  ...asked,
});

async function makeCampaign(asked: Asked): Promise<string> {
  const id = newId();
  const { listIds, segmentIds, excludedListIds, excludedSegmentIds } = whole(asked);
  await inWorkspace(async (tx) => {
    await tx.query(sql`
      INSERT INTO campaign (workspace_id, id, name, list_ids, segment_ids, excluded_list_ids, excluded_segment_ids,
        from_email, template_name, template_body)
      VALUES (${workspaceId}, ${id}, 'test', ${listIds}, ${segmentIds}, ${excludedListIds}, ${excludedSegmentIds},
        'us@acme.example', 'test', 'Hello')`);
    await ensureLane(tx, { workspaceId, queue: 'message', key: id, number: 0, open: false, dueInMs: 0 });
  });
  return id;
}

async function freeze(campaignId: string, chunkRows = 2): Promise<void> {
  for (let chunks = 0; chunks < 1_000; chunks++) {
    const { done } = await inWorkspace((tx) => freezeChunk(tx, workspaceId, campaignId, chunkRows));
    if (done) return;
  }
  assert.fail('the freeze does not end');
}

async function reached(campaignId: string): Promise<string[]> {
  const rows = await inWorkspace((tx) =>
    tx.query<{ name: string }>(sql`SELECT split_part(email, '@', 1) AS name FROM message
      WHERE workspace_id = ${workspaceId} AND campaign_id = ${campaignId} ORDER BY email`),
  );
  return rows.map(({ name }) => name);
}

async function audience(asked: Asked): Promise<string[]> {
  const id = await makeCampaign(asked);
  await freeze(id);
  return reached(id);
}

test('a segment reaches those of its people who are subscribed to something', async () => {
  const [news, offers] = [await makeList(), await makeList()];
  await makePeople({
    'ann@some.example': { acts: { [news]: 'subscribe' } },
    'bob@some.example': {},
    'cid@some.example': { acts: { [news]: 'unsubscribe' } },
    'dan@some.example': { acts: { [news]: 'request' } },
    'eve@some.example': { acts: { [news]: 'unsubscribe', [offers]: 'subscribe' } },
    'fay@other.example': { acts: { [news]: 'subscribe' } },
  });
  const segmentIds = [await makeSegment(domain('some.example'))];
  assert.deepEqual(await audience({ segmentIds }), ['ann', 'eve']);
});

test('who has left one of the campaign’s lists is not brought back by a segment', async () => {
  const [news, offers] = [await makeList(), await makeList()];
  await makePeople({
    'ann@left.example': { acts: { [news]: 'unsubscribe', [offers]: 'subscribe' } },
    'bob@left.example': { acts: { [offers]: 'subscribe' } },
  });
  const segmentIds = [await makeSegment(domain('left.example'))];
  assert.deepEqual(await audience({ listIds: [news], segmentIds }), ['bob']);
});

test('lists and segments together reach everybody once, without those who are excluded', async () => {
  const [news, offers, staff] = [await makeList(), await makeList(), await makeList()];
  const both: Known = { acts: { [news]: 'subscribe', [offers]: 'subscribe' } };
  await makePeople({
    'ann@union.example': both,
    'bob@union.example': { acts: { [news]: 'subscribe', [staff]: 'subscribe' } },
    'cid@union.example': { acts: { [offers]: 'subscribe' }, attributes: { plan: 'free' } },
    'dan@union.example': { ...both, attributes: { plan: 'paid' } },
    'eve@elsewhere.example': { acts: { [news]: 'subscribe', [staff]: 'unsubscribe' } },
    'fay@elsewhere.example': { acts: { [news]: 'subscribe' }, attributes: { plan: 'paid' } },
  });
  const plan = (value: string) => ({ field: 'attribute', name: 'plan', type: 'text', op: 'equals', value });
  const asked = {
    listIds: [news],
    segmentIds: [await makeSegment(domain('union.example')), await makeSegment(plan('free'))],
    excludedListIds: [staff],
    excludedSegmentIds: [await makeSegment(plan('paid'))],
  };
  assert.deepEqual(await audience(asked), ['ann', 'cid', 'eve']);
  await inWorkspace((tx) =>
    tx.query(sql`INSERT INTO suppression (workspace_id, email, reason)
      VALUES (${workspaceId}, 'cid@union.example', 'manual')`),
  );
  const { asOf, ...counts } = await inWorkspace((tx) => estimateAudience(tx, workspaceId, whole(asked)));
  assert.ok(asOf instanceof Date);
  // The list has 5, the segments 4 and 1; ann, bob and dan are there twice, and cid.
  assert.deepEqual(counts, { matched: 10, duplicates: 4, excluded: 3, suppressed: 1, recipients: 2 });
});

for (const chunkRows of [1, 3, 1_000])
  test(`by chunks of ${chunkRows}, with a crash after every other one, nobody is lost and nobody repeated`, async () => {
    const news = await makeList();
    const word = `crash${chunkRows}.example`;
    const names = Array.from({ length: 10 }, (_, index) => `p${index}`);
    await makePeople(
      Object.fromEntries(
        names.map((name) => [`${name}@${word}`, { acts: { [news]: 'subscribe' } } as const]),
      ),
    );
    const id = await makeCampaign({ segmentIds: [await makeSegment(domain(word))] });
    const crash = new Error('crash');
    for (let done = false; !done; ) {
      const crashing = inWorkspace(async (tx) => {
        await freezeChunk(tx, workspaceId, id, chunkRows);
        throw crash;
      });
      await assert.rejects(crashing, crash);
      ({ done } = await inWorkspace((tx) => freezeChunk(tx, workspaceId, id, chunkRows)));
    }
    assert.deepEqual(await reached(id), names);
  });

test('what a segment says is what it said when the freeze began, and so is the time', async () => {
  const news = await makeList();
  await makePeople({
    'ann@frozen.example': { acts: { [news]: 'subscribe' }, attributes: { due: new Date().toISOString() } },
    'bob@frozen.example': { acts: { [news]: 'subscribe' }, attributes: { due: new Date().toISOString() } },
  });
  const segmentId = await makeSegment(domain('frozen.example'), {
    ...{ field: 'attribute', name: 'due', type: 'date' },
    ...{ op: 'in_last', days: 1 },
  });
  const id = await makeCampaign({ segmentIds: [segmentId] });
  await inWorkspace((tx) => freezeChunk(tx, workspaceId, id, 1));
  const began = sql`freeze_began_at = freeze_began_at - interval '3 days'`;
  await inWorkspace(async (tx) => {
    const rules = { all: [domain('nobody.example')] };
    await updateSegment(tx, workspaceId, await lockSegment(tx, workspaceId, segmentId), { rules });
    await deleteSegment(tx, workspaceId, segmentId);
  });
  await freeze(id);
  assert.deepEqual(await reached(id), ['ann', 'bob']);
  await inWorkspace((tx) =>
    tx.query(sql`UPDATE campaign SET ${began}, frozen_list_count = 0 WHERE id = ${id}`),
  );
  await inWorkspace((tx) => tx.query(sql`DELETE FROM message WHERE campaign_id = ${id}`));
  await freeze(id);
  assert.deepEqual(await reached(id), [], 'it counted from the chunk');
});

test('a segment that a campaign will ask for cannot be deleted, and one that is gone fails the campaign in a sentence', async () => {
  const segmentId = await makeSegment(domain('gone.example'));
  const id = await makeCampaign({ listIds: [await makeList()], excludedSegmentIds: [segmentId] });
  const deleting = inWorkspace((tx) => deleteSegment(tx, workspaceId, segmentId));
  await assert.rejects(deleting, {
    name: 'AudienceRefused',
    message: /is in the audience of the campaign "test"/,
  });
  assert.equal(await inWorkspace((tx) => audienceFault(tx, workspaceId, id)), undefined);
  await inWorkspace((tx) => tx.query(sql`DELETE FROM segment WHERE id = ${segmentId}`));
  await assert.rejects(freeze(id), { name: 'AudienceRefused' });
  assert.match(
    (await inWorkspace((tx) => audienceFault(tx, workspaceId, id))) ?? '',
    /^There is no segment .* any more/,
  );
});

test('who unsubscribes between the freeze and the claim gets nothing; a subscription elsewhere is enough for a segment', async () => {
  const [news, offers] = [await makeList(), await makeList()];
  const both: Known = { acts: { [news]: 'subscribe', [offers]: 'subscribe' } };
  const names = ['all', 'news', 'none', 'offers'];
  await makePeople(Object.fromEntries(names.map((name) => [`${name}@claim.example`, both])));
  const id = await makeCampaign({
    listIds: [news],
    segmentIds: [await makeSegment(domain('claim.example'))],
  });
  await freeze(id);
  await makePeople({
    'none@claim.example': { acts: { [news]: 'unsubscribe', [offers]: 'unsubscribe' } },
    'news@claim.example': { acts: { [offers]: 'unsubscribe' } },
    'offers@claim.example': { acts: { [news]: 'unsubscribe' } },
  });
  const stranger = { 'stranger@claim.example': { acts: { [offers]: 'subscribe' } } } as const;
  await makePeople(stranger);
  await inWorkspace((tx) =>
    tx.query(sql`INSERT INTO message (workspace_id, campaign_id, contact_id, email, lane, state, due_at)
      SELECT workspace_id, ${id}, id, email, 0, 'queued', now() FROM contact WHERE email = 'stranger@claim.example'`),
  );
  const claim = { workspaceId, campaignId: id, lane: 0, workerId: newId(), limit: 10, from: null };
  const rows = await inWorkspace((tx) => claimMessages(tx, claim));
  const told = Object.fromEntries(rows.map(({ email, suppressedBy }) => [email.split('@')[0], suppressedBy]));
  assert.deepEqual(told, {
    ...{ all: null, news: null, stranger: null },
    ...{ none: 'no longer subscribed', offers: 'no longer subscribed' },
  });
});
