import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';

let web: TestWeb;

before(async () => {
  web = await TestWeb.start();
});

after(() => web.stop());

async function newContact(key: TestKey, email: string, body: object = {}): Promise<Heard['json']> {
  const heard = await web.ask('POST /v1/contacts', { key, body: { email, ...body } });
  assert.equal(heard.status, 201, heard.bytes.toString());
  return heard.json;
}

async function newList(key: TestKey, name: string): Promise<string> {
  return (await web.ask('POST /v1/lists', { key, body: { name } })).json.id;
}

/** Every page, as the addresses on it. */
async function pages(key: TestKey, path: string): Promise<string[][]> {
  const found: string[][] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { status, json } = await web.ask(`GET ${path}${cursor && `&cursor=${cursor}`}`, { key });
    assert.equal(status, 200);
    found.push(json.data.map(({ email }: { email: string }) => email));
    cursor = json.next_cursor;
  }
  return found;
}

describe('a contact', () => {
  test('is made, read, changed and erased', async () => {
    const key = await web.newKey();
    const made = await web.ask('POST /v1/contacts', {
      key,
      body: {
        email: ' Eve@Bücher.Example ',
        name: 'Eve',
        attributes: { city: 'Köln', orders: 3, vip: true },
        tags: ['vip', 'early'],
      },
    });
    assert.equal(made.status, 201);
    const path = made.headers.get('location');
    assert.equal(made.json.email, 'eve@xn--bcher-kva.example');
    assert.deepEqual(made.json.tags, ['early', 'vip']);
    const body = { name: null, attributes: { city: null, orders: 4 }, tags: ['late'] };
    assert.equal((await web.ask(`PATCH ${path}`, { key, body })).status, 200);
    const { json } = await web.ask(`GET ${path}`, { key });
    assert.deepEqual([json.name, json.attributes, json.tags], [null, { vip: true, orders: 4 }, ['late']]);
    assert.deepEqual([json.subscriptions, json.suppression], [[], null]);
    assert.equal((await web.ask(`DELETE ${path}`, { key })).status, 204);
    for (const method of ['GET', 'DELETE'])
      assert.equal((await web.ask(`${method} ${path}`, { key })).status, 404);
    assert.deepEqual(await pages(key, '/v1/contacts?tag=late'), [[]]);
  });

  test('that is there already is a conflict, or is filled in when that is asked for', async () => {
    const key = await web.newKey();
    const { id } = await newContact(key, 'ann@acme.example', {
      name: 'Ann',
      attributes: { a: 1 },
      tags: ['b'],
    });
    const body = { email: 'ANN@acme.example', attributes: { b: 'x' }, tags: ['a'] };
    const refused = await web.ask('POST /v1/contacts', { key, body });
    assert.deepEqual([refused.status, refused.json.code], [409, 'conflict']);
    const { status, json } = await web.ask('POST /v1/contacts?upsert=true', { key, body });
    assert.deepEqual([status, json.id, json.name], [200, id, 'Ann']);
    assert.deepEqual([json.attributes, json.tags], [{ a: 1, b: 'x' }, ['a', 'b']]);
    const fresh = { key, body: { email: 'new@acme.example' } };
    assert.equal((await web.ask('POST /v1/contacts?upsert=true', fresh)).status, 201);
  });

  test('cannot take the address of another one', async () => {
    const key = await web.newKey();
    const { id } = await newContact(key, 'one@acme.example');
    await newContact(key, 'two@acme.example');
    const heard = await web.ask(`PATCH /v1/contacts/${id}`, { key, body: { email: 'Two@acme.example' } });
    assert.deepEqual([heard.status, heard.json.code], [409, 'conflict']);
    assert.match(heard.json.detail, /two@acme\.example/);
  });

  test('of another workspace is as unknown as one that is none', async () => {
    const theirs = await newContact(await web.newKey(), 'private@acme.example');
    const key = await web.newKey();
    const list_id = await newList(key, 'Mine');
    const asks = [`GET /v1/contacts/${theirs.id}`, `DELETE /v1/contacts/${theirs.id}`];
    for (const line of asks) assert.equal((await web.ask(line, { key })).status, 404);
    const change = await web.ask(`PATCH /v1/contacts/${theirs.id}`, { key, body: { name: 'X' } });
    const body = { list_id, act: 'add' };
    const subscribe = await web.ask(`POST /v1/contacts/${theirs.id}/subscriptions`, { key, body });
    assert.deepEqual([change.status, subscribe.status], [404, 404]);
    const bulk = { contact_ids: [theirs.id], action: { kind: 'delete' } };
    const { json } = await web.ask('POST /v1/contacts/bulk', { key, body: bulk });
    assert.deepEqual([json.changed, json.missing], [0, [theirs.id]]);
  });

  test('leaves its messages’ address and its objection behind when it is erased, and nothing else', async () => {
    const key = await web.newKey();
    const listId = await newList(key, 'News');
    const stayed = await newContact(key, 'stayed@acme.example', { list_ids: [listId] });
    const left = await newContact(key, 'left@acme.example', { list_ids: [listId] });
    const body = { list_id: listId, act: 'unsubscribe' };
    await web.ask(`POST /v1/contacts/${left.id}/subscriptions`, { key, body });
    const campaignId = newId();
    await web.db.database.withWorkspace(key.workspaceId, (tx) =>
      tx.query(sql`INSERT INTO message (workspace_id, campaign_id, contact_id, lane, state, email)
        VALUES (${key.workspaceId}, ${campaignId}, ${left.id}, 0, 'accepted', 'left@acme.example')`),
    );
    for (const { id } of [stayed, left]) await web.ask(`DELETE /v1/contacts/${id}`, { key });
    const { json } = await web.ask('GET /v1/suppressions', { key });
    assert.deepEqual(
      json.data.map(({ email, reason }: { email: string; reason: string }) => [email, reason]),
      [['left@acme.example', 'manual']],
    );
    const [kept] = await web.db.database.withWorkspace(key.workspaceId, (tx) =>
      tx.query<{ emails: string[]; subscriptions: number }>(sql`
        SELECT (SELECT array_agg(email) FROM message) AS emails,
          (SELECT count(*)::int FROM subscription) AS subscriptions`),
    );
    assert.deepEqual(kept, { emails: ['left@acme.example'], subscriptions: 0 });
    const { json: list } = await web.ask(`GET /v1/lists/${listId}`, { key });
    assert.deepEqual(list.counts, { unconfirmed: 0, subscribed: 0, unsubscribed: 0 });
  });
});

describe('pages of contacts', () => {
  test('have each contact once, whatever the filter', async () => {
    const key = await web.newKey();
    const list = await newList(key, 'All');
    const emails = Array.from({ length: 7 }, (_, i) => `p${i}@acme.example`);
    for (const email of emails) await newContact(key, email, { list_ids: [list], tags: ['t'] });
    await newContact(key, 'q@acme.example');
    const newest = emails.toReversed();
    const inThrees = (all: string[]) => [all.slice(0, 3), all.slice(3, 6), all.slice(6)];
    assert.deepEqual(
      await pages(key, '/v1/contacts?limit=3'),
      inThrees(['q@acme.example', ...newest]).with(2, newest.slice(5)),
    );
    for (const filter of [`list_id=${list}`, `list_id=${list}&status=subscribed`, 'tag=t'])
      assert.deepEqual(await pages(key, `/v1/contacts?limit=3&${filter}`), inThrees(newest), filter);
    assert.deepEqual(await pages(key, '/v1/contacts?limit=3&email_prefix=P'), inThrees(emails));
    assert.deepEqual(await pages(key, `/v1/contacts?list_id=${list}&status=unsubscribed`), [[]]);
    assert.equal((await web.ask(`GET /v1/contacts?list_id=${newId()}`, { key })).status, 404);
    assert.deepEqual(await pages(key, '/v1/contacts?email=Q@ACME.example'), [['q@acme.example']]);
    assert.deepEqual(await pages(key, '/v1/contacts?email_prefix=p%25'), [[]]);
  });

  test('with two filters, or a status of nothing, are refused with the field that is too much', async () => {
    const key = await web.newKey();
    for (const [query = '', path] of [
      ['tag=a&email=b@acme.example', '/query/tag'],
      ['status=subscribed', '/query/status'],
      ['email=nobody', '/query/email'],
      [`cursor=${Buffer.from('"x"').toString('base64url')}`, '/query/cursor'],
    ]) {
      const { status, json } = await web.ask(`GET /v1/contacts?${query}`, { key });
      assert.deepEqual([status, json.errors[0].path], [400, path], query);
    }
  });
});

describe('a subscription', () => {
  test('goes by the acts of the state machine, and comes back only with consent', async () => {
    const key = await web.newKey();
    const list_id = await newList(key, 'News');
    const { id } = await newContact(key, 'eve@acme.example');
    const act = async (act: string, more = {}) => {
      const body = { list_id, act, ...more };
      const { status, json } = await web.ask(`POST /v1/contacts/${id}/subscriptions`, { key, body });
      return json.status === status ? status : `${status} ${json.status}`;
    };
    assert.equal(await act('confirm'), 409);
    assert.equal(await act('request'), '200 unconfirmed');
    assert.equal(await act('confirm'), '200 subscribed');
    assert.equal(await act('add'), '200 subscribed');
    assert.equal(await act('unsubscribe'), '200 unsubscribed');
    assert.equal(await act('add'), 409);
    assert.equal(await act('confirm'), 409);
    assert.equal(await act('subscribe'), 400);
    assert.equal(await act('subscribe', { consent: 'the form at /join' }), '200 subscribed');
    const { json } = await web.ask('GET /v1/audit?limit=1', { key });
    assert.equal(json.data[0].after.consent, 'the form at /join');
  });

  test('to a list that a contact has left is not made by making the contact again', async () => {
    const key = await web.newKey();
    const list_id = await newList(key, 'News');
    const body = { email: 'gone@acme.example', list_ids: [list_id] };
    const { id } = (await web.ask('POST /v1/contacts', { key, body })).json;
    await web.ask(`POST /v1/contacts/${id}/subscriptions`, { key, body: { list_id, act: 'unsubscribe' } });
    const { json } = await web.ask('POST /v1/contacts?upsert=true', { key, body });
    assert.deepEqual([json.id, json.subscriptions[0].status], [id, 'unsubscribed']);
  });

  test('to a list that is not there is not made', async () => {
    const key = await web.newKey();
    const { id } = await newContact(key, 'eve@acme.example');
    const theirs = await newList(await web.newKey(), 'Theirs');
    for (const list_id of [newId(), theirs]) {
      const body = { list_id, act: 'add' };
      assert.equal((await web.ask(`POST /v1/contacts/${id}/subscriptions`, { key, body })).status, 404);
    }
  });
});

describe('five hundred contacts at once', () => {
  test('are tagged, put on a list, taken off it and erased, each in one transaction', async () => {
    const key = await web.newKey();
    const list_id = await newList(key, 'Many');
    const contact_ids = await manyContacts(key, 500);
    const bulk = async (action: object) => {
      const { status, json } = await web.ask('POST /v1/contacts/bulk', {
        key,
        body: { contact_ids, action },
      });
      assert.equal(status, 200, JSON.stringify(json));
      return [json.changed, json.unchanged, json.kept_unsubscribed];
    };
    const counts = async () => (await web.ask(`GET /v1/lists/${list_id}`, { key })).json.counts;
    assert.deepEqual(await bulk({ kind: 'tag', add: ['b', 'a'] }), [500, 0, 0]);
    assert.deepEqual(await bulk({ kind: 'tag', add: ['a'], remove: ['b', 'c'] }), [500, 0, 0]);
    assert.deepEqual(await bulk({ kind: 'tag', add: ['a'] }), [0, 500, 0]);
    assert.equal((await pages(key, '/v1/contacts?limit=200&tag=a')).flat().length, 500);
    assert.deepEqual(await pages(key, '/v1/contacts?tag=b'), [[]]);
    assert.deepEqual(await bulk({ kind: 'add_to_list', list_id }), [500, 0, 0]);
    assert.deepEqual(await counts(), { unconfirmed: 0, subscribed: 500, unsubscribed: 0 });
    assert.deepEqual(await bulk({ kind: 'unsubscribe' }), [500, 0, 0]);
    assert.deepEqual(await bulk({ kind: 'add_to_list', list_id }), [0, 500, 500]);
    assert.deepEqual(await counts(), { unconfirmed: 0, subscribed: 0, unsubscribed: 500 });
    assert.deepEqual(await bulk({ kind: 'delete' }), [500, 0, 0]);
    assert.deepEqual(await counts(), { unconfirmed: 0, subscribed: 0, unsubscribed: 0 });
    assert.deepEqual(await pages(key, '/v1/contacts?limit=200'), [[]]);
  });

  test('are one entry of the audit log, and either all changed or none', async () => {
    const key = await web.newKey();
    const contact_ids = await manyContacts(key, 3);
    const tags = Array.from({ length: 100 }, (_, i) => `tag ${i}`);
    const action = { kind: 'tag', add: tags };
    await web.ask('POST /v1/contacts/bulk', { key, body: { contact_ids: contact_ids.slice(0, 1), action } });
    const body = { contact_ids, action: { kind: 'tag', add: ['one more'] } };
    const heard = await web.ask('POST /v1/contacts/bulk', { key, body });
    assert.deepEqual([heard.status, heard.json.code], [422, 'refused']);
    assert.deepEqual(await pages(key, '/v1/contacts?tag=one%20more'), [[]]);
    const { json } = await web.ask('GET /v1/audit', { key });
    const entries = json.data.filter(({ action }: { action: string }) => action === 'contacts.changed');
    assert.deepEqual(
      entries.map(({ after }: { after: { contact_ids: string[] } }) => after.contact_ids.length),
      [1],
    );
  });
});

async function manyContacts(key: TestKey, count: number): Promise<string[]> {
  const rows = await web.db.database.withWorkspace(key.workspaceId, (tx) =>
    tx.query<{ id: string }>(sql`INSERT INTO contact (workspace_id, id, email)
      SELECT ${key.workspaceId}, gen_random_uuid(), 'many' || n || '@acme.example'
      FROM generate_series(1, ${count}::integer) n RETURNING id`),
  );
  return rows.map(({ id }) => id);
}

describe('hostile input', () => {
  test('is refused in a sentence that names the field, and keeps nothing', async () => {
    const key = await web.newKey();
    const email = 'x@acme.example';
    const refused: [object | string, RegExp][] = [
      [{ email: 'no address' }, /\/body\/email is no address/],
      [{ email: 'ü@acme.example' }, /\/body\/email is no address: .*letter ü/],
      [{ email: `${'a'.repeat(65)}@acme.example` }, /\/body\/email is no address: .*64/],
      [{ email: 'a'.repeat(1_001) }, /\/body\/email/],
      [{ email: 'ad\u202emin@acme.example' }, /\/body\/email is no address/],
      [{ email: 'a@b.example,c@d.example' }, /\/body\/email is no address/],
      [{ email, name: 'two\nlines' }, /\/body\/name/],
      [{ email, attributes: { City: 'x' } }, /\/body\/attributes\/City must be written city/],
      [{ email, attributes: { email: 'x' } }, /\/body\/attributes\/email is a field/],
      [{ email, attributes: { '': 'x' } }, /\/body\/attributes\/ has no letter/],
      [{ email, attributes: { 'a/b': 'x' } }, /\/body\/attributes\/a~1b must be written a_b/],
      [{ email, attributes: { deep: { er: 1 } } }, /\/body\/attributes\/deep/],
      [{ email, attributes: { long: 'x'.repeat(10_001) } }, /\/body\/attributes\/long/],
      [{ email, tags: Array(101).fill('x') }, /\/body\/tags/],
      [{ email, tags: ['a', 'a'] }, /\/body\/tags/],
      [{ email, tags: [' a'] }, /\/body\/tags\/0/],
      [{ email, tags: ['a\u0000b'] }, /U\+0000/],
      ['{"email":"x@acme.example","name":"\\ud800"}', /surrogate/],
      ['{"email":"x@acme.example","attributes":{"__proto__":1}}', /__proto__/],
      ['{"email":"x@acme.example","attributes":{"n":1e400}}', /\/body\/attributes\/n/],
      [{ email, surprise: 1 }, /\/body\/surprise/],
    ];
    for (const [body, detail] of refused) {
      const headers = { 'content-type': 'application/json' };
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      const { status, json } = await web.ask('POST /v1/contacts', { key, body: text, headers });
      assert.equal(status, 400, text.slice(0, 200));
      assert.match(json.detail, detail);
    }
    const large = await web.ask('POST /v1/contacts', { key, body: { email, name: 'x'.repeat(1_000_000) } });
    assert.equal(large.status, 413);
    assert.deepEqual(await pages(key, '/v1/contacts?limit=1'), [[]]);
  });

  test('that is only strange is kept as it is', async () => {
    const key = await web.newKey();
    const name = '👩‍👩‍👧 \u202eevE "\'; DROP TABLE contact; --';
    const attributes = { größe: '\\N\t{{ x }}', n: 1e308, ['x'.repeat(100)]: false };
    const tags = ['日本', "a'b", '{a,b}', '"', '\\'];
    const made = await newContact(key, 'o\u0027neil+tag@acme.example', { name, attributes, tags });
    const { json } = await web.ask(`GET /v1/contacts/${made.id}`, { key });
    assert.deepEqual([json.name, json.attributes, json.tags], [name, attributes, tags.toSorted()]);
    for (const tag of tags)
      assert.equal((await pages(key, `/v1/contacts?tag=${encodeURIComponent(tag)}`)).flat().length, 1, tag);
  });
});
