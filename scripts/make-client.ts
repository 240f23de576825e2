/**
 * `npm run client`: writes client/operations.ts, the types of the API's document for TypeScript. With --check it only says
 * whether the file is what it would write.
 *
 * The schemas are our own, so only what they use is known here; anything else stops it. (The generators that exist need
 * the compiler's JavaScript API, which TypeScript 7.0 does not have.)
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type JsonObject, openApiOf } from '../server/web/openapi.ts';
import { BILLING_ROUTES, ROUTES } from '../server/web/routes.ts';

const FILE = join(import.meta.dirname, '../client/operations.ts');
const HEADER = `/** Made by \`npm run client\` from the API's own document: what may be asked, and what is answered. */
// biome-ignore-all format: it is written by a program
import type { Upload } from './client.ts';
`;

const api = openApiOf([...ROUTES, ...BILLING_ROUTES], '/');
const text = [HEADER, ...componentTypes(), ...operationTypes(), ...operationTable()].join('\n');
if (process.argv.includes('--check')) {
  if (readFileSync(FILE, 'utf8') !== text) {
    process.stderr.write('client/operations.ts is not what the API is: run `npm run client`.\n');
    process.exitCode = 1;
  }
} else writeFileSync(FILE, text);

function componentTypes(): string[] {
  const { schemas } = api.components;
  return Object.keys(schemas)
    .sort()
    .map((name) => `export type ${name} = ${typeOf(schemas[name])};\n`);
}

function operationTypes(): string[] {
  const lines = operations().map(
    ({ id, operation }) =>
      `  ${id}: {\n    params: ${fieldsOf(operation, 'path')};\n    query: ${fieldsOf(operation, 'query')};\n    body: ${requestOf(operation)};\n    answer: ${answersOf(operation)};\n  };`,
  );
  return ['export interface Operations {', ...lines, '}\n'];
}

function operationTable(): string[] {
  const lines = operations().map(({ id, method, path, operation }) => {
    const key = parametersIn(operation, 'header').find(({ name }) => name === 'Idempotency-Key');
    return `  ${id}: { method: '${method}', path: '${path}', isKeyed: ${key !== undefined} },`;
  });
  return [
    'export const OPERATIONS: { readonly [Id in keyof Operations]: { method: string; path: string; isKeyed: boolean } } = {',
    ...lines,
    '};\n',
  ];
}

function operations() {
  return Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      id: operation.operationId,
      method: method.toUpperCase(),
      path,
      operation: operation as JsonObject,
    })),
  );
}

interface Parameter {
  name: string;
  in: string;
  required: boolean;
  schema: JsonObject;
}

function parametersIn({ parameters }: JsonObject, place: string): Parameter[] {
  return (parameters as unknown as Parameter[]).filter((parameter) => parameter.in === place);
}

function fieldsOf(operation: JsonObject, place: string): string {
  const fields = parametersIn(operation, place).map(
    ({ name, required, schema }) => `${name}${required ? '' : '?'}: ${typeOf(schema)}`,
  );
  return fields.length === 0 ? 'Record<never, never>' : `{ ${fields.join('; ')} }`;
}

function requestOf({ requestBody }: JsonObject): string {
  if (!requestBody) return 'undefined';
  const { json, others } = contentOf(requestBody as JsonObject);
  return [...json, ...(others ? ['Upload'] : [])].join(' | ');
}

/** By status, so that a caller can tell 201 from 202. What is no JSON comes as the response itself. */
function answersOf({ responses }: JsonObject): string {
  const answers = Object.entries(responses as JsonObject)
    .filter(([status]) => Number(status) < 400)
    .map(([status, response]) => {
      const { json, others } = contentOf(response as JsonObject);
      const body = [...json, ...(others ? ['Response'] : [])].join(' | ') || 'null';
      return `{ status: ${status}; body: ${body} }`;
    });
  return [...new Set(answers)].join(' | ');
}

function contentOf({ content = {} }: JsonObject): { json: string[]; others: boolean } {
  const byType = Object.entries(content as Record<string, JsonObject>);
  const json = byType.filter(([type]) => type === 'application/json');
  return { json: json.map(([, { schema }]) => typeOf(schema)), others: json.length < byType.length };
}

function typeOf(schema: unknown): string {
  const { $ref, anyOf, enum: words, const: only, type, ...rest } = schema as JsonObject;
  if (typeof $ref === 'string') return $ref.split('/').at(-1) ?? '';
  if (Array.isArray(anyOf)) return union(anyOf.map(typeOf));
  if (Array.isArray(words)) return union(words.map((word) => JSON.stringify(word)));
  if (only !== undefined) return JSON.stringify(only);
  if (Array.isArray(type)) return union(type.map((one) => typeOf({ ...rest, type: one })));
  switch (type) {
    case 'object':
      return objectType(rest);
    case 'array':
      return `Array<${typeOf(rest.items ?? {})}>`;
    case 'integer':
      return 'number';
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
      return type;
    case undefined:
      return 'unknown';
  }
  throw new Error(`no type for ${JSON.stringify(schema)}`);
}

function objectType({ properties, required, patternProperties, additionalProperties }: JsonObject): string {
  const [values] = Object.values(patternProperties ?? {});
  if (values) return `Record<string, ${typeOf(values)}>`;
  if (additionalProperties instanceof Object) return `Record<string, ${typeOf(additionalProperties)}>`;
  const needed = (required ?? []) as string[];
  const fields = Object.entries((properties ?? {}) as JsonObject).map(
    ([name, field]) => `${JSON.stringify(name)}${needed.includes(name) ? '' : '?'}: ${typeOf(field)}`,
  );
  if (fields.length > 0) return `{ ${fields.join('; ')} }`;
  return additionalProperties === false ? 'Record<never, never>' : 'Record<string, unknown>';
}

function union(types: string[]): string {
  return `(${[...new Set(types)].join(' | ')})`;
}
