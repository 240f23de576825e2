import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer as createRawServer } from 'node:net';
import { after, before, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { callHttp, fetchWithin, type HttpRequest } from './http.ts';
import { openScopeNames, Scope } from './scope.ts';

const CALLS = 10_000;
const AT_ONCE = 200;
/** Whom the test's certificate is for. */
const CERTIFIED = 'mx1.acme.example';

let server: Server;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let scope: Scope;
let port: number;

before(async () => {
  scope = Scope.root('test');
  server = createServer((request, response) => answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

after(async () => {
  scope.cancel();
  server.close();
  await once(server, 'close');
  assert.deepEqual(openScopeNames(), []);
});

function certificate(name: string): string {
  return readFileSync(new URL(`../../test/support/certificates/${name}`, import.meta.url), 'utf8');
}

function call(of: Partial<HttpRequest> = {}, within = scope) {
  const url = new URL(`http://127.0.0.1:${port}/v1/things?limit=3`);
  return callHttp(within, {
    method: 'GET',
    url,
    headers: {},
    deadlineMs: 10_000,
    responseBytesMax: 1_000,
    ...of,
  });
}

test('a call takes its method, path, headers and body there, and brings status, headers and body back', async () => {
  const seen: unknown[] = [];
  answer = async (request, response) => {
    seen.push(request.method, request.url, request.headers.authorization, String(await body(request)));
    response.writeHead(201, { 'X-Thing': 'a', 'Set-Cookie': ['b=1', 'c=2'] }).end('made');
  };
  const got = await call({ method: 'POST', headers: { Authorization: 'Bearer k' }, body: 'a=1' });
  assert.deepEqual(seen, ['POST', '/v1/things?limit=3', 'Bearer k', 'a=1']);
  assert.deepEqual([got.status, String(got.body)], [201, 'made']);
  assert.deepEqual(
    got.headers.filter(([name]) => /^(x-thing|set-cookie)$/i.test(name)).map(([, value]) => value),
    ['a', 'b=1', 'c=2'],
  );
});

test('an answer that is longer than its limit is not read to its end', async () => {
  answer = (_request, response) => response.writeHead(200).end(Buffer.alloc(5_000));
  await assert.rejects(call(), /^Error: 127\.0\.0\.1:\d+: the answer is longer than 1000 bytes$/);
});

test('a longer answer can be cut at its limit, and then the rest is not waited for', async () => {
  answer = (_request, response) => response.writeHead(200).write('x'.repeat(5_000));
  const got = await call({ cut: true, responseBytesMax: 10 });
  assert.deepEqual([got.status, String(got.body)], [200, 'xxxxxxxxxx']);
});

test('a call goes to the address that was found for its host, and says the host', async () => {
  let host: string | undefined;
  answer = (request, response) => {
    host = request.headers.host;
    response.end();
  };
  const url = new URL(`http://nowhere.invalid:${port}/`);
  assert.equal((await call({ url, address: '127.0.0.1' })).status, 200);
  assert.equal(host, `nowhere.invalid:${port}`);
});

test('a connection that is cut is an error without a code that invites to send again', async () => {
  answer = (request) => request.socket.destroy();
  await assert.rejects(call(), (error: Error) => {
    assert.equal(Reflect.get(error, 'code'), undefined);
    assert.equal(Reflect.get(Object(error.cause), 'code'), 'ECONNRESET');
    return true;
  });
});

test('an answer that breaks off is an error, and not a shorter answer', async () => {
  answer = (request, response) => {
    response.writeHead(200, { 'Content-Length': '100' }).write('only this');
    setImmediate(() => request.socket.destroy());
  };
  await assert.rejects(call(), /127\.0\.0\.1/);
});

test('whatever a server begins its answer with, the call ends, and with a sentence', async () => {
  const upgrade = 'Connection: Upgrade\r\nUpgrade: x\r\n\r\n';
  const odd: [begins: string, then: 'close' | 'silence', ends: RegExp][] = [
    [`HTTP/1.1 101 Switching Protocols\r\n${upgrade}`, 'silence', /: it answered in another protocol$/],
    [`HTTP/1.1 101 Switching Protocols\r\n${upgrade}`, 'close', /: it answered in another protocol$/],
    [`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 X\r\n${upgrade}`, 'silence', /: it answered in another/],
    [`HTTP/1.1 100 Continue\r\n${upgrade}`, 'silence', /out of time/],
    ['HTTP/1.1 199 Nearly\r\n\r\n', 'silence', /out of time/],
    ['HTTP/1.1 103 Early Hints\r\n\r\n', 'close', /: socket hang up$/],
    ['', 'silence', /out of time/],
    ['', 'close', /: socket hang up$/],
    ['HTTP/1.1 20', 'close', /: socket hang up$/],
    ['SSH-2.0-OpenSSH_9.9\r\n', 'silence', /: Parse Error/],
  ];
  for (const [begins, then, ends] of odd) {
    const raw = createRawServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => (then === 'close' ? socket.end(begins) : socket.write(begins)));
    });
    raw.listen(0, '127.0.0.1');
    await once(raw, 'listening');
    const url = new URL(`http://127.0.0.1:${(raw.address() as AddressInfo).port}/`);
    try {
      await assert.rejects(call({ method: 'POST', body: 'a=1', url, deadlineMs: 200 }), ends, begins);
    } finally {
      raw.close();
      // Its connection is gone too.
      await once(raw, 'close');
    }
  }
});

test('over TLS only a server with a certificate for its name, from who is trusted, gets the request', async () => {
  const system = getCACertificates('default');
  setDefaultCACertificates([...system, certificate('authority.crt')]);
  const asked = { good: 0, misnamed: 0, expired: 0, forged: 0 };
  for (const name of Object.keys(asked) as (keyof typeof asked)[]) {
    const cert = certificate(name === 'good' ? 'acme.crt' : `${name}.crt`);
    const secure = createSecureServer({ cert, key: certificate('acme.key') }, (_request, response) => {
      asked[name] += 1;
      response.end('hello');
    });
    secure.listen(0, '127.0.0.1');
    await once(secure, 'listening');
    const { port: securePort } = secure.address() as AddressInfo;
    const url = new URL(`https://${CERTIFIED}:${securePort}/`);
    const heard = call({ url, address: '127.0.0.1' });
    if (name === 'good') assert.equal(String((await heard).body), 'hello');
    else await assert.rejects(heard, /certificate|altnames/i);
    secure.close();
    await once(secure, 'close');
  }
  setDefaultCACertificates(system);
  assert.deepEqual(asked, { good: 1, misnamed: 0, expired: 0, forged: 0 });
});

test('an answer that comes a byte at a time ends when its time is up', async () => {
  let dripping: NodeJS.Timeout | undefined;
  answer = (_request, response) => {
    response.writeHead(200);
    dripping = setInterval(() => response.write('.'), 5);
  };
  await assert.rejects(call({ deadlineMs: 60 }), { name: 'ScopeEnded', kind: 'deadline' });
  clearInterval(dripping);
});

test('a library that takes fetch is bound by the scope, and by the signal that it gives', async () => {
  answer = async (request, response) => {
    if (request.url === '/slow') return;
    response.writeHead(402, { 'Request-Id': 'req_1' }).end(await body(request));
  };
  const fetch = fetchWithin(scope, { deadlineMs: 10_000, responseBytesMax: 1_000 });
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'amount=5' });
  assert.deepEqual([response.status, response.headers.get('request-id')], [402, 'req_1']);
  assert.equal(await response.text(), 'amount=5');
  const leaving = new AbortController();
  const slow = fetch(`http://127.0.0.1:${port}/slow`, { signal: leaving.signal });
  leaving.abort();
  await assert.rejects(slow, { name: 'ScopeEnded', kind: 'cancelled' });
});

test('ten thousand calls to a server that never answers leave sockets, timers and heap as they were', async (t) => {
  answer = () => {};
  const late: number[] = [];
  await manyCalls(AT_ONCE * 4, late);
  const before = await quiet();
  late.length = 0;
  await manyCalls(CALLS, late);
  const afterwards = await quiet();
  late.sort((a, b) => a - b);
  const p99 = late[Math.floor(late.length * 0.99)] ?? 0;
  const grown = (afterwards.heapBytes - before.heapBytes) / 1024;
  t.diagnostic(
    `cut late by: median ${late[late.length >> 1]?.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms; heap +${grown.toFixed(0)} KiB`,
  );
  assert.deepEqual(afterwards.resources, before.resources);
  assert.equal(afterwards.connections, 0);
  assert.ok(grown < 1024, `the heap grew by ${grown} KiB`);
});

/** Half of them are left by their caller, the others run out of time. */
async function manyCalls(count: number, late: number[]): Promise<void> {
  for (let done = 0; done < count; done += AT_ONCE)
    await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => (n % 2 ? leave(late) : outlast(late))));
}

async function leave(late: number[]): Promise<void> {
  const caller = scope.child('caller');
  const ended = call({}, caller).catch(() => performance.now());
  await new Promise((resolve) => setTimeout(resolve, 15));
  const left = performance.now();
  caller.cancel('left');
  late.push(Number(await ended) - left);
}

async function outlast(late: number[]): Promise<void> {
  const due = performance.now() + 25;
  const ended = call({ deadlineMs: 25 }).catch(() => performance.now());
  late.push(Number(await ended) - due);
}

/** What is there when nothing is under way. */
async function quiet() {
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  const connections = () => new Promise<number>((resolve) => server.getConnections((_, n) => resolve(n)));
  for (let look = 0; look < 200 && (await connections()) > 0; look += 1)
    await new Promise((resolve) => setTimeout(resolve, 5));
  for (let turn = 0; turn < 3; turn += 1) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const resources = process
    .getActiveResourcesInfo()
    .filter((name) => /Timeout|TCP|Connect|GetAddr/.test(name));
  return { resources, connections: await connections(), heapBytes: process.memoryUsage().heapUsed };
}

async function body(request: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await request.toArray());
}
