import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';

const CSV = { 'content-type': 'text/csv' };
const CHUNK_RECORDS = 10_000;

let web: TestWeb;

before(async () => {
  web = await TestWeb.start();
});

after(() => web.stop());

/** As a client should: comes again when the server has too much to do. */
async function send(key: TestKey, query: string, body: string, headers = {}): Promise<Heard> {
  for (;;) {
    const heard = await web.ask(`POST /v1/imports?${query}`, { key, body, headers: { ...CSV, ...headers } });
    if (heard.status !== 503) return heard;
    await sleep(200);
  }
}

function people(from: number, to: number): string {
  const line = (_: unknown, n: number) => `person${from + n}@acme.example,Person ${from + n}\n`;
  return Array.from({ length: to - from }, line).join('');
}

async function emails(key: TestKey): Promise<number> {
  const [row] = await web.db.database.withWorkspace(key.workspaceId, (tx) =>
    tx.query<{ n: number }>(sql`SELECT count(*)::int AS n FROM contact`),
  );
  return row?.n ?? 0;
}

/** Sends the beginning of a file, waits until its first chunk is merged, and leaves; gives the import as it was then. */
async function leaveMidway(key: TestKey, file: string, share: number): Promise<Heard['json']> {
  const { socket, heard, row } = await stopMidway(key, file, share);
  socket.destroy();
  await heard;
  return row;
}

/** Sends the beginning of a file, and waits until its first chunk is merged: the import, and the client that can go on. */
async function stopMidway(key: TestKey, file: string, share: number, header = '') {
  for (;;) {
    const { socket, heard } = web.connect();
    socket.write(
      `POST /v1/imports?list=News HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: ${key.headers.authorization}\r\ncontent-type: text/csv\r\ncontent-length: ${file.length}\r\n${header}\r\n`,
    );
    socket.write(file.slice(0, Math.floor(file.length * share)));
    let isRefused = false;
    void heard.then(() => {
      isRefused = true;
    });
    while (!isRefused) {
      const [row] = (await web.ask('GET /v1/imports?limit=1', { key })).json.data ?? [];
      if (row?.records_done >= CHUNK_RECORDS) return { socket, heard, row };
      await sleep(20);
    }
  }
}

test('a file becomes contacts of a list, and what was rejected can be fetched, mended and sent again', async () => {
  const key = await web.newKey();
  const file =
    'Mail;Name;Age;VIP\nann@acme.example;Ann;30;true\nnobody;=cmd();1;false\nben@acme.example;Ben;old;true\n';
  const query = 'list=News&map=email=Mail&type=age=number&type=vip=boolean&file_name=people.csv';
  const made = await send(key, query, file);
  assert.equal(made.status, 201, made.bytes.toString());
  const { json } = await web.ask(`GET ${made.headers.get('location')}`, { key });
  assert.deepEqual(json, made.json);
  assert.deepEqual(
    [json.state, json.file_name, json.records_done, json.created, json.rejected, json.bytes_done],
    ['finished', 'people.csv', 3, 1, 2, file.length],
  );
  const rejects = await web.ask(`GET ${made.headers.get('location')}/rejects`, { key });
  assert.match(rejects.headers.get('content-type') ?? '', /^text\/csv/);
  assert.equal(
    rejects.bytes.toString(),
    [
      'line,column,value,reason,Mail,Name,Age,VIP\r\n',
      "3,Mail,nobody,it has no @,nobody,'=cmd(),1,false\r\n",
      '4,Age,old,it is not a number,ben@acme.example,Ben,old,true\r\n',
    ].join(''),
  );
  const contact = (await web.ask('GET /v1/contacts?email=ann@acme.example', { key })).json.data[0];
  assert.deepEqual(contact.attributes, { age: 30, vip: true });
  const [entry] = (await web.ask('GET /v1/audit?limit=1', { key })).json.data;
  assert.deepEqual([entry.action, entry.subject], ['import.started', `import/${json.id}`]);
});

test('a dry run says what would happen, shows the first faults and changes nothing', async () => {
  const key = await web.newKey();
  const { status, json } = await send(key, 'list=News&dry_run=true', `email,name\nbad,X\n${people(0, 30)}`);
  assert.equal(status, 200);
  assert.deepEqual([json.records, json.created, json.rejected], [31, 30, 1]);
  assert.deepEqual(json.first_rejects, [{ line: 2, column: 'email', value: 'bad', reason: 'it has no @' }]);
  for (const path of ['lists', 'contacts', 'imports'])
    assert.deepEqual((await web.ask(`GET /v1/${path}`, { key })).json.data, [], path);
});

test('a client that leaves midway loses nothing that is merged, and goes on with the same file', async () => {
  const key = await web.newKey();
  const file = `email,name\n${people(0, 24_000)}nobody,X\n${people(24_000, 25_000)}`;
  const cut = await leaveMidway(key, file, 0.6);
  assert.deepEqual([cut.state, cut.records_done, cut.bytes_total], ['running', CHUNK_RECORDS, file.length]);
  const made = await sendUntilFree(key, file);
  assert.equal(made.status, 201, made.bytes.toString());
  assert.deepEqual(
    [made.json.id, made.json.records_done, made.json.created, made.json.rejected],
    [cut.id, 25_001, 25_000, 1],
  );
  assert.equal(await emails(key), 25_000);
});

/** The server may still be merging what it had when the client left. */
async function sendUntilFree(key: TestKey, file: string): Promise<Heard> {
  for (;;) {
    const made = await send(key, 'list=News', file);
    if (!/Another process/.test(made.json.detail ?? '')) return made;
    await sleep(50);
  }
}

test('another file that only begins like an interrupted one skips nobody', async () => {
  const key = await web.newKey();
  // The beginning is the same, and so is the length.
  const padding = 'x'.repeat(150);
  const row = (n: number, mark: string) => `p${String(n).padStart(5, '0')}${mark}@acme.example,${padding}\n`;
  const rows = (mark: string) =>
    Array.from({ length: 15_000 }, (_, n) => row(n, n < 8_000 ? 'a' : mark)).join('');
  const [first, second] = [`email,note\n${rows('a')}`, `email,note\n${rows('b')}`];
  const cut = await leaveMidway(key, first, 0.9);
  const early = await send(key, 'list=News', second);
  assert.deepEqual(
    [early.status, early.json.code, early.headers.get('retry-after')],
    [409, 'conflict', '10'],
  );
  assert.match(early.json.detail, /begins like this one, or was interrupted a moment ago/);
  assert.equal((await web.ask(`GET /v1/imports/${cut.id}`, { key })).json.state, 'running');
  await web.db.database.withWorkspace(key.workspaceId, (tx) =>
    tx.query(sql`UPDATE import SET progressed_at = progressed_at - interval '1 minute'`),
  );
  const refused = await send(key, 'list=News', second);
  assert.deepEqual([refused.status, refused.json.code], [422, 'refused']);
  assert.match(refused.json.detail, /begins like .* 10000 records/);
  const again = await send(key, 'list=News', second);
  assert.deepEqual([again.status, again.json.records_done], [201, 15_000]);
  assert.equal(await emails(key), 17_000);
});

test('whoever sends a file that is being imported is told to come again, and can, with the same key', async () => {
  const key = await web.newKey();
  const file = `email,name\n${people(0, 25_000)}`;
  const idempotencyKey = newId();
  const { socket, heard } = await stopMidway(key, file, 0.6, `idempotency-key: ${idempotencyKey}\r\n`);
  assert.equal((await send(key, 'list=News', file)).status, 201);
  socket.write(file.slice(Math.floor(file.length * 0.6)));
  assert.match(await heard, /^HTTP\/1\.1 409 [\s\S]*retry-after: 10\r\n[\s\S]*Another process is importing/i);
  const again = await send(key, 'list=News', file, { 'idempotency-key': idempotencyKey });
  assert.deepEqual([again.status, again.json.unchanged], [201, 25_000]);
});

test('an import whose list is deleted meanwhile says so', async () => {
  const key = await web.newKey();
  const file = `email,name\n${people(0, 25_000)}`;
  const { socket, heard, row } = await stopMidway(key, file, 0.6);
  assert.equal((await web.ask(`DELETE /v1/lists/${row.list_id}`, { key })).status, 204);
  socket.write(file.slice(Math.floor(file.length * 0.6)));
  assert.match(await heard, /^HTTP\/1\.1 422 [\s\S]*The import has ended: Its list was deleted\./);
});

test('the same key twice imports once, and answers the same', async () => {
  const key = await web.newKey();
  const headers = { 'idempotency-key': newId() };
  const [first, second] = [
    await send(key, 'list=News', `email\n${people(0, 3)}`, headers),
    await send(key, 'list=News', `email\n${people(0, 3)}`, headers),
  ];
  assert.deepEqual(second.json, first.json);
  assert.equal(second.headers.get('idempotent-replayed'), 'true');
  assert.equal((await web.ask('GET /v1/imports', { key })).json.data.length, 1);
});

test('of a file of faults the first ten thousand are kept, each within bounds', async () => {
  const key = await web.newKey();
  const long = 'y'.repeat(5_000);
  const bad = Array.from({ length: 10_500 }, (_, n) => `${n},"a\0b"\n`).join('');
  const made = await send(key, 'list=News', `email,note\nbad,${long}\n${bad}`);
  assert.deepEqual([made.status, made.json.rejected], [201, 10_501]);
  const rejects = await web.ask(`GET /v1/imports/${made.json.id}/rejects`, { key });
  const [head, first, second, ...rest] = rejects.bytes.toString().trimEnd().split('\r\n');
  assert.deepEqual([head, first], ['line,column,value,reason,email,note', '2,email,bad,it has no @']);
  assert.match(second ?? '', /^3,note,ab,it holds a NUL character,0,ab$/);
  assert.equal(rest.length, 9_998);
});

test('a file that is none, or of which nobody says where it goes, is refused in a sentence', async () => {
  const key = await web.newKey();
  const other = await web.newKey();
  const theirs = (await web.ask('POST /v1/lists', { key: other, body: { name: 'T' } })).json.id;
  const file = 'email\nann@acme.example\n';
  const cases: [string, string, number, RegExp][] = [
    ['', file, 400, /list_id: say which list/],
    [`list=News&list_id=${newId()}`, file, 400, /give one/],
    [`list_id=${newId()}`, file, 404, /no list/],
    [`list_id=${theirs}`, file, 404, /no list/],
    ['list=News&type=age=date', file, 400, /text, number, boolean/],
    ['list=News&map=email=A&map=email=B', file, 400, /second time/],
    ['list=News&map=email', file, 400, /map/],
    ['list=News', '', 422, /empty/],
    ['list=News', 'name\nAnn\n', 422, /No column is called email/],
    ['list=News&map=email=Mail', file, 422, /no column "Mail"/],
    ['list=News', 'PK\u0003\u0004zip', 422, /spreadsheet/],
    ['list=News', `email\n${'x'.repeat(2_000_000)}`, 422, /longer than 1 MB/],
  ];
  for (const [query, body, status, detail] of cases) {
    const heard = await send(key, query, body);
    assert.equal(heard.status, status, `${query} ${body.slice(0, 20)}`);
    assert.match(heard.json.detail, detail);
  }
  const json = await web.ask('POST /v1/imports?list=News', { key, body: { email: 'x' } });
  assert.equal(json.status, 415);
  for (const path of ['', '/rejects'])
    assert.equal((await web.ask(`GET /v1/imports/${newId()}${path}`, { key })).status, 404);
});

test('nobody who left the list comes back by an upload, and a deleted list ends its import', async () => {
  const key = await web.newKey();
  const made = await send(key, 'list=News', 'email\nann@acme.example\nben@acme.example\n');
  const listId = made.json.list_id;
  const [ben] = (await web.ask('GET /v1/contacts?email=ben@acme.example', { key })).json.data;
  const body = { list_id: listId, act: 'unsubscribe' };
  await web.ask(`POST /v1/contacts/${ben.id}/subscriptions`, { key, body });
  const again = await send(key, `list_id=${listId}`, 'email\nann@acme.example\nben@acme.example\n');
  assert.equal(again.json.kept_unsubscribed, 1);
  await web.db.database.withWorkspace(key.workspaceId, (tx) =>
    tx.query(sql`UPDATE import SET state = 'running', finished_at = NULL WHERE id = ${again.json.id}`),
  );
  await web.ask(`DELETE /v1/lists/${listId}`, { key });
  const { json } = await web.ask(`GET /v1/imports/${again.json.id}`, { key });
  assert.deepEqual([json.state, json.error], ['failed', 'Its list was deleted.']);
});
