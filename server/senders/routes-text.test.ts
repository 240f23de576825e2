import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatRoute, nameOfWay, parseRoute } from './routes-text.ts';

test('a route is read as ways with shares, by level', () => {
  assert.deepEqual(parseRoute('relay:main*3,direct:bulk / direct , relay:backup'), [
    [
      { kind: 'relay', name: 'main', weight: 3 },
      { kind: 'direct', name: 'bulk', weight: 1 },
    ],
    [
      { kind: 'direct', name: 'default', weight: 1 },
      { kind: 'relay', name: 'backup', weight: 1 },
    ],
  ]);
});

const ways = fc.uniqueArray(
  fc.record(
    {
      kind: fc.constantFrom('relay' as const, 'direct' as const),
      name: fc.oneof(fc.constant('default'), fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,39}$/)),
      weight: fc.integer({ min: 1, max: 1_000 }),
    },
    { noNullPrototype: true },
  ),
  { minLength: 1, maxLength: 9, selector: nameOfWay },
);

test('whatever route is written down is read back as it was', () => {
  fc.assert(
    fc.property(ways, fc.nat(8), (all, at) => {
      const levels = [all.slice(0, at + 1), all.slice(at + 1)].filter(({ length }) => length > 0);
      assert.deepEqual(parseRoute(formatRoute(levels)), levels);
    }),
  );
});

test('a route that cannot be read is refused with what is wrong', () => {
  const refused: [route: string, said: RegExp][] = [
    ['', /"" is no way out/],
    ['relay', /"relay" is no way out/],
    ['relay:a,', /"" is no way out/],
    ['relay:a / ', /"" is no way out/],
    ['smtp:a', /"smtp:a" is no way out/],
    ['relay:a relay:b', /"relay:a relay:b" is no way out/],
    ['relay:Main', /"Main" cannot be the name of a relay/],
    ['direct:a_b', /"a_b" cannot be the name of a pool/],
    ['relay:a*0', /weight "0" cannot be used/],
    ['relay:a*1001', /weight "1001" cannot be used/],
    ['relay:a*-1', /"relay:a\*-1" is no way out/],
    ['relay:a*2 / direct, relay:a', /The route has relay:a twice/],
    ['direct, direct:default', /The route has direct twice/],
  ];
  for (const [route, message] of refused)
    assert.throws(() => parseRoute(route), { name: 'RouteRefused', message }, route);
});
