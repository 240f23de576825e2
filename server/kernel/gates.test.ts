/** Gates: what their lanes may give, by how many workers together, and when. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newId } from './ids.ts';
import * as queries from './queries.ts';
import * as gates from './queries-gates.ts';
import { type Sql, sql } from './sql.ts';

const PER_HOUR = 36_000;
const PER_SECOND = PER_HOUR / 3_600;

let db: TestDatabase;
const workspaceId = newId();

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

async function makeGate(gate: Partial<gates.Gate>): Promise<gates.GateKey> {
  const of = { workspaceId, key: newId() };
  await db.database.withWorkspace(workspaceId, async (tx) => {
    await gates.insertGate(tx, of, { opensAt: null, closesAt: null, perHour: null, ...gate });
    for (const number of [0, 1])
      await queries.ensureLane(tx, { ...of, queue: 'message', number, open: true, dueInMs: -1_000 });
  });
  return of;
}

function set({ key }: gates.GateKey, columns: Sql) {
  return db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`UPDATE lane_gate SET ${columns} WHERE key = ${key}`),
  );
}

/** Claims as much as is allowed, up to `wanted`. */
function claim(of: gates.GateKey, wanted = Number.POSITIVE_INFINITY): Promise<number> {
  return db.database.withWorkspace(workspaceId, async (tx) => {
    const rows = Math.min(wanted, await gates.lockAllowance(tx, of));
    gates.spendAllowance(tx, of, rows);
    return rows;
  });
}

async function dueLanesOf({ key }: gates.GateKey): Promise<queries.DueLane[]> {
  const lanes = await db.database.withSystem((tx) => queries.dueLanes(tx, 'message', null, 1_000));
  return lanes.filter((lane) => lane.key === key);
}

const SECOND_MS = 1_000;
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * SECOND_MS);

test('what was not used is saved up for a moment only: an idle hour does not end in a burst', async () => {
  const of = await makeGate({ perHour: PER_HOUR });
  await set(of, sql`spent_until = now() - interval '1 h'`);
  const burst = await claim(of);
  assert.ok(burst >= PER_SECOND && burst <= PER_SECOND + 1, `${burst} at once`);
});

test('a slow campaign gets its one message when it is due, also when the look at it comes late', async () => {
  const of = await makeGate({ perHour: 60 });
  await set(of, sql`spent_until = now() - interval '50 s'`);
  assert.equal(await claim(of), 0);
  await set(of, sql`spent_until = now() - interval '60.9 s'`);
  assert.equal(await claim(of), 1);
  const [gate] = await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query<{ late: number }>(
      sql`SELECT extract(epoch FROM now() - spent_until)::float8 AS late FROM lane_gate WHERE key = ${of.key}`,
    ),
  );
  assert.ok(gate && gate.late > 0.5, 'what was late is not lost');
});

test('workers that claim at the same moment take no more together than one would alone', async () => {
  const of = await makeGate({ perHour: PER_HOUR * 100 });
  await set(of, sql`spent_until = now() - interval '500 ms'`);
  const startedAt = performance.now();
  const claims = await Promise.all(Array.from({ length: 12 }, () => claim(of, 100)));
  const sum = claims.reduce((total, rows) => total + rows, 0);
  const elapsedSeconds = 0.5 + (performance.now() - startedAt) / SECOND_MS;
  assert.ok(sum >= 500 && sum <= elapsedSeconds * PER_SECOND * 100 + 1, `${sum} in ${elapsedSeconds} s`);
});

test('what was given back may be claimed again', async () => {
  const of = await makeGate({ perHour: 60 });
  await set(of, sql`spent_until = now() - interval '60 s'`);
  assert.equal(await claim(of), 1);
  await db.database.withWorkspace(workspaceId, async (tx) => gates.refundAllowance(tx, of, 1));
  assert.equal(await claim(of), 1);
  assert.equal(await claim(of), 0);
});

test('lanes of a gate that has let through what it may are not looked at until it lets through more', async () => {
  const of = await makeGate({ perHour: 60 });
  await set(of, sql`spent_until = now() - interval '61 s'`);
  assert.deepEqual(
    (await dueLanesOf(of)).map(({ paced }) => paced),
    [true, true],
  );
  await claim(of);
  assert.deepEqual(await dueLanesOf(of), []);
});

test('a gate that restarts makes up for nothing', async () => {
  const of = await makeGate({ perHour: 60 });
  await set(of, sql`spent_until = now() - interval '1 h'`);
  await db.database.withWorkspace(workspaceId, async (tx) => gates.restartPace(tx, of));
  assert.equal(await claim(of), 0);
});

test('lanes are open between the opening and the closing of their gate, and closed to who has claimed of them', async () => {
  const closedTo = (of: gates.GateKey) => db.database.withSystem((tx) => queries.closedLanes(tx, [of.key]));
  const open = await makeGate({ opensAt: inSeconds(-60), closesAt: inSeconds(60) });
  assert.equal((await dueLanesOf(open)).length, 2);
  assert.deepEqual(await closedTo(open), []);
  for (const gate of [
    await makeGate({ opensAt: inSeconds(60), closesAt: inSeconds(120) }),
    await makeGate({ opensAt: inSeconds(-120), closesAt: inSeconds(-60) }),
  ]) {
    assert.deepEqual(await dueLanesOf(gate), []);
    assert.deepEqual(await closedTo(gate), [{ key: gate.key }]);
  }
});

test('a key without a gate is always open and not paced', async () => {
  const of = { workspaceId, key: newId() };
  await db.database.withWorkspace(workspaceId, (tx) =>
    queries.ensureLane(tx, { ...of, queue: 'message', number: 0, open: true, dueInMs: -1_000 }),
  );
  assert.deepEqual(
    (await dueLanesOf(of)).map(({ paced }) => paced),
    [false],
  );
  assert.equal(await claim(of, 7), 7);
});
