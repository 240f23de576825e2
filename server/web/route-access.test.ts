/** Who may call what: every URL that there is, asked by every role, from our own pages and from elsewhere. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { signedInMember } from '../../test/support/accounts.ts';
import { Browser } from '../../test/support/browser.ts';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { ROLES, type Role, SCOPES_OF_ROLE } from '../accounts/roles.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { openScopeNames } from '../kernel/scope.ts';
import type { Route } from './endpoint.ts';
import { ROUTES } from './routes.ts';

let web: TestWeb;
/** The installation's first: only that one may ask for what is the installation's. */
const workspaceId = DEFAULT_WORKSPACE_ID;
const keys = new Map<Role, TestKey>();

before(async () => {
  web = await TestWeb.start();
  for (const role of ROLES) keys.set(role, await web.newKey(role, workspaceId));
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

/** A request that changes nothing, whoever asks: its body is none. */
async function knock(
  { method, path }: Route,
  headers: Record<string, string>,
): Promise<{ status: number; code: unknown }> {
  const enough = new AbortController();
  const response = await fetch(web.web.url + path.replaceAll(/:\w+/g, 'x'), {
    method,
    headers: { ...headers, ...(method === 'GET' ? {} : { 'content-type': 'application/json' }) },
    ...(method === 'GET' ? {} : { body: '{' }),
    redirect: 'manual',
    signal: enough.signal,
  });
  const isProblem = response.headers.get('content-type') === 'application/problem+json';
  const code = isProblem ? ((await response.json()) as { code: unknown }).code : undefined;
  // What goes on for ever is left.
  enough.abort();
  return { status: response.status, code };
}

function lineOf({ method, path }: Route): string {
  return `${method} ${path}`;
}

for (const role of ROLES)
  test(`a key of a ${role} is refused exactly what the role lacks, before anything of the request is judged`, async () => {
    const { headers } = keys.get(role) ?? assert.fail();
    const refused: string[] = [];
    for (const route of ROUTES) {
      const { status, code } = await knock(route, headers);
      assert.notEqual(status, 401, lineOf(route));
      if (code === 'missing-scope') refused.push(lineOf(route));
      else assert.ok(status < 500, `${lineOf(route)} ${status}`);
    }
    const lacking = ROUTES.filter(
      ({ endpoint: { scope } }) =>
        scope !== 'any' && scope !== 'public' && !SCOPES_OF_ROLE[role].includes(scope),
    );
    assert.deepEqual(refused, lacking.map(lineOf));
  });

test('nobody who is not known gets anywhere but to what is public', async () => {
  for (const route of ROUTES) {
    const { status } = await knock(route, {});
    const isPublic = route.endpoint.scope === 'public';
    assert.equal(status === 401, !isPublic, `${lineOf(route)} ${status}`);
  }
});

test('with a cookie, no change comes from another site, whatever its URL', async () => {
  const { token } = await signedInMember(web.db.database, workspaceId, 'owner');
  const changes = ROUTES.filter(({ method, endpoint }) => method !== 'GET' && endpoint.scope !== 'public');
  assert.ok(changes.length > 20);
  const cookie = `camp=${token}`;
  const foreign: Record<string, string>[] = [
    { cookie },
    { cookie, origin: 'https://evil.example', 'x-camp-request': '1' },
    { cookie, 'sec-fetch-site': 'cross-site', 'x-camp-request': '1' },
    { cookie, 'sec-fetch-site': 'same-site', 'x-camp-request': '1' },
    { cookie, 'sec-fetch-site': 'same-origin' },
  ];
  for (const route of changes)
    for (const headers of foreign) {
      const { status, code } = await knock(route, headers);
      assert.deepEqual([status, code], [403, 'cross-site'], `${lineOf(route)} ${JSON.stringify(headers)}`);
    }
  const own = { cookie, 'sec-fetch-site': 'same-origin', 'x-camp-request': '1' };
  for (const route of changes) assert.notEqual((await knock(route, own)).code, 'cross-site', lineOf(route));
});

test('no page of another site reads an answer', async () => {
  const browser = new Browser(web);
  for (const line of ['GET /v1/me', 'OPTIONS /v1/sign-in', 'GET /openapi.json']) {
    const { headers } = await browser.ask(line, { headers: { origin: 'https://evil.example' } });
    assert.equal(headers.get('access-control-allow-origin'), null, line);
  }
});
