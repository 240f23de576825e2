/** The pages behind links, as whoever opens them finds them; the first owner's is in first-run.test.ts. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { URI } from 'otpauth';
import { newWorkspace, signedInMember } from '../../test/support/accounts.ts';
import { Browser } from '../../test/support/browser.ts';
import { type OpenedPage, openPage, shown } from '../../test/support/page.ts';
import { TestWeb } from '../../test/support/web.ts';
import { resetLinkFor } from '../accounts/password-reset.ts';
import { openScopeNames } from '../kernel/scope.ts';

const PASSWORD = 'mauve otter sings';

let web: TestWeb;

before(async () => {
  web = await TestWeb.start();
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

test('the pages behind links run their own script and nothing else', async () => {
  for (const path of ['/first-run', '/invitation', '/password-reset']) {
    const { status, headers, bytes } = await web.ask(`GET ${path}`);
    const html = bytes.toString();
    assert.deepEqual([status, headers.get('content-type')], [200, 'text/html; charset=utf-8']);
    assert.equal(headers.get('cache-control'), 'no-store');
    const policy = headers.get('content-security-policy') ?? '';
    for (const kind of ['script', 'style']) {
      const [, text = ''] = new RegExp(`<${kind}[^>]*>(.*)</${kind}>`, 's').exec(html) ?? [];
      const hash = createHash('sha256').update(text).digest('base64');
      assert.match(policy, new RegExp(`${kind}-src 'sha256-${hash.replaceAll(/[+/]/g, '\\$&')}'(;|$)`), kind);
    }
    assert.match(
      policy,
      /^default-src 'none'; .*form-action 'none'; frame-ancestors 'none'; base-uri 'none'$/,
    );
    assert.doesNotMatch(html, /\s(on\w+|style|src)=|https?:/);
  }
});

function said({ elements }: OpenedPage): string {
  return elements.get('[role=alert]')?.textContent ?? '';
}

test('whoever is invited reads what to, gives a name and a password, and is in', async () => {
  const key = await web.newKey();
  const body = { email: 'bob@example.com', role: 'analyst' };
  const { json } = await web.ask('POST /v1/invitations', { key, body });
  const browser = new Browser(web);
  const page = await openPage(browser, json.link, { name: 'Bob', password: PASSWORD });
  await page.until(() => shown(page, 'form'));
  assert.equal(page.elements.get('#what')?.textContent, 'Test, as analyst: bob@example.com');
  assert.equal(page.elements.get('#name')?.hidden, false);
  page.elements.get('form')?.fire('submit');
  await page.until(() => shown(page, '#done'));
  assert.equal((await browser.ask('GET /v1/me')).json.role, 'analyst');

  const again = await openPage(new Browser(web), json.link, {});
  await again.until(() => said(again) !== '');
  assert.match(said(again), /This link is not valid/);
  assert.ok(!shown(again, 'form'));
});

test('whoever has an account is asked for no name, and for a code when they have a second factor', async () => {
  const { database } = web.db;
  const { email, token } = await signedInMember(database, await newWorkspace(database), 'owner');
  const link = `http://localhost/password-reset#${await resetLinkFor(database, email)}`;
  const browser = new Browser(web);
  const reset = await openPage(browser, link, { password: PASSWORD });
  reset.elements.get('form')?.fire('submit');
  await reset.until(() => shown(reset, '#done'));
  assert.equal((await web.ask('GET /v1/me', { headers: { cookie: `camp=${token}` } })).status, 401);

  const begun = await browser.ask('POST /v1/me/second-factor', { body: { password: PASSWORD } });
  await browser.ask('POST /v1/me/second-factor/confirm', {
    body: { code: URI.parse(begun.json.uri).generate() },
  });
  const key = await web.newKey();
  const { json } = await web.ask('POST /v1/invitations', { key, body: { email, role: 'analyst' } });
  const page = await openPage(new Browser(web), json.link, { password: PASSWORD });
  await page.until(() => shown(page, 'form'));
  assert.equal(page.elements.get('#name')?.hidden, true);
  assert.equal(page.elements.get('#name input')?.required, false);
  assert.ok(!shown(page, '#code'));
  page.elements.get('form')?.fire('submit');
  await page.until(() => said(page) !== '');
  assert.ok(shown(page, '#code'), said(page));
});

test('half a link says that it is half', async () => {
  const page = await openPage(new Browser(web), 'http://localhost/password-reset', {});
  await page.until(() => said(page) !== '');
  assert.match(said(page), /not whole/);
});
