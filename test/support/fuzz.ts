/**
 * Requests made from an OpenAPI document, as data: good ones, ones with something in them that does not belong there, and
 * ones that are hardly requests at all. What an earlier request has made is asked for by later ones.
 */
import fc, { type Arbitrary } from 'fast-check';
import { newId } from '../../server/kernel/ids.ts';
import type { OpenApi, Operation } from '../../server/web/openapi.ts';
import { fitting, type Hints, type JsonSchema, spoiled } from './schema-values.ts';

const TEXT_LENGTH_MAX = 1_000;
const JSON_TYPE = 'application/json';

export interface Shot {
  operation: Operation;
  /** As the document has it. */
  path: string;
  /** A method and a URL. */
  line: string;
  headers: Record<string, string>;
  body: string | undefined;
}

/** Ids of what a run has made, by the path under which they are. */
export type Made = ReadonlyMap<string, readonly string[]>;

interface Where {
  method: string;
  path: string;
  operation: Operation;
}

/** `made` is read when a shot is drawn. */
export function shots(document: OpenApi, made: Made): Arbitrary<Shot> {
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => !endsNever(operation))
      .map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
  return fc.oneof(...all.map((where) => shotsAt(document, made, where)));
}

/** A live stream, which has a test of its own. */
function endsNever({ responses }: Operation): boolean {
  return 'text/event-stream' in Object(Object(responses[200]).content);
}

const TEMPLATE = `---
subject: Hello {{ first_name }}
---
Hello, see https://acme.example/
`;
const SEGMENT = {
  all: [
    { field: 'tag', tag: 'vip' },
    { not: { field: 'email_domain', op: 'equals', value: 'acme.example' } },
  ],
};

/** What random text never is. */
const HINTS: Hints = {
  address: ['192.0.2.7', '2001:db8::7', '127.0.0.1'],
  attributes: [{ city: 'Bonn', age: 7 }, {}],
  domain: ['acme.example', 'news.acme.example', '*'],
  email: ['ann@acme.example', 'bob@other.example'],
  from: [{ email: 'news@acme.example' }, { email: 'news@acme.example', name: 'News' }],
  helo_name: ['mail.acme.example'],
  html: ['<p>Hello</p>'],
  name: ['one', 'two', 'three', 'hello.txt', 'hello.mjml'],
  pool: ['default', 'bulk'],
  provider: ['google', '*'],
  reply: ['550 5.1.1 user unknown', '421 4.7.0 later'],
  reply_to: ['answers@acme.example'],
  route: ['direct', 'direct:bulk*2 / relay:one', 'relay:one, relay:two'],
  rules: [SEGMENT],
  source: [TEMPLATE],
  tags: [['vip'], ['a', 'b']],
  target: ['provider google'],
  template: [{ name: 'hello.txt', source: TEMPLATE }],
  to: [['ann@acme.example'], { email: 'ann@acme.example' }, [{ email: 'ann@acme.example' }]],
  url: ['smtp://ada:secret@127.0.0.1:9', 'https://hooks.acme.example/in', 'https://127.0.0.1/'],
};

/** Fields that hold the id of something that may have been made. */
const MADE_AT: Readonly<Record<string, string>> = {
  campaign_id: '/v1/campaigns/',
  contact_id: '/v1/contacts/',
  contact_ids: '/v1/contacts/',
  invoice_id: '/v1/invoices/',
  list_id: '/v1/lists/',
  list_ids: '/v1/lists/',
  segment_ids: '/v1/segments/',
  template_id: '/v1/templates/',
};

const MOODS = [...Array(5).fill('good'), ...Array(4).fill('spoiled'), 'broken'];

function shotsAt(document: OpenApi, made: Made, where: Where): Arbitrary<Shot> {
  const { operation, path, method } = where;
  const parts = fc.record({
    parameters: parametersOf(document, operation),
    body: bodiesOf(document, operation),
    mood: fc.constantFrom(...MOODS),
    pick: fc.nat(),
  });
  return parts
    .chain(({ parameters, body, mood, pick }) =>
      fc.record({
        parameters:
          mood === 'spoiled'
            ? fc.oneof(fc.constant(parameters), spoiled(parameters))
            : fc.constant(parameters),
        body: mood === 'spoiled' && body !== undefined ? spoiled(body) : fc.constant(body),
        broken: mood === 'broken' ? broken : fc.constant(null),
        key: fc.constantFrom(newId(), newId(), newId(), 'short'),
        pick: fc.constant(pick),
      }),
    )
    .map(({ parameters, body, broken, key, pick }) => {
      const values = new Map(
        Object.entries(Object(parameters)).map(([name, value]) => [name, textOf(value)]),
      );
      const wanted = body === undefined ? {} : { 'content-type': mediaTypeOf(operation) };
      return {
        operation,
        path,
        line: `${method} ${urlOf(where, values, made, pick)}`,
        headers: { ...wanted, ...headersOf(operation, values, key), ...broken?.headers },
        body: body === undefined ? undefined : (broken?.body ?? asBody(operation, withIds(body, made, pick))),
      };
    });
}

function parametersOf(
  { components }: OpenApi,
  { parameters }: Operation,
): Arbitrary<Record<string, unknown>> {
  const fields = parameters.map(({ name, schema }) => [
    name,
    fitting(schema as JsonSchema, components.schemas, HINTS),
  ]);
  const requiredKeys = parameters.filter(({ required }) => required).map(({ name }) => name);
  return fc.record(Object.fromEntries(fields), { requiredKeys });
}

function contentOf({ requestBody }: Operation): [type: string, schema: JsonSchema] | undefined {
  const { content } = Object(requestBody) as { content?: Record<string, { schema: JsonSchema }> };
  const [first] = Object.entries(content ?? {});
  return first && [first[0], first[1].schema];
}

function bodiesOf({ components }: OpenApi, operation: Operation): Arbitrary<unknown> {
  const content = contentOf(operation);
  return content ? fitting(content[1], components.schemas, HINTS) : fc.constant(undefined);
}

function mediaTypeOf(operation: Operation): string {
  return contentOf(operation)?.[0] ?? JSON_TYPE;
}

function asBody(operation: Operation, body: unknown): string {
  return mediaTypeOf(operation) === JSON_TYPE ? JSON.stringify(body) : textOf(body);
}

/** Some ids become such as the run has made. */
function withIds(value: unknown, made: Made, pick: number, name = ''): unknown {
  if (Array.isArray(value)) return value.map((one) => withIds(one, made, pick, name));
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(
      Object.entries(value).map(([key, part]) => [key, withIds(part, made, pick, key)]),
    );
  const known = made.get(MADE_AT[name] ?? '') ?? [];
  return pick % 4 === 0 || typeof value !== 'string' ? value : (known[pick % known.length] ?? value);
}

interface Broken {
  body?: string;
  headers?: Record<string, string>;
}

/** What a proper client never sends. */
const broken: Arbitrary<Broken> = fc.constantFrom<Broken>(
  { body: '{' },
  { body: '' },
  { body: '[[[[[[[[' },
  { body: '{"a":1,"a":2}' },
  { body: '{"__proto__":{"admin":true}}' },
  { body: `${'['.repeat(5_000)}${']'.repeat(5_000)}` },
  { body: 'null' },
  { body: '1e999' },
  { body: '\u{feff}{}' },
  { body: '"\\ud800"' },
  { headers: { 'content-type': 'text/plain' } },
  { headers: { 'content-type': 'application/json; charset=utf-16' } },
  { headers: { 'if-match': '"nonsense"' } },
  { headers: { authorization: 'Basic Zm9vOmJhcg==' } },
  { headers: { 'x-forwarded-for': "127.0.0.1, '; --" } },
);

/** Some of the things that are asked for were made by this run. */
function urlOf(
  { path, operation }: Where,
  values: ReadonlyMap<string, string>,
  made: Made,
  pick: number,
): string {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string, at: number) => {
    const known = made.get(path.slice(0, at).replaceAll(/\{\w+\}/g, '*')) ?? [];
    const one = pick % 4 === 0 ? undefined : known[pick % known.length];
    return encodeURIComponent(one ?? (values.get(name) || 'x'));
  });
  const query = operation.parameters.flatMap(({ name, in: place }) =>
    place === 'query' && values.has(name) ? [[name, values.get(name) ?? '']] : [],
  );
  return query.length > 0 ? `${filled}?${new URLSearchParams(query)}` : filled;
}

/** The headers that the document names, as far as HTTP can carry them. */
function headersOf(
  { parameters }: Operation,
  values: ReadonlyMap<string, string>,
  key: string,
): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { name, in: place } of parameters) {
    const value = values.get(name);
    if (place !== 'header' || value === undefined) continue;
    if (name === 'Idempotency-Key') headers[name] = key;
    else if (name === 'If-Match') headers[name] = '*';
    else if (name !== 'Prefer') headers[name] = value.replaceAll(/[^ -~]/g, '').trim();
  }
  return headers;
}

/** Without what encodeURIComponent itself refuses. */
function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.toWellFormed().slice(0, TEXT_LENGTH_MAX);
}
