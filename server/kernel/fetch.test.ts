import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { after, afterEach, beforeEach, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { fetchWithin } from './fetch.ts';
import { openScopeNames, Scope } from './scope.ts';

const LIMITS = { callMs: 10_000, bytesMax: 1_000 };

const certificate = (name: string) =>
  readFileSync(new URL(`../smtp/testdata/${name}`, import.meta.url), 'utf8');
const certificates = getCACertificates('default');
after(() => setDefaultCACertificates(certificates));

let scope: Scope;
let servers: Server[];

beforeEach(() => {
  scope = Scope.root('test');
  servers = [];
});

afterEach(async () => {
  await scope[Symbol.asyncDispose]();
  for (const server of servers) server.close();
  assert.deepEqual(openScopeNames(), []);
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function serve(listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(createServer(listener))}`;
}

test('a request arrives as it was written, and the answer comes back as it was given', async () => {
  const url = await serve(async (request, response) => {
    const chunks = await Array.fromAsync(request);
    const { method, url: path, headers } = request;
    response.writeHead(
      201,
      [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['x-kind', 'made'],
      ].flat(),
    );
    response.end(JSON.stringify({ method, path, type: headers['content-type'], body: `${chunks}` }));
  });
  const call = fetchWithin(scope, LIMITS);
  const response = await call(`${url}/token?a=b%20c`, {
    method: 'POST',
    body: new URLSearchParams({ code: 'ü&' }),
  });
  assert.deepEqual([response.status, response.headers.get('x-kind')], [201, 'made']);
  assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2']);
  assert.deepEqual(await response.json(), {
    method: 'POST',
    path: '/token?a=b%20c',
    type: 'application/x-www-form-urlencoded;charset=UTF-8',
    body: 'code=%C3%BC%26',
  });
});

test('an answer without a body is one', async () => {
  const url = await serve((_, response) => response.writeHead(204).end());
  const response = await fetchWithin(scope, LIMITS)(url, { method: 'DELETE' });
  assert.deepEqual([response.status, await response.text()], [204, '']);
});

test('a redirect is given back and not followed', async () => {
  const url = await serve((request, response) => {
    assert.equal(request.url, '/');
    response.writeHead(302, { location: '/elsewhere' }).end();
  });
  const response = await fetchWithin(scope, LIMITS)(url);
  assert.deepEqual([response.status, response.headers.get('location')], [302, '/elsewhere']);
});

test('an answer that is too long is refused, however it comes', async () => {
  const url = await serve((_, response) => {
    response.write('a'.repeat(600));
    response.end('a'.repeat(600));
  });
  await assert.rejects(fetchWithin(scope, LIMITS)(url), /longer than 1000 bytes/);
});

test('an answer that breaks off is an error and no short answer', async () => {
  const url = await serve((_, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half', () => response.destroy());
  });
  await assert.rejects(fetchWithin(scope, LIMITS)(url), /aborted/);
});

/** Says nothing; gives the sockets that it sees. */
async function silentServer(): Promise<{ url: string; asked: Promise<Socket> }> {
  const { promise: asked, resolve } = Promise.withResolvers<Socket>();
  const url = await serve((request) => resolve(request.socket));
  return { url, asked };
}

test('a server that does not answer is given up when the call’s time is up', async () => {
  const { url, asked } = await silentServer();
  const begun = performance.now();
  await assert.rejects(fetchWithin(scope, { ...LIMITS, callMs: 50 })(url), {
    name: 'ScopeEnded',
    kind: 'deadline',
  });
  assert.ok(performance.now() - begun >= 45);
  await once(await asked, 'close');
});

test('a call ends with the scope that it belongs to, and its socket with it', async () => {
  const { url, asked } = await silentServer();
  const call = fetchWithin(scope, LIMITS)(url);
  const socket = await asked;
  scope.cancel('the user left');
  await assert.rejects(call, { name: 'ScopeEnded', kind: 'cancelled' });
  await once(socket, 'close');
});

test('a call ends with the signal of its caller', async () => {
  const { url, asked } = await silentServer();
  const caller = new AbortController();
  const call = fetchWithin(scope, LIMITS)(url, { signal: caller.signal });
  const socket = await asked;
  caller.abort();
  await assert.rejects(call, { name: 'ScopeEnded', kind: 'cancelled' });
  await once(socket, 'close');
});

test('a server that is encrypted must have a certificate that an authority vouches for', async () => {
  const secure = createSecureServer(
    { key: certificate('relay.key'), cert: certificate('relay.crt') },
    (_, response) => response.end('hello'),
  );
  const url = `https://localhost:${await listen(secure)}`;
  await assert.rejects(fetchWithin(scope, LIMITS)(url), /self-signed/);
  setDefaultCACertificates([...certificates, certificate('relay.crt')]);
  assert.equal(await (await fetchWithin(scope, LIMITS)(url)).text(), 'hello');
  await assert.rejects(
    fetchWithin(scope, LIMITS)(url.replace('localhost', '127.0.0.1')),
    /does not match certificate/,
  );
});
