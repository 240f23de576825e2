import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { upsertContact } from './contacts.ts';
import { changeSubscription, findOrCreateList, listCounts } from './lists.ts';
import * as queries from './queries.ts';
import { findContactByEmail } from './queries-contacts.ts';
import { SUBSCRIPTION_ACTS, SUBSCRIPTION_STATUSES, type SubscriptionAct, statusAfter } from './states.ts';

const workspaceId = DEFAULT_WORKSPACE_ID;

describe('a subscription', () => {
  let db: TestDatabase;

  before(async () => {
    db = await createTestDatabase();
  });
  after(() => db.drop());

  test('has in the table of acts the statuses that its table in the database allows, and no others', async () => {
    const [row] = await db.database.withOwner((tx) =>
      tx.query<{ rule: string }>(sql`SELECT pg_get_constraintdef(oid) AS rule FROM pg_constraint
        WHERE conrelid = 'subscription'::regclass AND contype = 'c'`),
    );
    const allowed = [...(row?.rule ?? '').matchAll(/'(\w+)'/g)].map(([, status]) => status);
    assert.deepEqual(allowed.sort(), [...SUBSCRIPTION_STATUSES].sort());
    const reached = new Set<string>(
      Object.values(SUBSCRIPTION_ACTS).flatMap((moves) => Object.values(moves)),
    );
    assert.deepEqual([...reached].sort(), [...SUBSCRIPTION_STATUSES].sort());
  });

  test('comes back from unsubscribed only by an act of the person', () => {
    const acts = Object.keys(SUBSCRIPTION_ACTS) as SubscriptionAct[];
    const back = acts.filter((act) => statusAfter(act, 'unsubscribed') !== undefined);
    assert.deepEqual(back, ['subscribe', 'request']);
    assert.equal(statusAfter('confirm', 'unsubscribed'), undefined);
    assert.equal(statusAfter('confirm', 'absent'), undefined);
  });

  for (const act of Object.keys(SUBSCRIPTION_ACTS) as SubscriptionAct[])
    for (const from of ['absent', ...SUBSCRIPTION_STATUSES] as const)
      test(`${act} makes ${statusAfter(act, from) ?? 'nothing else'} of ${from}`, async () => {
        const status = await db.database.withWorkspace(workspaceId, async (tx) => {
          const key = { workspaceId, listId: newId(), contactId: newId() };
          if (from !== 'absent') await queries.insertSubscription(tx, key, from);
          const said = await changeSubscription(tx, key, act);
          assert.equal(await queries.lockSubscription(tx, key), said);
          return said;
        });
        assert.equal(status, statusAfter(act, from) ?? from);
      });

  test('that two requests make at the same moment is made once', async () => {
    const key = { workspaceId, listId: newId(), contactId: newId() };
    const subscribe = () =>
      db.database.withWorkspace(workspaceId, (tx) => changeSubscription(tx, key, 'subscribe'));
    assert.deepEqual(await Promise.all([subscribe(), subscribe(), subscribe()]), Array(3).fill('subscribed'));
  });

  test('is counted by its status', async () => {
    await db.database.withWorkspace(workspaceId, async (tx) => {
      const listId = await findOrCreateList(tx, workspaceId, 'counted');
      for (const act of [
        'subscribe',
        'subscribe',
        'request',
        'unsubscribe',
        'unsubscribe',
        'unsubscribe',
      ] as const)
        await changeSubscription(tx, { workspaceId, listId, contactId: newId() }, act);
      const counts = await listCounts(tx, workspaceId, listId);
      assert.deepEqual(counts, { subscribed: 2, unconfirmed: 1, unsubscribed: 3 });
    });
  });
});

describe('a list and a contact', () => {
  let db: TestDatabase;

  before(async () => {
    db = await createTestDatabase();
  });
  after(() => db.drop());

  test('a list is found again by its name, also when two callers make it at once', async () => {
    const make = () =>
      db.database.withWorkspace(workspaceId, (tx) => findOrCreateList(tx, workspaceId, 'news'));
    const ids = await Promise.all([make(), make(), make()]);
    assert.equal(new Set([...ids, await make()]).size, 1);
  });

  test('a contact who is there already keeps what is not said again', async () => {
    await db.database.withWorkspace(workspaceId, async (tx) => {
      const made = await upsertContact(tx, workspaceId, {
        email: ' Eve@Acme.example',
        name: 'Eve',
        attributes: { city: 'Oslo', plan: 'free' },
      });
      const again = await upsertContact(tx, workspaceId, {
        email: 'eve@acme.example',
        attributes: { plan: 'pro' },
      });
      assert.ok(made.kind === 'saved' && again.kind === 'saved');
      assert.deepEqual([again.id, made.isNew, again.isNew], [made.id, true, false]);
      const { name, attributes } = (await findContactByEmail(tx, workspaceId, 'eve@acme.example')) ?? {};
      assert.deepEqual({ name, attributes }, { name: 'Eve', attributes: { city: 'Oslo', plan: 'pro' } });
    });
  });

  test('a contact without a usable address is not made', async () => {
    const outcome = await db.database.withWorkspace(workspaceId, (tx) =>
      upsertContact(tx, workspaceId, { email: 'eve at acme' }),
    );
    assert.deepEqual(outcome, { kind: 'invalid', reason: 'it has no @' });
  });
});
