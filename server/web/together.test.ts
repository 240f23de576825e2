import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import Type from 'typebox';
import { until } from '../../test/support/campaign.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import { created, type Endpoint, endpoint } from './endpoint.ts';
import { Problem } from './problem.ts';
import { Id, strict } from './schemas.ts';

/** Resolved when a transaction has begun; resolve the other, and it goes on. */
let gate: { begun: PromiseWithResolvers<void>; end: PromiseWithResolvers<void> } | null = null;

const makeLists = endpoint({
  summary: 'Makes lists, many at a time, and then has trouble perhaps',
  scope: 'contacts:write',
  idempotency: 'required',
  body: strict({ name: Type.String(), trouble: Type.Optional(Type.String()) }),
  responses: { 201: strict({ id: Id, transaction: Type.String() }) },
  async together(requests, tx) {
    const [{ transaction } = { transaction: '' }] = await tx.query<{ transaction: string }>(
      sql`SELECT pg_current_xact_id()::text AS transaction`,
    );
    gate?.begun.resolve();
    await gate?.end.promise;
    return Promise.all(requests.map(({ workspaceId, body }) => makeList(tx, workspaceId, body, transaction)));
  },
});

const HASTY_MS = 2_500;
const hasty: Endpoint = { ...makeLists, deadlineMs: HASTY_MS };

async function makeList(
  tx: Tx,
  workspaceId: string,
  { name, trouble }: { name: string; trouble?: string },
  transaction: string,
) {
  if (trouble === 'theirs') return new Problem('refused', 'Not this one.');
  if (trouble === 'early') return new Problem('invalid-request', 'It should have been known before.');
  const id = newId();
  await tx.query(sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${id}, ${name})`);
  if (trouble === 'ours') throw new Error('a mistake');
  if (trouble === 'commit') tx.atCommit(sql`SELECT 1 / 0`);
  return created(`/v1/lists/${id}`, { id, transaction });
}

let web: TestWeb;
let key: TestKey;

before(async () => {
  web = await TestWeb.start({ 'POST /test/lists': makeLists, 'POST /test/hasty': hasty });
});
after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});
beforeEach(async () => {
  key = await web.newKey();
  gate = null;
});

function ask(body: object, idempotencyKey: string = randomUUID(), signal?: AbortSignal): Promise<Heard> {
  const headers = { 'idempotency-key': idempotencyKey };
  return web.ask('POST /test/lists', { key, body, headers, ...(signal ? { signal } : {}) });
}

function rows<Row>(statement: Sql): Promise<Row[]> {
  return web.db.database.withWorkspace(key.workspaceId, (tx) => tx.query<Row>(statement));
}

async function listNames(): Promise<string[]> {
  return (await rows<{ name: string }>(sql`SELECT name FROM list ORDER BY name`)).map(({ name }) => name);
}

/** While one is under way, so that they come together. */
async function askTogether(bodies: object[], keys: string[] = []): Promise<Heard[]> {
  gate = { begun: Promise.withResolvers(), end: Promise.withResolvers() };
  const { begun, end } = gate;
  const first = ask({ name: 'first' });
  await begun.promise;
  const before = await inFlight();
  const others = bodies.map((body, i) => ask(body, keys[i]));
  await until(async () => (await inFlight()) === before + bodies.length, 'all have arrived');
  gate = null;
  end.resolve();
  await first;
  return Promise.all(others);
}

async function inFlight(): Promise<number> {
  const metrics = (await web.ask('GET /metrics')).bytes.toString();
  return Number(/^camp_http_requests_in_flight (\d+)/m.exec(metrics)?.[1]);
}

test('requests that come while another is under way share a transaction', async () => {
  const answers = await askTogether(['a', 'b', 'c', 'd'].map((name) => ({ name })));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201, 201],
  );
  const transactions = new Set(answers.map(({ json }) => json.transaction));
  assert.ok(transactions.size < 4, 'at most the first of them was alone');
  assert.deepEqual(await listNames(), ['a', 'b', 'c', 'd', 'first']);
});

for (const trouble of ['ours', 'commit'])
  test(`a mistake in one (${trouble}) fails that one; the others are done, once`, async () => {
    const keys = ['a', 'b', 'c'].map(() => randomUUID());
    const bodies = [{ name: 'a' }, { name: 'b', trouble }, { name: 'c' }];
    const answers = await askTogether(bodies, keys);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [201, 500, 201],
    );
    assert.deepEqual(await listNames(), ['a', 'c', 'first']);
    const [again, stillFree] = await Promise.all([
      ask({ name: 'a' }, keys[0]),
      ask(bodies[1] ?? {}, keys[1]),
    ]);
    assert.deepEqual(again.bytes, answers[0]?.bytes);
    assert.equal(stillFree.status, 500);
  });

test('a refusal is kept under its key, and what was no request leaves its key free', async () => {
  const keys = ['a', 'b', 'c'].map(() => randomUUID());
  const bodies = [{ name: 'a' }, { name: 'b', trouble: 'theirs' }, { name: 'c', trouble: 'early' }];
  const answers = await askTogether(bodies, keys);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 422, 400],
  );
  const refused = await ask(bodies[1] ?? {}, keys[1]);
  assert.deepEqual([refused.status, refused.bytes], [422, answers[1]?.bytes]);
  assert.equal((await ask({ name: 'c' }, keys[2])).status, 201);
});

test('the same key many times, among others, is one effect and one answer', async () => {
  const [same, other] = [randomUUID(), randomUUID()];
  const answers = await askTogether(
    [{ name: 'a' }, { name: 'a' }, { name: 'b' }, { name: 'a' }],
    [same, same, other, same],
  );
  const good = answers.filter(({ status }) => status === 201);
  assert.ok(good.length >= 2);
  for (const { status, json } of answers)
    assert.ok(status === 201 || json.code === 'idempotency-key-in-use', String(status));
  assert.deepEqual(await listNames(), ['a', 'b', 'first']);
  assert.equal((await ask({ name: 'a' }, same)).headers.get('idempotent-replayed'), 'true');
});

test('a key that another process takes meanwhile is one effect', async () => {
  const idempotencyKey = randomUUID();
  gate = { begun: Promise.withResolvers(), end: Promise.withResolvers() };
  const answer = ask({ name: 'a' }, idempotencyKey);
  await gate.begun.promise;
  const open = gate;
  gate = null;
  await rows(sql`
    INSERT INTO idempotency_key (workspace_id, key, fingerprint, lease_until)
    VALUES (${key.workspaceId}, ${idempotencyKey}, ${Buffer.alloc(32)}, now() + interval '1 min')`);
  open.end.resolve();
  assert.equal((await answer).json.code, 'idempotency-key-reused');
  assert.deepEqual(await listNames(), []);
});

test('who leaves takes nothing from the others, and finds what became of it under the key', async () => {
  const idempotencyKey = randomUUID();
  gate = { begun: Promise.withResolvers(), end: Promise.withResolvers() };
  const leaver = new AbortController();
  const left = ask({ name: 'a' }, idempotencyKey, leaver.signal);
  await gate.begun.promise;
  leaver.abort();
  await assert.rejects(left, /abort/);
  const open = gate;
  gate = null;
  open.end.resolve();
  const again = await until(async () => {
    const heard = await ask({ name: 'a' }, idempotencyKey);
    return heard.status === 201 && heard;
  }, 'it is answered');
  assert.ok(again.json.id);
  assert.deepEqual(await listNames(), ['a']);
});

test('a large body goes alone', async () => {
  const answers = await askTogether([{ name: 'x'.repeat(70_000) }, { name: 'b' }]);
  assert.notEqual(answers[0]?.json.transaction, answers[1]?.json.transaction);
});

test('who has hardly any time left goes alone, and the others keep all of theirs', async () => {
  gate = { begun: Promise.withResolvers(), end: Promise.withResolvers() };
  const { begun, end } = gate;
  const before = await inFlight();
  const askHasty = (name: string) =>
    web.ask('POST /test/hasty', { key, body: { name }, headers: { 'idempotency-key': randomUUID() } });
  const first = askHasty('first');
  await begun.promise;
  const late = askHasty('late');
  await until(async () => (await inFlight()) === before + 2, 'the late one has come');
  const cameAt = performance.now();
  await until(async () => performance.now() - cameAt > HASTY_MS - 950, 'it has less than a second left');
  const others = ['a', 'b', 'c'].map(askHasty);
  await until(async () => (await inFlight()) === before + 5, 'all have come');
  gate = null;
  end.resolve();
  await first;
  const transactions = (await Promise.all([late, ...others])).map(({ json }) => json.transaction);
  assert.equal(new Set(transactions.slice(1)).size, 1, 'the others share one');
  assert.ok(!transactions.slice(1).includes(transactions[0]));
});
