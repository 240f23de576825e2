import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { readConfig } from '../kernel/config.ts';
import { newId } from '../kernel/ids.ts';
import { loadSecrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { addDomain } from '../senders/domains.ts';
import { SenderCheck } from './sender-check.ts';

let db: TestDatabase;
const workspaceId = newId();

before(async () => {
  db = await createTestDatabase();
  await ensureWorkspace(db.database, workspaceId, 'shop');
});
after(() => db.drop());

/** How mail gets out: a relay elsewhere, or straight to MX. */
const RELAY = { SMTP_URL: 'smtp://relay.acme.com:587' };
const DIRECT = { CAMP_RESOLVER: '192.0.2.53:53' };

async function checkWith(env: Record<string, string>): Promise<(from: string) => Promise<string | null>> {
  const config = readConfig({ DATABASE_URL: db.url, ...env });
  const senders = new SenderCheck(config, await loadSecrets(db.database, undefined));
  return (from) => db.database.withWorkspace(workspaceId, (tx) => senders.faultOf(tx, workspaceId, from));
}

test('a sender whose mail would be refused is told why', async () => {
  const faultOf = await checkWith(RELAY);
  assert.match((await faultOf('me@gmail.com')) ?? '', /^Mail from gmail\.com is refused or taken for spam/);
  assert.match((await faultOf('me@shop.example')) ?? '', /^shop\.example is reserved for examples/);
  assert.equal(await faultOf('me@acme.com'), null);
});

test('what goes straight to mail servers must be signed; once it is, it may be sent', async () => {
  const faultOf = await checkWith(DIRECT);
  assert.match((await faultOf('me@acme.com')) ?? '', /^Nothing signs mail from acme\.com/);
  const secrets = await loadSecrets(db.database, undefined);
  await db.database.withWorkspace(workspaceId, (tx) =>
    addDomain(tx, secrets, workspaceId, 'acme.com', ['ed25519-sha256']),
  );
  assert.match((await faultOf('me@acme.com')) ?? '', /^Nothing signs/, 'its record was not found yet');
  await db.database.withWorkspace(workspaceId, (tx) => tx.query(sql`UPDATE dkim_key SET state = 'active'`));
  assert.equal(await faultOf('me@acme.com'), null);
  assert.equal(await faultOf('me@news.acme.com'), null, 'its parent signs');
  assert.match((await faultOf('me@other.com')) ?? '', /^Nothing signs/);
});

test('mail to a test server is a rehearsal, from whomever', async () => {
  const faultOf = await checkWith({ SMTP_URL: 'smtp://127.0.0.1:2525' });
  assert.equal(await faultOf('me@gmail.com'), null);
});
