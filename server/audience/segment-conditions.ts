/**
 * The conditions that a segment is made of, as one table: which fields there are, what each may be asked, and with what
 * operands. Everything else follows from it: the types, the schema that the API documents, what the reader refuses
 * (segment-rules.ts), and that the compiler (queries-rules.ts) and the sentences (segment-sentence.ts) know them all.
 *
 * A condition holds or does not hold of a contact, and never fails. What is missing, or is not of the type that is asked
 * for, does not hold, and so its negation does. Text is compared without regard to case. Days are days in UTC.
 */
import Type, { type Static, type TObject, type TProperties } from 'typebox';

const Text = Type.String({ minLength: 1, maxLength: 500 });
const Texts = Type.Array(Text, { minItems: 1, maxItems: 100 });
const Amount = Type.Number();
const Day = Type.String({
  format: 'date',
  pattern: '^[12][0-9]{3}-[01][0-9]-[0-3][0-9]$',
  description: '2026-01-31, a day in UTC',
});
const Days = Type.Integer({ minimum: 1, maximum: 3_650 });
const Id = Type.String({ format: 'uuid' });

/** By what is asked (`op`), the operands. */
type Tests = Readonly<Record<string, TProperties>>;

const IS_SET = { is_set: {} } satisfies Tests;

const TEXT_TESTS = {
  equals: { value: Text },
  contains: { value: Text },
  starts_with: { value: Text },
  ends_with: { value: Text },
  one_of: { values: Texts },
} satisfies Tests;

const NUMBER_TESTS = {
  equals: { value: Amount },
  less_than: { value: Amount },
  at_most: { value: Amount },
  greater_than: { value: Amount },
  at_least: { value: Amount },
  between: { from: Amount, to: Amount },
} satisfies Tests;

const BOOLEAN_TESTS = { is: { value: Type.Boolean() } } satisfies Tests;

/** `after` and `before` are without the day itself, `between` with both; `in_last` and `in_next` count from now. */
const DATE_TESTS = {
  on: { date: Day },
  before: { date: Day },
  after: { date: Day },
  between: { from: Day, to: Day },
  in_last: { days: Days },
  in_next: { days: Days },
} satisfies Tests;

/** An attribute's JSON; a text that looks like a number, a truth value or a date (RFC 3339) is taken for one. */
export const ATTRIBUTE_TESTS = {
  text: { ...TEXT_TESTS, ...IS_SET },
  number: { ...NUMBER_TESTS, ...IS_SET },
  boolean: { ...BOOLEAN_TESTS, ...IS_SET },
  date: { ...DATE_TESTS, ...IS_SET },
} satisfies Record<string, Tests>;

/** Of fields that every contact has. */
export const FIELD_TESTS = {
  email: TEXT_TESTS,
  email_domain: TEXT_TESTS,
  name: { ...TEXT_TESTS, ...IS_SET },
  signed_up: DATE_TESTS,
} satisfies Record<string, Tests>;

/** `rejected` at the door and bounced later are both a bounce. */
export const ENGAGEMENT_EVENTS = {
  sent: ['accepted', 'uncertain', 'rejected'],
  accepted: ['accepted'],
  opened: ['opened'],
  clicked: ['clicked'],
  bounced: ['rejected', 'bounced'],
  complained: ['complained'],
} as const;

export type EngagementAct = keyof typeof ENGAGEMENT_EVENTS;

const words = <const W extends string>(all: readonly W[]) =>
  Type.Unsafe<W>({ type: 'string', enum: [...all] });

const LIST_STATUSES = ['subscribed', 'unconfirmed', 'unsubscribed', 'any'] as const;

/** Fields that are asked one thing only. */
export const PLAIN_FIELDS = {
  list: { list_id: Id, status: Type.Optional(words(LIST_STATUSES)) },
  tag: { tag: Text },
  engagement: {
    act: words(Object.keys(ENGAGEMENT_EVENTS) as EngagementAct[]),
    in_last_days: Type.Optional(Days),
    campaign_id: Type.Optional(Id),
  },
} satisfies Record<string, TProperties>;

type Fields<P extends TProperties> = Static<TObject<P>>;
type TestOf<T extends Tests> = { [Op in keyof T & string]: { op: Op } & Fields<T[Op]> }[keyof T & string];

export type TextTest = TestOf<(typeof ATTRIBUTE_TESTS)['text']>;
export type NumberTest = TestOf<(typeof ATTRIBUTE_TESTS)['number']>;
export type BooleanTest = TestOf<(typeof ATTRIBUTE_TESTS)['boolean']>;
export type DateTest = TestOf<(typeof ATTRIBUTE_TESTS)['date']>;

export type AttributeCondition = { field: 'attribute'; name: string } & (
  | ({ type: 'text' } & TextTest)
  | ({ type: 'number' } & NumberTest)
  | ({ type: 'boolean' } & BooleanTest)
  | ({ type: 'date' } & DateTest)
);

export type Condition =
  | AttributeCondition
  | ({ field: 'email' | 'email_domain' | 'name' } & TextTest)
  | ({ field: 'signed_up' } & DateTest)
  | ({ field: 'list' } & Fields<(typeof PLAIN_FIELDS)['list']>)
  | ({ field: 'tag' } & Fields<(typeof PLAIN_FIELDS)['tag']>)
  | ({ field: 'engagement' } & Fields<(typeof PLAIN_FIELDS)['engagement']>);

export const CONDITION_FIELDS: readonly string[] = [
  'attribute',
  ...Object.keys(FIELD_TESTS),
  ...Object.keys(PLAIN_FIELDS),
];

const AttributeName = Type.String({ minLength: 1, maxLength: 200 });

/** One condition's schema; undefined when there is no such field, type or op. */
export function conditionSchema(field: string, type: string | undefined, op: string): TObject | undefined {
  const plain = ownOf<TProperties>(PLAIN_FIELDS, field);
  if (plain) return closed({ field: Type.Literal(field), ...plain });
  const tests =
    field === 'attribute' ? ownOf<Tests>(ATTRIBUTE_TESTS, type ?? '') : ownOf<Tests>(FIELD_TESTS, field);
  const operands = tests && ownOf<TProperties>(tests, op);
  if (!operands) return undefined;
  const about =
    field === 'attribute' && type !== undefined ? { name: AttributeName, type: Type.Literal(type) } : {};
  return closed({ field: Type.Literal(field), ...about, op: Type.Literal(op), ...operands });
}

/** All of them; what takes the same operands in one. */
export function conditionSchemas(): TObject[] {
  const asked = [
    ...Object.entries(ATTRIBUTE_TESTS).flatMap(([type, tests]) => alike('attribute', type, tests)),
    ...Object.entries(FIELD_TESTS).flatMap(([field, tests]) => alike(field, undefined, tests)),
  ];
  return [
    ...asked,
    ...Object.keys(PLAIN_FIELDS).flatMap((field) => conditionSchema(field, undefined, '') ?? []),
  ];
}

function alike(field: string, type: string | undefined, tests: Tests): TObject[] {
  const groups = Map.groupBy(Object.keys(tests), (op) => JSON.stringify(tests[op]));
  return [...groups.values()].flatMap((ops) => {
    const schema = conditionSchema(field, type, ops[0] ?? '');
    return schema ? [closed({ ...schema.properties, op: words(ops) })] : [];
  });
}

function closed(properties: TProperties): TObject {
  return Type.Object(properties, { additionalProperties: false });
}

/** Not what an object inherits: `constructor` is no field. */
export function ownOf<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
