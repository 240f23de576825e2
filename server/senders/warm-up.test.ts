import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ANY_PROVIDER, checkWarmUp, dayOf, type WarmUp, warmUpPerDay } from './warm-up.ts';

const ramp: WarmUp = { provider: ANY_PROVIDER, start: '2030-02-27', from: 50, factor: 1.5, until: 1_000 };
const google: WarmUp = { provider: 'google', start: '2030-03-01', from: 10, factor: 2, until: 80 };
const source = { warmUps: [ramp, google] };

test('a new address sends fifty messages on its first day and half as many more on each day after', () => {
  const days = ['2030-02-27', '2030-02-28', '2030-03-01', '2030-03-02'];
  assert.deepEqual(
    days.map((day) => warmUpPerDay(source, null, day)),
    [50, 75, 112, 168],
  );
});

test('an address that has not begun its warm-up sends nothing', () => {
  assert.equal(warmUpPerDay(source, null, '2030-02-26'), 0);
  assert.equal(warmUpPerDay(source, 'google', '2030-02-28'), 0);
});

test('a provider with a ramp of its own has its own start, numbers and end', () => {
  assert.equal(warmUpPerDay(source, 'google', '2030-03-03'), 40);
  assert.equal(warmUpPerDay(source, 'google', '2030-03-04'), null);
  assert.equal(warmUpPerDay(source, 'yahoo', '2030-03-05'), 569);
  assert.equal(warmUpPerDay({ warmUps: [google] }, 'yahoo', '2030-03-01'), null);
});

test('an address without a warm-up has no limit, nor has one that is warm, for good', () => {
  assert.equal(warmUpPerDay({ warmUps: [] }, 'google', '2030-03-01'), null);
  assert.equal(warmUpPerDay(source, null, '2030-03-07'), null);
  assert.equal(warmUpPerDay(source, null, '2130-03-07'), null);
});

const ramps = fc.record({
  provider: fc.constant(ANY_PROVIDER),
  start: fc.constant('2030-02-27'),
  from: fc.integer({ min: 1, max: 10_000 }),
  factor: fc.double({ min: 1.01, max: 10, noNaN: true }),
  until: fc.integer({ min: 10_001, max: 2_000_000_000 }),
});

test('whatever the ramp, a day never has less than the one before, and stays below the end', () => {
  const numberOf = (warmUp: WarmUp, day: number) =>
    warmUpPerDay({ warmUps: [warmUp] }, null, dayOf(new Date(Date.UTC(2030, 1, 27 + day))));
  fc.assert(
    fc.property(ramps, fc.nat(3_000), (warmUp, day) => {
      const today = numberOf(warmUp, day) ?? Number.POSITIVE_INFINITY;
      const tomorrow = numberOf(warmUp, day + 1) ?? Number.POSITIVE_INFINITY;
      assert.ok(tomorrow >= today && today >= warmUp.from);
      assert.ok(today < warmUp.until || today === Number.POSITIVE_INFINITY);
    }),
  );
});

test('a warm-up that cannot be is refused with what would do', () => {
  const refused: [change: Partial<WarmUp>, said: RegExp][] = [
    [{ provider: 'gogle' }, /no provider "gogle": write one of \*, .*google/],
    [{ start: '2030-02-30' }, /"2030-02-30" is no day/],
    [{ start: 'tomorrow' }, /"tomorrow" is no day/],
    [{ factor: 1.001 }, /factor must be from 1\.01 to 10/],
    [{ factor: Number.NaN }, /factor must be from 1\.01 to 10/],
    [{ until: 50 }, /--until 50 must be above --from 50/],
  ];
  for (const [change, message] of refused)
    assert.throws(() => checkWarmUp({ ...ramp, ...change }), { name: 'RouteRefused', message });
  checkWarmUp(google);
});
