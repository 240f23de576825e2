/** `camp password-link` as an operator runs it for somebody who cannot get in. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newWorkspace, signedInMember } from '../../test/support/accounts.ts';
import { camp } from '../../test/support/command-line.ts';
import { TestWeb } from '../../test/support/web.ts';
import { EXIT } from './exit-codes.ts';

let web: TestWeb;
before(async () => {
  web = await TestWeb.start();
});
after(() => web.stop());

const run = (...args: string[]) => camp(args, { DATABASE_URL: web.db.url });

test('the link that is printed chooses a new password', async () => {
  const { email } = await signedInMember(web.db.database, await newWorkspace(web.db.database), 'owner');
  const { code, json, stdout } = await run('password-link', email.toUpperCase(), '--json');
  assert.equal(code, EXIT.ok, stdout);
  const { pathname, hash } = new URL(String(json.link));
  assert.equal(pathname, '/password-reset');
  const body = { token: hash.slice(1), password: 'green heron dives' };
  assert.equal((await web.ask('POST /v1/password-resets/use', { body })).status, 200);
});

test('whom nobody knows gets none', async () => {
  const { code, stderr } = await run('password-link', 'nobody@example.com');
  assert.deepEqual([code, stderr], [EXIT.usage, 'Nobody here has the address nobody@example.com.\n']);
});
