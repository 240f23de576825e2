/** Requests made from what an endpoint says of itself: valid ones for tests of what is behind the schema. */
import fc from 'fast-check';
import type { TSchema } from 'typebox';
import { Check } from 'typebox/value';
import { newId } from '../../server/kernel/ids.ts';
import type { Endpoint, Route } from '../../server/web/endpoint.ts';
import { fitting, type JsonSchema } from './schema-values.ts';
import type { Question } from './web.ts';

const SEED = 7;
const TRIES_MAX = 200;

/** A value that the schema accepts, always the same one. Throws when it cannot be found. */
export function sampleOf(schema: TSchema | JsonSchema): unknown {
  const json = plain(schema);
  const found = fc
    .sample(fitting(json, {}), { seed: SEED, numRuns: TRIES_MAX })
    .find((value) => Check(schema, value));
  if (found === undefined) throw new Error(`no value fits ${JSON.stringify(json).slice(0, 500)}`);
  return found;
}

/** As the document has it. */
export function plain(schema: TSchema | JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema));
}

/** The names of a schema's fields that are ids, at any depth. A list of ids is a field too. */
export function idFieldsIn(schema: JsonSchema, name = ''): Set<string> {
  if (schema.format === 'uuid') return new Set([name]);
  return new Set(partsOf(schema).flatMap(([key, part]) => [...idFieldsIn(part, key ?? name)]));
}

/** The schema of values in which the field is there and is the id, and else only what must be there. */
export function withId(schema: JsonSchema, field: string, id: string, name = ''): JsonSchema {
  if (schema.format === 'uuid') return name === field ? { const: id } : schema;
  const has = (part: JsonSchema, key = name) => idFieldsIn(part, key).has(field);
  if (!has(schema)) return schema;
  const { properties, items, anyOf, required = [] } = schema as Composite;
  if (anyOf)
    return {
      anyOf: anyOf.filter((one) => has(one)).map((one) => withId(one, field, id, name)),
    };
  if (items) return { ...schema, minItems: 1, maxItems: 1, items: withId(items, field, id, name) };
  const kept = Object.entries(properties ?? {}).filter(
    ([key, part]) => required.includes(key) || has(part, key),
  );
  return {
    ...schema,
    properties: Object.fromEntries(kept.map(([key, part]) => [key, withId(part, field, id, key)])),
    required: kept.map(([key]) => key),
  };
}

interface Composite {
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  required?: string[];
}

function partsOf(schema: JsonSchema): [key: string | undefined, part: JsonSchema][] {
  const { properties = {}, items, anyOf = [] } = schema as Composite;
  return [
    ...Object.entries(properties),
    ...anyOf.map((part): [undefined, JsonSchema] => [undefined, part]),
    ...(items ? [[undefined, items] as [undefined, JsonSchema]] : []),
  ];
}

/** Without the fields that may be left out. */
function minimal(schema: JsonSchema): JsonSchema {
  const { properties, required = [] } = schema as Composite;
  if (!properties) return schema;
  const entries = Object.entries(properties).filter(([name]) => required.includes(name));
  return { ...schema, properties: Object.fromEntries(entries) };
}

/** The URL of a route, with these parameters. */
export function pathOf({ path }: Route, params: Readonly<Record<string, string>>): string {
  return path.replaceAll(/:(\w+)/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) throw new Error(`${path} has no value for :${name}`);
    return encodeURIComponent(value);
  });
}

/** Body and headers that its preconditions and its idempotency want; the body is one that its schema accepts, unless given. */
export function questionFor(
  { method, endpoint }: Route,
  body: unknown = endpoint.body && sampleOf(minimal(plain(endpoint.body))),
): Omit<Question, 'key'> {
  const headers: Record<string, string> = {
    ...(endpoint.idempotency === 'none' ? {} : { 'idempotency-key': newId() }),
    ...(method === 'GET' ? {} : { 'if-match': '*' }),
  };
  if (endpoint.upload)
    return { headers: { ...headers, 'content-type': endpoint.upload[0] ?? '' }, body: 'a' };
  return body === undefined ? { headers } : { headers, body };
}

/** What of the query must be there. */
export function queryFor({ query }: Endpoint): string {
  const required: readonly string[] = query.required ?? [];
  const pairs = required.map((name) => [name, String(sampleOf(query.properties[name] ?? {}))]);
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
}
