/** What nobody well-meaning sends: each is refused in good order, and the server goes on. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Type from 'typebox';
import { until } from '../../test/support/campaign.ts';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { endpoint, noContent, ok } from './endpoint.ts';
import { Nothing, strict } from './schemas.ts';

const DEADLINE_MS = 300;

let bodiesTaken = 0;
const take = endpoint({
  summary: 'Takes a name',
  scope: 'public',
  idempotency: 'none',
  deadlineMs: DEADLINE_MS,
  body: strict({ name: Type.String(), more: Type.Optional(Type.Record(Type.String(), Type.Unknown())) }),
  responses: { 200: strict({ address: Type.String() }) },
  async run({ address }) {
    bodiesTaken += 1;
    return ok({ address });
  },
});

const uploads: { bytes: number; end: string }[] = [];
const upload = endpoint({
  summary: 'Takes a file',
  scope: 'public',
  idempotency: 'none',
  upload: ['text/csv'],
  bodyBytesMax: 100_000,
  responses: { 204: Nothing },
  async run({ upload: file }) {
    const taken = { bytes: 0, end: 'whole' };
    uploads.push(taken);
    try {
      for await (const chunk of file) taken.bytes += chunk.length;
    } catch (error) {
      taken.end = (error as Error).name;
      throw error;
    }
    return noContent();
  },
});

const hang = endpoint({
  summary: 'Does not look at its scope',
  scope: 'public',
  idempotency: 'none',
  deadlineMs: 50,
  responses: { 204: Nothing },
  run: () => new Promise<never>(() => {}),
});

let web: TestWeb;
let key: TestKey;

before(async () => {
  web = await TestWeb.start(
    { 'POST /test/take': take, 'POST /test/upload': upload, 'GET /test/hang': hang },
    { env: { CAMP_TRUSTED_PROXIES: '192.0.2.1' } },
  );
  key = await web.newKey();
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

/** A request as it stands on the wire. */
function wire(line: string, headers: string[], body = ''): string {
  const length = body === '' ? [] : [`content-length: ${Buffer.byteLength(body)}`];
  return [`${line} HTTP/1.1`, 'host: camp.test', 'connection: close', ...length, ...headers, '', body].join(
    '\r\n',
  );
}

function statusOf(heard: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(heard)?.[1]);
}

test('a body is validated whatever its Content-Type looks like', async () => {
  const before = bodiesTaken;
  const types = [
    'application/json\t',
    'application/json\t; a=b',
    'application/json ;x',
    '\tapplication/json',
    'application/json; charset="utf-8',
    'APPLICATION/JSON',
  ];
  for (const type of types) {
    const status = statusOf(await web.say(wire('POST /test/take', [`content-type: ${type}`], '{"name":1}')));
    assert.ok(status === 400 || status === 415, `${JSON.stringify(type)}: ${status}`);
  }
  for (const type of [
    'text/json',
    'application/jsonx',
    'application/x-json',
    'text/plain',
    '',
    'application/json/x',
  ])
    assert.equal(
      statusOf(await web.say(wire('POST /test/take', [`content-type: ${type}`], '{"name":"a"}'))),
      415,
      type,
    );
  assert.equal(statusOf(await web.say(wire('POST /test/take', [], '{"name":"a"}'))), 415);
  assert.equal(bodiesTaken, before);
});

test('a path leads nowhere but to what it names', async () => {
  for (const path of [
    '/../etc/passwd',
    '/docs/../metrics',
    '/v1/..%2fmetrics',
    '/v1/keys/..%2f..%2fdocs',
    '/%2e%2e/docs',
    '//docs',
    '/docs/',
    '/DOCS',
    '/v1/keys/%00',
    '/v1%2fme',
    '/\\docs',
    '/docs%0d%0aset-cookie:x=y',
    `/v1/keys/${'a'.repeat(600)}`,
  ]) {
    const heard = await web.say(wire(`GET ${path}`, [`authorization: ${key.headers.authorization}`]));
    assert.match(String(statusOf(heard)), /^4\d\d$/, path);
    assert.match(heard, /application\/problem\+json/, path);
    assert.doesNotMatch(heard, /set-cookie/i);
  }
  assert.equal(statusOf(await web.say(wire('GET /v1/keys/%zz', []))), 400);
});

test('two requests in one are not smuggled past', async () => {
  const smuggled = 'GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n';
  const both = [
    'content-type: application/json',
    `content-length: ${smuggled.length}`,
    'transfer-encoding: chunked',
  ];
  assert.equal(statusOf(await web.say(wire('POST /test/take', both), `0\r\n\r\n${smuggled}`)), 400);
  const twice = ['content-type: application/json', 'content-length: 2', 'content-length: 20'];
  assert.equal(statusOf(await web.say(wire('POST /test/take', twice), '{}')), 400);
});

test('what is no HTTP, or has no Host, is told so as a problem', async () => {
  for (const noise of [
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'HELO mail.example\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'GET / HTTP/1.1\r\nhost: a\r\nx: \x01\r\n\r\n',
  ]) {
    const heard = await web.say(Buffer.from(noise, 'latin1'));
    assert.equal(statusOf(heard), 400, noise);
    assert.match(heard, /"code":"malformed-request"|^HTTP\/1\.1 400 Bad Request/);
  }
});

test('headers beyond 16 KB are refused', async () => {
  const heard = await web.say(wire('GET /healthz', [`x-large: ${'a'.repeat(20_000)}`]));
  assert.equal(statusOf(heard), 431);
  assert.match(heard, /headers-too-large/);
});

test('a body that comes too slowly is given up, and its connection with it', async () => {
  const head = wire('POST /test/take', ['content-type: application/json', 'content-length: 100']);
  const heard = await web.say(head.replace('connection: close\r\n', ''), '{"name":');
  assert.equal(statusOf(heard), 408);
  assert.match(heard, /connection: close/i);
});

test('a handler that does not end is not waited for', async () => {
  const { status, json, headers } = await web.ask('GET /test/hang');
  assert.deepEqual([status, json.code, headers.get('retry-after')], [503, 'out-of-time', '1']);
});

test('a body that is larger than it may be is not read to its end', async () => {
  const said = wire('POST /test/take', ['content-type: application/json', 'content-length: 99999999999']);
  assert.equal(statusOf(await web.say(said, 'x')), 413);
  const chunked = ['content-type: text/csv', 'transfer-encoding: chunked'];
  const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`;
  const heard = await web.say(wire('POST /test/upload', chunked), chunk, chunk, chunk);
  assert.equal(statusOf(heard), 413);
  assert.match(heard, /It may have 100000 bytes/);
});

test('an upload arrives as it was sent, and one of another type does not arrive', async () => {
  const body = 'email\n'.repeat(10_000);
  const csv = { 'content-type': 'text/csv; charset=utf-8' };
  assert.equal((await web.ask('POST /test/upload', { body, headers: csv })).status, 204);
  assert.deepEqual(uploads.at(-1), { bytes: body.length, end: 'whole' });
  assert.equal((await web.ask('POST /test/upload', { body: { a: 1 } })).status, 415);
});

test('an upload whose sender goes away ends with an error, and leaves nothing open', async () => {
  const before = uploads.length;
  const { socket } = web.connect();
  socket.write(wire('POST /test/upload', ['content-type: text/csv', 'content-length: 90000']));
  socket.write('x'.repeat(1_000));
  await until(
    async () => uploads.length > before && (uploads.at(-1)?.bytes ?? 0) > 0,
    'the upload has begun',
  );
  socket.destroy();
  await until(async () => uploads.at(-1)?.end !== 'whole', 'the upload has ended');
  await until(
    async () => /in_flight 0$/m.test(await web.web.services.metrics.text()),
    'nothing is in flight',
  );
});

test('who forges where they come from is believed only from a trusted proxy', async () => {
  const forged = {
    'x-forwarded-for': '198.51.100.7',
    forwarded: 'for=198.51.100.7',
    'x-real-ip': '198.51.100.7',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
  };
  const { json } = await web.ask('POST /test/take', { body: { name: 'a' }, headers: forged });
  assert.equal(json.address, '127.0.0.1');
  const behind = await TestWeb.start(
    { 'POST /test/take': take },
    { env: { CAMP_TRUSTED_PROXIES: '127.0.0.0/8' } },
  );
  const believed = await behind.ask('POST /test/take', { body: { name: 'a' }, headers: forged });
  const chain = { 'x-forwarded-for': '203.0.113.5, 198.51.100.7' };
  const nearest = await behind.ask('POST /test/take', { body: { name: 'a' }, headers: chain });
  await behind.stop();
  assert.deepEqual([believed.json.address, nearest.json.address], ['198.51.100.7', '198.51.100.7']);
});

test('no name of a body reaches the prototype of anything', async () => {
  for (const name of ['__proto__', 'constructor'])
    for (const body of [
      `{"name":"a","${name}":{"admin":true}}`,
      `{"name":"a","more":{"${name}":{"admin":true}}}`,
    ]) {
      const { status, json } = await web.ask('POST /test/take', {
        body,
        headers: { 'content-type': 'application/json' },
      });
      assert.deepEqual([status, json.code], [400, 'malformed-request'], body);
    }
  assert.equal((await web.ask('GET /v1/audit?__proto__=1&constructor=2', { key })).status, 400);
  assert.equal(Reflect.get({}, 'admin'), undefined);
});

test('what Postgres could not keep does not get that far', async () => {
  for (const path of ['/v1/audit?cursor=%00', '/v1/audit?%00=1', '/v1/audit?cursor=%ff'])
    assert.equal((await web.ask(`GET ${path}`, { key })).status, 400, path);
  assert.match((await web.ask('DELETE /v1/keys/%00', { key })).json.detail, /U\+0000/);
});

test('names twice, JSON without end and characters without a half are refused', async () => {
  const bodies = [
    '{"name":"a","name":"b"}',
    `{"name":"a","more":${'{"a":'.repeat(40)}1${'}'.repeat(40)}}`,
    '{"name":"\\ud800"}',
    '{"name":"\\u0000"}',
  ];
  for (const body of bodies) {
    const { status } = await web.ask('POST /test/take', {
      body,
      headers: { 'content-type': 'application/json' },
    });
    assert.equal(status, 400, body.slice(0, 40));
  }
});
