/**
 * The protocol of the shares, played with a clock of its own: three workers that ask, send, fall silent, lose answers and
 * die, against the row that they share.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Limits } from '../smtp/providers.ts';
import { type Grant, type Report, renew } from './quota-renewal.ts';
import { divide } from './quota-shares.ts';
import { TargetQuota } from './quota-target.ts';

const WORKERS = 3;
const LEASE_MS = 5_000;
const RENEW_MS = 500;
/** Messages that a worker has at a time. */
const BACKLOG = 20;
const STEP_MS = 20;
const CATCH_UP_MS = 100;
const NOON = Date.UTC(2027, 1, 28, 12);

class Worker {
  readonly id: string;
  quota: TargetQuota;
  readonly open: object[] = [];
  inFlight: { report: Report; sentAt: number; grant?: Grant } | undefined;

  constructor(id: string, limits: Limits) {
    this.id = id;
    this.quota = new TargetQuota({ source: '', name: 'site mx.test', limits }, 0);
  }

  connect(now: number): void {
    while (this.quota.mayOpen(now)) {
      const permit = {};
      this.quota.opened(permit, now);
      this.open.push(permit);
    }
  }

  closeTo(connections: number): void {
    for (const permit of this.open.splice(connections)) this.quota.released(permit, false);
  }
}

/** What Postgres has, and who comes to it. */
class Play {
  now = 0;
  readonly limits: Limits;
  readonly workers: Worker[];
  readonly sentAt: number[] = [];
  #row: Parameters<typeof renew>[0];
  #shares: { share: Parameters<typeof renew>[1][number]; expiresAt: number }[] = [];

  constructor(limits: Limits) {
    this.limits = limits;
    this.workers = Array.from({ length: WORKERS }, (_, at) => new Worker(`worker ${at}`, limits));
    const fresh = {
      learned: {},
      successes: 0,
      slowedAtMs: 0,
      nextAtMs: 0,
      day: '2027-02-28',
      sentToday: 0,
      nowMs: 0,
    };
    this.#row = { source: '', target: 'site mx.test', ...limits, ...fresh };
  }

  get inUse(): number {
    return this.workers.reduce((sum, { open }) => sum + open.length, 0);
  }

  get written(): number {
    return this.#shares.reduce(
      (sum, { share, expiresAt }) => sum + (expiresAt > this.now ? share.connections : 0),
      0,
    );
  }

  /** Everybody sends what it may. Nobody has to be told that its lease is over. */
  pass(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now = Math.min(end, this.now + STEP_MS))
      for (const worker of this.workers) {
        this.#spend(worker);
        if (worker.quota.granted(this.now) === 0) worker.closeTo(0);
      }
  }

  #spend(worker: Worker): void {
    for (let n = 0; n < BACKLOG && worker.quota.waitMs(this.now, RENEW_MS) === 0; n += 1) {
      worker.quota.spend(this.now);
      this.sentAt.push(this.now);
    }
  }

  send(worker: Worker): { report: Report; sentAt: number; grant?: Grant } {
    worker.inFlight ??= { report: worker.quota.report(this.now), sentAt: this.now };
    return worker.inFlight;
  }

  commit(worker: Worker): Grant {
    const inFlight = this.send(worker);
    inFlight.grant ??= this.#renew(inFlight.report, worker.id);
    return inFlight.grant;
  }

  answer(worker: Worker): void {
    const grant = this.commit(worker);
    const { report, sentAt } = this.send(worker);
    worker.inFlight = undefined;
    worker.quota.renewed(report, grant, sentAt, this.now);
  }

  #renew(report: Report, workerId: string): Grant {
    const held = this.#shares.map(({ share, expiresAt }) => ({ ...share, expired: expiresAt <= this.now }));
    const renewal = renew({ ...this.#row, nowMs: NOON + this.now }, held, report, {
      workerId,
      leaseMs: LEASE_MS,
    });
    this.#row = { ...this.#row, ...renewal.shape };
    const gone = [workerId, ...renewal.expired.map((share) => share.workerId)];
    this.#shares = this.#shares.filter(({ share }) => !gone.includes(share.workerId));
    this.#shares.push({ share: { ...renewal.share, expired: false }, expiresAt: this.now + LEASE_MS });
    return renewal.grant;
  }

  /** Its connections end with it; another takes its place. */
  die(worker: Worker): void {
    this.workers[this.workers.indexOf(worker)] = new Worker(`${worker.id}'`, this.limits);
  }
}

const EVENTS: Record<string, (play: Play, worker: Worker) => void> = {
  want: (_play, worker) => worker.quota.want(4, worker.quota.limits),
  connect: (play, worker) => worker.connect(play.now),
  answer: (play, worker) => play.answer(worker),
  send: (play, worker) => void play.send(worker),
  commit: (play, worker) => void play.commit(worker),
  rest: (_play, worker) => worker.quota.want(0, worker.quota.limits),
  close: (play, worker) => worker.closeTo(worker.quota.granted(play.now)),
  lose: (_play, worker) => {
    worker.inFlight = undefined;
  },
  die: (play, worker) => play.die(worker),
};
const USUAL = ['want', 'connect', 'answer'];

const event = fc.record({
  name: fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...USUAL) },
    { weight: 1, arbitrary: fc.constantFrom(...Object.keys(EVENTS)) },
  ),
  worker: fc.nat(WORKERS - 1),
  ms: fc.oneof({ weight: 20, arbitrary: fc.nat(50) }, { weight: 1, arbitrary: fc.nat(LEASE_MS + 1_000) }),
});

const rules = fc.record({
  connections: fc.constantFrom(1, 2, 5),
  messagesPerConnection: fc.constant(100),
  messagesPerSecond: fc.constantFrom(2, 15, 60, null),
  messagesPerDay: fc.constantFrom(null, 30),
});

function play(limits: Limits, events: { name: string; worker: number; ms: number }[]): Play {
  const game = new Play(limits);
  for (const { name, worker, ms } of events) {
    game.pass(ms);
    EVENTS[name]?.(game, game.workers[worker] as Worker);
    assert.ok(game.inUse <= limits.connections, `${game.inUse} connections in use after ${name}`);
  }
  return game;
}

/** In no stretch of time more than the rate, what somebody was late for, and one for each who sends. */
function assertEven(sentAt: readonly number[], rate: number | null): void {
  if (rate === null) return;
  const sharers = Math.min(WORKERS, Math.max(1, Math.floor(rate / 10)));
  let [level, last] = [0, 0];
  for (const at of sentAt) {
    level = Math.max(0, level - (rate * (at - last)) / 1_000) + 1;
    last = at;
    assert.ok(level <= (rate * CATCH_UP_MS) / 1_000 + sharers + 1e-6, `${level} too many at ${at}`);
  }
}

test('whatever happens to workers and their answers, no more is used than there is, at any instant', () => {
  fc.assert(
    fc.property(rules, fc.array(event, { minLength: 100, maxLength: 300, size: 'max' }), (limits, events) => {
      const { sentAt } = play(limits, events);
      assert.ok(sentAt.length <= (limits.messagesPerDay ?? Infinity), `${sentAt.length} of the day`);
      assertEven(sentAt, limits.messagesPerSecond);
    }),
    { numRuns: 300 },
  );
});

test('however it went, two renewals later everything is granted to those who want it, in equal parts', () => {
  fc.assert(
    fc.property(rules, fc.array(event, { maxLength: 80 }), (limits, events) => {
      const game = play({ ...limits, messagesPerSecond: 100, messagesPerDay: null }, events);
      for (const worker of game.workers) worker.inFlight = undefined;
      for (const worker of game.workers) worker.quota.want(5, worker.quota.limits);
      game.pass(LEASE_MS);
      for (let round = 1; round <= 3; round += 1)
        for (const worker of game.workers) {
          game.pass(10);
          worker.closeTo(worker.quota.granted(game.now));
          game.answer(worker);
        }
      const granted = game.workers.map(({ quota }) => quota.granted(game.now)).sort();
      const fair = divide(limits.connections, [5, 5, 5]).sort();
      assert.deepEqual(granted, fair);
      assert.equal(game.written, limits.connections);
    }),
    { numRuns: 300 },
  );
});

const LIMITS: Limits = {
  connections: 5,
  messagesPerConnection: 100,
  messagesPerSecond: 100,
  messagesPerDay: null,
};

/** All want it and have renewed until nothing moves. */
function settled(limits: Partial<Limits>): Play {
  const game = new Play({ ...LIMITS, ...limits });
  for (const { quota } of game.workers) quota.want(5, quota.limits);
  renewAll(game, 3);
  return game;
}

function renewAll(game: Play, rounds: number): void {
  for (let round = 1; round <= rounds; round += 1)
    for (const worker of game.workers) {
      game.pass(10);
      game.answer(worker);
    }
}

const granted = (game: Play) => game.workers.map(({ quota }) => quota.granted(game.now));
const failure = (begunAt: number) => ({
  kind: 'trouble' as const,
  begunAt,
  reply: 'ECONNREFUSED',
  rule: 'trouble',
});

test('after a trouble nobody connects, then one worker does, once, and then everybody again', () => {
  const game = settled({});
  const [first] = game.workers;
  assert.equal(first?.quota.react(failure(game.now), game.now), true);
  assert.equal(first?.quota.granted(game.now), 0, 'it need not ask anybody');
  renewAll(game, 1);
  assert.deepEqual(granted(game), [0, 0, 0]);
  game.pass(1_000);
  renewAll(game, 3);
  assert.deepEqual(granted(game).sort(), [0, 0, 1]);
  const prober = game.workers.find(({ quota }) => quota.granted(game.now) === 1);
  prober?.connect(game.now);
  assert.equal(prober?.open.length, 1, 'its other connections wait for the probe');
  assert.ok(game.workers.every(({ quota }) => quota.held(game.now) !== null));
  prober?.quota.react({ ...failure(game.now), kind: 'cleared' }, game.now);
  renewAll(game, 3);
  assert.deepEqual(granted(game).sort(), [1, 2, 2]);
});

test('a slow rate belongs to one worker, who also has the connections', () => {
  const game = settled({ messagesPerSecond: 15 });
  assert.deepEqual(granted(game).sort(), [0, 0, 5]);
});

test('who comes back after its lease was over begins the rate anew, after the message of another', () => {
  const game = new Play({ ...LIMITS, messagesPerSecond: 2 });
  const [returning, other] = game.workers;
  assert.ok(returning && other);
  const sendOne = ({ quota }: Worker) => {
    const waitMs = quota.waitMs(game.now, RENEW_MS);
    if (waitMs === 0) quota.spend(game.now);
    return waitMs;
  };
  returning.quota.want(5, game.limits);
  game.answer(returning);
  game.now += LEASE_MS;
  other.quota.want(5, game.limits);
  game.answer(other);
  game.now += 1_000;
  assert.equal(sendOne(other), 0);
  other.quota.want(0, game.limits);
  game.answer(other);
  game.answer(returning);
  assert.equal(sendOne(returning), 500);
});

test('who used up its messages of the day in hand keeps its connections until it has others', () => {
  const game = settled({ messagesPerDay: 1_000 });
  const [worker] = game.workers;
  assert.ok(worker);
  worker.connect(game.now);
  for (let sent = 0; worker.quota.waitMs(game.now, RENEW_MS) === 0 && sent < 50; sent += 1) {
    worker.quota.spend(game.now);
    game.now += 40;
  }
  assert.equal(worker.quota.waitMs(game.now, RENEW_MS), RENEW_MS);
  assert.equal(worker.quota.hasTooMany({}, game.now), false);
  assert.equal(worker.quota.held(game.now), null);
  game.answer(worker);
  assert.equal(worker.quota.waitMs(game.now, RENEW_MS), 0);
});

test('the day is over when its messages are sent, not when others have the last of them in hand', () => {
  const game = new Play({ ...LIMITS, messagesPerDay: 3 });
  const [slow, quick] = game.workers;
  assert.ok(slow && quick);
  for (const worker of [slow, quick]) {
    worker.quota.want(5, game.limits);
    game.answer(worker);
  }
  quick.quota.spend(game.now);
  game.answer(quick);
  assert.equal(quick.quota.held(game.now), null);
  assert.ok(quick.quota.waitMs(game.now, RENEW_MS) > RENEW_MS, 'its messages may go back');
  for (let sent = 1; sent <= 2; sent += 1) slow.quota.spend(game.now);
  game.answer(slow);
  game.answer(quick);
  assert.equal(quick.quota.held(game.now)?.reason, 'the 3 messages of its day (UTC) are sent');
});

test('who sends less than its part leaves the rest to those who could send more', () => {
  const game = settled({});
  for (let half = 1; half <= 4; half += 1) {
    for (let ms = 0; ms < RENEW_MS; ms += STEP_MS) {
      for (const { quota } of game.workers.slice(1))
        while (quota.waitMs(game.now, RENEW_MS) === 0) quota.spend(game.now);
      game.now += STEP_MS;
    }
    for (const worker of game.workers) game.answer(worker);
  }
  const [idle = 0, ...busy] = game.workers.map((worker) => game.commit(worker).perSecond ?? 0);
  assert.ok(idle < 3 && Math.min(...busy) > 45, `${idle} and ${busy}`);
});

test('parts are as equal as the wishes allow, and whole', () => {
  assert.deepEqual(divide(5, [5, 5, 5]), [2, 2, 1]);
  assert.deepEqual(divide(2, [5, 5, 5]), [1, 1, 0]);
  assert.deepEqual(divide(10, [1, 20, 20]), [1, 5, 4]);
  assert.deepEqual(divide(10, [1, 0, 3]), [1, 0, 3]);
  assert.deepEqual(divide(0, [1]), [0]);
  const wishes = fc.array(fc.nat(20), { maxLength: 8 });
  fc.assert(
    fc.property(fc.nat(40), wishes, (limit, wants) => {
      const parts = divide(limit, wants);
      const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
      assert.equal(sum(parts), Math.min(limit, sum(wants)));
      const hungry = parts.filter((part, at) => part < (wants[at] ?? 0));
      const most = Math.max(0, ...parts);
      assert.ok(
        hungry.every((part) => part >= most - 1),
        `${wants} of ${limit}: ${parts}`,
      );
    }),
  );
});
