import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { newId } from '../kernel/ids.ts';
import { type Sql, sql } from '../kernel/sql.ts';

let web: TestWeb;

before(async () => {
  web = await TestWeb.start();
});

after(() => web.stop());

async function newList(key: TestKey, name: string): Promise<string> {
  const { status, json } = await web.ask('POST /v1/lists', { key, body: { name } });
  assert.equal(status, 201);
  return json.id;
}

async function subscribed(key: TestKey, listId: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const body = { email: `p${n}@acme.example`, list_ids: [listId] };
    ids.push((await web.ask('POST /v1/contacts?upsert=true', { key, body })).json.id);
  }
  return ids;
}

test('a list is made, found by page, renamed and deleted', async () => {
  const key = await web.newKey();
  const ids = [];
  for (const name of ['Beta', 'Alpha', 'Gamma']) ids.push(await newList(key, name));
  const first = (await web.ask('GET /v1/lists?limit=2', { key })).json;
  const names = (json: { data: { name: string }[] }) => json.data.map(({ name }) => name);
  assert.deepEqual(names(first), ['Alpha', 'Beta']);
  const next = (await web.ask(`GET /v1/lists?limit=2&cursor=${first.next_cursor}`, { key })).json;
  assert.deepEqual([names(next), next.next_cursor], [['Gamma'], null]);
  const renamed = await web.ask(`PATCH /v1/lists/${ids[0]}`, { key, body: { name: 'Delta' } });
  assert.deepEqual([renamed.status, renamed.json.name], [200, 'Delta']);
  assert.equal((await web.ask(`DELETE /v1/lists/${ids[0]}`, { key })).status, 204);
  assert.equal((await web.ask(`GET /v1/lists/${ids[0]}`, { key })).status, 404);
  const { json } = await web.ask('GET /v1/audit?limit=2', { key });
  const actions = json.data.map(({ action, before }: { action: string; before: unknown }) => [
    action,
    before,
  ]);
  assert.deepEqual(actions, [
    ['list.deleted', { name: 'Delta' }],
    ['list.renamed', { name: 'Beta' }],
  ]);
});

test('a name that is taken, or is none, is refused', async () => {
  const key = await web.newKey();
  const id = await newList(key, 'News');
  await newList(key, 'Other');
  const again = await web.ask('POST /v1/lists', { key, body: { name: 'News' } });
  const renamed = await web.ask(`PATCH /v1/lists/${id}`, { key, body: { name: 'Other' } });
  assert.deepEqual([again.json.code, renamed.json.code], ['conflict', 'conflict']);
  for (const name of ['', ' ', 'a ', 'a\nb', 'x'.repeat(201)])
    assert.equal((await web.ask('POST /v1/lists', { key, body: { name } })).status, 400, name);
});

test('another workspace’s list is as unknown as one that is none', async () => {
  const theirs = await newList(await web.newKey(), 'Theirs');
  const key = await web.newKey();
  for (const id of [theirs, newId()]) {
    for (const line of [`GET /v1/lists/${id}`, `GET /v1/lists/${id}/members`, `DELETE /v1/lists/${id}`])
      assert.equal((await web.ask(line, { key })).status, 404, line);
    assert.equal((await web.ask(`PATCH /v1/lists/${id}`, { key, body: { name: 'X' } })).status, 404);
  }
});

test('the members of a list are its pages, in all statuses or in one', async () => {
  const key = await web.newKey();
  const listId = await newList(key, 'News');
  const ids = await subscribed(key, listId, 5);
  const left = { list_id: listId, act: 'unsubscribe' };
  await web.ask(`POST /v1/contacts/${ids[2]}/subscriptions`, { key, body: left });
  const seen: string[] = [];
  for (let cursor = ''; ; ) {
    const { json } = await web.ask(`GET /v1/lists/${listId}/members?limit=2${cursor}`, { key });
    for (const { contact, status } of json.data) seen.push(`${contact.email} ${status}`);
    if (json.next_cursor === null) break;
    cursor = `&cursor=${json.next_cursor}`;
  }
  const expected = [4, 3, 2, 1, 0].map(
    (n) => `p${n}@acme.example ${n === 2 ? 'unsubscribed' : 'subscribed'}`,
  );
  assert.deepEqual(seen, expected);
  const { json } = await web.ask(`GET /v1/lists/${listId}/members?status=unsubscribed`, { key });
  assert.deepEqual(
    json.data.map(({ contact }: { contact: { id: string } }) => contact.id),
    [ids[2]],
  );
  assert.deepEqual((await web.ask(`GET /v1/lists/${listId}`, { key })).json.counts, {
    unconfirmed: 0,
    subscribed: 4,
    unsubscribed: 1,
  });
});

test('the counts of a list stay right while many change it at once', async () => {
  const key = await web.newKey();
  const listId = await newList(key, 'Busy');
  const ids = await subscribed(key, listId, 12);
  await Promise.all(
    ids.flatMap((id, n) => {
      const act = n % 3 === 0 ? { act: 'unsubscribe' } : { act: 'subscribe', consent: 'x' };
      const body = { list_id: listId, ...act };
      const ask = () => web.ask(`POST /v1/contacts/${id}/subscriptions`, { key, body });
      return n % 4 === 1 ? [web.ask(`DELETE /v1/contacts/${id}`, { key }), ask()] : [ask(), ask()];
    }),
  );
  const [counted] = await web.db.database.withWorkspace(key.workspaceId, (tx) =>
    tx.query(sql`SELECT count(*) FILTER (WHERE status = 'unconfirmed')::int AS unconfirmed,
        count(*) FILTER (WHERE status = 'subscribed')::int AS subscribed,
        count(*) FILTER (WHERE status = 'unsubscribed')::int AS unsubscribed
      FROM subscription WHERE list_id = ${listId}`),
  );
  assert.deepEqual((await web.ask(`GET /v1/lists/${listId}`, { key })).json.counts, counted);
  assert.deepEqual(counted, { unconfirmed: 0, subscribed: 6, unsubscribed: 3 });
});

test('a list that a campaign needs is not deleted, and of one that is nothing is left but its people', async () => {
  const key = await web.newKey();
  const listId = await newList(key, 'News');
  const [id] = await subscribed(key, listId, 1);
  const campaign = (listIds: string[]) =>
    web.db.database.withWorkspace(key.workspaceId, (tx) =>
      tx.query(sql`INSERT INTO campaign
          (workspace_id, id, name, list_ids, from_email, template_name, template_body)
        VALUES (${key.workspaceId}, ${newId()}, 'Spring', ${listIds}::uuid[], 'a@b.example', 't', '')`),
    );
  await campaign([newId(), listId]);
  const refused = await web.ask(`DELETE /v1/lists/${listId}`, { key });
  assert.deepEqual([refused.status, refused.json.code], [409, 'conflict']);
  assert.match(refused.json.detail, /Spring/);
  await web.db.database.withWorkspace(key.workspaceId, (tx) => tx.query(sql`DELETE FROM campaign`));
  assert.equal((await web.ask(`DELETE /v1/lists/${listId}`, { key })).status, 204);
  const { json } = await web.ask(`GET /v1/contacts/${id}`, { key });
  assert.deepEqual(json.subscriptions, []);
  const rows = await web.db.database.withWorkspace(key.workspaceId, (tx) =>
    tx.query(sql`SELECT list_id FROM subscription UNION ALL SELECT list_id FROM list_count`),
  );
  assert.deepEqual(rows, []);
});

test('a list that rules ask for is not deleted: whom they leave out would get mail', async () => {
  const key = await web.newKey();
  const listId = await newList(key, 'Do not mail');
  const rules = { all: [{ not: { field: 'list', list_id: listId } }] };
  const made = await web.ask('POST /v1/segments', { key, body: { name: 'Others', rules } });
  const refusal = async () => {
    const { status, json } = await web.ask(`DELETE /v1/lists/${listId}`, { key });
    return `${status} ${json?.detail}`;
  };
  assert.match(await refusal(), /^409 The segment "Others" asks for this list/);
  assert.equal((await web.ask(`DELETE /v1/segments/${made.json.id}`, { key })).status, 204);
  const campaigns = [
    { state: 'holding', frozen: { included: [], excluded: [rules] }, excluded: [] },
    { state: 'failed', frozen: null, excluded: [listId] },
  ];
  const inWorkspace = (statement: Sql) =>
    web.db.database.withWorkspace(key.workspaceId, (tx) => tx.query(statement));
  for (const { state, frozen, excluded } of campaigns) {
    await inWorkspace(sql`INSERT INTO campaign (workspace_id, id, name, state, list_ids, excluded_list_ids, frozen_rules,
        finished_at, from_email, template_name, template_body)
      VALUES (${key.workspaceId}, ${newId()}, 'Spring', ${state}, '{}', ${excluded}::uuid[],
        ${frozen && JSON.stringify(frozen)}, CASE ${state} WHEN 'failed' THEN now() END, 'a@b.example', 't', '')`);
    assert.match(await refusal(), /^409 The campaign Spring uses this list/, state);
    await inWorkspace(sql`UPDATE campaign SET state = 'finished'`);
  }
  assert.match(await refusal(), /^204/);
});
