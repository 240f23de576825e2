/** Values that fit a JSON Schema, as far as our schemas go, and values that nearly do. */
import fc, { type Arbitrary } from 'fast-check';

export type JsonSchema = { readonly [keyword: string]: unknown };
type Schemas = Readonly<Record<string, JsonSchema>>;

const STRING_LENGTH_MAX = 30;

/** Texts that mean something under such a name of a field, whatever its schema says of their form. */
export type Hints = Readonly<Record<string, readonly unknown[]>>;

/** `named`: what `#/components/schemas/NAME` stands for. Most fields that have a hint take it. */
export function fitting(schema: JsonSchema, named: Schemas, hints: Hints = {}): Arbitrary<unknown> {
  const { $ref, anyOf, enum: words, type } = schema;
  if (typeof $ref === 'string') return fitting(named[$ref.split('/').at(-1) ?? ''] ?? {}, named, hints);
  if (Array.isArray(anyOf)) return fc.oneof(...anyOf.map((one: JsonSchema) => fitting(one, named, hints)));
  if (Array.isArray(words)) return fc.constantFrom(...words);
  if ('const' in schema) return fc.constant(schema.const);
  switch (type) {
    case 'object':
      return objects(schema, named, hints);
    case 'array': {
      const {
        items = {},
        minItems = 0,
        maxItems = 5,
      } = schema as { items?: JsonSchema; minItems?: number; maxItems?: number };
      return fc.array(fitting(items, named, hints), {
        minLength: minItems,
        maxLength: Math.min(maxItems, minItems + 5),
      });
    }
    case 'string':
      return strings(schema);
    case 'integer':
      return fc.integer(bounds(schema));
    case 'number':
      return fc.double({ ...bounds(schema), noNaN: true, noDefaultInfinity: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
  }
  return fc.jsonValue({ maxDepth: 2 });
}

function objects(schema: JsonSchema, named: Schemas, hints: Hints): Arbitrary<unknown> {
  const {
    properties = {},
    required = [],
    patternProperties,
  } = schema as {
    properties?: Schemas;
    required?: string[];
    patternProperties?: Schemas;
  };
  const [values] = Object.values(patternProperties ?? {});
  if (values)
    return fc.dictionary(fc.stringMatching(/^[a-z_]{1,10}$/), fitting(values, named, hints), { maxKeys: 4 });
  const fields = Object.entries(properties).map(([name, field]) => {
    const any = fitting(field, named, hints);
    const hinted = hints[name];
    const arbitrary = hinted
      ? fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...hinted) }, { weight: 1, arbitrary: any })
      : any;
    return [name, arbitrary] as const;
  });
  return fc.record(Object.fromEntries(fields), { requiredKeys: required });
}

interface StringSchema {
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
}

function strings(schema: JsonSchema): Arbitrary<string> {
  const { format, pattern, minLength = 0, maxLength = STRING_LENGTH_MAX }: StringSchema = schema;
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  switch (format) {
    case 'uuid':
      return fc.uuid();
    case 'email':
      return fc.emailAddress();
    case 'uri':
      return fc.webUrl();
    case 'date':
      return fc
        .date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) })
        .map((date) => date.toISOString().slice(0, 10));
    case 'date-time':
      return fc
        .date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) })
        .map((date) => date.toISOString());
  }
  return fc.string({
    unit: 'grapheme',
    minLength,
    maxLength: Math.max(minLength, Math.min(maxLength, STRING_LENGTH_MAX)),
  });
}

function bounds({ minimum, maximum }: JsonSchema): { min?: number; max?: number } {
  return {
    ...(typeof minimum === 'number' ? { min: minimum } : { min: -1_000_000 }),
    ...(typeof maximum === 'number' ? { max: maximum } : { max: 1_000_000 }),
  };
}

const HOSTILE = [
  '',
  '\0',
  '\ud800',
  "'; DROP TABLE contact; --",
  '../../etc/passwd',
  '<script>alert(1)</script>',
  '{{7*7}}',
  '%00',
  'a'.repeat(5_000),
  '\r\nset-cookie: a=b',
  '9'.repeat(400),
  -1,
  1e308,
  2 ** 53,
  null,
  [],
  {},
  true,
];

/** A value with something in it that does not belong there. */
export function spoiled(value: unknown): Arbitrary<unknown> {
  const wrong = fc.oneof(fc.constantFrom(...HOSTILE), fc.jsonValue({ maxDepth: 3 }));
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return wrong;
  const names = Object.keys(value);
  const replaced = fc
    .tuple(names.length > 0 ? fc.constantFrom(...names) : fc.constant('extra'), wrong)
    .map(([name, other]) => ({ ...value, [name]: other }));
  const added = wrong.map((other) => ({ ...value, admin: other }));
  return fc.oneof(wrong, replaced, added);
}
