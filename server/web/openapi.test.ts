/** What the API says of itself is complete, holds together, and is what it does. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Schema from 'typebox/schema';
import { TestWeb } from '../../test/support/web.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { type JsonObject, type OpenApi, type Operation, openApiOf } from './openapi.ts';
import { PROBLEMS } from './problem.ts';
import { BILLING_ROUTES, ROUTES } from './routes.ts';

/** Also those that are there with a setting only. */
const ALL = [...ROUTES, ...BILLING_ROUTES];
const document: OpenApi = openApiOf(ALL, 'https://mail.example.com');

let web: TestWeb;

before(async () => {
  web = await TestWeb.start();
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

interface Found {
  line: string;
  path: string;
  operation: Operation;
}

function operations(): Found[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      line: `${method.toUpperCase()} ${path}`,
      path,
      operation,
    })),
  );
}

/** All values under this name, at any depth. */
function everywhere(name: string, value: unknown): unknown[] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(key === name ? [inner] : []),
    ...everywhere(name, inner),
  ]);
}

test('the document has every route, once', () => {
  const routes = ALL.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  assert.deepEqual(
    operations()
      .map(({ line }) => line)
      .sort(),
    routes.sort(),
  );
  assert.equal(document.openapi, '3.1.0');
  const ids = operations().map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
});

test('/openapi.json is the document of what is served', async () => {
  const { status, json } = await web.ask('GET /openapi.json');
  assert.equal(status, 200);
  assert.deepEqual(json, JSON.parse(JSON.stringify(openApiOf(ROUTES, 'http://localhost:8080'))));
});

test('the parameters of a path are those of its URL', () => {
  for (const { line, path, operation } of operations()) {
    const inUrl = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = operation.parameters
      .filter((parameter) => parameter.in === 'path')
      .map(({ name }) => name);
    assert.deepEqual(declared.sort(), inUrl.sort(), line);
  }
});

test('every reference leads somewhere, and every schema compiles', () => {
  for (const reference of everywhere('$ref', document)) {
    const name = /^#\/components\/schemas\/(\w+)$/.exec(String(reference))?.[1] ?? '';
    assert.ok(document.components.schemas[name], String(reference));
  }
  const schemas = [...everywhere('schema', document.paths), ...Object.values(document.components.schemas)];
  assert.ok(schemas.length > 10);
  const different = new Map(schemas.map((schema) => [JSON.stringify(schema), schema]));
  for (const schema of different.values()) {
    const whole = { ...(schema as JsonObject), components: document.components };
    assert.doesNotThrow(() => Schema.Compile(whole).Check({}), JSON.stringify(schema));
  }
});

test('every answer has a description, every operation a success and its problems', () => {
  for (const { line, operation } of operations()) {
    const statuses = Object.keys(operation.responses);
    assert.ok(statuses.some((status) => /^(2\d\d|303)$/.test(status)) && statuses.includes('500'), line);
    for (const [status, response] of Object.entries(operation.responses as Record<string, JsonObject>)) {
      assert.match(status, /^[2-5]\d\d$/, line);
      assert.ok(response.description, `${line} ${status}`);
      if (Number(status) < 400) continue;
      for (const code of String(response.description).split(', ')) {
        assert.ok(Object.hasOwn(PROBLEMS, code), `${line}: ${code}`);
        assert.equal(PROBLEMS[code as keyof typeof PROBLEMS].status, Number(status), `${line}: ${code}`);
      }
    }
  }
});

test('a request’s body takes no field that it does not name', () => {
  for (const { method, path, endpoint } of ALL)
    for (const open of openObjects(JSON.parse(JSON.stringify(endpoint.body ?? {}))))
      assert.fail(`${method} ${path} takes any field: ${JSON.stringify(open).slice(0, 200)}`);
});

/** Objects with fields that may have others too. A record, which has a pattern instead of fields, is none. */
function openObjects(schema: unknown): unknown[] {
  if (schema === null || typeof schema !== 'object') return [];
  const inner = Object.values(schema).flatMap(openObjects);
  const isOpen = 'properties' in schema && 'type' in schema && !('additionalProperties' in schema);
  return isOpen ? [schema, ...inner] : inner;
}

test('who is public makes its own transactions, and what spends money or sends mail wants a key', () => {
  for (const { method, path, endpoint } of ALL) {
    if (endpoint.scope === 'public') assert.ok(endpoint.run, `${method} ${path} has no workspace to read`);
    const mustRepeat = /^\/v1\/(payments|messages)\b(?!.*\/cancel$)/.test(path) && method === 'POST';
    if (mustRepeat) assert.equal(endpoint.idempotency, 'required', `${method} ${path}`);
  }
});

test('the page to read names every URL and every problem, runs nothing and fetches nothing', async () => {
  const { status, headers, bytes } = await web.ask('GET /docs');
  const html = bytes.toString();
  assert.deepEqual([status, headers.get('content-type')], [200, 'text/html; charset=utf-8']);
  for (const { method, path } of ROUTES)
    assert.ok(html.includes(`>${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}</a>`), path);
  for (const code of Object.keys(PROBLEMS)) assert.ok(html.includes(`id="problem-${code}"`), code);
  assert.doesNotMatch(html, /<script|<link|<img|@import|url\(|\son\w+=/i);
  assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none'; style-src 'sha256-/);
  const targets = [...html.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id ?? '');
  for (const target of targets) assert.ok(html.includes(`id="${target}"`), target);
});
