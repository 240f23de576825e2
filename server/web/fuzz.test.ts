/**
 * Requests made from the API's own document, good ones and spoiled ones: none is answered with a 5xx, and every answer is
 * one that the document promises. CAMP_FUZZ_REQUESTS says how many; fast-check prints the seed of a failure.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc, { type Arbitrary } from 'fast-check';
import Schema from 'typebox/schema';
import { fitting, type JsonSchema, spoiled } from '../../test/support/schema-values.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { newId } from '../kernel/ids.ts';
import type { JsonObject, OpenApi, Operation } from './openapi.ts';

const REQUESTS = Number(process.env.CAMP_FUZZ_REQUESTS ?? 400);
const AT_ONCE = 8;

let web: TestWeb;
let key: TestKey;
let document: OpenApi;

before(async () => {
  web = await TestWeb.start();
  key = await web.newKey();
  document = (await web.ask('GET /openapi.json')).json;
});

after(() => web.stop());

interface Shot {
  line: string;
  operation: Operation;
  path: string;
  body: unknown;
  hasKey: boolean;
}

function shots(): Arbitrary<Shot> {
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => shotsAt(method.toUpperCase(), path, operation)),
  );
  return fc.oneof(...all);
}

function shotsAt(method: string, template: string, operation: Operation): Arbitrary<Shot> {
  const { schemas } = document.components;
  const fields = Object.fromEntries(
    operation.parameters.map(({ name, schema }) => [name, fitting(schema as JsonSchema, schemas)]),
  );
  const parts = fc.record({
    parameters: fc.record(fields),
    body: bodies(operation),
    isSpoiled: fc.boolean(),
  });
  return parts
    .chain(({ parameters, body, isSpoiled }) =>
      fc.record({
        parameters: isSpoiled ? spoiled(parameters) : fc.constant(parameters),
        body: isSpoiled && body !== undefined ? spoiled(body) : fc.constant(body),
        hasKey: fc.boolean(),
      }),
    )
    .map(({ parameters, body, hasKey }) => {
      const named = new Map(Object.entries(Object(parameters)).map(([name, value]) => [name, textOf(value)]));
      const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
        encodeURIComponent(named.get(name) || 'x'),
      );
      const query = operation.parameters.flatMap(({ name, in: place }) =>
        place === 'query' && named.has(name) ? [[name, named.get(name) ?? '']] : [],
      );
      const search = query.length > 0 ? `?${new URLSearchParams(query)}` : '';
      return { line: `${method} ${path}${search}`, operation, path: template, body, hasKey };
    });
}

function bodies({ requestBody }: Operation): Arbitrary<unknown> {
  const content = (requestBody as { content?: Record<string, { schema: JsonSchema }> } | undefined)?.content;
  const schema = content?.['application/json']?.schema;
  return schema ? fitting(schema, document.components.schemas) : fc.constant(undefined);
}

/** Without what encodeURIComponent itself refuses. */
function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.toWellFormed().slice(0, 1_000);
}

async function fire({ line, operation, path, body, hasKey }: Shot): Promise<void> {
  const question =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const headers = { ...question.headers, ...(hasKey ? { 'idempotency-key': newId() } : {}) };
  const heard = await web.ask(line, { key, ...question, headers });
  const said = `${line} ${JSON.stringify(body)?.slice(0, 500)} → ${heard.status} ${heard.bytes.toString().slice(0, 500)}`;
  assert.ok(heard.status < 500, said);
  assertPromised(operation, path, heard, said);
}

const compiled = new Map<string, ReturnType<typeof Schema.Compile>>();

function assertPromised(
  operation: Operation,
  path: string,
  { status, headers, json }: Heard,
  said: string,
): void {
  const response = operation.responses[status] as JsonObject | undefined;
  assert.ok(response, `the status is not documented: ${said}`);
  const content = Object.entries((response.content ?? {}) as Record<string, { schema: JsonObject }>);
  const type = (headers.get('content-type') ?? '').split(';')[0];
  if (content.length === 0) return;
  const [, documented] =
    content.find(([name]) => name === type) ?? assert.fail(`${type} is not documented: ${said}`);
  if (json === undefined) return;
  const name = `${operation.operationId} ${path} ${status}`;
  const schema =
    compiled.get(name) ?? Schema.Compile({ ...documented.schema, components: document.components });
  compiled.set(name, schema);
  assert.ok(schema.Check(json), `the body is not as documented: ${said}`);
}

test(`${REQUESTS} requests made from the document: none fails on our side, and every answer is as it says`, async () => {
  const volley = fc.array(shots(), { minLength: AT_ONCE, maxLength: AT_ONCE });
  await fc.assert(
    fc.asyncProperty(volley, async (all) => {
      await Promise.all(all.map(fire));
    }),
    { numRuns: Math.ceil(REQUESTS / AT_ONCE), endOnFailure: true },
  );
});
