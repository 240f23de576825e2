/** A new installation gets its owner: by the link that was printed, through the page that it leads to. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from '../../test/support/browser.ts';
import { openPage, shown } from '../../test/support/page.ts';
import { TestWeb } from '../../test/support/web.ts';
import { makeFirstRunLink } from '../accounts/first-run.ts';
import { openScopeNames } from '../kernel/scope.ts';

const OWNER = { email: 'zoe@example.com', name: 'Zoë', password: 'a long enough passphrase 17' };

let web: TestWeb;

before(async () => {
  web = await TestWeb.start();
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

test('whoever opens the link becomes the owner, gets a key, and the link is used up', async () => {
  assert.deepEqual((await web.ask('GET /v1/first-owner')).json, { owner_needed: true });
  const token = (await makeFirstRunLink(web.db.database)) ?? assert.fail('somebody owns it');
  const link = `http://localhost/first-run#${token}`;
  const browser = new Browser(web);

  const hasty = await openPage(browser, link, { ...OWNER, password: 'short' });
  assert.ok(shown(hasty, 'form'));
  assert.equal(hasty.address(), '/first-run', 'the token is out of the address bar');
  hasty.elements.get('form')?.fire('submit');
  await hasty.until(() => hasty.elements.get('[role=alert]')?.textContent !== '');
  assert.match(hasty.elements.get('[role=alert]')?.textContent ?? '', /5 characters/);

  const page = await openPage(browser, link, OWNER);
  page.elements.get('form')?.fire('submit');
  await page.until(() => !shown(page, 'form'));
  const me = await browser.ask('GET /v1/me');
  assert.deepEqual([me.status, me.json.kind, me.json.role], [200, 'session', 'owner']);
  assert.deepEqual((await web.ask('GET /v1/first-owner')).json, { owner_needed: false });

  page.elements.get('#make')?.fire('click');
  await page.until(() => page.elements.get('#key')?.textContent !== '');
  const [key = ''] = /camp_live_\w+/.exec(page.elements.get('#key')?.textContent ?? '') ?? [];
  const asKey = await web.ask('GET /v1/me', { headers: { authorization: `Bearer ${key}` } });
  assert.equal(asKey.json.role, 'owner');

  const late = await web.ask('POST /v1/first-owner', { body: { ...OWNER, email: 'eve@example.com', token } });
  assert.deepEqual([late.status, late.json.code, late.headers.get('set-cookie')], [422, 'refused', null]);
  assert.equal(await makeFirstRunLink(web.db.database), null);
});
