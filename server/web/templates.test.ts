import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { upsertContact } from '../audience/contacts.ts';
import { newId } from '../kernel/ids.ts';

let web: TestWeb;
let key: TestKey;

before(async () => {
  web = await TestWeb.start();
  key = await web.newKey();
});

after(() => web.stop());

function ask(line: string, body?: unknown, headers: Record<string, string> = {}) {
  return web.ask(line, { key, headers, ...(body === undefined ? {} : { body }) });
}

const SOURCE = '---\nsubject: For {{ name }}\n---\nHello {{ name }} in {{ city }}.\n';

async function keep(source = SOURCE, name = 'hello.txt') {
  const { status, json, headers } = await ask('POST /v1/templates', { name, source });
  assert.equal(status, 201, JSON.stringify(json));
  return { ...json, etag: headers.get('etag') ?? '' };
}

describe('a template', () => {
  test('is kept, read, changed, listed and thrown away', async () => {
    const first = await keep();
    const second = await keep(
      '<mjml><mj-head><mj-title>Hi</mj-title></mj-head><mj-body></mj-body></mjml>',
      'hi',
    );
    const shown = await ask(`GET /v1/templates/${first.id}`);
    assert.equal(shown.json.source, SOURCE);
    assert.equal(shown.headers.get('etag'), first.etag);
    const source = SOURCE.replace('Hello', 'Good morning');
    const changed = await ask(`PATCH /v1/templates/${first.id}`, { source }, { 'if-match': first.etag });
    assert.deepEqual([changed.status, changed.json.source, changed.json.name], [200, source, 'hello.txt']);
    const page = await ask('GET /v1/templates?limit=1');
    const next = await ask(`GET /v1/templates?limit=1&cursor=${page.json.next_cursor}`);
    assert.deepEqual([page.json.data[0].id, next.json.data[0].id], [second.id, first.id]);
    assert.equal((await ask(`DELETE /v1/templates/${first.id}`)).status, 204);
    assert.equal((await ask(`GET /v1/templates/${first.id}`)).status, 404);
    assert.equal((await ask(`DELETE /v1/templates/${first.id}`)).status, 404);
  });

  test('that two people change at once is changed by one of them', async () => {
    const { id, etag } = await keep();
    const change = (city: string) =>
      ask(`PATCH /v1/templates/${id}`, { source: SOURCE.replace('{{ city }}', city) }, { 'if-match': etag });
    const answers = await Promise.all([change('Bonn'), change('Rome')]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412]);
    assert.equal((await ask(`PATCH /v1/templates/${id}`, { name: 'x' })).status, 428);
  });

  test('that is sent twice with one key is kept once', async () => {
    const headers = { 'idempotency-key': newId() };
    const body = { name: 'once.txt', source: SOURCE };
    const answers = [
      await ask('POST /v1/templates', body, headers),
      await ask('POST /v1/templates', body, headers),
    ];
    assert.equal(answers[0]?.json.id, answers[1]?.json.id);
    assert.equal(answers[1]?.headers.get('etag'), answers[0]?.headers.get('etag'));
  });

  test('that is wrong is not kept, and the line and column are named', async () => {
    const cases: [name: string, source: string, line: number, column: number, said: RegExp][] = [
      ['a.txt', '---\nsubject: Hi\n---\n\nHello {% teleport %}', 5, 7, /teleport/],
      [
        'a.mjml',
        '---\nsubject: Hi\n---\n<mjml><mj-body>\n<mj-text>x</mj-body></mjml>',
        5,
        11,
        /ends the element/,
      ],
      ['a.html', 'no subject', 1, 1, /there is no subject/],
    ];
    for (const [name, source, line, column, said] of cases) {
      const { status, json } = await ask('POST /v1/templates', { name, source });
      assert.equal(status, 422);
      const [{ path, message, ...place }] = json.errors;
      assert.deepEqual({ path, ...place }, { path: '/body/source', line, column });
      assert.match(message, said);
    }
  });

  test('whose loops never end is refused', async () => {
    const source = '---\nsubject: Hi\n---\n{% for i in (1..1000000000) %}x{% endfor %}';
    const { status, json } = await ask('POST /v1/templates', { name: 'loop.txt', source });
    assert.equal(status, 422);
    assert.match(json.detail, /the loops of the template run more than/);
  });

  test('of another workspace is not there, and nor is its preview', async () => {
    const { id, etag } = await keep();
    const stranger = await web.newKey();
    const asStranger = (line: string, body?: unknown) =>
      web.ask(line, {
        key: stranger,
        headers: { 'if-match': etag },
        ...(body === undefined ? {} : { body }),
      });
    const answers = [
      await asStranger(`GET /v1/templates/${id}`),
      await asStranger(`PATCH /v1/templates/${id}`, { name: 'mine' }),
      await asStranger(`DELETE /v1/templates/${id}`),
      await asStranger(`POST /v1/templates/${id}/preview`, {}),
      await asStranger('POST /v1/campaigns', { name: 'x', from: { email: 'a@b.example' }, template_id: id }),
    ];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [404, 404, 404, 404, 422],
    );
    assert.equal((await ask(`GET /v1/templates/${id}`)).json.name, 'hello.txt');
  });
});

describe('a preview', () => {
  test('shows what a contact would read, and fields that are given go before theirs', async () => {
    const { id } = await keep();
    const contact_id = await web.db.database.withWorkspace(key.workspaceId, async (tx) => {
      const person = { email: 'ada@city.example', name: 'Ada Łąka', attributes: { city: 'Köln' } };
      const saved = await upsertContact(tx, key.workspaceId, person);
      assert.ok(saved.kind === 'saved');
      return saved.id;
    });
    const { json } = await ask(`POST /v1/templates/${id}/preview`, { contact_id });
    assert.deepEqual(
      { subject: json.subject, html: json.html, text: json.text },
      { subject: 'For Ada Łąka', html: null, text: 'Hello Ada Łąka in Köln.\n' },
    );
    const given = await ask(`POST /v1/templates/${id}/preview`, { contact_id, fields: { city: 'Bonn' } });
    assert.equal(given.json.text, 'Hello Ada Łąka in Bonn.\n');
    assert.equal((await ask(`POST /v1/templates/${id}/preview`, { contact_id: newId() })).status, 404);
  });

  test('warns of fields that are missing with their line, and of a link for unsubscribing that is not there', async () => {
    const { id } = await keep();
    const { json } = await ask(`POST /v1/templates/${id}/preview`, { fields: { name: 'Ada' } });
    assert.equal(json.text, 'Hello Ada in .\n');
    assert.deepEqual(
      json.warnings.map(({ code, line }: Record<string, unknown>) => [code, line]),
      [
        ['missing-field', 4],
        ['no-unsubscribe-link', null],
      ],
    );
    const whole = await keep(`${SOURCE}{{ unsubscribe_url }}\n`);
    const shown = await ask(`POST /v1/templates/${whole.id}/preview`, {
      fields: { name: 'Ada', city: 'Bonn' },
    });
    assert.deepEqual(shown.json.warnings, []);
  });
});
