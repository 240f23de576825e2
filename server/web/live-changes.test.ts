import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { changesOf } from './live-changes.ts';
import type { View } from './live-topics.ts';

test('of a view only what changed is told, nested as it is there', () => {
  const before = { state: 'sending', counts: { queued: 5, accepted: 1 }, failure: null };
  assert.equal(changesOf(before, structuredClone(before)), undefined);
  const after = { state: 'sending', counts: { queued: 4, accepted: 2 }, failure: null };
  assert.deepEqual(changesOf(before, after), { counts: { queued: 4, accepted: 2 } });
  assert.deepEqual(changesOf(before, { ...before, counts: { accepted: 6 } }), {
    counts: { queued: null, accepted: 6 },
  });
  assert.deepEqual(changesOf(before, { ...before, failure: 'no' }), { failure: 'no' });
});

/** As a client does it that takes null for nothing. */
function applied(view: View, changes: View): View {
  const result: Record<string, unknown> = { ...view };
  for (const [name, value] of Object.entries(changes)) {
    const was = result[name];
    if (value === null) delete result[name];
    else if (isObject(was) && isObject(value)) result[name] = applied(was, value);
    else result[name] = value;
  }
  return result;
}

function isObject(value: unknown): value is View {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

test('whoever applies every change to the snapshot has what there is', () => {
  const leaf = fc.oneof(fc.integer(), fc.string(), fc.boolean());
  const names = fc.constantFrom('a', 'b', 'c', 'd');
  const plain = { noNullPrototype: true };
  const views = fc.dictionary(names, fc.oneof(leaf, fc.dictionary(names, leaf, plain)), plain);
  fc.assert(
    fc.property(fc.array(views, { minLength: 2, maxLength: 5 }), (all) => {
      const [first = {}, ...later] = all;
      const seen = later.reduce<{ client: View; server: View }>(
        ({ client, server }, next) => ({
          client: applied(client, changesOf(server, next) ?? {}),
          server: next,
        }),
        { client: first, server: first },
      );
      assert.deepEqual(seen.client, seen.server);
    }),
  );
});
