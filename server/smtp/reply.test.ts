import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { REPLY_BYTES_MAX, REPLY_LINES_MAX, type Reply, ReplyParser, readReply, replyText } from './reply.ts';

function parsed(...chunks: string[]): { replies: Reply[]; error: string | null } {
  const parser = new ReplyParser();
  const replies: Reply[] = [];
  for (const chunk of chunks) {
    const error = parser.feed(chunk, replies);
    if (error) return { replies, error };
  }
  return { replies, error: null };
}

function only(stream: string): Reply | undefined {
  const { replies, error } = parsed(stream);
  assert.equal(error, null);
  assert.equal(replies.length, 1);
  return replies[0];
}

test('a reply has a code, an enhanced code and a text', () => {
  assert.deepEqual(only('250 2.1.5 Ok\r\n'), { code: 250, enhanced: '2.1.5', text: 'Ok' });
  assert.deepEqual(only('354 End with a dot\r\n'), { code: 354, enhanced: null, text: 'End with a dot' });
  assert.deepEqual(only('250\r\n'), { code: 250, enhanced: null, text: '' });
  assert.deepEqual(only('550 5.1.1\r\n'), { code: 550, enhanced: '5.1.1', text: '' });
});

test('a reply of several lines is one text without the codes of each line', () => {
  assert.deepEqual(
    only('550-5.7.26 Not authenticated.\r\n550-5.7.26 Set up SPF\r\n550 5.7.26 or DKIM.\r\n'),
    {
      code: 550,
      enhanced: '5.7.26',
      text: 'Not authenticated.\nSet up SPF\nor DKIM.',
    },
  );
});

test('an address or a version at the start of a text is not an enhanced code', () => {
  assert.equal(only('250 192.0.2.1 hello\r\n')?.enhanced, null);
  assert.equal(only('220 5.1 server\r\n')?.text, '5.1 server');
});

test('bare line feeds end lines too', () => {
  assert.deepEqual(
    parsed('250-a\n250 b\n221 bye\n').replies.map((reply) => reply.text),
    ['a\nb', 'bye'],
  );
});

test('texts are UTF-8, else Latin-1', () => {
  assert.equal(
    only(Buffer.from('550 unbekannter Empfänger\r\n', 'utf8').toString('latin1'))?.text,
    'unbekannter Empfänger',
  );
  assert.equal(only('550 unbekannter Empf\xe4nger\r\n')?.text, 'unbekannter Empfänger');
});

test('control characters of a server do not reach logs and tables', () => {
  assert.equal(only('550 a\0b\x1b[31m\r\n')?.text, 'a b [31m');
});

test('what is not SMTP is refused with a sentence', () => {
  for (const stream of [
    'HTTP/1.1 400 Bad Request\r\n',
    '\r\n',
    '25 ok\r\n',
    '2500 ok\r\n',
    '150 ok\r\n',
    '250_ok\r\n',
  ])
    assert.match(parsed(stream).error ?? '', /not an SMTP reply/);
  assert.match(parsed('250-ok\r\n550 no\r\n').error ?? '', /from 250 to 550/);
});

test('a reply without end is cut off, in one line or in many', () => {
  assert.match(parsed(`250 ${'x'.repeat(REPLY_BYTES_MAX)}`).error ?? '', /longer than/);
  assert.match(parsed('250-x\r\n'.repeat(REPLY_LINES_MAX + 1)).error ?? '', /longer than/);
  assert.equal(parsed(`${'250-x\r\n'.repeat(REPLY_LINES_MAX - 1)}250 x\r\n`).error, null);
  const halves = '250 x\r\n'.repeat(REPLY_BYTES_MAX / 7 + 1);
  assert.equal(parsed(halves).error, null, 'the cap is for one reply, not for a session');
});

const line = fc.oneof(
  fc.constantFrom(
    '250 ok',
    '250-more',
    '250 2.0.0 ok',
    '354 go',
    '421 4.7.0 bye',
    '250',
    'nonsense',
    '550-5.1.1 no',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }).map((text) => `250 ${Buffer.from(text).toString('latin1')}`),
);

test('replies are the same however the network cuts the stream', () => {
  const streams = fc.array(fc.tuple(line, fc.constantFrom('\r\n', '\n')), { maxLength: 12 });
  fc.assert(
    fc.property(streams, fc.array(fc.nat(), { maxLength: 20 }), (lines, cuts) => {
      const stream = lines.map(([text, end]) => text + end).join('');
      const places = [
        0,
        ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b),
        stream.length,
      ];
      const chunks = places.slice(1).map((place, at) => stream.slice(places[at], place));
      assert.deepEqual(parsed(...chunks), parsed(stream));
      assert.deepEqual(parsed(...stream), parsed(stream));
    }),
    { numRuns: 500 },
  );
});

test('a reply that was written down is read back as it was', () => {
  for (const stream of [
    '550 5.1.1 No such user\r\n',
    '550-5.7.26 Not authenticated: größer\r\n550-5.7.26 Set up SPF\r\n550 5.7.26 or DKIM.\r\n',
    '421\r\n',
    '550 5.1.1\r\n',
    '550 5000 people are here\r\n',
  ]) {
    const reply = only(Buffer.from(stream).toString('latin1'));
    assert.ok(reply);
    assert.deepEqual(readReply(replyText(reply)), reply);
  }
});

test('a reply is read as a person or a log has it', () => {
  const reply = { code: 550, enhanced: '5.1.1', text: 'No such\nuser' };
  for (const written of [
    '550-5.1.1 No such\r\n550 5.1.1 user\r\n',
    ' 550 5.1.1 No such\nuser ',
    '550 5.1.1 No such\n5.1.1 user',
  ])
    assert.deepEqual(readReply(written), reply, written);
  for (const written of ['', 'user unknown', '5501 no', '650 no', '55'])
    assert.equal(readReply(written), null);
});
