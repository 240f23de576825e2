import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileMessage, type MessageInput, SenderError } from '../content/message.ts';
import { compileTemplate, loadTemplate } from '../content/template.ts';
import { TemplateError } from '../content/template-error.ts';
import { createSigner } from '../content/tokens.ts';
import { Scope } from '../kernel/scope.ts';
import { openConnection, type SmtpConnection } from './connection.ts';
import { type Peer, scriptedRelay } from './scripted-relay.ts';
import { parseSmtpUrl } from './url.ts';

/** What some server, somewhere, took for the end of a message; the last two only look like it. */
const ENDS = {
  '<LF>.<LF>': '\n.\n',
  '<CRLF>.<LF>': '\r\n.\n',
  '<LF>.<CRLF>': '\n.\r\n',
  '<CR>.<CR>': '\r.\r',
  '<CR>.<CRLF>': '\r.\r\n',
  '<CRLF>.<CR>': '\r\n.\r',
  '<CRLF>.<CRLF>': '\r\n.\r\n',
  '<CRLF><NUL>.<CRLF>': '\r\n\0.\r\n',
  '<CRLF>.<NUL><CRLF>': '\r\n.\0\r\n',
  '<CR><NUL><LF>.<CRLF>': '\r\0\n.\r\n',
  '<CRLF>..<CRLF>': '\r\n..\r\n',
  '<CRLF>.<CRLF> twice': '\r\n.\r\n.\r\n',
};
/** What would be a second message, if the first had ended before it. */
const SECOND =
  'MAIL FROM:<evil@example.org>\r\nRCPT TO:<ann@example.net>\r\nDATA\r\nSubject: second\r\n\r\nevil\r\n.\r\n';
const CONTROLS = [...Array(32).keys(), 0x7f].map((code) => String.fromCharCode(code));
/** More than leaves in one write. */
const LONG = 'long line\r\n'.repeat(7_000);

const envelope = { from: 'news@example.com', to: 'ann@example.net' };
const ids = {
  workspaceId: '01890a5d-ac96-774b-bcce-b302099a8057',
  campaignId: '01890a5d-ac96-774b-bcce-b302099a8058',
  signer: createSigner('a secret that only the test knows'),
  trackingBase: 'https://track.example',
};
const recipient = {
  contactId: '01890a5d-ac96-774b-bcce-b302099a8059',
  email: 'ann@example.net',
  name: 'Ann' as string | null,
  attributes: {} as Record<string, unknown>,
};

const renderings: Record<string, (evil: string) => string> = {
  'the literal text of a template': (evil) => render(`---\nsubject: s\n---\n<p>a${evil}b</p>\n`),
  'an attribute in the body': (evil) => render(undefined, { attributes: { evil } }),
  'an attribute in the subject': (evil) =>
    render('---\nsubject: "{{ evil }}"\n---\nx\n', { attributes: { evil } }),
  'the name of the recipient': (evil) => render(undefined, { name: evil }),
  'an attribute in a long body': (evil) => render(undefined, { attributes: { evil: LONG + evil } }),
};

for (const [place, renderWith] of Object.entries(renderings))
  test(`whatever stands in ${place}, the server gets one message`, () =>
    converse(async (connection, wire) => {
      for (const [name, end] of Object.entries(ENDS)) {
        const evil = `a${end}${SECOND}`;
        if (place.startsWith('the literal') && end.includes('\0')) {
          assert.throws(() => renderWith(evil), TemplateError, name);
          continue;
        }
        const data = renderWith(evil);
        assert.equal((await send(connection, data)).kind, 'accepted', name);
        assertOneMessage(wire(), data);
      }
    }));

const places: Record<string, (text: string) => string> = {
  body: (text) => `Subject: s\r\n\r\na${text}b\r\n`,
  header: (text) => `Subject: a${text}b\r\n\r\nbody\r\n`,
  'attachment as it is': (text) => attachment('7bit', `a${text}b`),
  'end of a long body': (text) => `Subject: s\r\n\r\n${LONG}a${text}b\r\n`,
};

for (const [place, dataWith] of Object.entries(places))
  test(`an end of data in the ${place} is doubled or refused, and the server gets one message or none`, () =>
    converse(async (connection, wire) => {
      for (const [name, end] of Object.entries(ENDS)) {
        const data = dataWith(`${end}${SECOND}`);
        const result = await send(connection, data);
        const proper = !/\r(?!\n)|(?<!\r)\n|\0/.test(end);
        assert.equal(result.kind, proper ? 'accepted' : 'invalid', name);
        if (proper) assertOneMessage(wire(), data);
        else assert.equal(wire(), '', 'not a byte was written');
      }
    }));

for (const encoding of ['base64', 'quoted-printable'] as const)
  test(`an attachment in ${encoding} may hold any end of data`, () =>
    converse(async (connection, wire) => {
      for (const [name, end] of Object.entries(ENDS)) {
        const bytes = Buffer.from(`a${end}${SECOND}`, 'latin1');
        const encoded = encoding === 'base64' ? base64(bytes) : quotedPrintable(bytes);
        const data = attachment(encoding, encoded);
        assert.equal((await send(connection, data)).kind, 'accepted', name);
        assertOneMessage(wire(), data);
      }
    }));

test('however CR, LF, dots and NULs are mixed, a message is refused whole or arrives as it was', () =>
  converse(async (connection, wire) => {
    const piece = fc.constantFrom('\r', '\n', '\r\n', '.', '..', '\r\n.', '\r\n.\r\n', '\0', 'a');
    const proper = fc.constantFrom('\r\n', '.', '..', '\r\n.', '\r\n.\r\n', 'a');
    const texts = fc.oneof(fc.array(piece, { maxLength: 12 }), fc.array(proper, { maxLength: 12 }));
    await fc.assert(
      fc.asyncProperty(texts, async (pieces) => {
        const data = pieces.join('');
        const result = await send(connection, data);
        const sent = wire();
        if (result.kind === 'accepted') assertOneMessage(sent, data);
        else assert.deepEqual([result.kind, sent], ['invalid', '']);
      }),
      { numRuns: 400 },
    );
  }));

test('a line break, a NUL or any other control in an envelope address is refused before a byte is written', () =>
  converse(async (connection, wire) => {
    const commands = '>\r\nRCPT TO:<evil@example.org';
    for (const evil of [...CONTROLS, commands, '\r\n', '>', '<', ' ', '\x85', '\u2028', 'é'])
      for (const field of ['from', 'to'] as const) {
        const address = `ann${evil}@example.net`;
        const message = { ...envelope, [field]: address, data: 'Subject: s\r\n\r\nb\r\n' };
        const result = await connection.send(message, async () => true);
        assert.equal(result.kind, 'invalid', JSON.stringify(address));
        assert.equal(wire(), '');
      }
  }));

test('a sender with a line break or a control in a name or an address is refused before there is a message', () => {
  for (const evil of [...CONTROLS, '\r\nBcc: evil@example.org'])
    for (const field of ['from', 'replyTo'] as const)
      for (const sender of [
        { name: `News${evil}`, email: 'news@example.com' },
        { email: `news${evil}@example.com` },
      ])
        assert.throws(() => render(undefined, {}, { [field]: sender }), SenderError, JSON.stringify(sender));
});

test('a recipient’s address with a line break or a control is refused; in a name or a subject it begins no field', () => {
  const headers = fieldsOf(render());
  for (const evil of [...CONTROLS, '\r\nBcc: evil@example.org', '\r\n\r\nevil']) {
    const result = compile().render({ ...recipient, email: `ann${evil}@example.net` });
    assert.equal(result.kind, 'unrenderable', JSON.stringify(evil));
    const injected = { name: `A${evil}`, attributes: { evil } };
    assert.deepEqual(fieldsOf(render('---\nsubject: "x{{ evil }}"\n---\nx\n', injected)), headers);
    const campaign = { listId: `l${evil}`, feedbackId: `f${evil}` };
    assert.deepEqual(
      fieldsOf(render(undefined, {}, campaign)).sort(),
      [...headers, 'Feedback-ID', 'List-Id'].sort(),
    );
  }
});

/** Hands over a connection, and what it wrote since it was last asked: of messages, all from MAIL to the final dot. */
async function converse(
  client: (connection: SmtpConnection, wire: () => string) => Promise<void>,
): Promise<void> {
  let peer: Peer | undefined;
  await using relay = await scriptedRelay(async (server) => {
    peer = server;
    server.socket.setNoDelay(true);
    await server.open('PIPELINING', '8BITMIME');
    for (;;) {
      if ((await server.hear()).startsWith('QUIT')) return;
      server.say('250 2.1.0 Ok');
      for (const reply of ['250 2.1.5 Ok', '354 Go on']) {
        await server.hear();
        server.say(reply);
      }
      let line = '';
      while (line !== '.\r\n') line = await server.hear();
      server.say('250 2.0.0 Ok');
    }
  });
  await using scope = Scope.root('test');
  const options = parseSmtpUrl(`smtp://127.0.0.1:${relay.port}?tls=none`);
  const opened = await openConnection(scope, { ...options, heloName: 'camp.test' });
  assert.ok(opened.kind === 'open');
  let read = peer?.said.length ?? 0;
  await client(opened.connection, () => {
    const said = peer?.said.slice(read) ?? '';
    read += said.length;
    return said;
  });
  opened.connection.quit();
  await relay.played;
  assert.equal(peer?.said.slice(read), 'QUIT\r\n', 'nothing was left behind');
}

function send(connection: SmtpConnection, data: string) {
  return connection.send({ ...envelope, data }, async () => true);
}

/**
 * `wire` is an envelope, `data` with doubled dots, and a dot, with no bare line end and no NUL in it; and no server,
 * whatever it takes for an end, sees one before the last.
 */
function assertOneMessage(wire: string, data: string): void {
  const commands = `MAIL FROM:<${envelope.from}>\r\nRCPT TO:<${envelope.to}>\r\nDATA\r\n`;
  assert.ok(wire.startsWith(commands));
  assert.doesNotMatch(wire, /\r(?!\n)|(?<!\r)\n|\0/);
  const content = wire.slice(commands.length);
  assert.ok(content.endsWith('.\r\n'));
  const lines = content.slice(0, -'.\r\n'.length);
  // An opening dot would be an end too: the CRLF behind DATA stands in front of it.
  for (const end of Object.values(ENDS).filter((text) => !text.includes('..')))
    assert.ok(!`\r\n${lines}`.includes(end), JSON.stringify(end));
  const arrived = lines.replaceAll(/^\./gm, '');
  assert.equal(arrived, data === '' || data.endsWith('\r\n') ? data : `${data}\r\n`);
}

function compile(
  template = '---\nsubject: s\n---\n<p>{{ evil }}</p>\n',
  changes: Partial<MessageInput> = {},
) {
  return compileMessage({
    ...ids,
    template: compileTemplate(loadTemplate('t.html', template)),
    from: { name: 'News', email: envelope.from },
    ...changes,
  });
}

function render(
  template?: string,
  changes: Partial<typeof recipient> = {},
  campaign: Partial<MessageInput> = {},
): string {
  const result = compile(template, campaign).render({ ...recipient, ...changes });
  assert.ok(result.kind === 'rendered', JSON.stringify(result));
  return result.data;
}

function fieldsOf(data: string): string[] {
  const header = data.slice(0, data.indexOf('\r\n\r\n'));
  return [...header.matchAll(/^([\w-]+):/gm)].map(([, name = '']) => name);
}

function attachment(encoding: string, content: string): string {
  return [
    'Subject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b',
    `Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${content}`,
    '--b--\r\n',
  ].join('\r\n');
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll(/.{76}(?=.)/g, '$&\r\n');
}

function quotedPrintable(bytes: Buffer): string {
  const encoded = [...bytes].map((byte) =>
    byte >= 0x21 && byte <= 0x7e && byte !== 0x3d
      ? String.fromCharCode(byte)
      : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  );
  return encoded.join('').replaceAll(/(?:=..|[^=]){20}(?=.)/g, '$&=\r\n');
}
