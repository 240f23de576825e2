import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
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
