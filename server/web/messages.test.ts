import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { startTestSink, startTestWorker, until } from '../../test/support/campaign.ts';
import type { Sink } from '../../test/support/sink.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { newId } from '../kernel/ids.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import { messageIdOf } from '../queue/message-ids.ts';

const MAIL = {
  from: { email: 'shop@acme.example', name: 'Shop' },
  to: { email: 'ann@city.example', name: 'Ann' },
  subject: 'Your receipt',
  text: 'Thank you.',
};

const TEMPLATE = '---\nsubject: "{{ name }}, your code"\n---\nIt is {{ code }}.\n';

let web: TestWeb;
let sink: Sink;
let key: TestKey;

before(async () => {
  web = await TestWeb.start();
  sink = await startTestSink();
});
after(async () => {
  await sink.stop();
  await web.stop();
});
beforeEach(async () => {
  key = await web.newKey();
});

function post(path: string, body: unknown, idempotencyKey: string = randomUUID()): Promise<Heard> {
  return web.ask(`POST ${path}`, { key, body, headers: { 'idempotency-key': idempotencyKey } });
}

async function get(path: string) {
  return (await web.ask(`GET ${path}`, { key })).json;
}

function rows<Row>(statement: Sql): Promise<Row[]> {
  return web.db.database.withWorkspace(key.workspaceId, (tx) => tx.query<Row>(statement));
}

async function queued(): Promise<number> {
  const [row] = await rows<{ n: number }>(sql`SELECT count(*)::integer AS n FROM message`);
  return row?.n ?? 0;
}

function suppress(email: string, reason = 'hard_bounce'): Promise<unknown> {
  return rows(
    sql`INSERT INTO suppression (workspace_id, email, reason) VALUES (${key.workspaceId}, ${email}, ${reason})`,
  );
}

test('a shop sends a receipt with its PDF, and sees that it was taken and what the mail server said', async () => {
  const pdf = Buffer.from('%PDF-1.7 \x00\xff', 'latin1');
  const attachments = [
    { filename: 'receipt.pdf', content_type: 'application/pdf', content: pdf.toString('base64') },
  ];
  const sent = await post('/v1/messages', { ...MAIL, to: { email: ' Ann@City.example ' }, attachments });
  assert.equal(sent.status, 201);
  assert.deepEqual(sent.json, { id: sent.json.id, to: 'ann@city.example', state: 'queued' });
  assert.equal(sent.headers.get('location'), `/v1/messages/${sent.json.id}`);
  const worker = startTestWorker(web.db.url, sink.smtpUrl);
  try {
    await until(
      async () => (await get(`/v1/messages/${sent.json.id}`)).state === 'accepted',
      'it is accepted',
    );
  } finally {
    await worker.drain();
  }
  const told = await get(`/v1/messages/${sent.json.id}`);
  assert.partialDeepStrictEqual(told, {
    kind: 'transactional',
    campaign_id: null,
    from: 'shop@acme.example',
    subject: 'Your receipt',
    queued_by: `key ${key.id}`,
    next_try_at: null,
    state_in_words: 'The recipient’s mail server took it.',
  });
  assert.deepEqual(
    told.events.map(({ kind, attempt }: { kind: string; attempt: number }) => [kind, attempt]),
    [['accepted', 1]],
  );
  assert.match(told.events[0].reply, /^250/);
});

test('the same request under its key is one message, however often and however many at once', async () => {
  const idempotencyKey = randomUUID();
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => post('/v1/messages', MAIL, idempotencyKey)),
  );
  const first = answers.find(({ status }) => status === 201);
  assert.ok(first);
  for (const { status, bytes, json } of answers)
    if (status === 201) assert.deepEqual(bytes, first.bytes);
    else assert.equal(json.code, 'idempotency-key-in-use');
  const again = await post('/v1/messages', MAIL, idempotencyKey);
  assert.deepEqual([again.status, again.bytes], [201, first.bytes]);
  assert.equal(again.headers.get('idempotent-replayed'), 'true');
  assert.equal(await queued(), 1);
  const other = await post('/v1/messages', { ...MAIL, subject: 'Another' }, idempotencyKey);
  assert.equal(other.json.code, 'idempotency-key-reused');
});

test('many at once are as many messages, each answered for itself; one that is refused fails no other', async () => {
  await suppress('gone@city.example');
  const wishes = Array.from({ length: 60 }, (_, i) => {
    if (i % 3 === 0) return { ...MAIL, to: { email: 'gone@city.example' } };
    return { ...MAIL, to: { email: i % 3 === 1 ? 'nobody' : `p${i}@city.example` } };
  });
  const keys = wishes.map(() => randomUUID());
  const send = () => Promise.all(wishes.map((wish, i) => post('/v1/messages', wish, keys[i])));
  const answers = await send();
  assert.deepEqual(
    answers.map(({ status }) => status),
    wishes.map((_, i) => [422, 400, 201][i % 3]),
  );
  assert.equal(await queued(), 20);
  const again = await send();
  again.forEach(({ bytes, headers }, i) => {
    // What was wrong in itself leaves its key free.
    if (i % 3 === 1) return;
    assert.deepEqual(bytes, answers[i]?.bytes);
    assert.equal(headers.get('idempotent-replayed'), 'true');
  });
  assert.equal(await queued(), 20);
});

test('a recipient on the suppression list is named with the reason', async () => {
  await suppress('gone@city.example');
  const heard = await post('/v1/messages', { ...MAIL, to: { email: 'GONE@city.example' } });
  assert.deepEqual([heard.status, heard.json.code], [422, 'recipient-suppressed']);
  assert.match(heard.json.detail, /^gone@city\.example is on the suppression list: its mail server said/);
  assert.equal(await queued(), 0);
});

test('what cannot be a mail is refused where it is wrong', async () => {
  const wrong: [object, string][] = [
    [{ ...MAIL, to: { email: 'ann at city' } }, '/body/to/email'],
    [{ ...MAIL, reply_to: 'help' }, '/body/reply_to'],
    [{ ...MAIL, subject: 'a\nb' }, '/body/subject'],
    [{ ...MAIL, text: undefined }, '/body'],
    [
      { ...MAIL, attachments: [{ filename: 'a', content_type: 'a/b', content: '***' }] },
      '/body/attachments/0/content',
    ],
    [
      { ...MAIL, attachments: [{ filename: 'a', content_type: 'pdf', content: 'AAAA' }] },
      '/body/attachments/0/content_type',
    ],
  ];
  for (const [mail, path] of wrong) {
    const { status, json } = await post('/v1/messages', mail);
    assert.deepEqual([status, json.code, json.errors?.[0].path], [400, 'invalid-request', path]);
  }
  const none = await web.ask('POST /v1/messages', { key, body: MAIL });
  assert.equal(none.json.code, 'idempotency-key-missing');
});

test('a batch answers each message in its place, and one bad message keeps all of them back', async () => {
  await suppress('gone@city.example', 'complaint');
  const to = (email: string) => ({ ...MAIL, to: { email } });
  const good = [to('a@city.example'), to('gone@city.example'), to('b@city.example')];
  const bad = await post('/v1/messages/batch', { messages: [...good, to('nobody')] });
  assert.deepEqual([bad.status, bad.json.errors[0].path], [400, '/body/messages/3/to/email']);
  assert.equal(await queued(), 0);
  const { status, json } = await post('/v1/messages/batch', { messages: good });
  assert.equal(status, 201);
  assert.deepEqual(
    json.data.map((one: { to: string; state: string; id: string | null }) => [
      one.to,
      one.state,
      one.id !== null,
    ]),
    [
      ['a@city.example', 'queued', true],
      ['gone@city.example', 'suppressed', false],
      ['b@city.example', 'queued', true],
    ],
  );
  assert.equal((await get(`/v1/messages/${json.data[2].id}`)).to, 'b@city.example');
  const many = Array.from({ length: 501 }, () => to('a@city.example'));
  assert.equal((await post('/v1/messages/batch', { messages: many })).status, 400);
});

test('a message is made from a template with its fields, and once', async () => {
  const kept = await post('/v1/templates', { name: 'code.txt', source: TEMPLATE });
  const { text: _text, subject: _subject, ...envelope } = MAIL;
  const wish = { ...envelope, template_id: kept.json.id, fields: { code: '12-34' } };
  const idempotencyKey = randomUUID();
  const sent = await post('/v1/messages/from-template', wish, idempotencyKey);
  assert.deepEqual([sent.status, sent.json.state], [201, 'queued']);
  const again = await post('/v1/messages/from-template', wish, idempotencyKey);
  assert.deepEqual(again.bytes, sent.bytes);
  const [row] = await rows<{ body: { subject: string; text: string } }>(
    sql`SELECT body FROM transactional_message`,
  );
  assert.deepEqual([row?.body.subject, row?.body.text.trim()], ['Ann, your code', 'It is 12-34.']);
  const lacking = await post('/v1/messages/from-template', { ...wish, fields: {} });
  assert.deepEqual([lacking.status, lacking.json.errors[0].path], [400, '/body/fields/code']);
  const unknown = await post('/v1/messages/from-template', { ...wish, template_id: newId() });
  assert.equal(unknown.json.code, 'not-found');
  await suppress('ann@city.example');
  assert.equal((await post('/v1/messages/from-template', wish)).json.code, 'recipient-suppressed');
  assert.equal(await queued(), 1);
});

test('messages are found by recipient, state, campaign and time, a page at a time', async () => {
  const emails = ['ann@city.example', 'bob@city.example', 'ann@city.example', 'cleo@city.example'];
  const ids: string[] = [];
  for (const email of emails) ids.push((await post('/v1/messages', { ...MAIL, to: { email } })).json.id);
  const campaign = await campaignTo('ann@city.example');
  const [, bob = ''] = ids;
  assert.equal((await post(`/v1/messages/${bob}/cancel`, undefined)).status, 200);
  const found = async (query: string) => {
    const { data } = await get(`/v1/messages?${query}`);
    return data.map(({ id }: { id: string }) => id);
  };
  const newestFirst = [campaign.messageId, ...ids.toReversed()];
  assert.deepEqual(await pagesOf('limit=2'), newestFirst);
  assert.deepEqual(await pagesOf('limit=1&to=ANN@city.example'), [campaign.messageId, ids[2], ids[0]]);
  assert.deepEqual(await found('state=cancelled'), [bob]);
  assert.deepEqual(await found('state=rejected'), [campaign.messageId]);
  assert.deepEqual(await found(`state=rejected&until=${new Date(Date.now() - 60_000).toISOString()}`), []);
  assert.deepEqual(await found('to=ann@city.example&state=queued'), [ids[2], ids[0]]);
  assert.deepEqual(await found(`campaign_id=${campaign.id}`), [campaign.messageId]);
  const later = new Date(Date.now() + 60_000).toISOString();
  assert.deepEqual(await found(`from=${later}`), []);
  assert.deepEqual(await found(`to=ann@city.example&until=${new Date(0).toISOString()}`), []);
  assert.equal((await web.ask('GET /v1/messages?to=nobody', { key })).status, 400);
  assert.equal((await web.ask('GET /v1/messages?cursor=abc', { key })).status, 400);
});

async function pagesOf(query: string): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await get(`/v1/messages?${query}${cursor && `&cursor=${cursor}`}`);
    found.push(...page.data.map(({ id }: { id: string }) => id));
    cursor = page.next_cursor;
  }
  return found;
}

/** A campaign that is sending, whose one message was refused. */
async function campaignTo(email: string, state = 'rejected'): Promise<{ id: string; messageId: string }> {
  const [id, contactId] = [newId(), newId()];
  const { workspaceId } = key;
  await rows(
    sql`INSERT INTO contact (workspace_id, id, email) VALUES (${workspaceId}, ${contactId}, ${email})`,
  );
  await rows(sql`
    INSERT INTO campaign (workspace_id, id, name, state, list_ids, from_email, template_name, template_body)
    VALUES (${workspaceId}, ${id}, 'c', 'sending', '{}', 'news@acme.example', 'a.txt', 't')`);
  await rows(sql`
    INSERT INTO lane (workspace_id, queue, key, number, open) VALUES (${workspaceId}, 'message', ${id}, 0, true)`);
  await rows(sql`
    INSERT INTO message (workspace_id, campaign_id, contact_id, lane, state, email, attempt)
    VALUES (${workspaceId}, ${id}, ${contactId}, 0, ${state}, ${email}, 1)`);
  await rows(sql`
    INSERT INTO event (workspace_id, campaign_id, contact_id, kind, attempt, detail)
    VALUES (${workspaceId}, ${id}, ${contactId}, ${state}, 1, '550 5.1.1 nobody here')`);
  return { id, messageId: messageIdOf({ campaignId: id, contactId }) };
}

test('a message that waits is called back, once; the counters and the audit log know', async () => {
  const { id } = (await post('/v1/messages', MAIL)).json;
  const cancelled = await post(`/v1/messages/${id}/cancel`, undefined);
  assert.deepEqual([cancelled.status, cancelled.json.state], [200, 'cancelled']);
  const again = await post(`/v1/messages/${id}/cancel`, undefined);
  assert.deepEqual([again.status, again.json.code], [409, 'conflict']);
  assert.match(again.json.detail, /^It was called back before it was sent\./);
  assert.deepEqual(await counts(), { cancelled: 1 });
  const { data } = await get('/v1/audit');
  assert.partialDeepStrictEqual(data[0], { action: 'message.cancelled', subject: `message/${id}` });
  assert.equal((await get(`/v1/messages/${id}`)).events[0].kind, 'cancelled');
});

async function counts(): Promise<Record<string, number>> {
  const found = await rows<{ state: string; n: number }>(
    sql`SELECT state, sum(n)::integer AS n FROM campaign_count GROUP BY state HAVING sum(n) <> 0`,
  );
  return Object.fromEntries(found.map(({ state, n }) => [state, n]));
}

test('a message that may have arrived is sent again only for who accepts two of it', async () => {
  const { messageId } = await campaignTo('ann@city.example', 'uncertain');
  const refused = await post(`/v1/messages/${messageId}/retry`, {});
  assert.deepEqual([refused.status, refused.json.code], [409, 'conflict']);
  assert.match(refused.json.detail, /may have arrived.*accept_duplicate/);
  assert.equal((await get(`/v1/messages/${messageId}`)).state, 'uncertain');
  const retried = await post(`/v1/messages/${messageId}/retry`, { accept_duplicate: true });
  assert.deepEqual([retried.status, retried.json.state], [200, 'queued']);
  assert.ok(retried.json.next_try_at);
  assert.deepEqual(await counts(), { uncertain: -1, queued: 1 });
  const [lane] = await rows<{ due: boolean }>(sql`SELECT next_due_at <= now() AS due FROM lane`);
  assert.equal(lane?.due, true);
});

test('a message that was put off is tried at once; one on the wire, or of a campaign that is over, is not', async () => {
  const { id, messageId } = await campaignTo('ann@city.example');
  const set = (change: Sql) => rows(sql`UPDATE message SET ${change}`);
  const retry = () => post(`/v1/messages/${messageId}/retry`, { accept_duplicate: true });
  assert.equal((await retry()).status, 409);
  await set(sql`state = 'deferred', due_at = now() + interval '4 h', deferrals = 1`);
  const retried = await retry();
  assert.equal(retried.json.state, 'deferred');
  assert.ok(new Date(retried.json.next_try_at).getTime() <= Date.now() + 1_000);
  await set(sql`state = 'committing', due_at = NULL, worker_id = ${newId()}`);
  for (const heard of [await retry(), await post(`/v1/messages/${messageId}/cancel`, undefined)])
    assert.match(heard.json.detail, /^It is being handed over at this moment\./);
  await set(sql`state = 'uncertain', worker_id = NULL`);
  await rows(sql`UPDATE campaign SET state = 'finished' WHERE id = ${id}`);
  assert.match((await retry()).json.detail, /Its campaign is finished/);
});

test('another workspace’s message is as unknown as none', async () => {
  const { id } = (await post('/v1/messages', MAIL)).json;
  const { workspaceId } = key;
  key = await web.newKey();
  for (const unknown of [id, messageIdOf({ campaignId: newId(), contactId: newId() })]) {
    assert.equal((await web.ask(`GET /v1/messages/${unknown}`, { key })).json.code, 'not-found');
    assert.equal((await post(`/v1/messages/${unknown}/cancel`, undefined)).json.code, 'not-found');
    assert.equal((await post(`/v1/messages/${unknown}/retry`, {})).json.code, 'not-found');
  }
  assert.deepEqual((await get('/v1/messages')).data, []);
  key = await web.newKey('owner', workspaceId);
  assert.equal((await get(`/v1/messages/${id}`)).state, 'queued');
});

test('who may only read may not send', async () => {
  key = await web.newKey('analyst');
  assert.equal((await post('/v1/messages', MAIL)).json.code, 'missing-scope');
  assert.equal((await web.ask('GET /v1/messages', { key })).status, 200);
});
