import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Type from 'typebox';
import { until } from '../../test/support/campaign.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { newId } from '../kernel/ids.ts';
import { openScopeNames, type Scope } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { accepted, created, endpoint } from './endpoint.ts';
import { notFound, Problem } from './problem.ts';
import { Id, nullable, strict } from './schemas.ts';

interface Gate {
  /** Resolved by a request in the middle of its work, */
  begun: PromiseWithResolvers<void>;
  /** which waits there until the test resolves this. */
  end: PromiseWithResolvers<void>;
}

const gates = new Map<string, Gate>();

function gateOf(name: string): Gate {
  const gate = { begun: Promise.withResolvers<void>(), end: Promise.withResolvers<void>() };
  gates.set(name, gate);
  return gate;
}

const makeList = endpoint({
  summary: 'Makes a list, and then has trouble perhaps',
  scope: 'contacts:write',
  idempotency: 'required',
  query: { verbose: Type.Optional(Type.String()) },
  body: strict({ name: Type.String(), trouble: Type.Optional(Type.String()) }),
  responses: { 201: strict({ id: Id, name: Type.String() }) },
  deadlineMs: 10_000,
  async handle({ workspaceId, body: { name, trouble }, scope }, tx) {
    const id = newId();
    await tx.query(sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${id}, ${name})`);
    if (trouble === 'ours') throw new Error('a mistake');
    if (trouble === 'theirs') throw notFound('segment');
    if (trouble === 'early') throw new Problem('invalid-request', 'It should have been known before.');
    if (trouble === 'slow') await pass(name, scope);
    // At the COMMIT, after the answer was kept.
    if (trouble === 'commit') tx.atCommit(sql`SELECT 1 / 0`);
    return created(`/v1/lists/${id}`, { id, name });
  },
});

async function pass(name: string, scope: Scope): Promise<void> {
  const gate = gates.get(name);
  gate?.begun.resolve();
  const left = new Promise((_, reject) => scope.onEnd(reject));
  await Promise.race([gate?.end.promise, left]);
}

/** What a payment is: several transactions, and perhaps nobody knows. */
const pay = endpoint({
  summary: 'Pays, in steps',
  scope: 'billing:write',
  idempotency: 'required',
  body: strict({ fate: Type.String() }),
  responses: {
    201: strict({ id: Id, after: nullable(Type.String()) }),
    202: strict({ resource: Type.String() }),
  },
  async run({ workspaceId, body: { fate }, once, services: { database } }) {
    assert.ok(once);
    const id = newId();
    await database.withWorkspace(workspaceId, (tx) => once.reach(tx, `payment ${id}`));
    if (fate === 'crash' && once.recoveryPoint === null) throw new Error('a mistake');
    const resource = `/v1/payments/${id}`;
    if (fate === 'unknown') {
      await database.withWorkspace(workspaceId, (tx) => once.park(tx, resource));
      return accepted(resource, { resource });
    }
    const answer = created(resource, { id, after: once.recoveryPoint });
    await database.withWorkspace(workspaceId, async (tx) => {
      await tx.query(sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${id}, ${fate})`);
      await once.finish(tx, answer);
    });
    return answer;
  },
});

const optional = endpoint({
  summary: 'Makes an id',
  scope: 'any',
  idempotency: 'optional',
  responses: { 201: strict({ id: Id }) },
  async handle() {
    const id = newId();
    return created(`/v1/things/${id}`, { id });
  },
});

let web: TestWeb;
let key: TestKey;

before(async () => {
  web = await TestWeb.start({
    'POST /test/lists': makeList,
    'POST /test/payments': pay,
    'POST /test/things': optional,
  });
  key = await web.newKey();
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

interface Asked {
  path?: string;
  idempotencyKey?: string | null;
  headers?: Record<string, string>;
  key?: TestKey;
  signal?: AbortSignal;
}

function post(
  body: unknown,
  { path = '/test/lists', idempotencyKey = newId(), headers, key: as = key, signal }: Asked = {},
): Promise<Heard> {
  return web.ask(`POST ${path}`, {
    key: as,
    body,
    headers: { ...(idempotencyKey === null ? {} : { 'idempotency-key': idempotencyKey }), ...headers },
    ...(signal ? { signal } : {}),
  });
}

async function listsNamed(name: string): Promise<number> {
  const rows = await web.db.database.withWorkspace(key.workspaceId, (tx) =>
    tx.query(sql`SELECT FROM list WHERE name = ${name}`),
  );
  return rows.length;
}

/** What must be the same in a replay. */
function told({ status, headers, bytes }: Heard): unknown {
  const kept = ['content-type', 'content-length', 'location'].map((name) => headers.get(name));
  return [status, kept, bytes.toString('latin1')];
}

test('who asks again gets the first answer to the byte, is told so, and nothing happens twice', async () => {
  const idempotencyKey = newId();
  const name = `Grüße ${idempotencyKey}`;
  const first = await post({ name }, { idempotencyKey });
  const again = await post({ name }, { idempotencyKey: `"${idempotencyKey}"` });
  assert.equal(first.status, 201);
  assert.match(first.headers.get('location') ?? '', /^\/v1\/lists\//);
  assert.deepEqual(told(again), told(first));
  assert.deepEqual(
    [first, again].map(({ headers }) => headers.get('idempotent-replayed')),
    [null, 'true'],
  );
  assert.equal(await listsNamed(name), 1);
});

test('a key of another request is refused: another body, query, URL, or only another order of fields', async () => {
  const idempotencyKey = newId();
  const body = '{"name":"a","trouble":"none"}';
  const json = { 'content-type': 'application/json' };
  await post(body, { idempotencyKey, headers: json });
  const others = [
    await post('{"trouble":"none","name":"a"}', { idempotencyKey, headers: json }),
    await post('{"name":"b","trouble":"none"}', { idempotencyKey, headers: json }),
    await post(body, { idempotencyKey, headers: json, path: '/test/lists?verbose=1' }),
    await post(undefined, { idempotencyKey, path: '/test/things' }),
  ];
  for (const { status, json: problem } of others)
    assert.deepEqual([status, problem.code], [422, 'idempotency-key-reused']);
  assert.equal(
    (await post(body, { idempotencyKey, headers: json })).headers.get('idempotent-replayed'),
    'true',
  );
});

test('another workspace’s key is nobody else’s business', async () => {
  const idempotencyKey = newId();
  const other = await web.newKey();
  const [mine, theirs] = [
    await post({ name: 'x' }, { idempotencyKey }),
    await post({ name: 'y' }, { idempotencyKey, key: other }),
  ];
  assert.deepEqual([mine.status, theirs.status], [201, 201]);
});

test('where a key is required it is asked for, and a bad one is refused', async () => {
  const [missing, bad] = [
    await post({ name: 'a' }, { idempotencyKey: null }),
    await post({ name: 'a' }, { idempotencyKey: 'short' }),
  ];
  assert.deepEqual([missing.status, missing.json.code], [400, 'idempotency-key-missing']);
  assert.deepEqual([bad.status, bad.json.code], [400, 'idempotency-key-invalid']);
  assert.equal(missing.headers.get('link'), '</docs#idempotency>; rel="describedby"');
});

test('where it is optional, the effect is new without a key, and the same with one', async () => {
  const ids = async (idempotencyKey: string | null) => {
    const asked = { path: '/test/things', idempotencyKey };
    return [(await post(undefined, asked)).json.id, (await post(undefined, asked)).json.id];
  };
  const [one, other] = await ids(null);
  const [first, again] = await ids(newId());
  assert.notEqual(one, other);
  assert.equal(first, again);
});

test('fifty at once under one key have one effect, and all hear of it who wait', async () => {
  const idempotencyKey = newId();
  const name = newId();
  const headers = { prefer: 'respond-async, wait=20' };
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => post({ name }, { idempotencyKey, headers })),
  );
  assert.deepEqual(new Set(answers.map((answer) => JSON.stringify(told(answer)))).size, 1);
  assert.equal(answers[0]?.status, 201);
  assert.equal(await listsNamed(name), 1);
});

test('who does not wait hears that the first is under way, and when to come again', async () => {
  const idempotencyKey = newId();
  const body = { name: newId(), trouble: 'slow' };
  const { begun, end } = gateOf(body.name);
  const first = post(body, { idempotencyKey });
  await begun.promise;
  const again = await post(body, { idempotencyKey });
  assert.deepEqual([again.status, again.json.code], [409, 'idempotency-key-in-use']);
  assert.equal(again.headers.get('retry-after'), '1');
  end.resolve();
  assert.equal((await first).status, 201);
});

test('what we get wrong is never kept: the same request runs again, and then has its answer', async () => {
  const idempotencyKey = newId();
  const name = newId();
  const body = { name, trouble: 'ours' };
  const failures = [await post(body, { idempotencyKey }), await post(body, { idempotencyKey })];
  for (const { status, headers } of failures)
    assert.deepEqual([status, headers.get('idempotent-replayed')], [500, null]);
  assert.equal(await listsNamed(name), 0);
  assert.equal(
    (await post({ name }, { idempotencyKey })).status,
    422,
    'the key still belongs to that request',
  );
});

test('a refusal that is an answer is kept and replayed; what the request itself gets wrong is not', async () => {
  for (const [trouble, replayed, status] of [
    ['theirs', 'true', 404],
    ['early', null, 400],
  ] as const) {
    const idempotencyKey = newId();
    const body = { name: newId(), trouble };
    const [first, again] = [await post(body, { idempotencyKey }), await post(body, { idempotencyKey })];
    assert.deepEqual(
      [first.status, again.status, again.headers.get('idempotent-replayed')],
      [status, status, replayed],
    );
    if (replayed) assert.deepEqual(told(again), told(first));
    assert.equal(await listsNamed(body.name), 0);
  }
});

test('what is refused before the work leaves the key free', async () => {
  const idempotencyKey = newId();
  const name = newId();
  const analyst = await web.newKey('analyst', key.workspaceId);
  const refused = [
    await post({ name, admin: true }, { idempotencyKey }),
    await post({ name }, { idempotencyKey, key: analyst }),
    await post('{', { idempotencyKey }),
    await post({ name: 'a'.repeat(1_000_001) }, { idempotencyKey }),
  ];
  assert.deepEqual(
    refused.map(({ status }) => status),
    [400, 403, 400, 413],
  );
  assert.equal((await post({ name }, { idempotencyKey })).status, 201);
});

test('a client that leaves in the middle takes its work back, and may send it again', async () => {
  const idempotencyKey = newId();
  const body = { name: newId(), trouble: 'slow' };
  const { begun } = gateOf(body.name);
  const leaving = new AbortController();
  const first = post(body, { idempotencyKey, signal: leaving.signal });
  await begun.promise;
  leaving.abort();
  await assert.rejects(first);
  gateOf(body.name).end.resolve();
  const again = await until(async () => {
    const answer = await post(body, { idempotencyKey });
    return answer.status !== 409 && answer;
  }, 'the key is let go');
  assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [201, null]);
  assert.equal(await listsNamed(body.name), 1);
});

test('an answer whose transaction was taken back at its end is none', async () => {
  const idempotencyKey = newId();
  const body = { name: newId(), trouble: 'commit' };
  const [first, again] = [await post(body, { idempotencyKey }), await post(body, { idempotencyKey })];
  assert.deepEqual([first.status, again.status], [500, 500]);
  assert.equal(await listsNamed(body.name), 0);
});

test('work of several steps keeps its answer with its last one, and goes on where it was', async () => {
  const idempotencyKey = newId();
  const asked = { path: '/test/payments', idempotencyKey };
  const crashed = await post({ fate: 'crash' }, asked);
  const paid = await post({ fate: 'crash' }, asked);
  const again = await post({ fate: 'crash' }, asked);
  assert.deepEqual([crashed.status, paid.status], [500, 201]);
  assert.match(paid.json.after, /^payment /);
  assert.deepEqual(told(again), told(paid));
  assert.equal(await listsNamed('crash'), 1);
});

test('while the outcome is unknown, who asks again is sent to where it will be known', async () => {
  const asked = { path: '/test/payments', idempotencyKey: newId() };
  const [first, again] = [await post({ fate: 'unknown' }, asked), await post({ fate: 'unknown' }, asked)];
  for (const { status, headers, json } of [first, again]) {
    assert.equal(status, 202);
    assert.deepEqual([headers.get('location'), json.resource], [first.json.resource, first.json.resource]);
  }
});
