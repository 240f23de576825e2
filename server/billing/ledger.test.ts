import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newWorkspace } from '../../test/support/payments.ts';
import { newId } from '../kernel/ids.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import { balance, bookSpending, creditsAllow } from './credits.ts';
import { type Account, type Booking, book } from './ledger.ts';
import { insertPostings, insertTransaction } from './queries-ledger.ts';

let db: TestDatabase;
let workspaceId: string;

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());
beforeEach(async () => {
  workspaceId = await newWorkspace(db.database);
});

function rows<Row>(statement: Sql): Promise<Row[]> {
  return db.database.withWorkspace(workspaceId, (tx) => tx.query<Row>(statement));
}

function booked(booking: Partial<Booking>): Promise<boolean> {
  const purchase = { kind: 'purchase', source: newId(), from: 'bought', to: 'balance', credits: 1n } as const;
  return db.database.withWorkspace(workspaceId, (tx) => book(tx, { workspaceId, ...purchase, ...booking }));
}

function credits(): Promise<bigint> {
  return db.database.withWorkspace(workspaceId, (tx) => balance(tx, workspaceId));
}

test('whatever is booked, every account holds the sum of its postings, and all of them together nothing', async () => {
  const accounts = ['balance', 'bought', 'granted', 'spent'] as const satisfies Account[];
  const side = fc.constantFrom(...accounts);
  const transfer = fc
    .record({ from: side, to: side, credits: fc.bigInt({ min: -(2n ** 40n), max: 2n ** 40n }) })
    .filter(({ from, to }) => from !== to);
  await fc.assert(
    fc.asyncProperty(fc.array(transfer, { maxLength: 8 }), async (transfers) => {
      await Promise.all(transfers.map((one) => booked(one)));
      const differing = await rows(sql`
        SELECT account, b.credits, p.credits FROM credit_balance b
        FULL JOIN (SELECT account, sum(credits) AS credits FROM ledger_posting GROUP BY account) p USING (account)
        WHERE b.credits IS DISTINCT FROM p.credits`);
      assert.deepEqual(differing, []);
      assert.deepEqual(await rows(sql`SELECT coalesce(sum(credits), 0)::text AS sum FROM credit_balance`), [
        { sum: '0' },
      ]);
    }),
    { numRuns: 20 },
  );
});

test('a source is booked once, also by twenty at the same time', async () => {
  const source = newId();
  const answers = await Promise.all(Array.from({ length: 20 }, () => booked({ source, credits: 7n })));
  assert.equal(answers.filter(Boolean).length, 1);
  assert.equal(await credits(), 7n);
});

test('Postgres refuses a transaction that does not add up to zero', async () => {
  const id = newId();
  const unbalanced = db.database.withWorkspace(workspaceId, async (tx) => {
    await insertTransaction(tx, { workspaceId, id, kind: 'grant', source: id });
    await insertPostings(tx, { workspaceId, id }, [
      { account: 'granted', credits: -5n },
      { account: 'balance', credits: 6n },
    ]);
  });
  await assert.rejects(unbalanced, /does not add up to zero/);
  assert.equal(await credits(), 0n);
});

test('nor one whose postings are out of sight when it commits', async () => {
  const id = newId();
  const hidden = db.database.withWorkspace(workspaceId, async (tx) => {
    await insertTransaction(tx, { workspaceId, id, kind: 'grant', source: id });
    await insertPostings(tx, { workspaceId, id }, [{ account: 'balance', credits: 6n }]);
    await tx.query(sql`SELECT set_config('camp.workspace_id', ${newId()}, true)`);
  });
  await assert.rejects(hidden, /does not add up to zero/);
  assert.equal(await credits(), 0n);
});

test('what was booked is not changed and not deleted', async () => {
  await booked({});
  for (const statement of [
    sql`UPDATE ledger_posting SET credits = credits * 2`,
    sql`DELETE FROM ledger_posting`,
    sql`UPDATE ledger_transaction SET source = 'another'`,
    sql`DELETE FROM ledger_transaction`,
  ])
    await assert.rejects(rows(statement), { code: '42501' });
});

test('every message that was accepted spends a credit, once, whoever books it how often', async () => {
  await booked({ credits: 100n });
  const campaignId = await sendingCampaign();
  await count(campaignId, { accepted: 30, queued: 50, rejected: 9 });
  await Promise.all(Array.from({ length: 5 }, () => bookSpending(db.database, workspaceId)));
  assert.equal(await credits(), 70n);
  // A bounce comes after the acceptance that was booked.
  await count(campaignId, { accepted: -10, bounced: 8, complained: 2 });
  await bookSpending(db.database, workspaceId);
  assert.equal(await credits(), 70n);
  await count(campaignId, { queued: -50, accepted: 50 });
  await bookSpending(db.database, workspaceId);
  assert.equal(await credits(), 20n);
});

test('at zero nothing new is begun, what is queued goes on, and without billing nobody is asked', async () => {
  const allow = (billing: string) =>
    db.database.withWorkspace(workspaceId, (tx) => creditsAllow(tx, { billing }, workspaceId));
  assert.deepEqual([await allow('on'), await allow('off')], [false, true]);
  await booked({ credits: 3n });
  assert.equal(await allow('on'), true);
  const campaignId = await sendingCampaign();
  await count(campaignId, { accepted: 5 });
  await bookSpending(db.database, workspaceId);
  assert.deepEqual([await credits(), await allow('on')], [-2n, false]);
});

test('the credits of one workspace are no other’s', async () => {
  await booked({ credits: 3n });
  workspaceId = await newWorkspace(db.database);
  assert.equal(await credits(), 0n);
});

async function sendingCampaign(): Promise<string> {
  const id = newId();
  await rows(sql`
    INSERT INTO campaign (workspace_id, id, name, state, list_ids, from_email, template_name, template_body)
    VALUES (${workspaceId}, ${id}, 'c', 'sending', '{}', 'a@b.example', 't', 't')`);
  return id;
}

/** As the transactions count that move messages: in any shard. */
async function count(campaignId: string, states: Record<string, number>): Promise<void> {
  for (const [state, n] of Object.entries(states))
    await rows(sql`
      INSERT INTO campaign_count (workspace_id, campaign_id, state, shard, n)
      VALUES (${workspaceId}, ${campaignId}, ${state}, ${Math.floor(Math.random() * 64)}, ${n})
      ON CONFLICT (workspace_id, campaign_id, state, shard) DO UPDATE SET n = campaign_count.n + excluded.n`);
}
