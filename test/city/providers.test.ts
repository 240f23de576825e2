import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { createTransport } from 'nodemailer';
import { type City, startCity } from './city.ts';
import type { MessageRecord } from './ledger.ts';
import type { ProviderReport } from './provider.ts';
import { PROVIDERS, providerSpec } from './providers.ts';
import { RawClient, saying } from './raw-client.ts';
import { FATES, type Fate, type Manner, type ProviderSpec, REFUSED_WORD } from './spec.ts';
import { ODD_DOMAINS } from './zone.ts';

const SPEED = 100;
const TEMPORARY = { mailboxFull: 2, overRate: 1 } as const;

/** A harbour of another name whose recipients meet nothing but these cuts. */
const cutting = (name: string, cuts: Manner['cuts']): ProviderSpec => ({
  ...providerSpec('google'),
  name,
  domains: [{ domain: `${name}.example`, mx: [[10, `mx.${name}.example`]] }],
  limits: { ...providerSpec('google').limits, connections: 100 },
  manner: { ...providerSpec('google').manner, shares: {}, cuts },
});
/** Recipients meet what their names say and nothing else, and greylisting can be asked as often as a test likes. */
const calm = (spec: ProviderSpec): ProviderSpec => ({
  ...spec,
  limits: { ...spec.limits, messagesPerSecond: null, messagesPerConnection: 10_000 },
  manner: { ...spec.manner, shares: {} },
});
const specs = [
  ...PROVIDERS.map(calm).map((spec) =>
    // Slow enough to be seen at this speed.
    spec.name === 'tarpit' ? { ...spec, manner: { ...spec.manner, byteMs: 5 * SPEED } } : spec,
  ),
  cutting('cut-data', { data: 1 }),
  cutting('cut-reply', { reply: 1 }),
  cutting('cut-starttls', { starttls: 1 }),
  { ...cutting('small', {}), keywords: ['PIPELINING', 'SIZE 100', '8BITMIME'] },
];
const ordinary = PROVIDERS.filter(({ weight }) => weight > 1);

let folder: string;
let city: City;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'camp-city-providers-'));
  city = await startCity({ dir: folder, providers: specs, speed: SPEED });
});
after(async () => {
  await city.stop();
  await rm(folder, { recursive: true });
});

for (const spec of ordinary) {
  test(`${spec.name} introduces itself as it does, and offers what it does`, async () => {
    const client = new RawClient(to(spec.name));
    assert.match(await client.reply(), saying(`220 {host} ${spec.banner}`));
    const [hello, ...offers] = (await client.command('EHLO client.example')).split('\n');
    assert.equal(hello, `250 ${spec.host} at your service, [127.0.0.1]`);
    assert.deepEqual(offers, spec.keywords);
    await client.quit();
  });

  test(`${spec.name} accepts, refuses and defers in its own words`, async () => {
    const domain = domainOf(spec.name);
    const client = await RawClient.open(to(spec.name));
    const before = await reportOf(spec.name);
    if (spec.greylistMs === 0)
      assert.match(await client.send(`well@${domain}`, mail('<1@x>')), saying(spec.texts.accepted));
    for (const fate of Object.keys(FATES) as Fate[])
      assert.match(await client.send(`${FATES[fate].prefix}x@${domain}`), saying(spec.texts[fate]), fate);
    await client.quit();
    const { accepted, rejected, deferred } = await reportOf(spec.name);
    assert.deepEqual(
      [accepted - before.accepted, rejected - before.rejected, deferred - before.deferred],
      [spec.greylistMs === 0 ? 1 : 0, 2, 2],
    );
  });
}

test('Yahoo knows at the end of the message who does not exist, others at RCPT', async () => {
  for (const [name, at] of [
    ['yahoo', 'dot'],
    ['google', 'rcpt'],
  ] as const) {
    const client = await RawClient.open(to(name));
    await client.command('MAIL FROM:<camp@sender.example>');
    const reply = await client.command(`RCPT TO:<nobody-here@${domainOf(name)}>`);
    assert.equal(reply.startsWith('250') ? 'dot' : 'rcpt', at);
    await client.quit();
  }
});

test('a full mailbox takes the message at the third attempt, a busy one at the second', async () => {
  for (const [fate, times] of Object.entries(TEMPORARY)) {
    const client = await RawClient.open(to('google'));
    const recipient = `${FATES[fate as Fate].prefix}later@gmail.example`;
    const codes: string[] = [];
    while (codes.length <= times) codes.push((await client.send(recipient)).slice(0, 1));
    assert.deepEqual(codes, [...Array(times).fill('4'), '2']);
    await client.quit();
  }
});

test('a message with the refused word is refused for its content', async () => {
  const client = await RawClient.open(to('outlook'));
  const reply = await client.send('well@outlook.example', `Subject: x\r\n\r\n${REFUSED_WORD}\r\n`);
  assert.equal(reply, providerSpec('outlook').texts.content);
  await client.quit();
});

test('greylisting: the first try is told when to come back, then it passes, and another sender begins anew', async () => {
  const client = await RawClient.open(to('exchange'));
  const rcpt = async (sender: string) => {
    await client.command('RSET');
    await client.command(`MAIL FROM:<${sender}>`);
    return client.command('RCPT TO:<ann@corp-exchange.example>');
  };
  const first = await rcpt('a@sender.example');
  assert.equal(first, '451 4.7.1 Greylisting in action, please come back in 00:00:01');
  let again = first;
  while (again === first) again = await rcpt('a@sender.example');
  assert.match(again, /^250/);
  assert.match(await rcpt('b@sender.example'), /^451/);
  await client.quit();
});

test('the tarpit speaks one byte at a time', async () => {
  const client = new RawClient(to('tarpit'));
  assert.match(await client.reply(), /^220 mx\.tarpit\.example /);
  assert.ok(client.chunks.length > 5, `${client.chunks.length} pieces`);
  await client.quit();
});

test('the black hole takes connections and never says a word; when it is well again, it resets them', async () => {
  const client = new RawClient(to('black-hole'));
  client.say('EHLO client.example\r\nMAIL FROM:<camp@sender.example>\r\n');
  while ((await reportOf('black-hole')).connections_open === 0);
  await city.control('black-hole', { door: 'open' });
  await client.closed;
  assert.deepEqual(client.chunks, []);
  assert.equal((await reportOf('black-hole')).connections_max, 1);
  assert.match(await new RawClient(to('black-hole')).reply(), /^220/);
});

test('of messages cut after the dot some were accepted and some not; the ledger says which, and the client cannot know', async () => {
  await city.control('cut-after-dot', { cuts: { dot: 1 } });
  for (let at = 0; at < 12; at += 1) {
    const client = await RawClient.open(to('cut-after-dot'));
    assert.equal(await client.send(`c${at}@cut-after-dot.example`), '');
    client.socket.end();
  }
  const records = (await recordsOf('cut-after-dot')).filter(({ recipient }) => recipient.startsWith('c'));
  assert.deepEqual(new Set(records.map(({ answered }) => answered)), new Set([false]));
  const kept = records.filter(({ accepted }) => accepted).length;
  assert.ok(kept > 0 && kept < 12, `${kept} of 12`);
  const { accepted, uncertain } = await reportOf('cut-after-dot');
  assert.deepEqual([accepted, uncertain], [0, 12]);
  const counts = await city.acceptedOf();
  assert.equal([...counts.keys()].filter((recipient) => /^c\d+@cut-after/.test(recipient)).length, kept);
});

test('a connection can be cut instead of 354, behind the answer, and instead of the TLS handshake', async () => {
  const data = await RawClient.open(to('cut-data'));
  assert.equal(await data.send('x@cut-data.example'), '');
  assert.deepEqual(await recordsOf('cut-data'), []);
  data.socket.end();
  const again = await RawClient.open(to('cut-data'));
  assert.match(await again.send('x@cut-data.example'), /^250/, 'at the second attempt it is not cut');
  const reply = await RawClient.open(to('cut-reply'));
  assert.match(await reply.send('x@cut-reply.example'), /^250/);
  assert.equal(await reply.reply(), '');
  assert.partialDeepStrictEqual(await recordsOf('cut-reply'), [{ accepted: true, answered: true }]);
  const starttls = await RawClient.open(to('cut-starttls'));
  assert.match(await starttls.command('STARTTLS'), /^220/);
  assert.equal(await starttls.reply(), '');
  for (const client of [again, reply, starttls]) client.socket.destroy();
});

test('the slow one answers late; who goes away before leaves a message that was accepted all the same', async () => {
  const client = await RawClient.open(to('slow-answer'));
  const askedMs = performance.now();
  assert.match(await client.send('patient@slow-answer.example'), /^250/);
  assert.ok(performance.now() - askedMs > 150);
  const hasty = await RawClient.open(to('slow-answer'));
  const answer = hasty.send('hasty@slow-answer.example');
  while (!hasty.chunks.join('').includes('354')) await new Promise((resolve) => setTimeout(resolve, 1));
  hasty.socket.end();
  assert.equal(await answer, '');
  await hasty.closed;
  const { accepted, uncertain } = await reportOf('slow-answer');
  assert.deepEqual([accepted, uncertain], [1, 1]);
  const last = (await recordsOf('slow-answer')).at(-1);
  assert.partialDeepStrictEqual(last, {
    recipient: 'hasty@slow-answer.example',
    accepted: true,
    answered: false,
  });
  await client.quit();
});

test('a throttled provider refuses in its words and closes, a blocking one goes on refusing, for as long as it was told', async () => {
  const { texts } = providerSpec('yahoo');
  const client = await RawClient.open(to('yahoo'));
  await city.control('yahoo', { door: 'block' });
  for (const time of [1, 2])
    assert.match(await client.command('MAIL FROM:<camp@sender.example>'), saying(texts.blocked), `${time}`);
  await city.control('yahoo', { door: 'throttle' }, { untilMs: 100 });
  assert.match(await client.command('MAIL FROM:<camp@sender.example>'), saying(texts.throttled));
  assert.equal(await client.reply(), '');
  client.socket.end();
  const later = await RawClient.open(to('yahoo'));
  let reply = '';
  while (!reply.startsWith('553')) {
    const next = await RawClient.open(to('yahoo'));
    reply = await next.command('MAIL FROM:<camp@sender.example>');
    await next.quit();
  }
  await city.control('yahoo', { door: 'open' });
  assert.match(await later.command('MAIL FROM:<camp@sender.example>'), /^250/);
  await later.quit();
});

test('a change that is announced for later comes later, and passes', async () => {
  await city.control('apple', { door: 'reset' }, { fromMs: 50, untilMs: 150 });
  const greeted = async () => {
    const client = new RawClient(to('apple'));
    const greeting = await client.reply();
    client.socket.end();
    return greeting !== '';
  };
  assert.equal(await greeted(), true);
  while (await greeted());
  while (!(await greeted()));
});

test('mail for another provider is refused, and that is a fault; mail for a domain without MX is taken by its address', async () => {
  const client = await RawClient.open(to('google'));
  assert.match(
    await client.send('ann@yahoo.example'),
    /^550 5\.7\.1 <ann@yahoo\.example>: Relay access denied$/,
  );
  assert.match(await client.send(`ann@${ODD_DOMAINS.withoutMx}`), /^250/);
  await client.quit();
  assert.equal((await reportOf('google')).faults['mail for another provider'], 1);
});

test('what a client must not do is counted: pipelining that was not offered, bare line ends, 8 bits unannounced, long lines', async () => {
  const polite = await RawClient.open(to('slow-answer'));
  polite.say('MAIL FROM:<a@b.example>\r\nRCPT TO:<x@slow-answer.example>\r\nDATA\r\n');
  for (let at = 0; at < 3; at += 1) await polite.reply();
  polite.socket.end();
  assert.deepEqual((await reportOf('slow-answer')).faults, {}, 'pipelining was offered');
  const client = new RawClient(to('cut-after-dot'));
  await city.control('cut-after-dot', { cuts: {} });
  await client.reply();
  await client.command('EHLO x');
  await client.send('ann@cut-after-dot.example', `Subject: x\n\r\n\r\n${'y'.repeat(999)}\r\ncaf\xe9\r\n`);
  client.socket.end('NOOP\r\nQUIT\r\nNOOP\r\n');
  await client.closed;
  assert.deepEqual((await reportOf('cut-after-dot')).faults, {
    'bare CR or LF in a message': 1,
    'a line over 998 bytes': 1,
    '8-bit data that were not announced': 1,
    'something behind QUIT that had to wait': 1,
  });
  const hasty = new RawClient(to('tarpit'));
  hasty.say('EHLO x\r\nMAIL FROM:<a\n@b.example>\r\n');
  for (let at = 0; at < 3; at += 1) await hasty.reply();
  hasty.say('RSET\r\nNOOP\r\n');
  for (let at = 0; at < 2; at += 1) await hasty.reply();
  hasty.socket.destroy();
  assert.deepEqual((await reportOf('tarpit')).faults, {
    'spoke before the greeting': 1,
    'something behind EHLO that had to wait': 1,
    'bare CR, LF or NUL in a command': 1,
    'something behind RSET that had to wait': 1,
  });
  const announcing = await RawClient.open(to('small'));
  await announcing.command('MAIL FROM:<a@b.example> BODY=8BITMIME');
  await announcing.command('RCPT TO:<ann@small.example>');
  await announcing.command('DATA');
  await announcing.command('caf\xe9\r\n.');
  await announcing.quit();
  assert.deepEqual((await reportOf('small')).faults, {});
});

test('a message reaches Gmail over TLS, and the ledger has what the judge wants to know', async () => {
  const transport = createTransport({ ...to('google'), tls: { rejectUnauthorized: false } });
  const headers = { 'DKIM-Signature': 'v=1; d=sender.example' };
  const sent = await transport.sendMail({
    from: 'camp@sender.example',
    to: 'tls@gmail.example',
    subject: 'Spring',
    text: '.dot',
    headers,
  });
  transport.close();
  const record = (await recordsOf('google')).at(-1);
  assert.partialDeepStrictEqual(record, {
    recipient: 'tls@gmail.example',
    sender: 'camp@sender.example',
    subject: 'Spring',
    messageId: sent.messageId,
    tls: true,
    dkim: true,
    accepted: true,
    answered: true,
    bareLineEnd: false,
    source: '127.0.0.1',
  });
  assert.equal(record?.reply, sent.response);
});

test('what was said in clear, before STARTTLS or behind it, is forgotten', async () => {
  const client = await RawClient.open(to('google'));
  assert.match(await client.command('MAIL FROM:<clear@x.example>'), /^250/);
  client.say('STARTTLS\r\nRSET\r\nEHLO injected\r\nMAIL FROM:<evil@x.example>\r\n');
  assert.match(await client.reply(), /^220/);
  client.socket.removeAllListeners('data');
  const secure = tlsConnect({ socket: client.socket, rejectUnauthorized: false });
  secure.setEncoding('latin1');
  const command = async (line: string): Promise<string> => {
    secure.write(`${line}\r\n`);
    return (await once(secure, 'data'))[0];
  };
  assert.match(await command('RCPT TO:<x@gmail.example>'), /^503/);
  assert.match(await command('MAIL FROM:<camp@sender.example>'), /^503/);
  assert.doesNotMatch(await command('EHLO client.example'), /STARTTLS/);
  assert.match(await command('MAIL FROM:<camp@sender.example>'), /^250/);
  secure.destroy();
});

test('a message in chunks is one message (BDAT), and dots in it are only dots', async () => {
  const client = await RawClient.open(to('google'));
  const [first, last] = ['Subject: bdat\r\n\r\n', '.\r\n.\r\n'];
  client.say(`MAIL FROM:<a@b.example>\r\nRCPT TO:<bdat@gmail.example>\r\nBDAT ${first.length}\r\n${first}`);
  client.say(`BDAT ${last.length} LAST\r\n${last}`);
  const replies: string[] = [];
  while (replies.length < 4) replies.push(await client.reply());
  assert.deepEqual(replies.slice(0, 3), ['250 2.1.0 OK', '250 2.1.5 OK', '250 2.0.0 17 octets received']);
  assert.match(replies[3] ?? '', saying(providerSpec('google').texts.accepted));
  assert.partialDeepStrictEqual((await recordsOf('google')).at(-1), {
    recipient: 'bdat@gmail.example',
    bytes: 23,
  });
  const refused = [`BDAT 3 LAST\r\nabc`, 'NOOP\r\n'];
  client.say(refused.join(''));
  assert.deepEqual(
    [await client.reply(), await client.reply()],
    ['503 5.5.1 Bad sequence of commands', '250 2.0.0 OK'],
  );
  await client.quit();
});

test('a message larger than was offered is refused when it is announced, and when it comes', async () => {
  const client = await RawClient.open(to('small'));
  const tooLarge = '552 5.3.4 Message size exceeds fixed limit';
  assert.equal(await client.command('MAIL FROM:<a@b.example> SIZE=101'), tooLarge);
  assert.match(await client.command('MAIL FROM:<a@b.example> SIZE=100'), /^250/);
  await client.command('RSET');
  assert.match(await client.send('ann@small.example', `${'x'.repeat(98)}\r\n`), /^250/);
  assert.equal(await client.send('ann@small.example', `${'x'.repeat(99)}\r\n`), tooLarge);
  await client.quit();
});

test('a transaction has a hundred recipients at most, and each of them has the message', async () => {
  const client = await RawClient.open(to('small'));
  await client.command('MAIL FROM:<many@b.example>');
  for (let at = 0; at < 100; at += 1)
    assert.match(await client.command(`RCPT TO:<r${at}@small.example>`), /^250/);
  assert.equal(await client.command('RCPT TO:<last@small.example>'), '452 4.5.3 Too many recipients');
  await client.command('DATA');
  assert.match(await client.command('.'), /^250/);
  const sent = (await recordsOf('small')).filter(({ sender }) => sender === 'many@b.example');
  assert.equal(sent.length, 100);
  await client.quit();
});

function to(provider: string): { host: string; port: number } {
  const at = specs.findIndex(({ name }) => name === provider);
  return { host: `127.0.1.${at + 1}`, port: city.mxPort };
}

function domainOf(provider: string): string {
  return specs.find(({ name }) => name === provider)?.domains[0]?.domain ?? assert.fail(provider);
}

function mail(messageId: string): string {
  return `Message-ID: ${messageId}\r\nSubject: hello\r\n\r\nhello\r\n`;
}

async function reportOf(provider: string): Promise<ProviderReport> {
  return (await city.report()).find((report) => report.provider === provider) ?? assert.fail(provider);
}

async function recordsOf(provider: string): Promise<MessageRecord[]> {
  return (await city.records()).filter((record) => record.provider === provider);
}
