import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { newId } from '../kernel/ids.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import { type MessageEvent, recordEvents } from './record.ts';
import { rerunReplies, type Undone } from './rerun.ts';
import { unclassifiedReplies } from './unclassified.ts';

const BEGINNING = new Date(0);
const GONE = '550 5.1.1 <ann@acme.example> user unknown';
const POLICY = '550 5.7.1 We do not like the look of this';
const NOVEL = '550 The hamster of ann@acme.example is asleep';

let db: TestDatabase;
let workspaceId: string;

before(async () => {
  db = await createTestDatabase();
});
beforeEach(async () => {
  workspaceId = newId();
  await ensureWorkspace(db.database, workspaceId, 'test');
});
after(() => db.drop());

/** A refusal as another table had judged it. */
function judgedThen(email: string, overrides: Partial<MessageEvent>): MessageEvent {
  return {
    contactId: newId(),
    email,
    kind: 'rejected',
    attempt: 1,
    detail: POLICY,
    rule: 'of-long-ago',
    trouble: null,
    metAt: { phase: 'rcpt', mxHost: 'mx.acme.example' },
    ...overrides,
  };
}

async function met(...events: MessageEvent[]): Promise<void> {
  await db.database.withWorkspace(workspaceId, async (tx) => recordEvents(tx, workspaceId, newId(), events));
}

function rows<Row>(statement: Sql): Promise<Row[]> {
  return db.database.withWorkspace(workspaceId, (tx) => tx.query<Row>(statement));
}

async function suppressed(): Promise<Record<string, string>> {
  const found = await rows<{ email: string; rule: string }>(sql`SELECT email, rule FROM suppression`);
  return Object.fromEntries(found.map(({ email, rule }) => [email, rule]));
}

async function rerun({ dryRun = false, since = BEGINNING } = {}) {
  const told: Undone[] = [];
  const done = await rerunReplies(db.database, { since, dryRun, onUndone: (undone) => told.push(undone) });
  assert.deepEqual(told, done.undone);
  return { ...done, undone: done.undone.filter((undone) => undone.workspaceId === workspaceId) };
}

test('a suppression that the rules of today would not have made is undone, and told', async () => {
  await met(
    judgedThen('wrong@acme.example', { trouble: 'dead' }),
    judgedThen('right@acme.example', { trouble: 'dead', detail: GONE }),
  );
  const { undone, renamed } = await rerun();
  assert.deepEqual(undone, [{ workspaceId, email: 'wrong@acme.example', was: 'of-long-ago', now: 'policy' }]);
  assert.equal(renamed, 1);
  assert.deepEqual(await suppressed(), { 'right@acme.example': 'recipient-unknown' });
});

test('a second run finds nothing left to do', async () => {
  await met(judgedThen('wrong@acme.example', { trouble: 'dead' }));
  await rerun();
  const { changed, undone, renamed } = await rerun();
  assert.deepEqual({ changed, undone, renamed }, { changed: 0, undone: [], renamed: 0 });
});

test('a dry run tells the same and changes nothing', async () => {
  await met(judgedThen('wrong@acme.example', { trouble: 'dead' }), judgedThen('other@acme.example', {}));
  const dry = await rerun({ dryRun: true });
  assert.deepEqual(await suppressed(), { 'wrong@acme.example': 'of-long-ago' });
  assert.deepEqual(await rerun(), dry);
});

test('what a person or a complaint put on the list stays', async () => {
  await met(judgedThen('wrong@acme.example', { trouble: 'dead' }));
  await rows(sql`UPDATE suppression SET reason = 'manual'`);
  assert.deepEqual((await rerun()).undone, []);
  assert.deepEqual(await suppressed(), { 'wrong@acme.example': 'of-long-ago' });
});

test('an address that a person took off the list stays off', async () => {
  await met(judgedThen('ann@acme.example', { trouble: 'dead', detail: GONE }));
  await rows(sql`DELETE FROM suppression`);
  await rerun();
  assert.deepEqual(await suppressed(), {});
});

test('a suppression by repetition stays only while enough of its troubles are what they were', async () => {
  await db.database.withSystem((tx) =>
    tx.query(sql`SELECT create_month_partitions(now() - interval '1 month')`),
  );
  const early = '550 5.4.1 Recipient address rejected: Access denied';
  for (const [email, first] of [
    ['kept@acme.example', early],
    ['undone@acme.example', POLICY],
  ] as const) {
    const contactId = newId();
    await met(judgedThen(email, { contactId, trouble: 'ambiguous', detail: first }));
    await rows(sql`UPDATE event SET at = at - interval '4 days' WHERE contact_id = ${contactId}`);
    await met(judgedThen(email, { contactId, trouble: 'ambiguous', detail: early }));
  }
  assert.deepEqual(Object.keys(await suppressed()).length, 2);
  assert.deepEqual(
    (await rerun()).undone.map(({ email }) => email),
    ['undone@acme.example'],
  );
});

test('a suppression whose event is no longer kept cannot be judged and stays', async () => {
  await met(judgedThen('wrong@acme.example', { trouble: 'dead' }));
  await rows(sql`DELETE FROM event`);
  assert.deepEqual((await rerun()).undone, []);
});

test('what happened before the given time is left as it is', async () => {
  await met(judgedThen('wrong@acme.example', { trouble: 'dead' }));
  const { events, suppressions } = await rerun({ since: new Date(Date.now() + 60_000) });
  assert.deepEqual({ events, suppressions }, { events: 0, suppressions: 0 });
});

test('a history of many pages is judged whole, each refusal once', async () => {
  const many = Array.from({ length: 2_300 }, (_, index) =>
    judgedThen(`p${index}@acme.example`, index % 2 ? { trouble: 'dead' } : {}),
  );
  await met(...many);
  await rows(sql`UPDATE event SET at = at - (random() * 3)::integer * interval '1 second'`);
  await rows(sql`
    UPDATE suppression s SET created_at = e.at FROM event e WHERE e.contact_id = s.contact_id`);
  assert.equal((await rerun()).undone.length, many.length / 2);
  const [left] = await rows<{ n: number }>(sql`SELECT count(*)::int AS n FROM event WHERE rule <> 'policy'`);
  assert.equal(left?.n, 0);
});

test('replies that no rule knows are listed by kind, the most frequent first, until a rule knows them', async () => {
  await met(
    judgedThen('ann@acme.example', { detail: NOVEL, rule: 'unclassified' }),
    judgedThen('bob@acme.example', { detail: NOVEL.replace('ann', 'bob'), rule: 'unclassified' }),
    judgedThen('cid@acme.example', { detail: '450 The canary too', rule: 'unclassified-for-now' }),
    judgedThen('dan@acme.example', { rule: 'unclassified' }),
  );
  const counts = async () =>
    (await unclassifiedReplies(db.database, BEGINNING)).map(({ template, count }) => [template, count]);
  assert.deepEqual(await counts(), [
    ['550 The hamster of <address> is asleep', 2],
    ['450 The canary too', 1],
    ['550 5.7.1 We do not like the look of this', 1],
  ]);
  await rerun();
  assert.deepEqual(await counts(), [
    ['550 The hamster of <address> is asleep', 2],
    ['450 The canary too', 1],
  ]);
});
