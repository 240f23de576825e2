import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { upsertContact } from '../../server/audience/contacts.ts';
import { changeSubscription, findOrCreateList } from '../../server/audience/lists.ts';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { newId } from '../kernel/ids.ts';

let web: TestWeb;
let key: TestKey;
let listId: string;

const TEMPLATE = {
  name: 'hello.txt',
  source: '---\nsubject: Hello\n---\nHello {{ name | default: "you" }}\n',
};
const FROM = { email: 'news@camp.example', name: 'Camp' };

before(async () => {
  web = await TestWeb.start();
  key = await web.newKey();
  listId = await newList(key, ['ada@city.example', 'ben@city.example']);
});

after(() => web.stop());

function newList({ workspaceId }: TestKey, people: string[], name = 'news'): Promise<string> {
  return web.db.database.withWorkspace(workspaceId, async (tx) => {
    const id = await findOrCreateList(tx, workspaceId, name);
    for (const email of people) {
      const saved = await upsertContact(tx, workspaceId, { email });
      assert.ok(saved.kind === 'saved');
      await changeSubscription(tx, { workspaceId, listId: id, contactId: saved.id }, 'subscribe');
    }
    return id;
  });
}

function ask(line: string, body?: unknown, headers: Record<string, string> = {}) {
  return web.ask(line, { key, headers, ...(body === undefined ? {} : { body }) });
}

async function draft(changes: object = {}) {
  const body = {
    name: 'Thursday',
    from: FROM,
    template: TEMPLATE,
    audience: { list_ids: [listId] },
    ...changes,
  };
  const { status, json, headers } = await ask('POST /v1/campaigns', body);
  assert.equal(status, 201, JSON.stringify(json));
  return { ...json, etag: headers.get('etag') ?? '' };
}

describe('a draft', () => {
  test('is made, read, changed and thrown away', async () => {
    const made = await draft();
    assert.equal(made.state, 'draft');
    const shown = await ask(`GET /v1/campaigns/${made.id}`);
    assert.equal(shown.headers.get('etag'), made.etag);
    const changed = await ask(
      `PATCH /v1/campaigns/${made.id}`,
      { name: 'Friday', reply_to: 'answers@camp.example' },
      { 'if-match': made.etag },
    );
    assert.equal(changed.status, 200);
    assert.notEqual(changed.headers.get('etag'), made.etag);
    const { name, reply_to, from, audience, template } = changed.json;
    assert.deepEqual(
      { name, reply_to, from, audience, template },
      {
        name: 'Friday',
        reply_to: 'answers@camp.example',
        from: FROM,
        audience: { list_ids: [listId], segment_ids: [], exclude: { list_ids: [], segment_ids: [] } },
        template: TEMPLATE,
      },
    );
    assert.equal((await ask(`DELETE /v1/campaigns/${made.id}`)).status, 204);
    assert.equal((await ask(`GET /v1/campaigns/${made.id}`)).status, 404);
  });

  test('that two people change at once is changed by one of them', async () => {
    const { id, etag } = await draft();
    const change = (name: string) => ask(`PATCH /v1/campaigns/${id}`, { name }, { 'if-match': etag });
    const answers = await Promise.all([change('one'), change('two')]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412]);
    const winner = answers.find(({ status }) => status === 200);
    assert.equal((await ask(`GET /v1/campaigns/${id}`)).json.name, winner?.json.name);
  });

  test('is not changed by who does not say which version they have seen', async () => {
    const { id } = await draft();
    assert.equal((await ask(`PATCH /v1/campaigns/${id}`, { name: 'x' })).status, 428);
  });

  test('is made of a template of the workspace, and keeps it when that changes', async () => {
    const { json, headers } = await ask('POST /v1/templates', TEMPLATE);
    const made = await draft({ template: undefined, template_id: json.id });
    assert.deepEqual(made.template, TEMPLATE);
    await ask(
      `PATCH /v1/templates/${json.id}`,
      { source: '---\nsubject: Bye\n---\nBye\n' },
      { 'if-match': headers.get('etag') ?? '' },
    );
    assert.deepEqual((await ask(`GET /v1/campaigns/${made.id}`)).json.template, TEMPLATE);
  });

  test('of which no mail could be made is refused with the line and the column', async () => {
    const template = { name: 'bad.txt', source: '---\nsubject: Hi\n---\nHello {{ name | shout }}\n' };
    const body = { name: 'Bad', from: FROM, template };
    const { status, json } = await ask('POST /v1/campaigns', body);
    assert.equal(status, 422);
    const [{ path, line, column, message }] = json.errors;
    assert.deepEqual({ path, line, column }, { path: '/body/template/source', line: 4, column: 17 });
    assert.match(message, /shout/);
    const sender = await ask('POST /v1/campaigns', {
      ...body,
      template: TEMPLATE,
      from: { email: 'nobody' },
    });
    assert.equal(sender.status, 422);
    assert.equal(sender.json.errors[0].path, '/body/from');
  });

  test('names only lists and segments that are there', async () => {
    const unknown = newId();
    const audience = { list_ids: [listId], exclude: { segment_ids: [unknown] } };
    const { status, json } = await ask('POST /v1/campaigns', {
      name: 'x',
      from: FROM,
      template: TEMPLATE,
      audience,
    });
    assert.equal(status, 422);
    assert.equal(json.errors[0].path, '/body/audience/exclude/segment_ids/0');
    const stranger = await web.newKey();
    const foreign = await newList(stranger, []);
    const answer = await ask('POST /v1/campaigns', {
      name: 'x',
      from: FROM,
      template: TEMPLATE,
      audience: { list_ids: [foreign] },
    });
    assert.equal(answer.status, 422);
  });

  test('is copied, whatever became of the campaign', async () => {
    const made = await draft({ name: 'Once' });
    await ask(`POST /v1/campaigns/${made.id}/cancel`);
    const copied = await ask(`POST /v1/campaigns/${made.id}/duplicate`, {});
    assert.equal(copied.status, 201);
    assert.deepEqual(
      { state: copied.json.state, name: copied.json.name, template: copied.json.template },
      { state: 'draft', name: 'Once (copy)', template: TEMPLATE },
    );
    assert.notEqual(copied.json.id, made.id);
  });
});

test('campaigns are listed page by page, newest first, and by state', async () => {
  key = await web.newKey();
  listId = await newList(key, ['ada@city.example']);
  const made = [await draft({ name: 'a' }), await draft({ name: 'b' }), await draft({ name: 'c' })];
  await ask(`POST /v1/campaigns/${made[1].id}/cancel`);
  const first = await ask('GET /v1/campaigns?limit=2');
  const second = await ask(`GET /v1/campaigns?limit=2&cursor=${first.json.next_cursor}`);
  const names = [...first.json.data, ...second.json.data].map(({ name }) => name);
  assert.deepEqual(names, ['c', 'b', 'a']);
  assert.equal(second.json.next_cursor, null);
  const drafts = await ask('GET /v1/campaigns?state=draft&limit=1');
  const more = await ask(`GET /v1/campaigns?state=draft&cursor=${drafts.json.next_cursor}`);
  assert.deepEqual(
    [...drafts.json.data, ...more.json.data].map(({ name }) => name),
    ['c', 'a'],
  );
});

test('a campaign of another workspace is as unknown as one that never was', async () => {
  const { id } = await draft();
  const stranger = await web.newKey();
  const paths = ['', '/status', '/plan', '/checklist', '/audience'].map(
    (path) => `GET /v1/campaigns/%${path}`,
  );
  const verbs = ['pause', 'resume', 'continue', 'revise', 'cancel'].map(
    (verb) => `POST /v1/campaigns/%/${verb}`,
  );
  for (const line of [...paths, ...verbs, 'DELETE /v1/campaigns/%']) {
    const answer = async (campaignId: string) => {
      const { status, json } = await web.ask(line.replace('%', campaignId), {
        key: stranger,
        headers: { 'idempotency-key': newId() },
      });
      return { status, code: json.code, detail: json.detail };
    };
    const answers = [await answer(id), await answer(newId())];
    assert.deepEqual(answers[0], answers[1], line);
    assert.equal(answers[0]?.status, 404, line);
  }
  assert.equal((await ask(`GET /v1/campaigns/${id}`)).json.state, 'draft');
});

test('what was done to a campaign stands in the audit log with who did it', async () => {
  const { id } = await draft();
  await ask(`POST /v1/campaigns/${id}/cancel`);
  const { json } = await ask('GET /v1/audit?limit=2');
  assert.deepEqual(
    json.data.map(({ action, subject, actor }: Record<string, never>) => [action, subject, actor]),
    ['cancelled', 'created'].map((done) => [
      `campaign.${done}`,
      `campaign/${id}`,
      { kind: 'key', id: key.id, person_id: null },
    ]),
  );
});
