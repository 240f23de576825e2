import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../test/support/random.ts';
import { chooseByWeight } from './weighted.ts';

const SEED = 20;
const KEYS = 20_000;

const heavy = { name: 'heavy', weight: 3 };
const light = { name: 'light', weight: 1 };
const third = { name: 'third', weight: 4 };

const random = seededRandom(SEED);
const keys = Array.from({ length: KEYS }, () => random().toString(36));

function choices(of: (typeof heavy)[]): (string | undefined)[] {
  return keys.map((key) => chooseByWeight(of, ({ name }) => name, key)?.name);
}

function share(chosen: (string | undefined)[], name: string): number {
  return chosen.filter((one) => one === name).length / KEYS;
}

test('each choice gets its share by weight, whatever order they stand in', () => {
  const chosen = choices([heavy, light, third]);
  // Three standard deviations of so many keys are below 0.011.
  assert.ok(Math.abs(share(chosen, 'heavy') - 3 / 8) < 0.011, `seed ${SEED}: ${share(chosen, 'heavy')}`);
  assert.ok(Math.abs(share(chosen, 'light') - 1 / 8) < 0.011, `seed ${SEED}: ${share(chosen, 'light')}`);
  assert.deepEqual(choices([third, light, heavy]), chosen);
});

test('when a choice falls away, only those who had chosen it choose anew, and in proportion', () => {
  const before = choices([heavy, light, third]);
  const after = choices([heavy, light]);
  const moved = after.filter((name, index) => name !== before[index]);
  assert.deepEqual(
    after.filter((_, index) => before[index] !== 'third'),
    before.filter((name) => name !== 'third'),
  );
  assert.ok(Math.abs(moved.filter((name) => name === 'heavy').length / moved.length - 3 / 4) < 0.015);
});

test('out of nothing nothing is chosen', () => {
  assert.equal(chooseByWeight([], String, 'key'), undefined);
});
