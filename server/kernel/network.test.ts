import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { connect } from './network.ts';
import { openScopeNames, Scope } from './scope.ts';

const CONNECT_MS = 30_000;

let scope: Scope;
let server: Server;
const accepted: Socket[] = [];

before(async () => {
  server = createServer((socket) => accepted.push(socket.on('error', () => {})));
  await listen(server);
});

after(async () => {
  server.close();
  await once(server, 'close');
  assert.deepEqual(openScopeNames(), []);
});

beforeEach(() => {
  scope = Scope.root('test');
});

afterEach(() => {
  scope.cancel();
  for (const socket of accepted.splice(0)) socket.destroy();
});

async function listen(listener: Server): Promise<void> {
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
}

function portOf(listener: Server): number {
  const address = listener.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

function open(port = portOf(server), connectMs = CONNECT_MS): Promise<Socket> {
  return connect(scope, { host: '127.0.0.1', port, connectMs });
}

function listenersOnScope(): number {
  return getEventListeners(scope.signal, 'abort').length;
}

/** Connections under way: what a call that ended must not leave behind. */
async function noneUnderWay(): Promise<void> {
  for (let turn = 0; turn < 100; turn += 1) {
    const left = process.getActiveResourcesInfo().filter((name) => /ConnectWrap$/.test(name));
    if (left.length === 0) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail('a connection is still being made');
}

test('a connection carries bytes both ways', async () => {
  const socket = await open();
  socket.write('EHLO');
  const [peer] = accepted;
  const [heard] = peer ? await once(peer, 'data') : await firstBytes();
  assert.equal(String(heard), 'EHLO');
  accepted[0]?.write('250');
  assert.equal(String((await once(socket, 'data'))[0]), '250');
});

async function firstBytes(): Promise<unknown[]> {
  const [peer] = await once(server, 'connection');
  return once(peer, 'data');
}

test('a relay where nobody listens is refused at once, with the code of the system', async () => {
  const closed = createServer();
  await listen(closed);
  const port = portOf(closed);
  closed.close();
  await once(closed, 'close');
  await assert.rejects(open(port), { code: 'ECONNREFUSED' });
  assert.equal(listenersOnScope(), 0);
});

test('a connection belongs to its scope: it is destroyed when the scope ends', async () => {
  const socket = await open();
  assert.equal(socket.destroyed, false);
  scope.cancel('drained');
  assert.equal(socket.destroyed, true);
});

test('a worker that opened and closed many connections keeps nothing of them', async () => {
  for (let round = 0; round < 50; round += 1) {
    const socket = await open();
    socket.destroy();
    await once(socket, 'close');
  }
  assert.equal(listenersOnScope(), 0);
});

test('a connection that the relay resets does not end the process', async () => {
  const socket = await open();
  if (accepted.length === 0) await once(server, 'connection');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  accepted[0]?.resetAndDestroy();
  assert.equal(await closed, true, 'it was closed by an error');
});

test('nothing is connected for a scope that has ended', async () => {
  scope.cancel('drained');
  await assert.rejects(open(), { name: 'ScopeEnded', kind: 'cancelled' });
  await noneUnderWay();
});

test('who stops a worker does not wait for a relay that does not answer', async () => {
  await using silent = await silentRelay();
  const opening = open(silent.port);
  scope.cancel('SIGTERM');
  await assert.rejects(opening, { name: 'ScopeEnded', kind: 'cancelled', message: 'test: SIGTERM' });
  await noneUnderWay();
});

test('a relay that does not answer is given up when its time is up, and the scope goes on', async () => {
  await using silent = await silentRelay();
  await assert.rejects(open(silent.port, 50), { name: 'ScopeEnded', kind: 'deadline' });
  assert.equal(scope.ended, false);
  assert.equal(listenersOnScope(), 0);
  await noneUnderWay();
});

/**
 * Its queue of connections is full and nobody takes one out: the thread that listens stands still. Linux drops the next
 * SYN; where it is answered all the same, nobody hears of this relay either.
 */
async function silentRelay(): Promise<AsyncDisposable & { port: number }> {
  const thread = new Worker(
    `const { parentPort } = require('node:worker_threads');
     const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
     });`,
    { eval: true },
  );
  const [port] = await once(thread, 'message');
  const queued = [0, 1].map(() => createConnection(port, '127.0.0.1').on('error', () => {}));
  await Promise.all(queued.map((socket) => once(socket, 'connect')));
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of queued) socket.destroy();
      await thread.terminate();
    },
  };
}
