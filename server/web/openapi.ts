/**
 * The OpenAPI 3.1 document, made of the table of routes: the schemas in it are the ones that validate, because OpenAPI 3.1
 * is JSON Schema 2020-12 and so are they. Those with `$id` stand among the components.
 */
import type { TSchema } from 'typebox';
import packageJson from '../../package.json' with { type: 'json' };
import type { Endpoint, Method, Route } from './endpoint.ts';
import { PROBLEM_TYPE, PROBLEMS, type ProblemCode, ProblemSchema } from './problem.ts';

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
export type JsonObject = { [name: string]: Json };

interface Parameter extends JsonObject {
  name: string;
  in: string;
  required: boolean;
}

export interface Operation extends JsonObject {
  operationId: string;
  tags: string[];
  summary: string;
  security: JsonObject[];
  parameters: Parameter[];
  responses: JsonObject;
}

type Components = Record<string, JsonObject>;

export interface OpenApi extends JsonObject {
  openapi: string;
  info: JsonObject;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, JsonObject>; securitySchemes: JsonObject };
}

export function openApiOf(routes: readonly Route[], serverUrl: string): OpenApi {
  const components: Components = {};
  const paths: OpenApi['paths'] = {};
  for (const { method, path, endpoint } of routes) {
    const url = path.replaceAll(/:(\w+)/g, '{$1}');
    paths[url] = { ...paths[url], [method.toLowerCase()]: operationOf(method, path, endpoint, components) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Camp',
      version: packageJson.version,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: serverUrl }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'An API key: camp_live_…' },
      },
    },
  };
}

const DESCRIPTION = `Names are snake_case, times RFC 3339 in UTC, ids opaque strings, money whole units of the smallest coin.
Send your API key as \`Authorization: Bearer camp_live_…\`.
Every error is application/problem+json with a stable \`code\`.
Lists come in pages: \`next_cursor\` of one is the \`cursor\` of the next.
A request that is repeated under its Idempotency-Key has one effect and gets the first answer again, for 72 hours.`;

function operationOf(method: Method, path: string, endpoint: Endpoint, components: Components): Operation {
  const { summary, description, scope } = endpoint;
  const needs = scope === 'any' || scope === 'public' ? undefined : `Needs the scope \`${scope}\`.`;
  return {
    operationId: operationIdOf(method, path),
    tags: [tagOf(path)],
    summary,
    ...textOf('description', [description, needs]),
    security: scope === 'public' ? [] : [{ key: [] }],
    parameters: [
      ...parametersOf('path', endpoint.params, components),
      ...parametersOf('query', endpoint.query, components),
      ...headersOf(endpoint),
    ],
    ...bodyOf(endpoint, components),
    responses: responsesOf(method, endpoint, components),
  };
}

function textOf(name: string, parts: (string | undefined)[]): JsonObject {
  const text = parts.filter((part) => part !== undefined).join(' ');
  return text === '' ? {} : { [name]: text };
}

const IF_MATCH: Parameter = {
  name: 'If-Match',
  in: 'header',
  required: true,
  description: 'The ETag of what you have seen, with its quotes; * for whatever it is now.',
  schema: { type: 'string', maxLength: 500 },
};

/** postCampaignsByIdPause. */
function operationIdOf(method: Method, path: string): string {
  const words = path.replace(/^\/v1/, '').split(/[/.]/).filter(Boolean);
  const named = words.map((word) => (word.startsWith(':') ? `By${capital(word.slice(1))}` : capital(word)));
  return method.toLowerCase() + named.join('');
}

function capital(word: string): string {
  return word.replace(/(?:^|[_-])(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function tagOf(path: string): string {
  return /^\/v1\/([^/]+)/.exec(path)?.[1] ?? 'process';
}

function parametersOf(
  place: 'path' | 'query',
  { properties, required }: Endpoint['params'],
  components: Components,
): Parameter[] {
  // TypeBox leaves it out when all are optional, whatever its type says.
  const needed: readonly string[] = required ?? [];
  return Object.entries(properties).map(([name, schema]) => {
    const { description, ...rest } = jsonSchemaOf(schema, components);
    return {
      name,
      in: place,
      required: place === 'path' || needed.includes(name),
      ...(description === undefined ? {} : { description }),
      schema: rest,
    };
  });
}

function headersOf({ idempotency, problems }: Endpoint): Parameter[] {
  if (problems.includes('precondition-required')) return [IF_MATCH];
  if (idempotency === 'none') return [];
  const key = {
    name: 'Idempotency-Key',
    in: 'header',
    required: idempotency === 'required',
    description: 'New for each intent, the same for each retry; a UUID is fine. Kept for 72 hours.',
    schema: { type: 'string', pattern: '^[!-~]{16,255}$' },
  };
  const prefer = {
    name: 'Prefer',
    in: 'header',
    required: false,
    description: 'wait=10: wait so many seconds for the first request with the key instead of answering 409.',
    schema: { type: 'string', maxLength: 100 },
  };
  return [key, prefer];
}

function bodyOf({ body, upload }: Endpoint, components: Components): JsonObject {
  const content = upload
    ? upload.map((type) => [type, { schema: { type: 'string' } }])
    : body && [['application/json', { schema: jsonSchemaOf(body, components) }]];
  return content ? { requestBody: { required: true, content: Object.fromEntries(content) } } : {};
}

function responsesOf(method: Method, endpoint: Endpoint, components: Components): JsonObject {
  const responses: JsonObject = {};
  for (const [status, schema] of Object.entries(endpoint.responses))
    responses[status] = responseOf(schema, components);
  for (const [status, codes] of problemsOf(method, endpoint))
    responses[status] ??= {
      description: codes.join(', '),
      ...contentOf(PROBLEM_TYPE, ProblemSchema, components),
    };
  return responses;
}

function responseOf(schema: TSchema, components: Components): JsonObject {
  if ('contentMediaType' in schema && 'contentSchema' in schema)
    return {
      description: 'as its media type says',
      ...contentOf(String(schema.contentMediaType), schema.contentSchema as TSchema, components),
    };
  if ('type' in schema && schema.type === 'null') return { description: 'done' };
  return { description: 'done', ...contentOf('application/json', schema, components) };
}

function contentOf(type: string, schema: TSchema, components: Components): JsonObject {
  return { content: { [type]: { schema: jsonSchemaOf(schema, components) } } };
}

/** What any request may meet, and what this endpoint adds, by status. */
function problemsOf(method: Method, endpoint: Endpoint): Map<string, ProblemCode[]> {
  const { scope, idempotency, body, upload, load, params, query } = endpoint;
  const hasFields = Object.keys({ ...params.properties, ...query.properties }).length > 0;
  const codes: ProblemCode[] = [
    'malformed-request',
    ...(body || upload || hasFields ? (['invalid-request'] as const) : []),
    ...(scope === 'public' ? [] : (['unauthenticated', 'missing-scope'] as const)),
    ...(Object.keys(params.properties).length > 0 ? (['not-found'] as const) : []),
    // Also of a verb that takes no body: somebody may send one.
    ...(method === 'GET'
      ? []
      : (['request-timeout', 'body-too-large', 'unsupported-media-type', 'invalid-request'] as const)),
    ...(body || upload ? (['refused'] as const) : []),
    ...(idempotency === 'required' ? (['idempotency-key-missing'] as const) : []),
    ...(idempotency === 'none'
      ? []
      : (['idempotency-key-invalid', 'idempotency-key-in-use', 'idempotency-key-reused'] as const)),
    ...(load === 'probe' ? [] : (['too-many-requests', 'overloaded', 'draining', 'database-away'] as const)),
    'headers-too-large',
    'internal',
    'out-of-time',
    ...endpoint.problems,
  ];
  const byStatus = Map.groupBy(new Set(codes), (code) => String(PROBLEMS[code].status));
  return new Map([...byStatus].sort());
}

/** A copy as plain JSON, with a reference for each part that has a name. */
function jsonSchemaOf(schema: TSchema, components: Components): JsonObject {
  return refer(JSON.parse(JSON.stringify(schema)), components) as JsonObject;
}

function refer(json: Json, components: Components): Json {
  if (Array.isArray(json)) return json.map((part) => refer(part, components));
  if (json === null || typeof json !== 'object') return json;
  const { $id, ...rest } = json;
  const referred = Object.fromEntries(
    Object.entries(rest).map(([name, part]) => [name, refer(part, components)]),
  );
  if (typeof $id !== 'string') return referred;
  components[$id] = referred;
  return { $ref: `#/components/schemas/${$id}` };
}
