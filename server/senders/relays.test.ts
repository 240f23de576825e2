import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createTestDatabase } from '../../test/support/database.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { Secrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { relayPage, saveRelay } from './relays.ts';

const { database, drop } = await createTestDatabase();
after(drop);

const secrets = new Secrets('a secret');
const workspaceId = newId();
const within = <T>(work: (tx: Tx) => Promise<T>) => database.withWorkspace(workspaceId, work);
const list = (of = secrets) => within((tx) => relayPage(tx, of, workspaceId, null, 100));
const add = (name: string, url: string, trusted = true) =>
  within((tx) => saveRelay(tx, secrets, workspaceId, { name, url, trusted }));

test('a relay’s password is worth nothing to who reads the database', async () => {
  await add('main', 'smtp://ada:hunter2@smtp.example');
  const [row] = await database.withWorkspace(workspaceId, (tx) =>
    tx.query<{ text: string }>(sql`SELECT relay::text AS text FROM relay`),
  );
  assert.match(String(row?.text), /main/);
  assert.doesNotMatch(String(row?.text), /hunter2|ada|smtp\.example/);
  const [relay] = await list();
  assert.ok(relay?.kind === 'relay');
  assert.deepEqual(relay.options.credentials, { user: 'ada', password: 'hunter2', mechanism: null });
  const [sealed] = await list(new Secrets('another secret'));
  assert.equal(sealed?.kind, 'sealed');
});

test('a relay that is given another URL keeps its name, and its trouble is forgotten', async () => {
  assert.equal(await add('spare', 'smtp://one.example'), true);
  await database.withWorkspace(workspaceId, (tx) =>
    tx.query(
      sql`INSERT INTO route (workspace_id, name, failures, reason) VALUES (${workspaceId}, 'spare', 3, 'down')`,
    ),
  );
  assert.equal(await add('spare', 'smtps://two.example'), false);
  const relay = (await list()).find(({ name }) => name === 'spare');
  assert.ok(relay?.kind === 'relay');
  assert.deepEqual([relay.options.host, relay.options.port], ['two.example', 465]);
  const [trouble] = await database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`SELECT failures, reason FROM route WHERE name = 'spare'`),
  );
  assert.deepEqual(trouble, { failures: 0, reason: null });
});

test('a relay that cannot be used is refused, without its password', async () => {
  const refused: [name: string, url: string, said: RegExp][] = [
    ['relay', 'smtp://one.example', /"relay" is the name of the relay of SMTP_URL/],
    ['My relay', 'smtp://one.example', /"My relay" cannot be the name of a relay/],
    ['ok', 'http://ada:hunter2@one.example', /must begin with smtp:\/\/ or smtps:\/\//],
  ];
  for (const [name, url, message] of refused)
    await assert.rejects(
      add(name, url),
      (error: Error) => message.test(error.message) && !/hunter2/.test(error.message),
    );
  assert.ok(!(await list()).some(({ name }) => name === 'ok'));
});
