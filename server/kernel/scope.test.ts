import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { after, test } from 'node:test';
import { LeakedWork, openScopeNames, Scope, ScopeEnded } from './scope.ts';

const warnings: Error[] = [];
process.on('warning', (warning) => warnings.push(warning));

after(() => {
  assert.deepEqual(openScopeNames(), []);
  assert.deepEqual(warnings, []);
});

function timers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
}

function listenersOn(scope: Scope): number {
  return getEventListeners(scope.signal, 'abort').length;
}

function endOf(scope: Scope): Promise<ScopeEnded> {
  return new Promise((resolve) => scope.onEnd(resolve));
}

test('work that has a deadline is told when its time is up', async () => {
  const scope = Scope.root('import', { deadlineMs: 5 });
  const reason = await endOf(scope);
  assert.equal(reason.kind, 'deadline');
  assert.equal(reason.message, 'import: out of time after 5 ms');
  assert.equal(scope.remainingMs(), 0);
  assert.throws(() => scope.throwIfEnded(), reason);
});

test('work without a deadline goes on until somebody cancels it', async () => {
  const scope = Scope.root('worker');
  assert.equal(scope.remainingMs(), Number.POSITIVE_INFINITY);
  assert.equal(timers(), 0);
  scope.cancel('SIGTERM');
  const reason = await endOf(scope);
  assert.deepEqual([reason.kind, reason.message], ['cancelled', 'worker: SIGTERM']);
});

test('when a caller goes away, everything that works for it ends for the same reason', () => {
  const root = Scope.root('request');
  const grandchild = root.child('campaign').child('render', { deadlineMs: 60_000 });
  root.cancel('the client hung up');
  assert.equal(grandchild.ended, true);
  assert.throws(() => grandchild.throwIfEnded(), {
    kind: 'cancelled',
    message: 'request: the client hung up',
  });
});

test('a child that ends leaves its parent and its siblings alone', () => {
  const root = Scope.root('worker');
  const [first, second] = [root.child('first'), root.child('second')];
  first.cancel();
  assert.deepEqual([root.ended, second.ended], [false, false]);
  root.cancel();
});

test('the earliest deadline wins, whoever set it', async () => {
  const short = Scope.root('request', { deadlineMs: 5 });
  const long = short.child('query', { deadlineMs: 60_000 });
  assert.equal(long.deadline, short.deadline);
  assert.equal((await endOf(long)).message, 'request: out of time after 5 ms');

  const patient = Scope.root('worker', { deadlineMs: 60_000 });
  const hasty = patient.child('connect', { deadlineMs: 5 });
  assert.equal((await endOf(hasty)).message, 'worker/connect: out of time after 5 ms');
  assert.equal(patient.ended, false);
  patient.cancel();
});

test('a worker that lives for long keeps nothing of the ten thousand calls that it made', () => {
  const worker = Scope.root('worker');
  for (let call = 0; call < 10_000; call += 1) {
    const scope = worker.child('call', { deadlineMs: 60_000 });
    scope.onEnd(() => {})();
    scope.cancel('done');
  }
  assert.equal(listenersOn(worker), 0);
  assert.equal(timers(), 0);
  assert.deepEqual(openScopeNames(), ['worker']);
  worker.cancel();
});

test('ten thousand calls at the same time end with their worker, and none is left over', () => {
  const worker = Scope.root('worker');
  const calls = Array.from({ length: 10_000 }, () => worker.child('call', { deadlineMs: 60_000 }));
  worker.cancel('SIGTERM');
  assert.ok(calls.every((call) => call.ended));
  assert.deepEqual([listenersOn(worker), timers()], [0, 0]);
  assert.deepEqual(openScopeNames(), []);
});

test('a call that begins after its caller went away has ended already, and no timer keeps the process', async () => {
  const caller = Scope.root('request');
  caller.cancel();
  const late = caller.child('call', { deadlineMs: 60_000 });
  assert.equal(late.ended, true);
  assert.equal(timers(), 0);
  assert.equal((await endOf(late)).kind, 'cancelled');
  await assert.rejects(
    late.run('send', async () => assert.fail('it must not begin')),
    ScopeEnded,
  );
});

test('who takes its call back is not called', () => {
  const scope = Scope.root('worker');
  const takeBack = scope.onEnd(() => assert.fail('it was taken back'));
  takeBack();
  scope.cancel();
});

test('a second end changes nothing: the first reason stays', async () => {
  const scope = Scope.root('worker');
  scope.cancel('first');
  scope.cancel('second');
  assert.equal((await endOf(scope)).message, 'worker: first');
});

test('waiting ends at once when the scope ends, and leaves no timer', async () => {
  const scope = Scope.root('worker');
  const waiting = scope.sleep(60_000);
  scope.cancel('SIGTERM');
  await assert.rejects(waiting, { name: 'ScopeEnded', message: 'worker: SIGTERM' });
  await assert.rejects(scope.sleep(60_000), { name: 'ScopeEnded' });
  assert.equal(timers(), 0);
});

test('waiting that comes to its end leaves nothing behind', async () => {
  const scope = Scope.root('worker');
  for (let round = 0; round < 20; round += 1) await scope.sleep(1);
  assert.deepEqual([listenersOn(scope), timers()], [0, 0]);
  scope.cancel();
});

test('work that is past its point of no return goes on when its caller leaves, and still has a deadline', async () => {
  const caller = Scope.root('request');
  const dot = caller.detached('final dot', { deadlineMs: 5 });
  assert.equal(listenersOn(caller), 0);
  caller.cancel('the client hung up');
  assert.equal(dot.ended, false);
  assert.equal((await endOf(dot)).message, 'request!final dot: out of time after 5 ms');
});

test('a scope that is closed while its work still runs names that work', async () => {
  const [never, release] = gate();
  const close = async () => {
    await using scope = Scope.root('job');
    void scope.run('upload', () => never);
    await scope.run('quick', async () => {});
  };
  await assert.rejects(close, (error) => {
    assert.ok(error instanceof LeakedWork);
    assert.equal(error.message, 'job was closed while running: upload');
    return true;
  });
  release();
});

test('work that ends because its scope is closed is not a leak', async () => {
  let ended: Promise<void> | undefined;
  {
    await using scope = Scope.root('job');
    ended = scope.run('wait', (own) => own.sleep(60_000));
    ended.catch(() => {});
  }
  await assert.rejects(ended, ScopeEnded);
});

function gate(): [Promise<void>, () => void] {
  const { promise, resolve } = Promise.withResolvers<void>();
  return [promise, resolve];
}
