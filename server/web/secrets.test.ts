/** What is shown once or typed stands in no URL, in no log, in no audit entry, and in no answer but the one that shows it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { URI } from 'otpauth';
import { pino } from 'pino';
import { signedInMember } from '../../test/support/accounts.ts';
import { Browser } from '../../test/support/browser.ts';
import { startOidcProvider } from '../../test/support/oidc-provider.ts';
import { type Heard, type Question, TestWeb } from '../../test/support/web.ts';
import { makeFirstRunLink } from '../accounts/first-run.ts';
import { openScopeNames } from '../kernel/scope.ts';

const PASSWORD = 'mauve otter sings';
const NEW_PASSWORD = 'green heron dives';
const MISTYPED = 'purple otter snigs';

let web: TestWeb;
let logged = '';

before(async () => {
  const write = (line: string) => {
    logged += line;
  };
  const log = pino({ level: 'trace' }, { write });
  web = await TestWeb.start({}, { log });
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

test('the way of a person from the first link to a second factor leaves no secret behind', async () => {
  const asked: string[] = [];
  const answers: { line: string; heard: Heard }[] = [];
  const browser = new Browser(web);
  const ask = async (line: string, body?: unknown, more: Question = {}) => {
    const heard = await browser.ask(line, { ...more, ...(body === undefined ? {} : { body }) });
    asked.push(line);
    answers.push({ line, heard });
    return heard;
  };
  const sessions = new Set<string>();
  const secrets = new Map<string, string>([
    ['password', PASSWORD],
    ['new password', NEW_PASSWORD],
    ['mistyped password', MISTYPED],
  ]);
  const remember = () => {
    const [, token = ''] = /camp=([\w-]{43})/.exec(browser.cookie) ?? [];
    sessions.add(token);
  };

  const first = (await makeFirstRunLink(web.db.database)) ?? assert.fail();
  secrets.set('first link', first);
  const zoe = { email: 'zoe@example.com', name: 'Zoë' };
  await ask('POST /v1/first-owner', { ...zoe, password: PASSWORD, token: first });
  remember();
  const { workspace_id: workspaceId } = (await ask('GET /v1/me')).json;
  await new Browser(web).ask('POST /v1/sign-in', { body: { email: zoe.email, password: MISTYPED } });
  await ask('POST /v1/me/password', { password: PASSWORD, new_password: NEW_PASSWORD });
  remember();
  const begun = await ask('POST /v1/me/second-factor', { password: NEW_PASSWORD });
  secrets.set('second factor', begun.json.secret);
  const code = URI.parse(begun.json.uri).generate();
  const confirmed = await ask('POST /v1/me/second-factor/confirm', { code });
  remember();
  for (const [n, one] of confirmed.json.recovery_codes.entries()) secrets.set(`recovery code ${n}`, one);
  const invited = await ask('POST /v1/invitations', { email: 'bob@example.com', role: 'analyst' });
  secrets.set('invitation', new URL(invited.json.link).hash.slice(1));
  const { key } = (await ask('POST /v1/keys', { name: 'Shop', role: 'analyst' })).json;
  secrets.set('key', key);
  await using provider = await startOidcProvider();
  secrets.set('client secret', provider.clientSecret);
  await ask('PUT /v1/sso-providers/acme', {
    issuer: provider.issuer,
    client_id: provider.clientId,
    client_secret: provider.clientSecret,
  });
  // What the provider does wrong is logged.
  provider.lies = { token: () => 'none' };
  const away = await ask('POST /v1/sign-in/sso', { provider: 'acme' });
  await ask(`GET /v1/sign-in/sso/callback?${await provider.visit(away.json.url)}`);
  assert.match(logged, /"event":"oidc_failed"/);
  const other = await signedInMember(web.db.database, workspaceId, 'owner');
  sessions.add(other.token);
  await ask('POST /v1/me/recovery-codes', { password: MISTYPED, code: 'x' });
  const audit = (await ask('GET /v1/audit/export')).bytes.toString();
  assert.ok(audit.includes('second_factor.enabled') && audit.includes('provider.added'));
  await ask('POST /v1/sign-out');

  for (const [n, token] of [...sessions].entries()) secrets.set(`session ${n}`, token);
  assert.equal(sessions.size, 4);
  const urls = asked.join('\n');
  for (const [name, secret] of secrets) {
    assert.ok(secret.length >= 16, name);
    for (const [where, text] of Object.entries({ urls, logged, audit }))
      assert.ok(!text.includes(secret), `${name} in ${where}`);
    const shown = answers.filter(({ heard }) => heard.bytes.includes(secret)).map(({ line }) => line);
    assert.ok(shown.length <= 1, `${name} in ${shown}`);
  }
  for (const { line, heard } of answers) assert.equal(heard.headers.get('cache-control'), 'no-store', line);
});
