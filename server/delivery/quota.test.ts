/** Quotas of several workers on one Postgres. What a test awaits is a grant, never a time. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { startCutter } from '../../test/support/cutter.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { Database } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { createLog } from '../kernel/log.ts';
import { openScopeNames, Scope } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import type { Limits } from '../smtp/providers.ts';
import { explain, type Target } from './limits.ts';
import { forgetOldLimits } from './limits-report.ts';
import * as queries from './queries.ts';
import { type Permit, Quota } from './quota.ts';

const RENEW_MS = 50;
const SHORT_LEASE_MS = 600;
const LIMITS: Limits = {
  connections: 5,
  messagesPerConnection: 50,
  messagesPerSecond: null,
  messagesPerDay: null,
};

let db: TestDatabase;
const running: { scope: Scope; run: Promise<void>; database: Database }[] = [];

before(async () => {
  db = await createTestDatabase();
});

afterEach(async () => {
  for (const { scope } of running) scope.cancel('test');
  for (const { run, database } of running.splice(0)) await run.finally(() => database.close());
});

after(async () => {
  await db.drop();
  assert.deepEqual(openScopeNames(), []);
});

interface Started {
  quota: Quota;
  workerId: string;
  end(): Promise<void>;
}

function start({
  url = db.url,
  ...times
}: {
  url?: string;
  leaseMs?: number;
  renewMs?: number;
} = {}): Started {
  const database = new Database(url, { pipeline: true, connectionsMax: 2 });
  const workerId = newId();
  const quota = new Quota({
    database,
    log: createLog('silent'),
    workerId,
    renewMs: RENEW_MS,
    ...times,
  });
  const scope = Scope.root('quota');
  const run = quota.run(scope);
  running.push({ scope, run, database });
  const end = () => {
    scope.cancel('ends');
    return run;
  };
  return { quota, workerId, end };
}

let made = 0;

function newTarget(limits: Partial<Limits> = {}, name = `site mx${made++}.example`): Target {
  return { source: '', name, limits: { ...LIMITS, ...limits } };
}

async function until<T>(look: () => T | Promise<T>, what: string): Promise<NonNullable<T>> {
  for (const deadline = performance.now() + 3_000; performance.now() < deadline; ) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`waited in vain for: ${what}`);
}

function sharesOf(target: Target) {
  return db.database.withSystem((tx) =>
    queries.sharesOf(tx, [{ source: target.source, target: target.name }]),
  );
}

async function shapeOf(target: Target) {
  const [row] = await db.database.withSystem((tx) =>
    queries.lockShapes(tx, [{ source: target.source, target: target.name }]),
  );
  if (!row) return { row: undefined, sentences: [] };
  const { learned, successes, slowedAtMs, nowMs } = row;
  const reasons = explain({ limits: target.limits, learned, successes, slowedAtMs }, nowMs);
  return { row, sentences: reasons.map(({ sentence }) => sentence) };
}

/** Opens every connection that it may and closes each that it is told to, as a busy worker does. */
class Busy {
  readonly permits: Permit[] = [];
  closed = 0;
  readonly #quota: Quota;
  readonly #targets: Target[];
  readonly #onOpen: () => void;

  constructor({ quota }: Started, targets: Target[], onOpen: () => void) {
    this.#quota = quota;
    this.#targets = targets;
    this.#onOpen = onOpen;
    quota.onGrant(() => this.look());
  }

  look(): void {
    for (const permit of this.permits.filter((open) => open.shouldClose())) this.#close(permit);
    for (let permit = this.#connect(); permit; permit = this.#connect()) {
      this.permits.push(permit);
      this.#onOpen();
    }
  }

  #connect(): Permit | null {
    return this.#quota.connect(this.#targets);
  }

  #close(permit: Permit): void {
    this.closed += 1;
    this.permits.splice(this.permits.indexOf(permit), 1);
    permit.release();
  }
}

test('three workers share five connections as they come and go: never more than five, and all five', async () => {
  const target = newTarget();
  const busy: Busy[] = [];
  const counts = () => busy.map(({ permits }) => permits.length);
  const inUse = () => counts().reduce((sum, n) => sum + n, 0);
  let most = 0;
  const join = () => {
    const worker = start();
    const holder = new Busy(worker, [target], () => {
      most = Math.max(most, inUse());
    });
    busy.push(holder);
    worker.quota.want(target, 5);
    return { worker, holder };
  };
  const { worker: first, holder } = join();
  await until(() => inUse() === 5, 'one worker has all');
  join();
  await until(() => Math.min(...counts()) === 2 && inUse() === 5, 'two workers have two and three');
  join();
  await until(() => Math.min(...counts()) === 1 && inUse() === 5, 'three workers have a part each');
  assert.equal(holder.closed, 5 - holder.permits.length, 'it closed no more than it had to');
  first.quota.want(target, 0);
  await until(() => holder.permits.length === 0 && inUse() === 5, 'the two that stay have all');
  await first.end();
  assert.equal(most, 5);
  assert.equal((await sharesOf(target)).length, 2);
});

test('what cannot wait is said at once, whenever the next renewal is due', async () => {
  const [target, site] = [newTarget(), newTarget()];
  const worker = start({ renewMs: 60_000, leaseMs: 60_000 });
  const granted = (connections: number) => () => worker.quota.granted(target) === connections;
  worker.quota.want(target, 5);
  await until(granted(5), 'the first wish');
  assert.equal(worker.quota.heldUntil([site]), null);
  worker.quota.want(target, 0);
  worker.quota.want(target, 3);
  await until(async () => granted(3)() && (await shapeOf(site)).row, 'another wish');
  worker.quota.connect([target, site]);
  await until(() => worker.quota.connect([target, site]), 'what is only asked for');
  worker.quota.react([target], { kind: 'trouble', begunAt: performance.now(), reply: '', rule: 'r' });
  await until(async () => (await shapeOf(target)).row?.learned.pause, 'what was heard');
  worker.quota.react([target], { kind: 'cleared', begunAt: performance.now(), reply: '', rule: 'r' });
  await until(async () => !(await shapeOf(target)).row?.learned.pause, 'the end of it');
});

test('a limit smaller than the number of workers leaves some with nothing', async () => {
  const target = newTarget({ connections: 2 });
  const workers = [start(), start(), start()];
  for (const { quota } of workers) quota.want(target, 5);
  const granted = () => workers.map(({ quota }) => quota.granted(target)).sort();
  await until(() => granted().join() === '0,1,1', 'one each for two');
});

test('the share of a worker that was killed is another’s when its lease is over, and not before', async () => {
  const target = newTarget();
  const child = spawn(process.execPath, ['--input-type=module', '-e', holdAll(target)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: join(import.meta.dirname, '../..'),
  });
  await once(child.stdout, 'data');
  const heir = start();
  heir.quota.want(target, 5);
  await until(async () => (await sharesOf(target)).length === 2, 'it has asked');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const dead = (await sharesOf(target)).find(({ workerId }) => workerId !== heir.workerId);
  assert.equal(dead?.connections, 5);
  assert.equal(heir.quota.granted(target), 0);
  await until(() => heir.quota.granted(target) === 5, 'it has inherited');
  assert.deepEqual(
    (await sharesOf(target)).map(({ workerId }) => workerId),
    [heir.workerId],
  );
});

/** A worker process that has all connections and says so. */
function holdAll(target: Target): string {
  return `
    const { Database } = await import('./server/kernel/database.ts');
    const { Quota } = await import('./server/delivery/quota.ts');
    const { Scope } = await import('./server/kernel/scope.ts');
    const { createLog } = await import('./server/kernel/log.ts');
    const database = new Database(${JSON.stringify(db.url)}, { pipeline: true });
    const options = { leaseMs: ${SHORT_LEASE_MS}, renewMs: ${RENEW_MS} };
    const quota = new Quota({ database, log: createLog('silent'), workerId: '${newId()}', ...options });
    const target = ${JSON.stringify(target)};
    quota.onGrant(() => {
      while (quota.connect([target]));
      if (quota.granted(target) === 5) console.log('all');
    });
    quota.want(target, 5);
    await quota.run(Scope.root('child'));`;
}

test('a worker that cannot renew stops before others may have what it held', async () => {
  const target = newTarget();
  const cutter = await startCutter(db.directUrl);
  const cutOff = start({ url: cutter.url, leaseMs: SHORT_LEASE_MS });
  const holder = new Busy(cutOff, [target], () => {});
  cutOff.quota.want(target, 5);
  await until(() => holder.permits.length === 5, 'it has all');
  const heir = start();
  heir.quota.want(target, 5);
  let overlap = 0;
  heir.quota.onGrant(() => {
    overlap = Math.max(overlap, heir.quota.granted(target) && cutOff.quota.granted(target));
  });
  await cutter.stop();
  await until(() => cutOff.quota.granted(target) === 0, 'it has stopped');
  assert.ok(holder.permits.every((permit) => permit.shouldClose()));
  assert.equal(cutOff.quota.connect([target]), null);
  assert.ok(cutOff.quota.spend([target]) > 0);
  const others = await sharesOf(target);
  assert.ok(others.every(({ expired, workerId }) => !expired || workerId === heir.workerId));
  for (const permit of holder.permits) permit.release();
  await until(() => heir.quota.granted(target) === 5, 'another has it');
  assert.equal(overlap, 0);
});

test('a connection needs room at the provider and at the site, and what is asked for is wanted', async () => {
  const provider = newTarget({ connections: 3, messagesPerConnection: 20 }, 'provider test');
  const site = newTarget({ connections: 2 });
  const worker = start();
  const busy = new Busy(worker, [provider, site], () => {});
  worker.quota.want(provider, 5);
  await until(() => {
    busy.look();
    return busy.permits.length === 2;
  }, 'the site is full');
  assert.equal(worker.quota.connect([provider, site]), null);
  assert.ok(worker.quota.connect([provider]), 'the provider is not');
  assert.equal(worker.quota.connect([provider, newTarget()]), null, 'now it is');
  assert.equal(worker.quota.messagesPerConnection([provider, site]), 20);
});

test('a rate is kept by three workers together, and used up', async () => {
  const [rate, messages] = [90, 120];
  const target = newTarget({ messagesPerSecond: rate });
  const workers = [start(), start(), start()];
  for (const { quota } of workers) quota.want(target, 5);
  const rates = async () => (await sharesOf(target)).map(({ perSecond }) => perSecond);
  await until(async () => (await rates()).join() === '30,30,30', 'a third each');
  const sentAt: number[] = [];
  const begun = performance.now();
  let lateMs = 0;
  const send = async (quota: Quota) => {
    while (sentAt.length < messages) {
      const waitMs = quota.spend([target]);
      const asked = performance.now();
      if (waitMs === 0) sentAt.push(asked);
      else await new Promise((resolve) => setTimeout(resolve, waitMs));
      // The machine's fault: later than what is caught up.
      lateMs += Math.max(0, performance.now() - asked - waitMs - 100);
    }
  };
  await Promise.all(workers.map(({ quota }) => send(quota)));
  const tookMs = performance.now() - begun;
  const expected = (ms: number) => (rate * ms) / 1_000;
  assert.ok(messages <= expected(tookMs + 100) + 3, `too fast: ${tookMs} ms`);
  assert.ok(messages >= 0.95 * expected(tookMs - lateMs), `too slow: ${tookMs} ms, ${lateMs} ms late`);
  assert.deepEqual(await rates(), [30, 30, 30]);
});

test('the messages of a day are as many as there are, whoever sends them, and then it says until when', async () => {
  const target = newTarget({ messagesPerDay: 35 });
  const workers = [start(), start(), start()];
  for (const { quota } of workers) quota.want(target, 5);
  let sent = 0;
  const sendAll = () => {
    for (const { quota } of workers) while (quota.spend([target]) === 0) sent += 1;
  };
  await until(() => {
    sendAll();
    const held = workers.filter(({ quota }) => quota.heldUntil([target]));
    assert.ok(sent === 35 || held.length === 0, `${sent} sent, ${held.length} think that it is over`);
    return held.length === 3;
  }, 'the day is over');
  assert.equal(sent, 35);
  const held = workers[0]?.quota.heldUntil([target]);
  assert.equal(held?.reason, 'the 35 messages of its day (UTC) are sent');
  const midnight = new Date(held?.untilMs ?? 0);
  const ofDayMs = midnight.getTime() % 86_400_000;
  assert.ok(Math.min(ofDayMs, 86_400_000 - ofDayMs) < 5_000, midnight.toISOString());
});

test('what a worker does not send of a day’s messages, others do', async () => {
  const target = newTarget({ messagesPerDay: 12 });
  const [idle, busy] = [start(), start()];
  idle.quota.want(target, 5);
  await until(() => idle.quota.granted(target), 'it has messages of the day in hand');
  busy.quota.want(target, 5);
  idle.quota.want(target, 0);
  let sent = 0;
  await until(() => {
    while (busy.quota.spend([target]) === 0) sent += 1;
    return sent === 12;
  }, 'all are sent by the other');
});

test('a throttle holds here at once, elsewhere with the next renewal, and says why', async () => {
  const target = newTarget();
  const [hears, other] = [start(), start()];
  for (const { quota } of [hears, other]) quota.want(target, 5);
  const parts = () => [hears, other].map(({ quota }) => quota.granted(target)).sort();
  await until(() => parts().join() === '2,3', 'both have a part');
  const reply = '421 4.7.28 <bob@example.org> an unusual rate';
  const throttle = { kind: 'slow-down', begunAt: performance.now(), reply, rule: 'gmail-rate' } as const;
  for (let connection = 1; connection <= 5; connection += 1) hears.quota.react([target], throttle);
  assert.ok(hears.quota.granted(target) <= 2);
  await until(() => parts().join() === '1,1', 'half of them for both together');
  const { row, sentences } = await shapeOf(target);
  assert.equal(row?.learned.connections?.value, 2, 'five replies of one moment are one');
  assert.match(
    sentences[0] ?? '',
    /^2 of 5 connections since .*, after "421 4\.7\.28 <…@…> an unusual rate" \(rule gmail-rate\)/,
  );
});

test('messages that are taken give back what a throttle took, and nothing is left to explain', async () => {
  const target = newTarget({ connections: 3 });
  const worker = start();
  worker.quota.want(target, 3);
  await until(() => worker.quota.granted(target) === 3, 'all of them');
  worker.quota.react([target], { kind: 'slow-down', begunAt: performance.now(), reply: '421', rule: 'r' });
  await until(async () => (await shapeOf(target)).row?.learned.connections?.value === 1, 'one');
  for (let message = 1; message <= 10; message += 1) worker.quota.accepted([target]);
  await until(() => worker.quota.granted(target) === 2, 'one more after ten messages');
  for (let message = 1; message <= 20; message += 1) worker.quota.accepted([target]);
  await until(() => worker.quota.granted(target) === 3, 'one more after twenty');
  assert.deepEqual((await shapeOf(target)).sentences, []);
});

test('a block shuts the way for all workers until its time is over', async () => {
  const target = newTarget();
  const [hears, other] = [start(), start()];
  for (const { quota } of [hears, other]) quota.want(target, 5);
  await until(() => other.quota.granted(target) > 0, 'both have a part');
  const block = {
    kind: 'suspend',
    forMs: 3_600_000,
    begunAt: performance.now(),
    reply: '554 listed',
    rule: 'dnsbl',
  } as const;
  hears.quota.react([target], block);
  assert.equal(hears.quota.connect([target]), null);
  const held = await until(() => other.quota.heldUntil([target]), 'the other knows');
  assert.equal(held.reason, 'suspended after "554 listed" (rule dnsbl)');
  assert.ok(Math.abs(held.untilMs - Date.now() - 3_600_000) < 60_000);
  assert.ok(other.quota.spend([target]) > 3_000_000);
});

test('a worker that ends gives everything back', async () => {
  const target = newTarget();
  const worker = start();
  worker.quota.want(target, 5);
  await until(() => worker.quota.granted(target) === 5, 'it has all');
  await worker.end();
  assert.deepEqual(await sharesOf(target), []);
});

test('a rule that was changed holds from the next renewal on', async () => {
  const target = newTarget();
  const worker = start();
  worker.quota.want(target, 9);
  await until(() => worker.quota.granted(target) === 5, 'the old rule');
  worker.quota.want({ ...target, limits: { ...LIMITS, connections: 8 } }, 9);
  await until(() => worker.quota.granted(target) === 8, 'the new rule');
});

test('limits that nobody uses and nothing was learned of for long are forgotten', async () => {
  const [used, unused] = [newTarget(), newTarget()];
  const worker = start();
  for (const target of [used, unused]) worker.quota.want(target, 1);
  await until(() => worker.quota.granted(unused) > 0, 'both are there');
  worker.quota.want(unused, 0);
  await until(async () => (await sharesOf(unused)).length === 0, 'one is unused');
  await db.database.withSystem((tx) =>
    tx.query(sql`UPDATE shape SET changed_at = now() - interval '31 days'`),
  );
  await forgetOldLimits(db.database);
  const left = await db.database.withSystem((tx) =>
    tx.query<{ target: string }>(sql`SELECT target FROM shape`),
  );
  const names = left.map(({ target }) => target);
  assert.deepEqual([names.includes(used.name), names.includes(unused.name)], [true, false]);
  worker.quota.want(unused, 1);
  await until(() => worker.quota.granted(unused) > 0, 'and made again when it is wanted');
});
