/** The client against a real server (smtp-server): what arrives is what was sent. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates, TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { Scope } from '../kernel/scope.ts';
import { type OpenResult, openConnection, type SmtpConnection } from './connection.ts';
import { Peer, scriptedRelay } from './scripted-relay.ts';
import { parseSmtpUrl } from './url.ts';

const cert = readFileSync(new URL('testdata/relay.crt', import.meta.url), 'utf8');
const key = readFileSync(new URL('testdata/relay.key', import.meta.url), 'utf8');
const yes = async () => true;

interface Received {
  from: string;
  to: string[];
  data: string;
  secure: boolean;
  user: string;
}

/** A real server with everything that it received. */
async function realRelay(options: SMTPServerOptions = {}) {
  const received: Received[] = [];
  const server = new SMTPServer({
    cert,
    key,
    authOptional: true,
    allowInsecureAuth: true,
    authMethods: ['PLAIN', 'LOGIN', 'XOAUTH2'],
    disableReverseLookup: true,
    onAuth({ method, username, password, accessToken }, _session, done) {
      const known = username === 'ünser' && (method === 'XOAUTH2' ? accessToken : password) === 'hünter2';
      done(known ? null : new Error('who?'), known ? { user: `${method} ${username}` } : undefined);
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        received.push({
          from: mailFrom ? mailFrom.address : '',
          to: rcptTo.map(({ address }) => address),
          data: Buffer.concat(chunks).toString('latin1'),
          secure: session.secure,
          user: String(session.user ?? ''),
        });
        done();
      });
    },
    ...options,
  });
  server.on('error', () => {});
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const address = listening.address();
  assert.ok(address !== null && typeof address === 'object');
  return {
    port: address.port,
    received,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(resolve)),
  };
}

function open(scope: Scope, url: string): Promise<OpenResult> {
  return openConnection(scope, { ...parseSmtpUrl(url), heloName: 'camp.test' });
}

async function opened(scope: Scope, url: string): Promise<SmtpConnection> {
  const result = await open(scope, url);
  if (result.kind !== 'open') throw new Error(JSON.stringify(result));
  return result.connection;
}

function message(data: string) {
  return { from: 'news@example.com', to: 'ada@example.net', data };
}

const certificates = getCACertificates('default');
after(() => setDefaultCACertificates(certificates));

test('STARTTLS is used when it is offered, and a self-signed certificate does not matter then', async () => {
  await using relay = await realRelay();
  await using scope = Scope.root('test');
  const connection = await opened(scope, `smtp://127.0.0.1:${relay.port}`);
  assert.equal((await connection.send(message('Subject: a\r\n\r\nb\r\n'), yes)).kind, 'accepted');
  assert.equal(relay.received[0]?.secure, true);
  connection.close();
});

for (const scheme of ['smtp', 'smtps'])
  test(`${scheme}: a certificate that must be trusted is checked, and its name too`, async () => {
    await using scope = Scope.root('test');
    await using relay = await realRelay({ secure: scheme === 'smtps' });
    const query = scheme === 'smtp' ? '?tls=required' : '';
    setDefaultCACertificates(certificates);
    const untrusted = await open(scope, `${scheme}://127.0.0.1:${relay.port}${query}`);
    assert.ok(untrusted.kind === 'failed' && untrusted.phase === 'starttls');
    assert.match(untrusted.error ?? '', /self-signed/);

    setDefaultCACertificates([...certificates, cert]);
    const trusted = await opened(scope, `${scheme}://localhost:${relay.port}${query}`);
    assert.equal((await trusted.send(message('Subject: a\r\n\r\nb\r\n'), yes)).kind, 'accepted');
    assert.equal(relay.received[0]?.secure, true);
    trusted.close();

    const misnamed = await open(scope, `${scheme}://127.0.0.1:${relay.port}${query}`);
    assert.ok(misnamed.kind === 'failed' && misnamed.phase === 'starttls');
    assert.match(misnamed.error ?? '', /127\.0\.0\.1 is not in the cert/);
    const unchecked = await opened(
      scope,
      `${scheme}://127.0.0.1:${relay.port}${query ? `${query}&` : '?'}verify=no`,
    );
    unchecked.close();
  });

test('the end of a scope ends an encrypted connection', async () => {
  await using relay = await realRelay();
  const scope = Scope.root('test');
  const connection = await opened(scope, `smtp://127.0.0.1:${relay.port}`);
  const closed = new Promise((resolve) => connection.onClose(resolve));
  await scope[Symbol.asyncDispose]();
  await closed;
  assert.equal(connection.usable, false);
});

test('what somebody slips in before the TLS handshake is not taken for the server', async () => {
  await using relay = await scriptedRelay(async (peer) => {
    await peer.open('STARTTLS', 'AUTH PLAIN');
    await peer.hear('STARTTLS\r\n');
    peer.socket.removeAllListeners('data');
    peer.say('220 go', '250-injected', '250 AUTH PLAIN');
    const secure = new Peer(new TLSSocket(peer.socket, { isServer: true, cert, key }));
    assert.equal(await secure.hear(), 'EHLO camp.test\r\n');
    secure.say('250-relay.test', '250 SIZE 1000');
  });
  await using scope = Scope.root('test');
  const connection = await opened(scope, `smtp://127.0.0.1:${relay.port}?tls=required&verify=no`);
  assert.equal(connection.offers.messageBytesMax, 1000);
  assert.deepEqual(connection.offers.auth, []);
  connection.close();
  await relay.played;
});

for (const auth of ['plain', 'login', 'xoauth2'])
  test(`a user with an accent in name and password logs in with ${auth}`, async () => {
    await using scope = Scope.root('test');
    await using relay = await realRelay({ authOptional: false });
    const connection = await opened(scope, `smtp://ünser:hünter2@127.0.0.1:${relay.port}?auth=${auth}`);
    assert.equal((await connection.send(message('Subject: a\r\n\r\nb\r\n'), yes)).kind, 'accepted');
    assert.equal(relay.received[0]?.user, `${auth.toUpperCase()} ünser`);
    connection.close();
    const refused = await open(scope, `smtp://ünser:wrong@127.0.0.1:${relay.port}?auth=${auth}`);
    assert.ok(refused.kind === 'failed' && refused.phase === 'auth' && refused.reply?.code === 535);
  });

test('8-bit text goes to a relay that takes it, and to no other', async () => {
  await using takes = await realRelay();
  await using not = await realRelay({ hide8BITMIME: true });
  await using scope = Scope.root('test');
  const umlaut = message('Subject: a\r\n\r\n\xfcber\r\n');
  const connection = await opened(scope, `smtp://127.0.0.1:${takes.port}`);
  assert.equal((await connection.send(umlaut, yes)).kind, 'accepted');
  assert.equal(takes.received[0]?.data, umlaut.data);
  connection.close();
  const other = await opened(scope, `smtp://127.0.0.1:${not.port}`);
  const refused = await other.send(umlaut, yes);
  assert.ok(refused.kind === 'invalid' && /8BITMIME/.test(refused.error));
  assert.equal((await other.send(message('a: b\r\n'), yes)).kind, 'accepted', 'the connection is as it was');
  other.close();
});

test('a message larger than the relay takes is not begun', async () => {
  await using relay = await realRelay({ size: 1000 });
  await using scope = Scope.root('test');
  const connection = await opened(scope, `smtp://127.0.0.1:${relay.port}`);
  const exact = `${'x'.repeat(498)}\r\n${'.'.repeat(498)}\r\n`;
  assert.equal((await connection.send(message(exact), yes)).kind, 'accepted');
  const refused = await connection.send(message(`${exact}a`), yes);
  assert.ok(
    refused.kind === 'invalid' && /1003 bytes .* 1000 at most/.test(refused.error),
    JSON.stringify(refused),
  );
  connection.close();
});

test('an address that would say more than an address is refused before a byte is written', async () => {
  await using relay = await realRelay();
  await using scope = Scope.root('test');
  const connection = await opened(scope, `smtp://127.0.0.1:${relay.port}?tls=none`);
  const bad = [
    'a@b>\r\nRCPT TO:<c@d',
    'a b@c',
    'a@b\0',
    'a<@b',
    'a>@b',
    'a@b\t',
    'ä@b',
    'a@b\x7f',
    'a'.repeat(255),
  ];
  for (const address of bad) {
    const to = await connection.send({ from: 'a@b', to: address, data: 'a: b\r\n' }, yes);
    const from = await connection.send({ from: address, to: 'a@b', data: 'a: b\r\n' }, yes);
    assert.deepEqual([to.kind, from.kind], ['invalid', 'invalid'], JSON.stringify(address));
  }
  assert.equal((await connection.send({ from: 'a@b', to: '', data: 'a: b\r\n' }, yes)).kind, 'invalid');
  assert.equal(
    (await connection.send({ from: '', to: "o'neil+a/b=c@d.example", data: 'a: b\r\n' }, yes)).kind,
    'accepted',
  );
  assert.deepEqual(
    relay.received.map(({ from, to }) => [from, to]),
    [['', ["o'neil+a/b=c@d.example"]]],
  );
  connection.close();
});

test('no message can be two messages', async () => {
  await using relay = await realRelay();
  await using scope = Scope.root('test');
  const connection = await opened(scope, `smtp://127.0.0.1:${relay.port}?tls=none`);
  const ends = ['\n', '\r', '\r\n', '\n\r', '\r\r\n', ''];
  const smuggled = 'MAIL FROM:<evil@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nevil\r\n.\r\n';
  let accepted = 0;
  for (const before of ends)
    for (const behind of ends) {
      const data = `Subject: a\r\n\r\nb${before}.${behind}${smuggled}`;
      const result = await connection.send(message(data), yes);
      assert.ok(result.kind === 'accepted' || result.kind === 'invalid', JSON.stringify({ data, result }));
      if (result.kind === 'accepted') assert.equal(relay.received[accepted++]?.data, data);
      assert.equal(relay.received.length, accepted);
    }
  assert.equal(accepted, 4, 'only CRLF or nothing around the dot is a proper message');
  connection.close();
});

test('lines over 998 bytes, NUL and characters that are no bytes are refused', async () => {
  await using relay = await realRelay();
  await using scope = Scope.root('test');
  const connection = await opened(scope, `smtp://127.0.0.1:${relay.port}?tls=none`);
  for (const data of [
    'x'.repeat(999),
    `${'x'.repeat(999)}\r\n`,
    `a\r\n${'x'.repeat(999)}\r\nb`,
    'a\0b',
    'a\u0100',
    '\r',
    '\n',
  ])
    assert.equal(
      (await connection.send(message(data), yes)).kind,
      'invalid',
      JSON.stringify(data.slice(0, 9)),
    );
  for (const data of [`${'x'.repeat(998)}\r\n`, 'x'.repeat(998), '.', ''])
    assert.equal(
      (await connection.send(message(data), yes)).kind,
      'accepted',
      JSON.stringify(data.slice(0, 9)),
    );
  connection.close();
});

const line = fc.oneof(
  fc.constantFrom('', '.', '..', '...', '.x', ' .', 'QUIT', 'DATA'),
  fc.string({ unit: 'binary-ascii', maxLength: 40 }).map((text) => text.replace(/[\r\n\0]/g, '.')),
  fc
    .tuple(fc.constantFrom('.', 'x', '\xff'), fc.integer({ min: 990, max: 998 }))
    .map(([c, n]) => c.repeat(n)),
);

test('500 messages with dots and lines of every kind arrive byte for byte', async () => {
  await using relay = await realRelay();
  await using scope = Scope.root('test');
  const connection = await opened(scope, `smtp://127.0.0.1:${relay.port}?tls=none`);
  const texts = fc.tuple(fc.array(line, { maxLength: 120 }), fc.boolean());
  await fc.assert(
    fc.asyncProperty(texts, async ([lines, complete]) => {
      const data = lines.join('\r\n') + (complete && lines.length > 0 ? '\r\n' : '');
      const result = await connection.send(message(data), yes);
      assert.equal(result.kind, 'accepted');
      const whole = data === '' || data.endsWith('\r\n') ? data : `${data}\r\n`;
      assert.equal(relay.received.pop()?.data, whole);
    }),
    { numRuns: 500 },
  );
  connection.close();
});
