import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, decode, encode, type Packet } from 'dns-packet';
import { NEGATIVE_TTL_CAP_SECONDS, readAnswer, TTL_CAP_SECONDS, TTL_FLOOR_SECONDS } from './dns-answer.ts';

const QUESTION = { type: 'A', name: 'acme.example' } as const;
const TOP_BIT = 2 ** 31;

function read(packet: Packet, nxdomain = false) {
  return readAnswer(
    decode(encode({ type: 'response', questions: [QUESTION], ...packet })),
    QUESTION,
    nxdomain,
  );
}

function address(ttl: number): Answer {
  return { ...QUESTION, ttl, data: '192.0.2.1' };
}

function soa(ttl: number, minimum: number): Answer {
  return { type: 'SOA', name: 'example', ttl, data: { mname: 'ns.example', rname: 'h.example', minimum } };
}

function keptFor(packet: Packet): number | null {
  const answer = read(packet);
  return answer.kind === 'failed' ? null : answer.ttlSeconds;
}

test('records are kept for the shortest of their lives, within bounds of ours', () => {
  assert.equal(keptFor({ answers: [address(300), address(200)] }), 200);
  assert.equal(keptFor({ answers: [address(0)] }), TTL_FLOOR_SECONDS);
  assert.equal(keptFor({ answers: [address(TTL_CAP_SECONDS + 1)] }), TTL_CAP_SECONDS);
  assert.equal(keptFor({ answers: [address(TOP_BIT)] }), TTL_FLOOR_SECONDS, 'RFC 2181 section 8');
});

test('that there are none is kept for as long as the zone says, and not for long', () => {
  assert.equal(keptFor({ authorities: [soa(100, 200)] }), 100);
  assert.equal(keptFor({ authorities: [soa(200, 100)] }), 100);
  assert.equal(keptFor({ authorities: [soa(86_400, 86_400)] }), NEGATIVE_TTL_CAP_SECONDS);
  assert.equal(keptFor({}), TTL_FLOOR_SECONDS);
});

test('an alias that leads nowhere is none, for no longer than the alias lives', () => {
  const alias: Answer = { type: 'CNAME', name: 'acme.example', ttl: 30, data: 'gone.example' };
  assert.deepEqual(read({ answers: [alias], authorities: [soa(900, 900)] }, true), {
    kind: 'none',
    nxdomain: true,
    ttlSeconds: 30,
    authenticated: false,
  });
});

test('a record of another class is not looked at', () => {
  assert.equal(read({ answers: [{ ...QUESTION, class: 'CH', ttl: 300, data: '192.0.2.1' }] }).kind, 'none');
});

test('a name that is said not to exist has no records, whatever comes along', () => {
  assert.equal(read({ answers: [address(300)] }, true).kind, 'none');
});
