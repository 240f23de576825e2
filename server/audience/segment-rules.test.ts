/** What is read as rules, what is refused and with which words; and that the documented schema says the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Check } from 'typebox/value';
import { rules } from '../../test/support/segment-values.ts';
import { CONDITIONS_MAX, readRules, rulesSchema, SegmentRefused } from './segment-rules.ts';
import { sentenceOfRules } from './segment-sentence.ts';

const schema = rulesSchema();

test('rules that fit the documented schema are read as they are', () => {
  fc.assert(
    fc.property(rules, (given) => {
      assert.deepEqual(readRules(given), given);
      assert.ok(Check(schema, given));
      assert.match(sentenceOfRules(readRules(given), new Map()), /^[^a-z].+\.$/su);
    }),
    { numRuns: 300 },
  );
});

test('a word that is changed anywhere is refused by the reader and by the schema', () => {
  const spoiled = fc.tuple(rules, fc.nat()).map(([given, at]) => {
    const text = JSON.stringify(given);
    const words = [...text.matchAll(/"(?:all|any|not|field|type|op|name|tag|act)":/g)];
    const { index = 0, 0: word = '' } = words[at % words.length] ?? {};
    return JSON.parse(`${text.slice(0, index)}"x${word.slice(1)}${text.slice(index + word.length)}`);
  });
  fc.assert(
    fc.property(spoiled, (given) => {
      assert.equal(Check(schema, given), false);
      assert.throws(() => readRules(given), SegmentRefused);
    }),
    { numRuns: 300 },
  );
});

const tag = { field: 'tag', tag: 'vip' };
const REFUSED: [given: unknown, sentence: RegExp][] = [
  [null, /^The rules must be a group: write \{"all": \[…\]\}/],
  [{}, /^The rules must be a group/],
  [[tag], /^The rules must be a group/],
  [tag, /^The rules must be a group/],
  [{ all: [] }, /at \/all: must be a list of at least one condition\.$/],
  [{ all: [tag], any: [tag] }, /at \/any: is not known beside "all"\.$/],
  [{ all: ['vip'] }, /at \/all\/0: must be a condition, a group, or/],
  [{ all: [{ field: 'constructor' }] }, /at \/all\/0\/field: is not known: it is one of attribute, email,/],
  [{ all: [{ tag: 'vip' }] }, /at \/all\/0\/field: is missing: it is one of/],
  [{ any: [tag, { field: 'tag' }] }, /at \/any\/1\/tag: is missing\.$/],
  [{ any: [{ ...tag, 'a/b~': 1 }] }, /at \/any\/0\/a~1b~0: is not known here\.$/],
  [{ all: [{ not: { not: tag } }] }, /at \/all\/0\/not\/field: is missing/],
  [{ all: [{ not: tag, also: 1 }] }, /at \/all\/0\/also: is not known beside "not"\.$/],
  [{ all: [{ any: [{ all: [tag] }] }] }, /at \/all\/0\/any\/0: is a group in a group in a group/],
  [
    { all: [{ field: 'email', op: 'is_set' }] },
    /at \/all\/0\/op: is not known: it is one of equals, contains/,
  ],
  [{ all: [{ field: 'email', op: 'equals', value: '' }] }, /at \/all\/0\/value: /],
  [{ all: [{ field: 'email', op: 'equals', value: 'a\0b' }] }, /at \/all\/0\/value: has a character/],
  [{ all: [{ field: 'email', op: 'one_of', values: ['\ud800'] }] }, /at \/all\/0\/values: has a character/],
  [{ all: [{ field: 'email', op: 'one_of', values: [] }] }, /at \/all\/0\/values: /],
  [{ all: [{ field: 'attribute', name: 'a', type: 'numeric', op: 'is_set' }] }, /at \/all\/0\/type: is not/],
  [
    { all: [{ field: 'attribute', name: 'a', type: 'number', op: 'equals', value: '5' }] },
    /at \/all\/0\/value/,
  ],
  [{ all: [{ field: 'signed_up', op: 'on', date: '2023-02-30' }] }, /at \/all\/0\/date: /],
  [{ all: [{ field: 'signed_up', op: 'on', date: '0000-01-01' }] }, /at \/all\/0\/date: /],
  [{ all: [{ field: 'signed_up', op: 'in_last', days: 1.5 }] }, /at \/all\/0\/days: /],
  [
    { all: [{ field: 'signed_up', op: 'between', from: '2024-01-02', to: '2024-01-01' }] },
    /\/to: must not be before/,
  ],
  [{ all: [{ field: 'list', list_id: 'x' }] }, /at \/all\/0\/list_id: /],
  [{ all: [{ field: 'engagement', act: 'read' }] }, /at \/all\/0\/act: /],
  [{ all: Array(CONDITIONS_MAX + 1).fill(tag) }, /at \/all\/50: is one too many/],
];

for (const [given, sentence] of REFUSED)
  test(`${JSON.stringify(given).slice(0, 100)} is refused in a sentence that says where`, () => {
    assert.throws(() => readRules(given), { name: 'SegmentRefused', message: sentence });
  });

test('rules are said in plain English', () => {
  const listId = '0190a000-0000-7000-8000-000000000001';
  const given = {
    all: [
      { field: 'attribute', name: 'city', type: 'text', op: 'equals', value: 'Bonn' },
      { not: { field: 'engagement', act: 'opened', in_last_days: 90 } },
      {
        any: [
          { field: 'list', list_id: listId },
          { field: 'signed_up', op: 'in_last', days: 1 },
        ],
      },
    ],
  };
  assert.equal(
    sentenceOfRules(readRules(given), new Map([[listId, 'News']])),
    'The attribute "city" is "Bonn" and the contact did not open any mail in the last 90 days and (the contact is subscribed to the list "News" or the day of sign-up is in the last day).',
  );
});
