import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Limits } from '../smtp/providers.ts';
import { doorOf, explain, inForce, type Shape } from './limits.ts';
import { COHORT_MS, grow, type Reaction, react, type Usage } from './shaping.ts';

const NOON = Date.UTC(2027, 1, 28, 12);
const HOUR_MS = 3_600_000;
const limits: Limits = {
  connections: 20,
  messagesPerConnection: 100,
  messagesPerSecond: 100,
  messagesPerDay: null,
};
const busy: Usage = { connections: 20, messagesPerSecond: 80 };

function fresh(rule: Partial<Limits> = {}): Shape {
  return { limits: { ...limits, ...rule }, learned: {}, successes: 0, slowedAtMs: 0 };
}

type Kind<R> = R extends Reaction ? Omit<R, 'begunAt' | 'reply' | 'rule'> : never;

/** What somebody hears at `at` about what was begun then. */
function heard(reaction: Kind<Reaction>, at: number, reply = '421 4.7.28 too much'): Reaction {
  return { begunAt: at, reply, rule: 'gmail-rate', ...reaction };
}

/** Hears the same again and again, each time a cohort later, in full use of what is in force. */
function repeat(
  shape: Shape,
  kind: 'slow-down' | 'trouble',
  times: number,
): { shape: Shape; levels: number[] } {
  const levels: number[] = [];
  for (let time = 1; time <= times; time += 1) {
    const at = NOON + time * COHORT_MS;
    const { connections, messagesPerSecond } = inForce(shape, at);
    shape = react(shape, heard({ kind }, at), { connections, messagesPerSecond: messagesPerSecond ?? 0 }, at);
    levels.push(inForce(shape, at).connections);
  }
  return { shape, levels };
}

/** Accepts messages one by one until the shape is what it is wanted to be; gives how many it took. */
function acceptUntil(shape: Shape, wanted: (shape: Shape) => boolean): { shape: Shape; accepted: number } {
  let accepted = 0;
  for (; !wanted(shape); accepted += 1) {
    assert.ok(accepted < 10_000, 'it never grows');
    shape = grow(shape, 1, NOON + 24 * HOUR_MS);
  }
  return { shape, accepted };
}

/** Between a tenth of the whole and all of it. */
function assertPause(ms: number, baseMs: number, capMs: number, failures: number): void {
  const most = Math.min(capMs, baseMs * 2 ** (failures - 1));
  assert.ok(ms >= most / 10 - 1 && ms <= most + 1, `${ms} of ${most}`);
}

test('a throttled target gets half of what was in use, once for all who hear of it together', () => {
  const once = react(fresh(), heard({ kind: 'slow-down' }, NOON), busy, NOON);
  assert.equal(inForce(once, NOON).connections, 10);
  assert.equal(inForce(once, NOON).messagesPerSecond, 40);
  for (const late of [0, 1, COHORT_MS - 1])
    assert.equal(react(once, heard({ kind: 'slow-down' }, NOON + late), busy, NOON + HOUR_MS), once);
  const again = react(once, heard({ kind: 'slow-down' }, NOON + COHORT_MS), busy, NOON + COHORT_MS);
  assert.equal(inForce(again, NOON).connections, 5);
});

test('a limit that nobody came near is not what was too much', () => {
  const few = react(
    fresh(),
    heard({ kind: 'slow-down' }, NOON),
    { connections: 4, messagesPerSecond: 6 },
    NOON,
  );
  assert.equal(inForce(few, NOON).connections, 2);
  assert.equal(inForce(few, NOON).messagesPerSecond, 3);
});

test('a rate is learned where the rule has none, from what went through', () => {
  const shape = react(fresh({ messagesPerSecond: null }), heard({ kind: 'slow-down' }, NOON), busy, NOON);
  assert.equal(inForce(shape, NOON).messagesPerSecond, 40);
  const idle = { connections: 20, messagesPerSecond: 0 };
  const unknown = react(fresh({ messagesPerSecond: null }), heard({ kind: 'slow-down' }, NOON), idle, NOON);
  assert.equal(inForce(unknown, NOON).messagesPerSecond, null);
});

test('throttled again and again it goes down to one connection and one message a second, and then it pauses', () => {
  const { shape, levels } = repeat(fresh(), 'slow-down', 8);
  assert.deepEqual(levels, [10, 5, 2, 1, 1, 1, 1, 1]);
  assert.equal(inForce(shape, NOON).messagesPerSecond, 1);
  assert.equal(shape.learned.pause?.cause, 'throttle');
});

test('a throttle at one connection pauses ever longer', () => {
  let shape = fresh({ connections: 1 });
  let at = NOON;
  for (let failure = 1; failure <= 9; failure += 1) {
    shape = react(shape, heard({ kind: 'slow-down' }, at), busy, at);
    const { untilMs = 0, failures } = shape.learned.pause ?? {};
    assert.equal(failures, failure);
    assertPause(untilMs - at, 5_000, 600_000, failure);
    at = untilMs + COHORT_MS;
  }
});

test('after a pause one probes; a message that is taken ends the pause, a throttled one makes it longer', () => {
  const paused = react(fresh({ connections: 1 }), heard({ kind: 'slow-down' }, NOON), busy, NOON);
  const { untilMs = 0 } = paused.learned.pause ?? {};
  assert.equal(doorOf(paused.learned, untilMs - 1).kind, 'shut');
  assert.equal(doorOf(paused.learned, untilMs).kind, 'probing');
  assert.equal(
    doorOf(grow(paused, 50, untilMs - 1).learned, untilMs).kind,
    'probing',
    'answers to older messages',
  );
  const open = grow(paused, 1, untilMs);
  assert.equal(doorOf(open.learned, untilMs).kind, 'open');
  const later = untilMs + COHORT_MS;
  const again = react(open, heard({ kind: 'slow-down' }, later), busy, later);
  assert.equal(again.learned.pause?.failures, 2);
  assert.equal(acceptUntil(open, ({ learned }) => learned.pause === undefined).accepted, 9);
});

test('what is taken without a throttle gives it back, a connection and a tenth of the rate a step', () => {
  const { shape: low } = repeat(fresh(), 'slow-down', 4);
  const first = acceptUntil(low, ({ learned }) => learned.connections?.value === 2);
  assert.equal(first.accepted, 10);
  const before = inForce(low, NOON).messagesPerSecond ?? 0;
  assert.ok(Math.abs((inForce(first.shape, NOON).messagesPerSecond ?? 0) - before * 1.1) < 1e-9);
  const second = acceptUntil(first.shape, ({ learned }) => learned.connections?.value === 3);
  assert.equal(
    second.accepted,
    14,
    'what goes in two seconds, when that is less than ten for each connection',
  );
  const full = acceptUntil(second.shape, ({ learned }) => learned.connections === undefined);
  assert.equal(inForce(full.shape, NOON).connections, 20);
  const whole = acceptUntil(full.shape, ({ learned }) => learned.messagesPerSecond === undefined);
  assert.deepEqual(whole.shape.learned, {});
  assert.deepEqual(explain(whole.shape, NOON), []);
});

test('a throttle takes back what was gathered towards the next step', () => {
  const once = react(fresh(), heard({ kind: 'slow-down' }, NOON), busy, NOON);
  const almost = grow(once, 79, NOON);
  assert.equal(inForce(grow(almost, 1, NOON), NOON).connections, 11);
  const later = NOON + COHORT_MS;
  const again = react(almost, heard({ kind: 'slow-down' }, later), busy, later);
  assert.equal(inForce(grow(again, 1, later), later).connections, 5);
});

test('where the rule sets no number worth the name, a limit is forgotten far from what was too much', () => {
  const usage = { connections: 12, messagesPerSecond: 15 };
  const none = fresh({ connections: 10_000, messagesPerSecond: null });
  const once = react(none, heard({ kind: 'slow-down' }, NOON), usage, NOON);
  const later = NOON + COHORT_MS;
  const half = { connections: 6, messagesPerSecond: 7.5 };
  const slow = react(once, heard({ kind: 'slow-down' }, later), half, later);
  const free = acceptUntil(slow, ({ learned }) => learned.connections?.value === 23).shape;
  assert.ok(free.learned.messagesPerSecond, 'more than 25 a second, of 30');
  const forgotten = acceptUntil(free, ({ learned }) => learned.connections === undefined).shape;
  assert.equal(inForce(forgotten, NOON).connections, 10_000);
  const all = acceptUntil(forgotten, ({ learned }) => learned.messagesPerSecond === undefined).shape;
  assert.equal(inForce(all, NOON).messagesPerSecond, null);
});

test('"too many connections" leaves one, for as long as the rule says, and is a throttle when there is one', () => {
  const one = react(fresh(), heard({ kind: 'one-connection', forMs: HOUR_MS }, NOON), busy, NOON);
  assert.equal(inForce(one, NOON).connections, 1);
  assert.equal(inForce(one, NOON).messagesPerSecond, 100);
  const held = grow(one, 1_000, NOON + HOUR_MS - 1);
  assert.equal(inForce(held, NOON).connections, 1);
  assert.equal(inForce(grow(held, 1, NOON + HOUR_MS), NOON).connections, 2);
  const later = NOON + COHORT_MS;
  const still = react(one, heard({ kind: 'one-connection', forMs: HOUR_MS }, later), busy, later);
  assert.equal(doorOf(still.learned, later).kind, 'shut');
});

test('a connection that was refused its next message teaches how many it may carry, for a day', () => {
  const learn = (shape: Shape, carried: number) =>
    react(shape, heard({ kind: 'fewer-messages-per-connection', carried }, NOON), busy, NOON);
  const seven = learn(fresh(), 7);
  assert.equal(inForce(seven, NOON).messagesPerConnection, 7);
  assert.equal(learn(seven, 9), seven);
  assert.equal(inForce(learn(seven, 0), NOON).messagesPerConnection, 1);
  assert.equal(inForce(seven, NOON + 24 * HOUR_MS).messagesPerConnection, 100);
  assert.deepEqual(grow(seven, 1, NOON + 24 * HOUR_MS).learned, {});
});

test('a block shuts the way for its time, and then it begins again with one connection', () => {
  const blocked = react(fresh(), heard({ kind: 'suspend', forMs: HOUR_MS }, NOON), busy, NOON);
  assert.deepEqual(doorOf(blocked.learned, NOON + HOUR_MS - 1), {
    kind: 'shut',
    untilMs: NOON + HOUR_MS,
    reason: 'suspended after "421 4.7.28 too much" (rule gmail-rate)',
  });
  assert.equal(doorOf(blocked.learned, NOON + HOUR_MS).kind, 'open');
  assert.equal(inForce(blocked, NOON + HOUR_MS).connections, 1);
  assert.equal(react(blocked, heard({ kind: 'suspend', forMs: HOUR_MS }, NOON + 1), busy, NOON + 1), blocked);
  const longer = react(blocked, heard({ kind: 'suspend', forMs: 6 * HOUR_MS }, NOON + 1), busy, NOON + 1);
  assert.equal(longer.learned.suspension?.untilMs, NOON + 1 + 6 * HOUR_MS);
});

test('trouble pauses ever longer, counts once a pause, and is over with the first answer to something newer', () => {
  let shape = fresh();
  let at = NOON;
  for (let failure = 1; failure <= 12; failure += 1) {
    shape = react(shape, heard({ kind: 'trouble' }, at, 'ECONNREFUSED'), busy, at);
    const { untilMs = 0, failures } = shape.learned.pause ?? {};
    assert.equal(failures, failure);
    assertPause(untilMs - at, 1_000, 300_000, failure);
    assert.equal(react(shape, heard({ kind: 'trouble' }, untilMs - 1), busy, untilMs + 60_000), shape);
    at = untilMs;
  }
  assert.equal(inForce(shape, at).connections, 20, 'it is not a matter of how many');
  const older = react(shape, heard({ kind: 'cleared' }, (shape.learned.pause?.sinceMs ?? 0) - 1), busy, at);
  assert.equal(older, shape);
  assert.deepEqual(react(shape, heard({ kind: 'cleared' }, at), busy, at).learned, {});
  assert.deepEqual(grow(shape, 1, at).learned, {}, 'a message that is taken is an answer');
});

test('a throttle’s pause is not over because somebody answers', () => {
  const paused = react(fresh({ connections: 1 }), heard({ kind: 'slow-down' }, NOON), busy, NOON);
  const later = NOON + HOUR_MS;
  assert.equal(react(paused, heard({ kind: 'cleared' }, later), busy, later), paused);
});

const sentences = (shape: Shape, at: number) => explain(shape, at).map(({ sentence }) => sentence);

test('every limit in force says since when, after which reply, by which rule and until when', () => {
  const reply = '421 4.7.0 <bob@example.org> slow down';
  const slow = react(fresh(), heard({ kind: 'slow-down' }, NOON, reply), busy, NOON);
  const one = react(
    slow,
    heard({ kind: 'one-connection', forMs: HOUR_MS }, NOON, '421 too many'),
    busy,
    NOON,
  );
  const few = react(
    one,
    heard({ kind: 'fewer-messages-per-connection', carried: 7 }, NOON, '421 max'),
    busy,
    NOON,
  );
  const shut = react(few, heard({ kind: 'suspend', forMs: HOUR_MS }, NOON, '554 blocked'), busy, NOON);
  assert.deepEqual(sentences(few, NOON), [
    '1 of 20 connections since 2027-02-28 12:00:00 UTC, after "421 too many" (rule gmail-rate); more from 2027-02-28 13:00:00 UTC on, as messages are taken.',
    '40 of 100 messages a second since 2027-02-28 12:00:00 UTC, after "421 4.7.0 <…@…> slow down" (rule gmail-rate); more as messages are taken.',
    '7 of 100 messages per connection until 2027-03-01 12:00:00 UTC, after "421 max" (rule gmail-rate).',
  ]);
  assert.equal(
    sentences(shut, NOON)[0],
    'Nothing goes there until 2027-02-28 13:00:00 UTC: suspended after "554 blocked" (rule gmail-rate).',
  );
  const down = react(fresh(), heard({ kind: 'trouble' }, NOON, 'connect ECONNREFUSED'), busy, NOON);
  assert.match(
    sentences(down, NOON)[0] ?? '',
    /^Nothing goes there until .* UTC: in trouble once: "connect ECONNREFUSED" \(rule gmail-rate\)\.$/,
  );
  assert.deepEqual(sentences(down, NOON + HOUR_MS), [
    'One connection probes the way: in trouble once: "connect ECONNREFUSED" (rule gmail-rate).',
  ]);
});
