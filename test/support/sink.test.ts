import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { Scope } from '../../server/kernel/scope.ts';
import { openConnection, type SmtpConnection } from '../../server/smtp/connection.ts';
import type { SendResult } from '../../server/smtp/transaction.ts';
import { parseSmtpUrl } from '../../server/smtp/url.ts';
import { type Sink, startSink } from './sink.ts';

let folder: string;
let sink: Sink;
let scope: Scope;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'camp-sink-'));
});
beforeEach(async () => {
  scope = Scope.root('sink test');
  sink = await startSink(folder);
});
afterEach(async () => {
  scope.cancel();
  await sink.stop();
  await rm(join(folder, 'sink.log'));
});
after(() => rm(folder, { recursive: true }));

test('a message is on the disk, with its recipient, campaign and Message-ID, when its 250 arrives', async () => {
  const result = await send(await connection(), 'ada@crash.example');
  assert.equal(result.kind, 'accepted');
  const [record] = await sink.records();
  assert.partialDeepStrictEqual(record, {
    recipient: 'ada@crash.example',
    subject: 'Spring',
    messageId: '<ada@crash.example>',
  });
});

test('a second message of the same campaign to the same recipient is a duplicate, of another campaign it is not', async () => {
  const relay = await connection();
  await send(relay, 'ada@crash.example', 'Spring');
  await send(relay, 'ada@crash.example', 'Summer');
  assert.equal((await sink.report()).duplicates, 0);
  await send(relay, 'ada@crash.example', 'Spring');
  assert.equal((await sink.report()).duplicates, 1);
});

test('a held reply comes when it is let go, and the message was recorded before', async () => {
  await sink.behave({ repliesMax: 0 });
  const result = send(await connection(), 'ada@crash.example');
  await sink.accepted(1);
  assert.equal(await Promise.race([result, 'nothing yet']), 'nothing yet');
  await sink.behave({ repliesMax: 1 });
  assert.equal((await result).kind, 'accepted');
});

test('a cut before the dot records nothing, a cut after the dot records the message', async () => {
  await sink.behave({ cutBeforeDot: 1 });
  assert.partialDeepStrictEqual(await send(await connection(), 'a@crash.example'), {
    kind: 'lost',
    dotSent: false,
  });
  await sink.behave({ cutBeforeDot: 0, cutAfterDot: 1 });
  assert.partialDeepStrictEqual(await send(await connection(), 'b@crash.example'), {
    kind: 'lost',
    dotSent: true,
  });
  const recipients = (await sink.records()).map((record) => record.recipient);
  assert.deepEqual(recipients, ['b@crash.example']);
});

test('a refusal at the dot records nothing and keeps the connection', async () => {
  const relay = await connection();
  await sink.behave({ refuseAtDot: 1 });
  assert.partialDeepStrictEqual(await send(relay, 'a@crash.example'), { kind: 'refused', phase: 'dot' });
  await sink.behave({ refuseAtDot: 0 });
  assert.equal((await send(relay, 'a@crash.example')).kind, 'accepted');
  assert.equal((await sink.records()).length, 1);
});

test('a sink that refuses resets open connections, takes no new ones, and is back on the same port', async () => {
  const relay = await connection();
  const closed = new Promise((resolve) => relay.onClose(resolve));
  await sink.behave({ door: 'refuse' });
  await closed;
  assert.match((await open()).kind, /failed/);
  await sink.behave({ door: 'open' });
  assert.equal((await send(await connection(), 'ada@crash.example')).kind, 'accepted');
});

test('a silent sink takes connections and says nothing, and resets them when it is over', async () => {
  const before = await connection();
  await sink.behave({ door: 'silent' });
  const stuck = send(before, 'ada@crash.example');
  const greeting = open(200);
  assert.partialDeepStrictEqual(await greeting, { kind: 'failed', phase: 'greeting' });
  await sink.behave({ door: 'open' });
  assert.equal((await stuck).kind, 'lost');
  assert.deepEqual(await sink.records(), []);
  assert.equal((await sink.report()).connections, 2);
});

test('a busy sink says 421 to whoever comes and to whoever is there, and records nothing', async () => {
  const relay = await connection();
  await sink.behave({ door: 'busy' });
  const there = await send(relay, 'ada@crash.example');
  assert.equal(there.kind === 'lost' && there.reply?.code, 421);
  assert.partialDeepStrictEqual(await open(), { kind: 'failed', reply: { code: 421 } });
  assert.deepEqual(await sink.records(), []);
});

function open(greetingMs = 5_000) {
  const relay = parseSmtpUrl(sink.smtpUrl);
  return openConnection(scope, { ...relay, heloName: 'test.example', timeouts: { greeting: greetingMs } });
}

async function connection(): Promise<SmtpConnection> {
  const opened = await open();
  if (opened.kind !== 'open') throw new Error(JSON.stringify(opened));
  return opened.connection;
}

function send(relay: SmtpConnection, to: string, subject = 'Spring'): Promise<SendResult> {
  const data = `Message-ID: <${to}>\r\nSubject: ${subject}\r\n\r\n.hello\r\n`;
  return relay.send({ from: 'camp@crash.example', to, data }, async () => true);
}
