import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostMemory } from './host-memory.ts';
import { noOffers } from './offers.ts';
import type { OpenFailed } from './session.ts';

const refused: OpenFailed = { kind: 'failed', phase: 'connect', error: 'ECONNREFUSED' };
const busy: OpenFailed = { kind: 'failed', phase: 'greeting', error: 'busy' };
const DAY_MS = 86_400_000;

test('a host whose TLS is broken is met without TLS for three days', () => {
  let now = 1_000;
  const memory = new HostMemory({ now: () => now });
  assert.equal(memory.isTlsBroken('mx.acme.example'), false);
  memory.noteTlsBroken('mx.acme.example');
  assert.equal(memory.isTlsBroken('mx.acme.example'), true);
  assert.equal(memory.isTlsBroken('mx2.acme.example'), false);
  now += 3 * DAY_MS - 1;
  assert.equal(memory.isTlsBroken('mx.acme.example'), true);
  now += 1;
  assert.equal(memory.isTlsBroken('mx.acme.example'), false);
});

test('a host that could not be reached is tried last for five minutes, or until it is reached', () => {
  let now = 1_000;
  const memory = new HostMemory({ now: () => now });
  const hosts = ['a', 'b', 'c'];
  memory.noteFailed('a', refused);
  memory.noteFailed('b', busy);
  assert.deepEqual(memory.reachableFirst(hosts), ['b', 'c', 'a'], 'a host that answers can be reached');
  assert.deepEqual(memory.of('a').lastFailure, { atMs: 1_000, failure: refused });
  now += 5 * 60_000;
  assert.deepEqual(memory.reachableFirst(hosts), hosts);
  memory.noteFailed('a', refused);
  memory.noteOpened('a', { ...noOffers, starttls: true });
  assert.deepEqual(memory.reachableFirst(hosts), hosts);
  assert.equal(memory.of('a').offers?.starttls, true);
  assert.equal(memory.of('a').lastFailure, null);
});

test('what a host closes after is learned from connections that did not rest', () => {
  const memory = new HostMemory();
  memory.noteClosedBetween('a', 3, 30_000);
  assert.equal(memory.of('a').messagesPerConnection, null);
  memory.noteClosedBetween('a', 20, 40);
  assert.equal(memory.of('a').messagesPerConnection, 20);
});

test('the host that was not heard of for longest is forgotten first', () => {
  const memory = new HostMemory({ hostsMax: 2 });
  for (const host of ['a', 'b', 'a', 'c']) memory.noteOpened(host, noOffers);
  assert.deepEqual(
    ['a', 'b', 'c'].map((host) => memory.of(host).offers !== null),
    [true, false, true],
  );
});
