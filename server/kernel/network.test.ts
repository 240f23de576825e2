import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { getEventListeners, once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { silentRelay } from '../../test/support/silent-relay.ts';
import { connect, datagrams, parseEndpoint } from './network.ts';
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

/** Connections under way and UDP sockets: what a call that ended must not leave behind. */
async function noneUnderWay(): Promise<void> {
  for (let turn = 0; turn < 100; turn += 1) {
    const left = process.getActiveResourcesInfo().filter((name) => /ConnectWrap$|^UDPWrap$/.test(name));
    if (left.length === 0) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail('a connection is still being made, or a UDP socket is open');
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

test('a datagram is answered, and one from anybody else is not heard', async () => {
  const [peer, stranger] = [createSocket('udp4'), createSocket('udp4')];
  peer.bind(0, '127.0.0.1');
  await once(peer, 'listening');
  const heard: string[] = [];
  const socket = datagrams(scope, { host: '127.0.0.1', port: peer.address().port });
  socket.on('message', (bytes) => heard.push(String(bytes)));
  socket.send('question');
  const [, from] = await once(peer, 'message');
  await new Promise((sent) => stranger.send('forged', from.port, '127.0.0.1', sent));
  peer.send('answer', from.port, '127.0.0.1');
  await once(socket, 'message');
  assert.deepEqual(heard, ['answer']);
  peer.close();
  stranger.close();
});

test('a datagram to a port where nobody listens is an event, not the end of the process', async () => {
  const closed = createSocket('udp4').bind(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address();
  closed.close();
  const socket = datagrams(scope, { host: '127.0.0.1', port });
  const refused = new Promise((resolve) => socket.once('error', resolve));
  socket.send('question');
  assert.equal(Reflect.get(Object(await refused), 'code'), 'ECONNREFUSED');
});

test('a UDP socket is closed with its scope, and none is opened for one that has ended', async () => {
  const closed = once(datagrams(scope, { host: '127.0.0.1', port: 9 }), 'close');
  scope.cancel('drained');
  await closed;
  assert.throws(() => datagrams(scope, { host: '127.0.0.1', port: 9 }), { name: 'ScopeEnded' });
  await noneUnderWay();
});

test('an address that no datagram can reach is an error, and its socket is not left open', async () => {
  assert.throws(() => datagrams(scope, { host: '255.255.255.255', port: 9 }), { code: 'EACCES' });
  await noneUnderWay();
});

test('an address with its port is read, and what is neither IPv4 nor IPv6 is not', () => {
  assert.deepEqual(parseEndpoint('192.0.2.1:53'), { host: '192.0.2.1', port: 53 });
  assert.deepEqual(parseEndpoint('[2001:db8::1]:5353'), { host: '2001:db8::1', port: 5353 });
  const others = [
    '192.0.2.1',
    '192.0.2.1:0',
    '192.0.2.1:65536',
    '192.0.2.300:53',
    '2001:db8::1:53',
    '[192.0.2.1]:53',
  ];
  for (const text of [...others, 'localhost:53', '[::1', '', ' 192.0.2.1:53', '192.0.2.1:53x'])
    assert.equal(parseEndpoint(text), null, text);
});
