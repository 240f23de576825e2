import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backoffMs } from './backoff.ts';

const BACKOFF = { baseMs: 1_000, capMs: 3_600_000 };
const longest = () => 1;
const shortest = () => 0;

test('each failure doubles the wait, up to a limit', () => {
  const waits = [1, 2, 3, 4, 12, 13, 100].map((failures) => backoffMs(failures, BACKOFF, longest));
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 2_048_000, 3_600_000, 3_600_000]);
});

test('a thousand that failed in the same second do not come back in the same second', () => {
  const waits = Array.from({ length: 1_000 }, () => backoffMs(5, BACKOFF));
  const inOneSecond = (second: number) => waits.filter((ms) => Math.floor(ms / 1_000) === second).length;
  assert.ok(Math.max(...Array.from({ length: 17 }, (_, second) => inOneSecond(second))) < 200);
});

test('every wait is between a tenth of its step and its step, whatever the failures', () => {
  const numbers = {
    failures: fc.integer({ min: 1, max: 10_000 }),
    random: fc.double({ min: 0, max: 1, noNaN: true }),
  };
  fc.assert(
    fc.property(fc.record(numbers), ({ failures, random }) => {
      const waitMs = backoffMs(failures, BACKOFF, () => random);
      assert.ok(waitMs >= backoffMs(failures, BACKOFF, shortest) && waitMs >= 100, `${waitMs}`);
      assert.ok(waitMs <= backoffMs(failures, BACKOFF, longest) && waitMs <= BACKOFF.capMs, `${waitMs}`);
    }),
  );
});
