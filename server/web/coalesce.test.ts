import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Coalesced } from './coalesce.ts';

/** Looks that end when the test says so; each answers with its own number. */
function looks() {
  const begun: { key: string; end: (fail?: Error) => void }[] = [];
  const coalesced = new Coalesced<number>((key) => {
    const look = Promise.withResolvers<number>();
    const number = begun.push({ key, end: (fail) => (fail ? look.reject(fail) : look.resolve(number)) });
    return look.promise;
  });
  return { begun, coalesced };
}

test('who asks while a look is under way gets the next one, and shares it', async () => {
  const { begun, coalesced } = looks();
  const first = coalesced.ask('key');
  const later = [coalesced.ask('key'), coalesced.ask('key'), coalesced.ask('key')];
  assert.equal(begun.length, 1);
  begun[0]?.end();
  assert.equal(await first, 1);
  await new Promise((resolve) => setImmediate(resolve));
  begun[1]?.end();
  assert.deepEqual(await Promise.all(later), [2, 2, 2]);
  const afterwards = coalesced.ask('key');
  begun[2]?.end();
  assert.deepEqual([await afterwards, begun.length], [3, 3]);
});

test('who asks for something else waits for nobody', () => {
  const { begun, coalesced } = looks();
  void coalesced.ask('one');
  void coalesced.ask('other');
  assert.deepEqual(
    begun.map(({ key }) => key),
    ['one', 'other'],
  );
});

test('a look that fails fails for those who share it, and not for the next', async () => {
  const { begun, coalesced } = looks();
  const first = coalesced.ask('key');
  const second = coalesced.ask('key');
  begun[0]?.end(new Error('away'));
  await assert.rejects(first, { message: 'away' });
  await new Promise((resolve) => setImmediate(resolve));
  begun[1]?.end();
  assert.equal(await second, 2);
});
