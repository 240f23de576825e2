/** Segments over HTTP: rules in, people out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { upsertContact } from '../audience/contacts.ts';
import { changeSubscription, findOrCreateList } from '../audience/lists.ts';
import { newId } from '../kernel/ids.ts';

let web: TestWeb;
let key: TestKey;
let listId: string;
const ids = new Map<string, string>();

before(async () => {
  web = await TestWeb.start();
  key = await web.newKey();
  const { workspaceId } = key;
  await web.db.database.withWorkspace(workspaceId, async (tx) => {
    listId = await findOrCreateList(tx, workspaceId, 'News');
    for (const [name, city] of Object.entries({ ann: 'Bonn', bob: 'bonn', cid: 'Kiel' })) {
      const contact = await upsertContact(tx, workspaceId, {
        email: `${name}@acme.example`,
        attributes: { city },
      });
      assert.equal(contact.kind, 'saved');
      if (contact.kind !== 'saved') continue;
      ids.set(name, contact.id);
      const act = name === 'bob' ? 'unsubscribe' : 'subscribe';
      await changeSubscription(tx, { workspaceId, listId, contactId: contact.id }, act);
    }
  });
});

after(() => web.stop());

const livesIn = (value: string) => ({ field: 'attribute', name: 'city', type: 'text', op: 'equals', value });

async function make(rules: unknown, name = `segment ${newId()}`) {
  const { status, json, headers } = await web.ask('POST /v1/segments', { key, body: { name, rules } });
  assert.equal(status, 201, JSON.stringify(json));
  return { ...json, etag: headers.get('etag') };
}

test('a segment is made, and found again with its rules, a sentence and its people', async () => {
  const rules = {
    all: [livesIn('BONN'), { not: { field: 'list', list_id: listId, status: 'unsubscribed' } }],
  };
  const { id, etag, ...made } = await make(rules, 'Bonn');
  assert.deepEqual(made.rules, rules);
  assert.equal(
    made.sentence,
    'The attribute "city" is "BONN" and the contact is not unsubscribed from the list "News".',
  );
  const shown = await web.ask(`GET /v1/segments/${id}`, { key });
  assert.deepEqual([shown.json, shown.headers.get('etag')], [{ id, ...made }, etag]);
  const ann = { id: ids.get('ann'), email: 'ann@acme.example', name: null };
  assert.equal((await web.ask(`GET /v1/segments/${id}/count`, { key })).json.count, 1);
  assert.deepEqual((await web.ask(`GET /v1/segments/${id}/sample`, { key })).json, { data: [ann] });
  const { json: page } = await web.ask(`GET /v1/segments/${id}/contacts`, { key });
  assert.deepEqual(page, { data: [ann], next_cursor: null });
  const { json: all } = await web.ask('GET /v1/segments', { key });
  assert.ok(all.data.some((segment: { name: string }) => segment.name === 'Bonn'));
});

test('why a contact is in or is not is told condition by condition, with what the contact has', async () => {
  const { id } = await make({ any: [livesIn('Kiel'), { not: { field: 'list', list_id: listId } }] });
  const { json } = await web.ask(`GET /v1/segments/${id}/contacts/${ids.get('ann')}/explanation`, { key });
  assert.equal(json.is_member, false);
  assert.deepEqual(json.conditions, [
    { pointer: '/any/0', sentence: 'the attribute "city" is "Kiel"', held: false, value: 'Bonn' },
    {
      pointer: '/any/1/not',
      sentence: 'the contact is not subscribed to the list "News"',
      held: false,
      value: 'subscribed',
    },
  ]);
  const cid = await web.ask(`GET /v1/segments/${id}/contacts/${ids.get('cid')}/explanation`, { key });
  assert.deepEqual([cid.json.is_member, cid.json.conditions[0].held], [true, true]);
  const unknown = await web.ask(`GET /v1/segments/${id}/contacts/${newId()}/explanation`, { key });
  assert.equal(unknown.status, 404);
});

test('rules that are not saved are counted and sampled', async () => {
  const body = { rules: { any: [livesIn('bonn')] } };
  const { status, json } = await web.ask('POST /v1/segments/preview', { key, body });
  assert.equal(status, 200);
  assert.deepEqual([json.count, json.sentence], [2, 'The attribute "city" is "bonn".']);
  assert.deepEqual(json.sample.map(({ email }: { email: string }) => email).sort(), [
    'ann@acme.example',
    'bob@acme.example',
  ]);
});

test('pages of people go on where they ended, and end', async () => {
  const { id } = await make({ all: [{ field: 'email', op: 'ends_with', value: '@acme.example' }] });
  const found: string[] = [];
  let cursor = '';
  do {
    const { json } = await web.ask(`GET /v1/segments/${id}/contacts?limit=2${cursor}`, { key });
    found.push(...json.data.map((member: { id: string }) => member.id));
    cursor = json.next_cursor === null ? '' : `&cursor=${json.next_cursor}`;
  } while (cursor !== '');
  assert.deepEqual(found.sort(), [...ids.values()].sort());
});

const REFUSED: [rules: unknown, path: string, message: RegExp, status?: number][] = [
  ['vip', '/body/rules', /object/],
  [{}, '/body/rules', /must be a group/],
  [{ all: [{ field: 'shoe size' }] }, '/body/rules/all/0/field', /is not known: it is one of attribute/],
  [{ all: [{ field: 'tag', tag: 'a', why: 1 }] }, '/body/rules/all/0/why', /is not known here/],
  [
    { all: [{ field: 'list', list_id: newId() }] },
    '/body/rules/all/0/list_id',
    /a list that is not there/,
    422,
  ],
  [
    { any: [{ field: 'engagement', act: 'opened', campaign_id: newId() }] },
    '/body/rules/any/0/campaign_id',
    /a campaign that is not there/,
    422,
  ],
];

for (const [rules, path, message, expected = 400] of REFUSED)
  test(`the rules ${JSON.stringify(rules)} are refused with the place and one sentence`, async () => {
    const { status, json } = await web.ask('POST /v1/segments', { key, body: { name: 'x', rules } });
    assert.deepEqual([status, json.code], [expected, expected === 400 ? 'invalid-request' : 'refused']);
    assert.equal(json.errors.length, 1);
    assert.equal(json.errors[0].path, path);
    assert.match(json.errors[0].message, message);
  });

test('a change needs the version that was read, and is written down', async () => {
  const { id, name, etag } = await make({ all: [livesIn('Bonn')] });
  const change = (headers: Record<string, string>, body: object) =>
    web.ask(`PATCH /v1/segments/${id}`, { key, body, headers });
  assert.equal((await change({}, { name: 'Other' })).status, 428);
  const changed = await change({ 'if-match': etag }, { rules: { all: [livesIn('Kiel')] } });
  assert.deepEqual([changed.status, changed.json.name], [200, name]);
  assert.equal((await change({ 'if-match': etag }, { name: 'Other' })).status, 412);
  assert.equal((await web.ask(`GET /v1/segments/${id}/count`, { key })).json.count, 1);
  const { json: log } = await web.ask('GET /v1/audit', { key });
  assert.deepEqual([log.data[0].action, log.data[0].subject], ['segment.updated', `segment/${id}`]);
});

test('a name is had once', async () => {
  const { name } = await make({ all: [livesIn('Bonn')] });
  const other = await make({ all: [livesIn('Bonn')] });
  const body = { name, rules: { all: [livesIn('Bonn')] } };
  assert.equal((await web.ask('POST /v1/segments', { key, body })).status, 409);
  const headers = { 'if-match': other.etag };
  assert.equal(
    (await web.ask(`PATCH /v1/segments/${other.id}`, { key, body: { name }, headers })).status,
    409,
  );
});

test('a deleted segment is gone, and another workspace’s was never there', async () => {
  const { id } = await make({ all: [livesIn('Bonn')] });
  const stranger = await web.newKey();
  for (const line of [
    `GET /v1/segments/${id}`,
    `DELETE /v1/segments/${id}`,
    `GET /v1/segments/${id}/count`,
    `GET /v1/segments/${id}/sample`,
    `GET /v1/segments/${id}/contacts`,
    `GET /v1/segments/${id}/contacts/${ids.get('ann')}/explanation`,
  ])
    assert.equal((await web.ask(line, { key: stranger })).status, 404, line);
  assert.equal((await web.ask(`DELETE /v1/segments/${id}`, { key })).status, 204);
  assert.equal((await web.ask(`GET /v1/segments/${id}`, { key })).status, 404);
});

test('the OpenAPI document says what rules are', async () => {
  const { json } = await web.ask('GET /openapi.json');
  const { schema } = json.paths['/v1/segments'].post.requestBody.content['application/json'];
  assert.deepEqual(schema.properties.rules, { $ref: '#/components/schemas/SegmentRules' });
  assert.ok(json.components.schemas.SegmentCondition.anyOf.length > 20);
});
