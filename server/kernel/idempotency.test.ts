import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { startHelper } from '../../test/support/helper-process.ts';
import type { Hold, Holding } from '../../test/support/key-holder.ts';
import {
  type Claim,
  claim,
  fingerprintOf,
  finish,
  type HeldKey,
  holdWhile,
  park,
  purgeKeys,
  reach,
  readKey,
  release,
  type StoredResponse,
} from './idempotency.ts';
import { newId } from './ids.ts';
import { LeaseLost } from './jobs.ts';
import { openScopeNames, Scope } from './scope.ts';
import { sql } from './sql.ts';

/** So short that it is over before anybody asks again. */
const OVER_AT_ONCE = { leaseMs: -1 };
/** Keys that a client asks for at the same time. */
const AT_ONCE = 50;

let db: TestDatabase;
const workspaceId = newId();

before(async () => {
  db = await createTestDatabase();
});

after(async () => {
  await db.drop();
  assert.deepEqual(openScopeNames(), []);
});

function newRequest(key: string = newId()): { workspaceId: string; key: string; fingerprint: Buffer } {
  return { workspaceId, key, fingerprint: randomBytes(32) };
}

const CREATED: StoredResponse = {
  status: 201,
  headers: { location: '/v1/lists/1' },
  body: Buffer.from('{}'),
};

async function freshClaim(...asked: Parameters<typeof claim>): Promise<HeldKey> {
  const answer = await claim(...asked);
  assert.equal(answer.kind, 'fresh');
  return answer.kind === 'fresh' ? answer.held : assert.fail();
}

/** The effect: a list of this name. */
function makeList(held: HeldKey, name: string, response = CREATED): Promise<void> {
  return db.database.withWorkspace(workspaceId, async (tx) => {
    await tx.query(
      sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${newId()}, ${name})`,
    );
    await finish(tx, held, response);
  });
}

function lists(prefix: string): Promise<{ name: string }[]> {
  return db.database.withWorkspace(workspaceId, (tx) =>
    tx.query<{ name: string }>(sql`SELECT name FROM list WHERE starts_with(name, ${prefix}) ORDER BY name`),
  );
}

test('a key may stand in quotes or without them, and must be hard to guess by accident', () => {
  assert.equal(readKey('order-2030-01-31-17'), 'order-2030-01-31-17');
  assert.equal(readKey('"order-2030-01-31-17"'), 'order-2030-01-31-17');
  assert.equal(readKey('"order-\\"2030\\"-\\\\-31-17"'), 'order-"2030"-\\-31-17');
  assert.equal(readKey('k'.repeat(255)), 'k'.repeat(255));
  for (const wrong of [
    '',
    'short',
    `"${'k'.repeat(15)}"`,
    'k'.repeat(256),
    'with a space in it',
    'größer-als-ascii',
  ])
    assert.equal(readKey(wrong), null, wrong);
});

test('every part of a request changes its fingerprint, and the order of its query does not', () => {
  const parts = {
    method: 'POST',
    route: '/v1/lists/:id/contacts',
    params: { id: '1' },
    query: { a: '1', b: '2' },
    workspaceId,
    apiVersion: 'v1',
    body: Buffer.from('{"n":1}'),
  };
  const print = (changed: object) => fingerprintOf({ ...parts, ...changed }).toString('hex');
  assert.equal(print({ query: { b: '2', a: '1' } }), print({}));
  const others = [
    { method: 'PUT' },
    { route: '/v1/lists/:id' },
    { params: { id: '2' } },
    { query: { a: '1' } },
    { workspaceId: newId() },
    { apiVersion: 'v2' },
    { body: Buffer.from('{"n": 1}') },
    { body: Buffer.from('{"n":1.0}') },
  ];
  assert.equal(new Set([print({}), ...others.map(print)]).size, others.length + 1);
});

test('who asks again gets the first answer, to the byte, with its status and headers', async () => {
  const request = newRequest();
  const response = {
    status: 402,
    headers: { 'content-type': 'application/problem+json', etag: '"é"', location: '/v1/x' },
    body: Buffer.from([0, 255, 128, 10, 13, 0xf0, 0x9f]),
  };
  await makeList(await freshClaim(db.database, request), newId(), response);
  const again = await claim(db.database, request);
  assert.deepEqual(again, { kind: 'replay', response });
  assert.equal(
    JSON.stringify('response' in again && again.response.headers),
    JSON.stringify(response.headers),
  );
});

test('a key of one request does not answer another, finished or not', async () => {
  const request = newRequest();
  const held = await freshClaim(db.database, request, OVER_AT_ONCE);
  const other = { ...request, fingerprint: randomBytes(32) };
  assert.deepEqual(await claim(db.database, other), { kind: 'mismatch' });
  await makeList(held, newId());
  assert.deepEqual(await claim(db.database, other), { kind: 'mismatch' });
});

test('two workspaces may use the same key', async () => {
  const request = newRequest();
  await freshClaim(db.database, request);
  await freshClaim(db.database, { ...request, workspaceId: newId() });
});

test('fifty requests at once under one key have one effect', async () => {
  const request = newRequest();
  const name = newId();
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, number) => {
      const answer = await claim(db.database, request);
      if (answer.kind === 'fresh') await makeList(answer.held, `${name} ${number}`);
      return answer.kind;
    }),
  );
  assert.equal((await lists(name)).length, 1);
  assert.equal(answers.filter((kind) => kind === 'fresh').length, 1);
  assert.deepEqual(new Set(answers).isSubsetOf(new Set(['fresh', 'in-flight', 'replay'])), true);
});

test('a thousand keys that ten clients race for have a thousand effects', async () => {
  const prefix = newId();
  const requests = Array.from({ length: 1_000 }, (_, n) => ({ ...newRequest(), name: `${prefix} ${n}` }));
  const ask = async ({ name, ...request }: (typeof requests)[number]) => {
    const answer = await claim(db.database, request);
    if (answer.kind === 'fresh') await makeList(answer.held, name);
    else assert.match(answer.kind, /^(in-flight|replay)$/);
  };
  const client = async () => {
    for (let at = 0; at < requests.length; at += AT_ONCE)
      await Promise.all(requests.slice(at, at + AT_ONCE).map(ask));
  };
  await Promise.all(Array.from({ length: 10 }, client));
  const made = (await lists(prefix)).map(({ name }) => name);
  assert.deepEqual(made.sort(), requests.map(({ name }) => name).sort());
});

test('what a former owner does late is refused and taken back', async () => {
  const request = newRequest();
  const name = newId();
  const zombie = await freshClaim(db.database, request, OVER_AT_ONCE);
  const owner = await freshClaim(db.database, request);
  assert.deepEqual([zombie.epoch, owner.epoch], [1, 2]);
  await assert.rejects(makeList(zombie, `${name} zombie`), LeaseLost);
  await makeList(owner, `${name} owner`);
  await assert.rejects(makeList(zombie, `${name} zombie`), LeaseLost);
  await assert.rejects(makeList(owner, `${name} twice`), LeaseLost);
  assert.deepEqual(await lists(name), [{ name: `${name} owner` }]);
});

test('kill -9 in the middle: after the lease another does it, and nothing is left of the half', async () => {
  const request = newRequest();
  const helper = startHelper<Hold, Holding>(join(import.meta.dirname, '../../test/support/key-holder.ts'));
  const holding = await helper.ask({ ...request, url: db.url, leaseMs: 800 });
  assert.equal(holding.kind, 'fresh');
  assert.deepEqual(await claim(db.database, request), { kind: 'in-flight' });
  process.kill(holding.pid, 'SIGKILL');
  await helper.stop();
  let answer: Claim | undefined;
  await until(async () => {
    answer = await claim(db.database, request);
    return answer.kind !== 'in-flight';
  }, 'the lease is over');
  const held = answer?.kind === 'fresh' ? answer.held : assert.fail();
  assert.equal(held.epoch, 2);
  await makeList(held, newId());
  assert.deepEqual(await lists('half done'), []);
  assert.equal((await claim(db.database, request)).kind, 'replay');
});

test('what failed on our side is not kept: the same request may be tried again at once, another may not', async () => {
  const request = newRequest();
  await release(db.database, await freshClaim(db.database, request));
  assert.equal((await claim(db.database, { ...request, fingerprint: randomBytes(32) })).kind, 'mismatch');
  const again = await freshClaim(db.database, request);
  assert.equal(again.epoch, 2);
  await makeList(again, newId());
  await release(db.database, again);
  assert.equal((await claim(db.database, request)).kind, 'replay');
});

test('whoever takes over work of several steps learns how far it had come', async () => {
  const request = newRequest();
  const first = await freshClaim(db.database, request, OVER_AT_ONCE);
  await db.database.withWorkspace(workspaceId, (tx) => reach(tx, first, 'payment 17'));
  const second = await claim(db.database, request);
  assert.deepEqual(second, { kind: 'fresh', held: { ...first, epoch: 2 }, recoveryPoint: 'payment 17' });
  const late = db.database.withWorkspace(workspaceId, (tx) => reach(tx, first, 'payment 18'));
  await assert.rejects(late, LeaseLost);
});

test('while nobody can know, who asks again is told where it will be known, and nobody does it twice', async () => {
  const request = newRequest();
  const held = await freshClaim(db.database, request, OVER_AT_ONCE);
  await db.database.withWorkspace(workspaceId, (tx) => park(tx, held, '/v1/payments/17'));
  const unknown = { kind: 'unknown', resource: '/v1/payments/17' };
  assert.deepEqual(await claim(db.database, request), unknown);
  await release(db.database, held);
  assert.deepEqual(await claim(db.database, request), unknown);
  await makeList(held, newId());
  assert.equal((await claim(db.database, request)).kind, 'replay');
});

test('a key is kept for as long as its owner works', async () => {
  const request = newRequest();
  const held = await freshClaim(db.database, request, OVER_AT_ONCE);
  const isHeld = () =>
    db.database.withWorkspace(workspaceId, async (tx) => {
      const [row] = await tx.query<{ live: boolean }>(
        sql`SELECT lease_until > now() AS live FROM idempotency_key WHERE key = ${request.key}`,
      );
      return row?.live ?? false;
    });
  assert.equal(await isHeld(), false);
  await using scope = Scope.root('work');
  await holdWhile(db.database, held, scope, () => until(isHeld, 'the lease is renewed'), { renewMs: 5 });
});

test('work whose key another has taken over is ended', async () => {
  const request = newRequest();
  const held = await freshClaim(db.database, request, OVER_AT_ONCE);
  await freshClaim(db.database, request);
  await using scope = Scope.root('work');
  const work = holdWhile(db.database, held, scope, () => scope.sleep(60_000), { renewMs: 5 });
  await assert.rejects(work, /taken its idempotency key over/);
});

test('after a weekend a key is forgotten, but not while its outcome is unknown or somebody works at it', async () => {
  const keys = [newRequest(), newRequest(), newRequest(), newRequest()];
  const [finished, abandoned, unknown, running] = await Promise.all(
    keys.map((key, at) => freshClaim(db.database, key, at === 1 ? OVER_AT_ONCE : {})),
  );
  assert.ok(finished && abandoned && unknown && running);
  await makeList(finished, newId());
  await db.database.withWorkspace(workspaceId, async (tx) => {
    await park(tx, unknown, '/v1/payments/18');
    await tx.query(sql`UPDATE idempotency_key SET created_at = now() - interval '73 h'
      WHERE key = ANY(${keys.map(({ key }) => key)})`);
  });
  assert.equal(await purgeKeys(db.database, workspaceId), 2);
  const kinds = await Promise.all(keys.map(async (key) => (await claim(db.database, key)).kind));
  assert.deepEqual(kinds, ['fresh', 'fresh', 'unknown', 'in-flight']);
});
