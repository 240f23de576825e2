/** Routes over HTTP: set, shown, planned and taken away. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';

let web: TestWeb;
let key: TestKey;

before(async () => {
  web = await TestWeb.start({}, { env: { SMTP_URL: 'smtp://relay.example' } });
  key = await web.newKey('admin');
  await ask('POST /v1/relays', { name: 'main', url: 'smtp://smtp.acme.com' });
});
after(() => web.stop());

function ask(line: string, body?: unknown): Promise<Heard> {
  return web.ask(line, { key, ...(body === undefined ? {} : { body }) });
}

test('a route is set as a person writes it, changed, shown, and taken away', async () => {
  const set = await ask('POST /v1/routes', {
    domain: 'Acme.example',
    route: 'relay:main*3,direct / relay:relay',
  });
  assert.deepEqual([set.status, set.json.domain], [200, 'acme.example']);
  assert.equal(set.json.route, 'relay:main*3, direct / relay:relay');
  assert.deepEqual((await ask('GET /v1/routes/ACME.example')).json, set.json);
  const any = await ask('POST /v1/routes', { domain: '*', route: 'direct' });
  assert.deepEqual((await ask('GET /v1/routes')).json, { data: [any.json, set.json], next_cursor: null });
  const again = await ask('POST /v1/routes', { domain: 'acme.example', route: 'relay:main' });
  assert.deepEqual([again.status, again.json.route], [200, 'relay:main']);
  assert.equal((await ask('DELETE /v1/routes/*')).status, 204);
  assert.equal((await ask('DELETE /v1/routes/acme.example')).status, 204);
  assert.equal((await ask('DELETE /v1/routes/acme.example')).status, 404);
  const { data } = (await ask('GET /v1/audit?limit=1')).json;
  assert.partialDeepStrictEqual(data, [
    { action: 'route.removed', subject: 'route/acme.example', before: { route: 'relay:main' } },
  ]);
});

test('what the mail of a domain does follows its own route, one above it, and the settings', async () => {
  const planOf = async (domain: string) => (await ask(`GET /v1/route-plan?domain=${domain}`)).json.levels;
  assert.deepEqual(await planOf('shop.example'), [[{ way: 'relay:relay', share: 1 }]]);
  await ask('POST /v1/routes', { domain: 'shop.example', route: 'relay:main*2, direct / relay:relay' });
  const levels = [
    [
      { way: 'relay:main', share: 2 },
      { way: 'direct', share: 1 },
    ],
    [{ way: 'relay:relay', share: 1 }],
  ];
  assert.deepEqual(await planOf('shop.example'), levels);
  assert.deepEqual(await planOf('news.shop.example'), levels);
});

test('a route that cannot be is refused with what is wrong about it', async () => {
  const refused: [domain: string, route: string, said: RegExp][] = [
    ['acme.example', 'relay:nobody', /There is no relay "nobody"/],
    ['acme.example', 'pigeon', /"pigeon" is no way out/],
    ['co.uk', 'direct', /public suffix/],
  ];
  for (const [domain, route, said] of refused) {
    const { status, json } = await ask('POST /v1/routes', { domain, route });
    assert.deepEqual([status, json.code], [422, 'refused'], route);
    assert.match(json.detail, said);
  }
  assert.equal((await ask('GET /v1/routes/acme.example')).status, 404);
});
