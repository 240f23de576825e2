/** How the process is seen from outside: its health, its metrics, its end. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startCutter } from '../../test/support/cutter.ts';
import { TestWeb } from '../../test/support/web.ts';
import { Database } from '../kernel/database.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { endpoint, ok } from './endpoint.ts';
import { strict } from './schemas.ts';

function slow() {
  const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const slowly = endpoint({
    summary: 'Ends when the test says so, or its scope',
    scope: 'public',
    idempotency: 'none',
    responses: { 200: strict({}) },
    async run({ scope }) {
      begun.resolve();
      await Promise.race([end.promise, new Promise((_, reject) => scope.onEnd(reject))]);
      return ok({});
    },
  });
  return { begun, end, endpoints: { 'GET /test/slow': slowly } as const };
}

let web: TestWeb;

before(async () => {
  web = await TestWeb.start();
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

test('while the database is away the process lives, is not ready, and says whose trouble it is', async () => {
  const key = await web.newKey();
  const cutter = await startCutter(web.db.url);
  const database = new Database(cutter.url);
  const cut = await TestWeb.start({}, { database });
  await cutter.stop();
  assert.equal((await cut.ask('GET /healthz')).status, 200);
  for (const line of ['GET /readyz', 'GET /v1/me']) {
    const { status, json, headers, bytes } = await cut.ask(line, { key });
    assert.deepEqual([status, json.code, headers.get('retry-after')], [503, 'database-away', '1'], line);
    assert.doesNotMatch(bytes.toString(), /ECONNREFUSED|127\.0\.0\.1/);
  }
  await cut.stop();
  await database.close();
});

test('metrics count what was answered, by words from closed sets', async () => {
  const key = await web.newKey();
  await web.ask('GET /v1/me', { key });
  await web.ask('GET /v1/me');
  await web.ask('DELETE /v1/keys/Anna.Schmidt', { key });
  await web.ask('GET /anna.schmidt@example.com');
  const text = (await web.ask('GET /metrics')).bytes.toString();
  for (const line of [
    'camp_http_requests_total{route="/v1/me",method="GET",status="200"} 1',
    'camp_http_requests_total{route="/v1/me",method="GET",status="401"} 1',
    'camp_http_requests_total{route="/v1/keys/:id",method="DELETE",status="404"} 1',
    'camp_http_requests_total{route="unknown",method="GET",status="404"} 1',
    'camp_http_request_seconds_count{route="/v1/me",method="GET"} 2',
    'camp_http_requests_in_flight 1',
  ])
    assert.ok(text.includes(`${line}\n`), line);
  for (const name of ['camp_event_loop_lag_seconds', 'camp_pg_pool_wait_seconds', 'camp_build_info'])
    assert.match(text, new RegExp(`^${name}`, 'm'));
  assert.doesNotMatch(text, /anna/i);
});

test('metrics answer those near, and nobody who comes through a proxy that is not trusted', async () => {
  assert.equal((await web.ask('GET /metrics')).status, 200);
  const forwarded = { 'x-forwarded-for': '127.0.0.1' };
  assert.equal((await web.ask('GET /metrics', { headers: forwarded })).status, 404);
  const behind = await TestWeb.start({}, { env: { CAMP_TRUSTED_PROXIES: '127.0.0.1' } });
  const seen = async (client: string) =>
    (await behind.ask('GET /metrics', { headers: { 'x-forwarded-for': client } })).status;
  assert.deepEqual([await seen('10.1.2.3'), await seen('203.0.113.5')], [200, 404]);
  await behind.stop();
});

test('a stop finishes what is under way, refuses what still arrives, and lets nobody in', async () => {
  const { begun, end, endpoints } = slow();
  const ending = await TestWeb.start(endpoints);
  const request = (path: string) => `GET ${path} HTTP/1.1\r\nhost: camp.test\r\n\r\n`;
  const { socket, heard } = ending.connect();
  socket.write(request('/test/slow'));
  await begun.promise;
  const stopped = ending.web.stop();
  await assert.rejects(ending.ask('GET /healthz'));
  socket.write(request('/docs'));
  socket.write(request('/readyz'));
  end.resolve();
  const answers = (await heard).split(/(?=HTTP\/1\.1 )/);
  await stopped;
  assert.match(answers[0] ?? '', /^HTTP\/1\.1 200/);
  assert.match(answers[1] ?? '', /^HTTP\/1\.1 503.*connection: close.*"code":"draining"/is);
  await ending.db.drop();
});

test('a stop does not wait for ever: what is too slow is told, and then cut', async () => {
  const { begun, endpoints } = slow();
  const ending = await TestWeb.start(endpoints, { drainMs: 50 });
  const answer = ending.ask('GET /test/slow');
  await begun.promise;
  await ending.web.stop();
  const { status, json } = await answer;
  assert.deepEqual([status, json.code], [503, 'draining']);
  await ending.db.drop();
});

test('a stop leaves nothing behind that would keep the process', async () => {
  const before = process.getActiveResourcesInfo().filter((name) => name !== 'TCPSocketWrap');
  const other = await TestWeb.start();
  await other.ask('GET /docs');
  await other.stop();
  const left = process.getActiveResourcesInfo().filter((name) => name !== 'TCPSocketWrap');
  assert.deepEqual(left.sort(), before.sort());
});
