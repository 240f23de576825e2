import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DnsAnswer, DnsRecord } from './dns-answer.ts';
import { DnsCache, FAILED_SECONDS } from './dns-cache.ts';

const NOW = 1_000_000;

function none(ttlSeconds: number): DnsAnswer<DnsRecord> {
  return { kind: 'none', nxdomain: true, ttlSeconds, authenticated: false };
}

test('an answer lives for its time, and says how much of it is left', () => {
  const cache = new DnsCache();
  cache.set('MX acme.example', none(60), NOW);
  assert.deepEqual(cache.get('MX acme.example', NOW + 500), none(60));
  assert.deepEqual(cache.get('MX acme.example', NOW + 59_999), none(1));
  assert.equal(cache.get('MX acme.example', NOW + 60_000), undefined);
  assert.equal(cache.get('A acme.example', NOW), undefined);
});

test('a failure is forgotten after seconds', () => {
  const cache = new DnsCache();
  const failed: DnsAnswer<DnsRecord> = { kind: 'failed', error: 'SERVFAIL' };
  cache.set('MX acme.example', failed, NOW);
  assert.equal(cache.get('MX acme.example', NOW + FAILED_SECONDS * 1_000 - 1), failed);
  assert.equal(cache.get('MX acme.example', NOW + FAILED_SECONDS * 1_000), undefined);
  assert.ok(FAILED_SECONDS <= 5);
});

test('a later answer takes the place of the one before', () => {
  const cache = new DnsCache(2);
  cache.set('a', none(60), NOW);
  cache.set('b', none(60), NOW);
  cache.set('a', none(900), NOW);
  cache.set('c', none(60), NOW);
  assert.deepEqual(cache.get('a', NOW), none(900));
  assert.equal(cache.get('b', NOW), undefined);
});

test('a cache that is full forgets what nobody asked for longest', () => {
  const cache = new DnsCache(2);
  cache.set('a', none(60), NOW);
  cache.set('b', none(60), NOW);
  cache.get('a', NOW);
  cache.set('c', none(60), NOW);
  assert.deepEqual(
    ['a', 'b', 'c'].filter((key) => cache.get(key, NOW)),
    ['a', 'c'],
  );
});
