import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Type from 'typebox';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { CampaignRefused } from '../campaigns/refused.ts';
import { newId } from '../kernel/ids.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { endpoint, noContent, ok } from './endpoint.ts';
import { notFound } from './problem.ts';
import { Id, Nothing, nullable, strict, Time } from './schemas.ts';

const echo = endpoint({
  summary: 'What came in',
  scope: 'contacts:write',
  idempotency: 'none',
  params: { id: Id },
  query: {
    count: Type.Optional(Type.Integer({ minimum: 1 })),
    deep: Type.Optional(Type.Boolean()),
    tag: Type.Optional(Type.Array(Type.String())),
  },
  body: strict({
    name: Type.String({ maxLength: 5 }),
    email: Type.Optional(Type.String({ format: 'email' })),
    at: Type.Optional(nullable(Time)),
    size: Type.Optional(Type.Integer()),
    inner: Type.Optional(strict({ on: Type.Boolean() })),
  }),
  responses: { 200: Type.Unknown() },
  run: async ({ params, query, body }) => ok({ params, query, body }),
});

const lists = endpoint({
  summary: 'Lists, as the workspace sees them',
  scope: 'contacts:read',
  idempotency: 'none',
  responses: { 200: strict({ names: Type.Array(Type.String()) }) },
  async handle(_request, tx) {
    const rows = await tx.query<{ name: string }>(sql`SELECT name FROM list ORDER BY name`);
    return ok({ names: rows.map(({ name }) => name) });
  },
});

const makeList = endpoint({
  summary: 'Makes a list, and perhaps changes its mind',
  scope: 'contacts:write',
  idempotency: 'none',
  body: strict({ name: Type.String(), ending: Type.Optional(Type.String()) }),
  responses: { 204: Nothing },
  async handle({ workspaceId, body: { name, ending } }, tx) {
    await tx.query(
      sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${newId()}, ${name})`,
    );
    if (ending === 'not found') throw notFound('segment');
    if (ending === 'refused') throw new CampaignRefused('plan', 'The campaign is paused already.');
    if (ending === 'sql') await tx.query(sql`SELECT secret_column FROM nothing`);
    if (ending === 'bug') throw new Error('the password is hunter2');
    return noContent();
  },
});

const wrong = endpoint({
  summary: 'Promises a number',
  scope: 'any',
  idempotency: 'none',
  responses: { 200: strict({ n: Type.Number() }) },
  run: async () => ok(JSON.parse('{"n":"one"}')),
});

const change = endpoint({
  summary: 'A GET that changes something',
  scope: 'any',
  idempotency: 'none',
  responses: { 204: Nothing },
  async handle({ workspaceId }, tx) {
    await tx.query(sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${newId()}, 'x')`);
    return noContent();
  },
});

let web: TestWeb;
let key: TestKey;

before(async () => {
  web = await TestWeb.start({
    'POST /test/echo/:id': echo,
    'GET /test/lists': lists,
    'POST /test/lists': makeList,
    'GET /test/wrong': wrong,
    'GET /test/change': change,
  });
  key = await web.newKey();
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

const id = newId();

test('a path, a query and a body arrive as their schemas say', async () => {
  const body = { name: 'Zoë', email: 'zoe@example.com', at: null, inner: { on: true } };
  const { status, json } = await web.ask(`POST /test/echo/${id}?count=3&deep=true&tag=a`, { key, body });
  assert.equal(status, 200);
  assert.deepEqual(json, { params: { id }, query: { count: 3, deep: true, tag: ['a'] }, body });
});

test('what a request has too much, too little or in another form is named, all of it', async () => {
  const asked: [path: string, body: unknown, ...errors: string[]][] = [
    ['', {}, '/body/name is missing'],
    ['', { name: 'a', admin: true }, '/body/admin is not known here'],
    ['', { name: 'a', inner: { on: true, x: 1 } }, '/body/inner/x is not known here'],
    [
      '',
      { name: 'abcdef', size: '5' },
      '/body/name must not have more than 5 characters',
      '/body/size must be integer',
    ],
    ['', { name: 'a', email: 'nobody' }, '/body/email must match format "email"'],
    ['', { name: 'a', size: 1.5 }, '/body/size must be integer'],
    ['', [], '/body must be object'],
    ['?count=0', { name: 'a' }, '/query/count must be >= 1'],
    ['?count=1e1', { name: 'a' }, '/query/count must be integer'],
    ['?count=1&count=2', { name: 'a' }, '/query/count must be integer'],
    ['?deep=yes', { name: 'a' }, '/query/deep must be boolean'],
    ['?page=1', { name: 'a' }, '/query/page is not known here'],
  ];
  for (const [path, body, ...errors] of asked) {
    const { status, json } = await web.ask(`POST /test/echo/${id}${path}`, { key, body });
    assert.deepEqual([status, json.code], [400, 'invalid-request']);
    assert.deepEqual(
      json.errors.map((error: { path: string; message: string }) => `${error.path} ${error.message}`),
      errors,
    );
  }
  const { json } = await web.ask('POST /test/echo/17', { key, body: { name: 'a' } });
  assert.equal(json.detail, '/params/id must match format "uuid".');
});

test('a body that is missing, of another type or too large is refused', async () => {
  const path = `POST /test/echo/${id}`;
  const large = { name: 'a'.repeat(1_000_001) };
  const text = { body: 'name=a', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
  const answers = [
    await web.ask(path, { key }),
    await web.ask(path, { key, body: '{"name":' }),
    await web.ask(path, { key, ...text }),
    await web.ask(path, { key, body: large }),
  ];
  assert.deepEqual(
    answers.map(({ json }) => json.code),
    ['invalid-request', 'malformed-request', 'unsupported-media-type', 'body-too-large'],
  );
  assert.equal(answers.at(-1)?.json.detail, 'It may have 1000000 bytes.');
});

test('an endpoint that takes no body takes none, or an empty object', async () => {
  const asked = async (body?: unknown) => (await web.ask('DELETE /v1/keys/nothing', { key, body })).json.code;
  assert.deepEqual(
    [await asked(), await asked({}), await asked({ force: true })],
    ['not-found', 'not-found', 'invalid-request'],
  );
});

test('what a handler refuses is taken back, and told in a sentence', async () => {
  const asked = async (ending: string) =>
    (await web.ask('POST /test/lists', { key, body: { name: ending, ending } })).json;
  assert.equal((await asked('not found')).detail, 'There is no segment with this id.');
  const refused = await asked('refused');
  assert.deepEqual(
    [refused.status, refused.code, refused.detail],
    [422, 'refused', 'The campaign is paused already.'],
  );
  assert.deepEqual((await web.ask('GET /test/lists', { key })).json, { names: [] });
});

test('a mistake of ours tells the client its number, and not a word of SQL or of the stack', async () => {
  for (const ending of ['sql', 'bug']) {
    const { status, json, bytes, headers } = await web.ask('POST /test/lists', {
      key,
      body: { name: 'x', ending },
    });
    assert.deepEqual([status, json.code], [500, 'internal']);
    assert.equal(json.request_id, headers.get('x-request-id'));
    assert.doesNotMatch(bytes.toString(), /secret_column|hunter2|\.ts|select/i);
  }
});

test('an answer that is not what the endpoint promises fails a test', async () => {
  assert.equal((await web.ask('GET /test/wrong', { key })).status, 500);
});

test('a workspace sees what is its own', async () => {
  const mine = await web.newKey();
  await web.ask('POST /test/lists', { key: mine, body: { name: 'mine' } });
  const [own, foreign] = [
    await web.ask('GET /test/lists', { key: mine }),
    await web.ask('GET /test/lists', { key }),
  ];
  assert.deepEqual([own.json.names, foreign.json.names], [['mine'], []]);
});

test('what a GET would change is not changed', async () => {
  const reader = await web.newKey();
  assert.ok((await web.ask('GET /test/change', { key: reader })).status >= 500);
  assert.deepEqual((await web.ask('GET /test/lists', { key: reader })).json, { names: [] });
});

test('a URL that nobody knows is 404, and a method that it does not have is 405 with those that it has', async () => {
  const unknown = await web.ask('GET /v1/nothing', { key });
  assert.deepEqual([unknown.status, unknown.json.code], [404, 'not-found']);
  for (const method of ['PUT', 'PATCH', 'OPTIONS', 'QUERY', 'PROPFIND']) {
    const { status, headers } = await web.ask(`${method} /v1/keys`);
    assert.deepEqual([status, headers.get('allow')], [405, 'GET, POST, HEAD'], method);
  }
});

test('HEAD is GET without the body', async () => {
  const [get, head] = [await web.ask('GET /v1/me', { key }), await web.ask('HEAD /v1/me', { key })];
  assert.deepEqual([head.status, head.bytes.length], [200, 0]);
  assert.equal(head.headers.get('content-length'), String(get.bytes.length));
  assert.equal((await web.ask('HEAD /v1/me')).status, 401);
});

test('every answer has an id of its own, and headers that keep browsers from guessing', async () => {
  const answers = [
    await web.ask('GET /v1/me', { key }),
    await web.ask('GET /v1/me'),
    await web.ask('GET /nothing'),
  ];
  for (const { headers } of answers) {
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/);
    assert.equal(headers.get('cache-control'), 'no-store');
  }
  assert.equal(new Set(answers.map(({ headers }) => headers.get('x-request-id'))).size, 3);
});
