import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dueMessage } from '../../test/support/due-message.ts';
import { type Settled, settlement } from './settlement.ts';
import { mayMove } from './states.ts';

const now = { retry: { baseMs: 1_000, capMs: 60_000 }, wayTroubled: false };

const metAt = { phase: 'rcpt' as const, mxHost: null };
const full = {
  kind: 'deferred' as const,
  detail: '452 4.2.2 full',
  rule: 'recipient-full',
  metAt,
  trouble: 'soft' as const,
  waitMs: null,
  unreachable: false,
};
const lost = { kind: 'released' as const, afterMs: 2_000, trouble: { detail: 'cut', certain: false } };

test('a temporary failure of its own makes a message wait longer each time, and is told', () => {
  const first = settlement(dueMessage(), 'claimed', full, now);
  assert.equal(first.to, 'deferred');
  assert.equal(first.spent, true);
  assert.ok(first.dueInMs !== null && first.dueInMs >= 90 && first.dueInMs <= 1_000);
  assert.deepEqual(first.event, {
    kind: 'deferred',
    detail: full.detail,
    rule: full.rule,
    metAt,
    trouble: 'soft',
  });
  const fifth = settlement(dueMessage({ deferrals: 4 }), 'claimed', full, now);
  assert.ok(fifth.dueInMs !== null && fifth.dueInMs >= 1_400 && fifth.dueInMs <= 16_000);
});

test('a message that could only be tried again after its give-up age expires now', () => {
  const result = settlement(dueMessage({ secondsLeft: 0.05 }), 'committing', full, now);
  assert.equal(result.to, 'expired');
  assert.equal(result.dueInMs, null);
  assert.equal(result.event?.kind, 'expired');
});

test('the route’s trouble costs a message nothing and is not an event of it', () => {
  const result = settlement(dueMessage(), 'claimed', lost, now);
  assert.equal(result.to, 'queued');
  assert.equal(result.dueInMs, 2_000);
  assert.equal(result.spent, false);
  assert.equal(result.event, null);
  assert.equal(settlement(dueMessage({ deferrals: 2 }), 'claimed', lost, now).to, 'deferred');
});

test('a message that loses its connection again and again on a well route spends a try', () => {
  assert.equal(settlement(dueMessage({ attempt: 12 }), 'claimed', lost, now).spent, true);
  assert.equal(
    settlement(dueMessage({ attempt: 12 }), 'claimed', lost, { ...now, wayTroubled: true }).spent,
    false,
  );
});

test('no outcome leads to a move that the state machine does not know', () => {
  const outcomes: Settled[] = [
    full,
    lost,
    { kind: 'held', detail: 'sender refused' },
    { kind: 'rejected', detail: '550', rule: 'r', metAt, trouble: 'dead' },
  ];
  for (const outcome of outcomes)
    for (const from of ['claimed', 'committing'] as const)
      assert.ok(mayMove(from, settlement(dueMessage(), from, outcome, now).to), `${from} ${outcome.kind}`);
});
