import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import type { Tx } from '../kernel/database.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../kernel/ids.ts';
import { ensureLane } from '../kernel/queries.ts';
import { sql } from '../kernel/sql.ts';
import { upsertContact } from './contacts.ts';
import { type FrozenChunk, freezeChunk } from './freeze.ts';
import { changeSubscription, findOrCreateList } from './lists.ts';
import type { SubscriptionAct } from './states.ts';

const workspaceId = DEFAULT_WORKSPACE_ID;

describe('freeze', () => {
  let db: TestDatabase;
  const inWorkspace = <T>(work: (tx: Tx) => Promise<T>) => db.database.withWorkspace(workspaceId, work);

  before(async () => {
    db = await createTestDatabase();
  });
  after(() => db.drop());

  async function makeList(people: Record<string, SubscriptionAct>): Promise<string> {
    return inWorkspace(async (tx) => {
      const listId = await findOrCreateList(tx, workspaceId, `list ${newId()}`);
      for (const [email, act] of Object.entries(people)) {
        const contact = await upsertContact(tx, workspaceId, { email });
        assert.equal(contact.kind, 'saved');
        if (contact.kind === 'saved')
          await changeSubscription(tx, { workspaceId, listId, contactId: contact.id }, act);
      }
      return listId;
    });
  }

  async function makeCampaign(...listIds: string[]): Promise<string> {
    const id = newId();
    await inWorkspace((tx) =>
      tx.query(sql`
        INSERT INTO campaign (workspace_id, id, name, list_ids, from_email, template_name, template_body)
        VALUES (${workspaceId}, ${id}, 'test', ${listIds}, 'us@acme.example', 'test', 'Hello')`),
    );
    const lane = { workspaceId, queue: 'message', key: id, number: 0 } as const;
    await inWorkspace((tx) => ensureLane(tx, { ...lane, open: false, dueInMs: 0 }));
    return id;
  }

  async function freeze(campaignId: string, chunkRows: number): Promise<FrozenChunk[]> {
    const chunks: FrozenChunk[] = [];
    while (!chunks.at(-1)?.done) {
      assert.ok(chunks.length < 100, 'the freeze does not end');
      chunks.push(await inWorkspace((tx) => freezeChunk(tx, workspaceId, campaignId, chunkRows)));
    }
    return chunks;
  }

  async function messages(campaignId: string): Promise<Record<string, string>> {
    const rows = await inWorkspace((tx) =>
      tx.query<{ email: string; state: string; waits: boolean }>(sql`
        SELECT email, state, due_at <= now() AS waits FROM message
        WHERE workspace_id = ${workspaceId} AND campaign_id = ${campaignId} ORDER BY email`),
    );
    for (const { state, waits } of rows) assert.equal(waits ?? false, state === 'queued');
    return Object.fromEntries(rows.map(({ email, state }) => [email, state]));
  }

  async function audience(campaignId: string): Promise<{ audience: number; isFrozen: boolean }> {
    const [row] = await inWorkspace((tx) =>
      tx.query<{ audience: number; isFrozen: boolean }>(sql`
        SELECT audience::float8, frozen_at IS NOT NULL AS "isFrozen" FROM campaign
        WHERE workspace_id = ${workspaceId} AND id = ${campaignId}`),
    );
    assert.ok(row);
    return row;
  }

  const sum = (chunks: FrozenChunk[], field: 'frozen' | 'suppressed') =>
    chunks.reduce((total, chunk) => total + chunk[field], 0);

  test('makes a message for everybody who is subscribed, and for nobody else', async () => {
    const listId = await makeList({
      'ann@acme.example': 'subscribe',
      'bob@acme.example': 'request',
      'cid@acme.example': 'unsubscribe',
      'dan@acme.example': 'subscribe',
    });
    const campaignId = await makeCampaign(listId);
    const chunks = await freeze(campaignId, 100);
    assert.deepEqual(await messages(campaignId), {
      'ann@acme.example': 'queued',
      'dan@acme.example': 'queued',
    });
    assert.deepEqual(chunks, [{ frozen: 2, suppressed: 0, done: true }]);
    assert.deepEqual(await audience(campaignId), { audience: 2, isFrozen: true });
  });

  test('writes a suppressed address down as such, and it does not wait to be sent', async () => {
    const listId = await makeList({ 'gone@acme.example': 'subscribe', 'here@acme.example': 'subscribe' });
    await inWorkspace((tx) =>
      tx.query(sql`INSERT INTO suppression (workspace_id, email, reason)
        VALUES (${workspaceId}, 'gone@acme.example', 'complaint')`),
    );
    const campaignId = await makeCampaign(listId);
    const chunks = await freeze(campaignId, 100);
    assert.deepEqual(await messages(campaignId), {
      'gone@acme.example': 'suppressed',
      'here@acme.example': 'queued',
    });
    assert.deepEqual(chunks, [{ frozen: 1, suppressed: 1, done: true }]);
    assert.deepEqual(await audience(campaignId), { audience: 2, isFrozen: true });
  });

  for (const chunkRows of [1, 2, 3, 7])
    test(`by chunks of ${chunkRows} reaches everybody on several lists once`, async () => {
      const first = await makeList(
        Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`p${i}@lists.example`, 'subscribe'])),
      );
      const second = await makeList(
        Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`p${i + 3}@lists.example`, 'subscribe'])),
      );
      const empty = await makeList({});
      const left = await makeList({ 'p0@lists.example': 'unsubscribe', 'q@lists.example': 'unsubscribe' });
      const campaignId = await makeCampaign(first, empty, left, second);
      const chunks = await freeze(campaignId, chunkRows);
      const everybody = Array.from({ length: 10 }, (_, i) => `p${i}@lists.example`);
      assert.deepEqual(Object.keys(await messages(campaignId)), everybody);
      assert.equal(sum(chunks, 'frozen'), 10);
      assert.deepEqual(await audience(campaignId), { audience: 10, isFrozen: true });
    });

  test('does nothing more when it is done', async () => {
    const campaignId = await makeCampaign(await makeList({ 'eve@acme.example': 'subscribe' }));
    await freeze(campaignId, 1);
    const again = await inWorkspace((tx) => freezeChunk(tx, workspaceId, campaignId, 1));
    assert.deepEqual(again, { frozen: 0, suppressed: 0, done: true });
    assert.deepEqual(await audience(campaignId), { audience: 1, isFrozen: true });
  });

  test('goes on where it was when a chunk is rolled back', async () => {
    const people = Array.from({ length: 9 }, (_, i) => [`r${i}@acme.example`, 'subscribe'] as const);
    const campaignId = await makeCampaign(await makeList(Object.fromEntries(people)));
    await inWorkspace((tx) => freezeChunk(tx, workspaceId, campaignId, 3));
    const crash = new Error('crash');
    const crashing = inWorkspace(async (tx) => {
      await freezeChunk(tx, workspaceId, campaignId, 3);
      throw crash;
    });
    await assert.rejects(crashing, crash);
    assert.deepEqual(await audience(campaignId), { audience: 3, isFrozen: false });
    await freeze(campaignId, 3);
    assert.deepEqual(
      Object.keys(await messages(campaignId)),
      people.map(([email]) => email),
    );
    assert.deepEqual(await audience(campaignId), { audience: 9, isFrozen: true });
  });

  test('by two processes at once reaches everybody once', async () => {
    const people = Array.from({ length: 40 }, (_, i) => [`t${i}@acme.example`, 'subscribe'] as const);
    const campaignId = await makeCampaign(await makeList(Object.fromEntries(people)));
    const both = await Promise.all([freeze(campaignId, 3), freeze(campaignId, 3)]);
    assert.equal(sum(both.flat(), 'frozen'), 40);
    assert.equal(Object.keys(await messages(campaignId)).length, 40);
    assert.deepEqual(await audience(campaignId), { audience: 40, isFrozen: true });
  });

  test('sees nothing of another workspace', async () => {
    const campaignId = await makeCampaign(await makeList({ 'eve@acme.example': 'subscribe' }));
    const other = newId();
    const elsewhere = db.database.withWorkspace(other, (tx) => freezeChunk(tx, other, campaignId, 10));
    await assert.rejects(elsewhere, /no campaign/);
    assert.deepEqual(await messages(campaignId), {});
  });
});
