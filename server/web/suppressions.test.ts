import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { sql } from '../kernel/sql.ts';

let web: TestWeb;

before(async () => {
  web = await TestWeb.start();
});

after(() => web.stop());

async function addressesOf(key: TestKey, query = ''): Promise<string[]> {
  const { status, json } = await web.ask(`GET /v1/suppressions${query}`, { key });
  assert.equal(status, 200);
  return json.data.map(({ email }: { email: string }) => email);
}

function bounced(key: TestKey, email: string) {
  return web.db.database.withWorkspace(key.workspaceId, (tx) =>
    tx.query(sql`INSERT INTO suppression (workspace_id, email, reason, rule, detail)
      VALUES (${key.workspaceId}, ${email}, 'hard_bounce', 'unknown-user', '550 5.1.1 no such user')`),
  );
}

test('addresses are suppressed once, and found by their beginning and by their reason', async () => {
  const key = await web.newKey();
  await bounced(key, 'dead@acme.example');
  const body = { emails: ['Ann@acme.example', 'ben@b.example', 'ann@ACME.example', 'dead@acme.example'] };
  const added = await web.ask('POST /v1/suppressions', { key, body: { ...body, note: 'asked by phone' } });
  assert.deepEqual([added.status, added.json], [200, { added: 2, already: 1 }]);
  assert.deepEqual(await addressesOf(key), ['ann@acme.example', 'ben@b.example', 'dead@acme.example']);
  assert.deepEqual(await addressesOf(key, '?email_prefix=BEN'), ['ben@b.example']);
  assert.deepEqual(await addressesOf(key, '?reason=hard_bounce'), ['dead@acme.example']);
  assert.deepEqual(await addressesOf(key, '?reason=complaint'), []);
  const first = (await web.ask('GET /v1/suppressions?limit=2&reason=manual', { key })).json;
  assert.deepEqual([first.data[0].detail, first.next_cursor], ['asked by phone', null]);
  const page = (await web.ask('GET /v1/suppressions?limit=2', { key })).json;
  assert.deepEqual(await addressesOf(key, `?limit=2&cursor=${page.next_cursor}`), ['dead@acme.example']);
  assert.deepEqual(await addressesOf(await web.newKey()), []);
});

test('a cursor that no page gave is refused, whatever it holds', async () => {
  const key = await web.newKey();
  for (const cursor of ['"a\\u0000b"', '7', '{"a":1,"a":2}', '"', ''])
    for (const path of ['suppressions', 'lists', 'contacts']) {
      const query = `?cursor=${Buffer.from(cursor).toString('base64url')}`;
      const { status, json } = await web.ask(`GET /v1/${path}${query}`, { key });
      assert.deepEqual([status, json.errors?.[0].path], [400, '/query/cursor'], `${path} ${cursor}`);
    }
});

test('a bounce is forgiven for a reason, and the log keeps what it was for, without the address', async () => {
  const key = await web.newKey();
  await bounced(key, 'dead@acme.example');
  const body = { emails: ['dead@acme.example', 'fine@acme.example'], reason: 'the mailbox was opened again' };
  const removed = await web.ask('POST /v1/suppressions/removals', { key, body });
  const none = { hard_bounce: 1, complaint: 0, manual: 0 };
  assert.deepEqual([removed.status, removed.json], [200, { removed: none, missing: 1 }]);
  assert.deepEqual(await addressesOf(key), []);
  const [entry] = (await web.ask('GET /v1/audit?limit=1', { key })).json.data;
  const address = createHash('sha256').update('dead@acme.example').digest('hex').slice(0, 16);
  assert.deepEqual(entry.before, [{ address, reason: 'hard_bounce', rule: 'unknown-user' }]);
  assert.deepEqual(entry.after, { reason: 'the mailbox was opened again' });
  assert.ok(!JSON.stringify(entry).includes('dead@'));
});

test('one address that is none refuses all of them, and is pointed at', async () => {
  const key = await web.newKey();
  const emails = [...Array.from({ length: 498 }, (_, n) => `p${n}@acme.example`), 'no address', '@'];
  const heard = await web.ask('POST /v1/suppressions', { key, body: { emails } });
  assert.equal(heard.status, 400);
  assert.deepEqual(
    heard.json.errors.map(({ path }: { path: string }) => path),
    ['/body/emails/498', '/body/emails/499'],
  );
  assert.deepEqual(await addressesOf(key), []);
  const tooMany = { emails: [...emails, 'x@acme.example'] };
  assert.equal((await web.ask('POST /v1/suppressions', { key, body: tooMany })).status, 400);
  const noReason = { emails: ['a@b.example'] };
  assert.equal((await web.ask('POST /v1/suppressions/removals', { key, body: noReason })).status, 400);
});
