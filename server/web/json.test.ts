import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson } from './json.ts';
import { Problem } from './problem.ts';

function refusalOf(body: string | Buffer): string | undefined {
  try {
    parseJson(Buffer.from(body));
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Problem && error.code === 'malformed-request', String(error));
    return error.message;
  }
}

test('what JSON.stringify writes is read back, whatever it is', () => {
  const storable = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', ''));
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      storable,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('any'), { maxLength: 4 }),
      fc.dictionary(
        storable.filter((name) => name !== '__proto__' && name !== 'constructor'),
        tie('any'),
        { maxKeys: 4, noNullPrototype: true },
      ),
    ),
  })).any;
  fc.assert(
    fc.property(value, (given) => {
      assert.deepEqual(parseJson(Buffer.from(JSON.stringify(given))), JSON.parse(JSON.stringify(given)));
    }),
    { numRuns: 50 },
  );
});

test('a name that an object has twice is refused, however it is written, and in two objects it is fine', () => {
  for (const twice of [
    '{"a":1,"a":2}',
    '{"b":[{"a":1,"c":",","a":2}]}',
    '{"a":1,"\\u0061":2}',
    '{"a":{},"a":[]}',
  ])
    assert.match(refusalOf(twice) ?? '', /twice/, twice);
  for (const once of [
    '{"a":{"a":1}}',
    '[{"a":1},{"a":2}]',
    '{"a":"a","b":"a"}',
    '{"a":["a","a"],"b":1}',
    '{"a\\\\":1,"a":2}',
  ])
    assert.equal(refusalOf(once), undefined, once);
});

test('no name reaches for the prototype', () => {
  for (const name of ['__proto__', 'constructor', '\\u005f_proto__'])
    assert.match(refusalOf(`{"a":[{"${name}":{"admin":true}}]}`) ?? '', /may not have the name/);
  assert.equal(refusalOf('{"a":"__proto__","prototype":1}'), undefined);
});

test('JSON nests as deep as people write it, and a bomb is refused', () => {
  assert.equal(refusalOf('['.repeat(32) + ']'.repeat(32)), undefined);
  assert.match(refusalOf('['.repeat(33) + ']'.repeat(33)) ?? '', /deeper than 32/);
  assert.match(refusalOf(`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`) ?? '', /deeper than 32/);
});

test('what Postgres cannot keep is refused', () => {
  assert.match(refusalOf('{"a":"x\\u0000"}') ?? '', /U\+0000/);
  assert.match(refusalOf('{"a\\u0000":1}') ?? '', /U\+0000/);
  assert.match(refusalOf('["\\ud800"]') ?? '', /surrogate/);
  assert.equal(refusalOf('["\\ud83d\\ude00", "\\\\u0000"]'), undefined);
});

test('what is no JSON, or no UTF-8, is refused', () => {
  for (const broken of ['', '{', '{"a":1,}', "{'a':1}", '\ufeff{}', '1 2', '"a'])
    assert.equal(refusalOf(broken), 'The body is no JSON.');
  assert.equal(refusalOf(Buffer.from([0x22, 0xff, 0x22])), 'The body is not UTF-8.');
});

test('a megabyte of quotes and backslashes is no trouble', () => {
  const long = '\\"'.repeat(250_000);
  assert.equal(parseJson(Buffer.from(JSON.stringify(long))), long);
});
