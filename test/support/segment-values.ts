/** Random rules, and random people who hold what nobody expects. */
import fc, { type Arbitrary } from 'fast-check';
import type { Person } from './segment-oracle.ts';

/** What relative dates count from. */
export const AT = new Date('2024-06-15T12:00:00Z');
export const LISTS = ['0190a000-0000-7000-8000-000000000001', '0190a000-0000-7000-8000-000000000002'];
export const CAMPAIGNS = ['0190b000-0000-7000-8000-000000000001', '0190b000-0000-7000-8000-000000000002'];

const NAMES = ['city', 'age', 'vip', 'born', "o'clock", 'no such'];
const WORDS = [
  'Bonn',
  'bonn',
  'BO',
  'nn',
  ' ',
  "'",
  '%',
  '_',
  '\\',
  'b%n',
  '42',
  '1',
  'true',
  'é',
  'acme',
  '🦊',
];
const NUMBERS = [0, 1, -1, 42, 42.5, 1e15, -0.25, 0.001];
const DAYS = ['2024-02-29', '2024-06-01', '2024-06-15', '2024-06-14', '1999-12-31'];

const ODD_TEXTS = [
  ...['', 'Bonn', 'bonn ', 'BONN', 'b%n', "'", '\\', 'true', 'Yes', 'NO', '0', '🦊 Bonn'],
  ...[
    '42',
    ' 42 ',
    '+42',
    '4 2',
    '42.5',
    '.5',
    '5.',
    '1e5',
    '0x10',
    '--1',
    'NaN',
    'Infinity',
    '٤٢',
    '\u00a042',
    '42\n',
  ],
  ...['999999999999999999999999', '1'.repeat(400), '12345678901234567890.5'],
  ...[
    '2024-02-29',
    '2023-02-29',
    '2024-06-31',
    '2024-13-01',
    '1900-02-29',
    '2000-02-29',
    '0000-01-01',
    '24-06-01',
  ],
  ...[
    '2024-06-15T11:59:59Z',
    '2024-06-15 12:00',
    '2024-06-15T23:30:00+05:30',
    '2024-06-15T24:00:00Z',
    '2024-06-15T10',
  ],
  ...[
    '2024-06-15T12:00:60Z',
    '2024-06-14T01:00:00.123456-08:00',
    '2024-06-15T12:00:00+15:00',
    '2024-06-15\n',
    'now',
    'epoch',
  ],
];

const oddValue: Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...ODD_TEXTS, ...NUMBERS, true, false, null) },
  { weight: 1, arbitrary: fc.constantFrom([], ['Bonn'], {}, { city: 'Bonn' }, [null]) },
  { weight: 1, arbitrary: fc.string({ maxLength: 5 }).filter((text) => /^[ -~]*$/.test(text)) },
);

const recently = fc
  .integer({ min: -40 * 24, max: 3 * 24 })
  .map((hours) => new Date(AT.getTime() + hours * 3_600_000));

export const someone: Arbitrary<Omit<Person, 'id' | 'email'>> = fc.record({
  name: fc.constantFrom(null, '', 'Ann Bonn', "O'Neill", '42'),
  attributes: fc.dictionary(fc.constantFrom(...NAMES.slice(0, -1)), oddValue),
  tags: fc.subarray(['vip', "o'clock", 'Bonn']),
  createdAt: recently,
  subscriptions: fc.dictionary(
    fc.constantFrom(...LISTS),
    fc.constantFrom('subscribed', 'unconfirmed', 'unsubscribed'),
  ),
  events: fc.array(
    fc.record({
      kind: fc.constantFrom('accepted', 'rejected', 'deferred', 'opened', 'clicked', 'complained', 'bounced'),
      at: recently,
      campaignId: fc.constantFrom(...CAMPAIGNS),
    }),
    { maxLength: 4 },
  ),
});

const word = fc.constantFrom(...WORDS);
const amount = fc.constantFrom(...NUMBERS);
const day = fc.constantFrom(...DAYS);
const days = fc.constantFrom(1, 7, 30, 400);

const testsOf = (tests: Record<string, Record<string, Arbitrary<unknown>>>) =>
  fc.oneof(...Object.entries(tests).map(([op, operands]) => fc.record({ op: fc.constant(op), ...operands })));

const ordered = (low: string | number, high: string | number) =>
  low <= high ? { from: low, to: high } : { from: high, to: low };
const between = (value: Arbitrary<string | number>) =>
  fc.tuple(value, value).map(([one, other]) => ({ op: 'between', ...ordered(one, other) }));

const fieldText = testsOf({
  equals: { value: word },
  contains: { value: word },
  starts_with: { value: word },
  ends_with: { value: word },
  one_of: { values: fc.array(word, { minLength: 1, maxLength: 3 }) },
});
const isSet = fc.constant({ op: 'is_set' });
const fieldDate = fc.oneof(
  testsOf({
    on: { date: day },
    before: { date: day },
    after: { date: day },
    in_last: { days },
    in_next: { days },
  }),
  between(day),
);
const number = fc.oneof(
  testsOf({
    equals: { value: amount },
    less_than: { value: amount },
    at_most: { value: amount },
    greater_than: { value: amount },
    at_least: { value: amount },
  }),
  between(amount),
);

const of = (about: Record<string, unknown>, test: Arbitrary<object>) =>
  test.map((asked) => ({ ...about, ...asked }));
const attribute = (type: string, test: Arbitrary<object>) =>
  fc
    .tuple(
      fc.constantFrom(...NAMES),
      fc.oneof({ weight: 6, arbitrary: test }, { weight: 1, arbitrary: isSet }),
    )
    .map(([name, asked]) => ({ field: 'attribute', name, type, ...asked }));

const condition = fc.oneof(
  attribute('text', fieldText),
  attribute('number', number),
  attribute('boolean', testsOf({ is: { value: fc.boolean() } })),
  attribute('date', fieldDate),
  of({ field: 'email' }, fieldText),
  of({ field: 'email_domain' }, fieldText),
  of({ field: 'name' }, fc.oneof(fieldText, isSet)),
  of({ field: 'signed_up' }, fieldDate),
  fc.constantFrom('vip', "o'clock", 'bonn').map((tag) => ({ field: 'tag', tag })),
  fc.record(
    {
      field: fc.constant('list'),
      list_id: fc.constantFrom(...LISTS),
      status: fc.constantFrom('subscribed', 'unconfirmed', 'unsubscribed', 'any'),
    },
    { requiredKeys: ['field', 'list_id'] },
  ),
  fc.record(
    {
      field: fc.constant('engagement'),
      act: fc.constantFrom('sent', 'accepted', 'opened', 'clicked', 'bounced', 'complained'),
      in_last_days: days,
      campaign_id: fc.constantFrom(...CAMPAIGNS),
    },
    { requiredKeys: ['field', 'act'] },
  ),
);

const maybeNot = <T>(rule: Arbitrary<T>) =>
  fc.oneof(
    rule,
    rule.map((not) => ({ not })),
  );
const groupOf = (rule: Arbitrary<unknown>) => {
  const some = fc.array(rule, { minLength: 1, maxLength: 3 });
  return fc.oneof(
    some.map((all) => ({ all })),
    some.map((any) => ({ any })),
  );
};

/** As JSON; the reader takes every one of them. */
export const rules: Arbitrary<unknown> = groupOf(maybeNot(fc.oneof(condition, groupOf(maybeNot(condition)))));
