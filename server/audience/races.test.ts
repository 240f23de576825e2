/** Two who change the same people, lists and rules at one moment: nothing is lost, and nobody waits in a ring. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { waitForLocks } from '../../test/support/lock-wait.ts';
import { Database, type Tx } from '../kernel/database.ts';
import { newId, DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { deleteContacts, upsertContact } from './contacts.ts';
import { changeSubscription, deleteList, findOrCreateList, listCounts, missingLists } from './lists.ts';
import { createSegment } from './segments.ts';
import type { SubscriptionAct } from './states.ts';

const SHARDS = 32;

let db: TestDatabase;
const inWorkspace = <T>(work: (tx: Tx) => Promise<T>) => db.database.withWorkspace(workspaceId, work);
const makeList = () => inWorkspace((tx) => findOrCreateList(tx, workspaceId, `list ${newId()}`));

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

function subscribed(email: string, listId: string): Promise<string> {
  return inWorkspace(async (tx) => {
    const saved = await upsertContact(tx, workspaceId, { email });
    assert.ok(saved.kind === 'saved');
    await changeSubscription(tx, { workspaceId, listId, contactId: saved.id }, 'subscribe');
    return saved.id;
  });
}

/** The second one begins in the middle of the first, and waits for it. */
async function during<T>(first: (tx: Tx) => Promise<void>, second: (tx: Tx) => Promise<T>): Promise<T> {
  let begun: Promise<T> | undefined;
  await inWorkspace(async (tx) => {
    await first(tx);
    begun = inWorkspace(second);
    begun.catch(() => {});
    await waitForLocks(db.directUrl);
  });
  assert.ok(begun);
  return begun;
}

test('who unsubscribes while their contact is deleted stays out of the mail', async () => {
  const listId = await makeList();
  const contactId = await subscribed('leaving@acme.example', listId);
  const key = { workspaceId, listId, contactId };
  await during(
    async (tx) => void (await changeSubscription(tx, key, 'unsubscribe')),
    (tx) => deleteContacts(tx, workspaceId, [contactId]),
  );
  const left = await inWorkspace((tx) =>
    tx.query(sql`SELECT email FROM suppression UNION ALL SELECT contact_id::text FROM subscription
      WHERE contact_id = ${contactId}`),
  );
  assert.deepEqual(left, [{ email: 'leaving@acme.example' }]);
});

test('a list that an audience is being made of is not deleted meanwhile', async () => {
  const listId = await makeList();
  const draft = async (tx: Tx) => {
    assert.deepEqual(await missingLists(tx, workspaceId, [listId]), []);
    await tx.query(sql`
      INSERT INTO campaign (workspace_id, id, name, list_ids, excluded_list_ids, from_email, template_name, template_body)
      VALUES (${workspaceId}, ${newId()}, 'new', '{}', ${[listId]}, 'us@acme.example', 'test', 'Hello')`);
  };
  await assert.rejects(
    during(draft, (tx) => deleteList(tx, workspaceId, listId)),
    {
      name: 'AudienceRefused',
      message: /The campaign new uses this list/,
    },
  );
});

test('a list that a segment is being made of is not deleted meanwhile', async () => {
  const listId = await makeList();
  const rules = { all: [{ not: { field: 'list', list_id: listId } }] };
  const making = async (tx: Tx) => void (await createSegment(tx, workspaceId, { name: 'all others', rules }));
  await assert.rejects(
    during(making, (tx) => deleteList(tx, workspaceId, listId)),
    {
      name: 'AudienceRefused',
      message: /The segment "all others" asks for this list/,
    },
  );
});

/** Two connections whose counters are the same rows. */
async function withTwoOfOneShard(work: (one: Database, other: Database, shard: number) => Promise<void>) {
  const opened = new Map<number, Database>();
  let other: Database | undefined;
  try {
    for (;;) {
      other = new Database(db.directUrl, { connectionsMax: 1 });
      const [row] = await other.withOwner((tx) =>
        tx.query<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`),
      );
      const shard = (row?.pid ?? 0) % SHARDS;
      const one = opened.get(shard);
      if (one) return await work(one, other, shard);
      opened.set(shard, other);
    }
  } finally {
    for (const database of new Set([...opened.values(), other])) await database?.close();
  }
}

test('one who comes to a list and one who leaves it never wait for one another in a ring', async () => {
  const listId = await makeList();
  const leaving = { workspaceId, listId, contactId: await subscribed('leaves@acme.example', listId) };
  const coming = { workspaceId, listId, contactId: await subscribed('comes@acme.example', listId) };
  await inWorkspace((tx) => changeSubscription(tx, coming, 'unsubscribe'));
  await withTwoOfOneShard(async (one, other, shard) => {
    const act = (database: Database, key: typeof coming, what: SubscriptionAct) =>
      database.withWorkspace(workspaceId, (tx) => changeSubscription(tx, key, what));
    await act(one, leaving, 'unsubscribe');
    await act(one, leaving, 'subscribe');
    const acts: Promise<unknown>[] = [];
    await inWorkspace(async (tx) => {
      await tx.query(sql`SELECT FROM list_count WHERE list_id = ${listId} AND shard = ${shard} FOR UPDATE`);
      acts.push(act(other, coming, 'subscribe'));
      await waitForLocks(db.directUrl, 1);
      acts.push(act(one, leaving, 'unsubscribe'));
      await waitForLocks(db.directUrl, 2);
    });
    await Promise.all(acts);
  });
  const counts = await inWorkspace((tx) => listCounts(tx, workspaceId, listId));
  assert.deepEqual(counts, { unconfirmed: 0, subscribed: 1, unsubscribed: 1 });
});
