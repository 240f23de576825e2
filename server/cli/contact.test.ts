/** `camp contact` as a person or a script runs it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { camp, type Ended } from '../../test/support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { upsertContact } from '../audience/contacts.ts';
import { changeSubscription, findOrCreateList } from '../audience/lists.ts';
import { DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { EXIT } from './exit-codes.ts';

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});

after(() => db.drop());

const run = (...args: string[]): Promise<Ended> => camp(['contact', ...args], { DATABASE_URL: db.url });

test('a person is shown with their lists, tags and attributes', async () => {
  await db.database.withWorkspace(workspaceId, async (tx) => {
    const contact = { email: 'ann@acme.example', name: 'Ann', attributes: { city: 'Oslo' }, tags: ['vip'] };
    const saved = await upsertContact(tx, workspaceId, contact);
    assert.ok(saved.kind === 'saved');
    const listId = await findOrCreateList(tx, workspaceId, 'News');
    await changeSubscription(tx, { workspaceId, listId, contactId: saved.id }, 'unsubscribe');
  });
  const { json, code } = await run('show', 'Ann@acme.example', '--json');
  assert.equal(code, EXIT.ok);
  assert.deepEqual(json.lists, [{ list: 'News', status: 'unsubscribed' }]);
  assert.deepEqual([json.name, json.tags, json.attributes], ['Ann', ['vip'], { city: 'Oslo' }]);
  assert.match((await run('show', 'ann@acme.example')).stdout, /list News +unsubscribed/);
});

test('somebody who is not there is said to be not there', async () => {
  const { code, stderr } = await run('show', 'ben@acme.example');
  assert.notEqual(code, EXIT.ok);
  assert.match(stderr, /There is no contact with the address ben@acme\.example\./);
});
