/** Letters that Camp writes go out where somebody can send, and hold up nobody where nobody can. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newWorkspace } from '../../test/support/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import { addSigningDomain, queuedLetters } from '../../test/support/own-mail.ts';
import type { Letter } from '../accounts/letters.ts';
import { sql } from '../kernel/sql.ts';
import { firstSigningDomain } from '../senders/queries-letters.ts';
import { postOwnMail } from './own-mail.ts';

const LETTER: Letter = { to: { name: 'Ada', email: 'ada@example.com' }, subject: 'Hello', text: 'A link.\n' };

let db: TestDatabase;
let workspaceId: string;

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

function post(letter = LETTER): Promise<boolean> {
  return db.database.withWorkspace(workspaceId, (tx) => postOwnMail(tx, workspaceId, letter));
}

test('a workspace sends from a domain that signs, and from no other', async () => {
  workspaceId = await newWorkspace(db.database);
  await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`INSERT INTO dkim_key (workspace_id, domain, selector, algorithm, public_key, private_key)
      VALUES (${workspaceId}, 'a.example', 'a', 'rsa-sha256', 'public', 'sealed')`),
  );
  assert.equal(await post(), false, 'its key is pending');
  assert.deepEqual(await queuedLetters(db.database, workspaceId), []);
  await addSigningDomain(db.database, workspaceId, 'b.example');
  assert.equal(await post(), true);
  const [letter] = await queuedLetters(db.database, workspaceId);
  assert.deepEqual([letter?.from.email, letter?.text], ['no-reply@b.example', LETTER.text]);
});

test('an address that no mail can be written to is no error', async () => {
  workspaceId = await newWorkspace(db.database);
  await addSigningDomain(db.database, workspaceId, 'b.example');
  assert.equal(await post({ ...LETTER, to: { name: null, email: 'ada@-.-' } }), false);
  assert.equal(await post(), true);
});

test('the domain is found along the key', async () => {
  await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`INSERT INTO dkim_key (workspace_id, domain, selector, algorithm, public_key, private_key)
      SELECT ${workspaceId}, n || '.example', 'a', 'rsa-sha256', '', '' FROM generate_series(1, 5000) n`),
  );
  await db.database.withOwner((tx) => tx.query(sql`ANALYZE dkim_key`));
  const [plan = ''] = await db.database.withWorkspace(workspaceId, (tx) =>
    explained(tx, (spy) => firstSigningDomain(spy, workspaceId)),
  );
  assert.match(plan, /dkim_key_active/, plan);
  assert.doesNotMatch(plan, /Seq Scan|Sort/, plan);
});
