import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { signedInMember } from '../test/support/accounts.ts';
import { type TestKey, TestWeb } from '../test/support/web.ts';
import { CampProblem, createClient, type KeyStore, Upload } from './client.ts';

let web: TestWeb;
let key: TestKey;

before(async () => {
  web = await TestWeb.start();
  key = await web.newKey();
});

after(() => web.stop());

/** A network between client and server; `lose` says of which answers, counted from 1, nothing arrives. */
function network(lose: (answer: number) => boolean): { fetch: typeof fetch; keys: (string | null)[] } {
  const keys: (string | null)[] = [];
  return {
    keys,
    async fetch(url, init) {
      keys.push(new Headers(init?.headers).get('idempotency-key'));
      const number = keys.length;
      const response = await fetch(url, init);
      if (!lose(number)) return response;
      await response.body?.cancel();
      throw new TypeError('the connection was cut');
    },
  };
}

function clientOver(through: { fetch: typeof fetch }, store?: KeyStore) {
  return createClient({
    url: web.web.url,
    key: key.headers.authorization.replace('Bearer ', ''),
    fetch: through.fetch,
    ...(store ? { store } : {}),
  });
}

function newStore(): KeyStore & { names(): string[] } {
  const kept = new Map<string, string>();
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, value),
    removeItem: (name) => kept.delete(name),
    names: () => [...kept.keys()],
  };
}

async function listsNamed(name: string): Promise<number> {
  const { body } = await clientOver({ fetch }).ask('getLists', { query: { limit: 200 } });
  return body.data.filter((list) => list.name === name).length;
}

test('the client is what the API is', async () => {
  const script = join(import.meta.dirname, '../scripts/make-client.ts');
  await promisify(execFile)(process.execPath, [script, '--check']);
});

test('whose answers are lost on the way makes one list, and learns its id', async () => {
  const name = randomUUID();
  const lossy = network((answer) => answer < 3);
  const made = await clientOver(lossy).ask('postLists', { body: { name } });
  assert.deepEqual([made.status, made.isReplay, lossy.keys.length], [201, true, 3]);
  assert.equal(new Set(lossy.keys).size, 1);
  assert.equal(await listsNamed(name), 1);
});

test('a page that is closed before the answer came finds the key of its intent again, and does nothing twice', async () => {
  const name = randomUUID();
  const store = newStore();
  const ask = (through: { fetch: typeof fetch }) =>
    clientOver(through, store).ask('postLists', { body: { name }, intent: `make ${name}` });
  await assert.rejects(ask(network(() => true)), /the connection was cut/);
  assert.equal(store.names().length, 1);
  const { isReplay } = await ask({ fetch });
  assert.equal(isReplay, true);
  assert.deepEqual([await listsNamed(name), store.names()], [1, []]);
});

test('whoever changes what an unanswered intent says is refused, and the key stays what it was', async () => {
  const names = [randomUUID(), randomUUID()] as const;
  const store = newStore();
  const ask = (through: { fetch: typeof fetch }, name: string) =>
    clientOver(through, store).ask('postLists', { body: { name }, intent: `make ${names[0]}` });
  await assert.rejects(
    ask(
      network(() => true),
      names[0],
    ),
  );
  await assert.rejects(ask({ fetch }, names[1]), { code: 'idempotency-key-reused' });
  assert.equal((await ask({ fetch }, names[0])).isReplay, true);
  assert.deepEqual([await listsNamed(names[0]), await listsNamed(names[1])], [1, 0]);
});

test('a page changes things with its session’s cookie, and a list of values goes as several', async () => {
  const member = await signedInMember(web.db.database, key.workspaceId, 'owner');
  const urls: string[] = [];
  const page = createClient({
    url: web.web.url,
    async fetch(url, init) {
      urls.push(String(url));
      // What a browser adds by itself.
      const added = { cookie: `camp=${member.token}`, 'sec-fetch-site': 'same-origin' };
      return fetch(url, { ...init, headers: { ...Object(init?.headers), ...added } });
    },
  });
  const { body } = await page.ask('postLists', { body: { name: randomUUID() } });
  const bad = page.ask('getLive', { query: { topics: ['queue', `campaign:${body.id}`] } });
  await assert.rejects(bad, { code: 'not-found' });
  assert.equal(urls.at(-1)?.split('topics=').length, 3);
});

test('a refusal is a problem with its code, and is not asked again', async () => {
  const direct = network(() => false);
  const unknown = clientOver(direct).ask('getListsById', { params: { id: randomUUID() } });
  await assert.rejects(unknown, (problem) => problem instanceof CampProblem && problem.code === 'not-found');
  assert.equal(direct.keys.length, 1);
});

test('what is no JSON is sent and read as it is', async () => {
  const client = clientOver({ fetch });
  const list = randomUUID();
  const csv = new Upload('text/csv', 'email\nanna@example.com\nnobody\n');
  const { body } = await client.ask('postImports', { query: { list }, body: csv });
  assert.ok('id' in body);
  const { body: rejects } = await client.ask('getImportsByIdRejects', { params: { id: body.id } });
  assert.match(await rejects.text(), /nobody/);
});

test('who leaves while it waits for another try waits no longer', async () => {
  const leaving = new AbortController();
  const lossy = network(() => {
    leaving.abort(new Error('left'));
    return true;
  });
  const asked = clientOver(lossy).ask('postLists', { body: { name: randomUUID() }, signal: leaving.signal });
  await assert.rejects(asked);
  assert.equal(lossy.keys.length, 1);
});
