/**
 * The rules of a segment: conditions (segment-conditions.ts) under AND and OR, groups two deep, and NOT.
 *
 *     {"all": [{"field": "tag", "tag": "vip"},
 *              {"any": [{"field": "email_domain", "op": "equals", "value": "acme.example"},
 *                       {"not": {"field": "engagement", "act": "opened", "in_last_days": 90}}]}]}
 *
 * Before: JSON from outside. After: queries-rules.ts, which takes only what `readRules` has read. What is not known here is
 * refused, with the JSON pointer of the place: nothing is ignored, so nobody is written to by a rule that was misread.
 */
import Type, { type TSchema } from 'typebox';
import { Errors } from 'typebox/value';
import {
  ATTRIBUTE_TESTS,
  CONDITION_FIELDS,
  type Condition,
  conditionSchema,
  conditionSchemas,
  FIELD_TESTS,
  ownOf,
} from './segment-conditions.ts';

/** The conditions of one segment. */
export const CONDITIONS_MAX = 50;
const GROUP_DEPTH_MAX = 2;

export type Group = { all: Rule[] } | { any: Rule[] };
export type Rule = Condition | Group | { not: Condition | Group };

/** Rules that mean nothing; `pointer` (RFC 6901) says where, within the rules. */
export class SegmentRefused extends Error {
  override readonly name = 'SegmentRefused';
  readonly pointer: string;
  readonly reason: string;
  constructor(pointer: string, reason: string) {
    super(`${pointer === '' ? 'The rules' : `The rules, at ${pointer}:`} ${reason}.`);
    this.pointer = pointer;
    this.reason = reason;
  }
}

/** Rules that could be read, and name what is not in the workspace. */
export class UnknownInRules extends SegmentRefused {}

/** Throws SegmentRefused. */
export function readRules(rules: unknown): Group {
  const found = { conditions: 0 };
  const read = readGroup(rules, { pointer: '', depth: 1, found });
  if (!read)
    throw new SegmentRefused('', 'must be a group: write {"all": […]} or {"any": […]} around the conditions');
  return read;
}

interface Place {
  pointer: string;
  depth: number;
  found: { conditions: number };
}

/** Undefined: it is no group. */
function readGroup(value: unknown, place: Place): Group | undefined {
  const { pointer, depth } = place;
  if (!isObject(value)) return undefined;
  const word = (['all', 'any'] as const).find((name) => Object.hasOwn(value, name));
  if (!word) return undefined;
  assertNoOther(value, word, pointer);
  if (depth > GROUP_DEPTH_MAX)
    throw new SegmentRefused(pointer, `is a group in a group in a group: groups go ${GROUP_DEPTH_MAX} deep`);
  const parts = value[word];
  const inside = `${pointer}/${word}`;
  if (!Array.isArray(parts) || parts.length === 0)
    throw new SegmentRefused(inside, 'must be a list of at least one condition');
  const rules = parts.map((part, index) =>
    readRule(part, { ...place, pointer: `${inside}/${index}`, depth: depth + 1 }),
  );
  return word === 'all' ? { all: rules } : { any: rules };
}

function readRule(value: unknown, place: Place): Rule {
  if (!isObject(value) || !Object.hasOwn(value, 'not'))
    return readGroup(value, place) ?? readCondition(value, place);
  assertNoOther(value, 'not', place.pointer);
  const inside = { ...place, pointer: `${place.pointer}/not` };
  return { not: readGroup(value.not, inside) ?? readCondition(value.not, inside) };
}

function assertNoOther(value: object, word: string, pointer: string): void {
  const other = Object.keys(value).find((name) => name !== word);
  if (other !== undefined)
    throw new SegmentRefused(`${pointer}/${escaped(other)}`, `is not known beside "${word}"`);
}

function readCondition(value: unknown, { pointer, found }: Place): Condition {
  if (!isObject(value)) throw new SegmentRefused(pointer, 'must be a condition, a group, or {"not": …}');
  found.conditions += 1;
  if (found.conditions > CONDITIONS_MAX)
    throw new SegmentRefused(
      pointer,
      `is one too many: all groups together may have ${CONDITIONS_MAX} conditions`,
    );
  const schema = schemaFor(value, pointer);
  assertFits(schema, value, pointer);
  // It has the shape of one schema of the table that the type is made of.
  const condition = value as Condition;
  assertOrdered(condition, pointer);
  return condition;
}

type Fields = Readonly<Record<string, unknown>>;

/** Its field, type and op say which. */
function schemaFor(value: Fields, pointer: string): TSchema {
  const field = wordOf(value, 'field', CONDITION_FIELDS, pointer);
  const type =
    field === 'attribute' ? wordOf(value, 'type', Object.keys(ATTRIBUTE_TESTS), pointer) : undefined;
  const tests = ownOf<object>(ATTRIBUTE_TESTS, type ?? '') ?? ownOf<object>(FIELD_TESTS, field);
  const op = tests ? wordOf(value, 'op', Object.keys(tests), pointer) : '';
  const schema = conditionSchema(field, type, op);
  if (!schema) throw new Error(`no schema for ${field} ${type} ${op}`);
  return schema;
}

function wordOf(value: Fields, name: string, known: readonly string[], pointer: string): string {
  const word = Object.hasOwn(value, name) ? value[name] : undefined;
  if (typeof word === 'string' && known.includes(word)) return word;
  const given = word === undefined ? 'is missing' : 'is not known';
  throw new SegmentRefused(`${pointer}/${name}`, `${given}: it is one of ${known.join(', ')}`);
}

function assertFits(schema: TSchema, value: Fields, pointer: string): void {
  for (const { keyword, params, instancePath, message } of Errors(schema, value)) {
    // Said by the keyword around it.
    if (keyword === 'boolean') continue;
    const at = pointer + instancePath;
    if (keyword === 'required' && 'requiredProperties' in params)
      throw new SegmentRefused(`${at}/${params.requiredProperties[0]}`, 'is missing');
    if (keyword === 'additionalProperties' && 'additionalProperties' in params)
      throw new SegmentRefused(
        `${at}/${escaped(String(params.additionalProperties[0]))}`,
        'is not known here',
      );
    throw new SegmentRefused(at, message);
  }
  for (const [name, part] of Object.entries(value))
    for (const text of [part].flat())
      if (typeof text === 'string' && (text.includes('\0') || !text.isWellFormed()))
        throw new SegmentRefused(`${pointer}/${name}`, 'has a character that cannot be kept');
}

function assertOrdered(condition: Condition, pointer: string): void {
  if (!('from' in condition) || condition.from <= condition.to) return;
  throw new SegmentRefused(`${pointer}/to`, 'must not be before "from"');
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

export interface Placed {
  condition: Condition;
  pointer: string;
  /** It stands directly in a NOT. */
  negated: boolean;
}

/** Every condition, in the order in which a person reads them. */
export function conditionsOf(rule: Rule, pointer = ''): Placed[] {
  if ('not' in rule) {
    const inside = conditionsOf(rule.not, `${pointer}/not`);
    return 'field' in rule.not ? inside.map((placed) => ({ ...placed, negated: true })) : inside;
  }
  if ('field' in rule) return [{ condition: rule, pointer, negated: false }];
  const [word, rules] = partsOf(rule);
  return rules.flatMap((part, index) => conditionsOf(part, `${pointer}/${word}/${index}`));
}

export function partsOf(group: Group): ['all' | 'any', Rule[]] {
  return 'all' in group ? ['all', group.all] : ['any', group.any];
}

/** The lists and the campaigns that rules name. */
export function namedIn(rules: readonly Group[]): { listIds: string[]; campaignIds: string[] } {
  const conditions = rules.flatMap((group) => conditionsOf(group).map(({ condition }) => condition));
  return {
    listIds: conditions.flatMap((condition) => (condition.field === 'list' ? [condition.list_id] : [])),
    campaignIds: conditions.flatMap((condition) =>
      condition.field === 'engagement' && condition.campaign_id !== undefined ? [condition.campaign_id] : [],
    ),
  };
}

/** What `readRules` takes, as JSON Schema; that there are not too many conditions, and `from` ≤ `to`, it cannot say. */
export function rulesSchema() {
  const condition = Type.Union(conditionSchemas(), { $id: 'SegmentCondition' });
  const inner = groupOf(Type.Union([condition, only({ not: condition })]), 'SegmentInnerGroup');
  const rule = Type.Union([condition, inner, only({ not: Type.Union([condition, inner]) })]);
  return groupOf(rule, 'SegmentRules');
}

function groupOf(rule: TSchema, $id: string) {
  const rules = Type.Array(rule, { minItems: 1, maxItems: CONDITIONS_MAX });
  return Type.Union([only({ all: rules }), only({ any: rules })], { $id });
}

function only<const P extends Record<string, TSchema>>(properties: P) {
  return Type.Object(properties, { additionalProperties: false });
}
