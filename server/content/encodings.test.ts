import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeBody,
  encodeAddress,
  encodeAddressHeader,
  encodeBodyPiece,
  encodeTextHeader,
  headerText,
} from './encodings.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Text that mail software is known to trip over, among plain text. */
const awkwardText = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: fc.string({ unit: 'grapheme', maxLength: 30 }) },
      fc.string({ unit: 'binary', maxLength: 10 }),
      fc.constantFrom(
        '.',
        '..',
        'From ',
        'From',
        '=',
        '=3D',
        '=?UTF-8?Q?x?=',
        ' ',
        '  ',
        '\t',
        '\n',
        '\r',
        '\r\n',
        '\n.\n',
      ),
      fc.constantFrom(
        '\0',
        '\u0085',
        '\u2028',
        '👩‍👩‍👧',
        'שלום',
        'e\u0301',
        '\ud800',
        'x'.repeat(80),
        '字'.repeat(40),
        '--=_',
      ),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

test('pieces of a body, encoded one by one and joined, decode to the text they were cut from', () => {
  fc.assert(
    fc.property(fc.array(awkwardText, { maxLength: 6 }), (pieces) => {
      const encoded = pieces.map(encodeBodyPiece).join('');
      const expected = pieces.map((piece) => piece.toWellFormed().replaceAll(/\r\n|\r|\n/g, '\r\n')).join('');
      assert.equal(decodeBody(encoded), expected);
    }),
    { numRuns: 2000 },
  );
});

test('an encoded body is printable ASCII in short lines that nothing on the way will change', () => {
  fc.assert(
    fc.property(fc.array(awkwardText, { maxLength: 6 }), (pieces) => {
      const encoded = pieces.map(encodeBodyPiece).join('');
      assert.match(encoded, /^(?:[ -~]{0,76}\r\n)*$/);
      for (const line of encoded.split('\r\n')) {
        assert.doesNotMatch(line, /^\.|^From | $/);
        assert.doesNotMatch(line, /=(?![0-9A-F]{2}|$)/);
      }
    }),
    { numRuns: 2000 },
  );
});

test('a plain word stays readable', () => {
  assert.equal(encodeBodyPiece('Ann'), 'Ann=\r\n');
  assert.equal(encodeBodyPiece('Dear Ann,\n'), 'Dear Ann,\r\n');
  assert.equal(encodeBodyPiece(''), '');
});

test('spaces at the end of a line survive a relay that trims lines', () => {
  assert.equal(encodeBodyPiece('a \nb\t\n'), 'a=20\r\nb=09\r\n');
});

test('an accent in a subject is written as encoded-words, plain subjects are left alone', () => {
  assert.equal(encodeTextHeader('Subject', 'Hello Ann'), 'Subject: Hello Ann\r\n');
  assert.equal(encodeTextHeader('Subject', 'Olá'), 'Subject: =?UTF-8?B?T2zDoQ==?=\r\n');
});

test('a plain subject that looks like an encoded-word is shown as it was typed', () => {
  assert.equal(
    encodeTextHeader('Subject', '=?UTF-8?Q?a?='),
    `Subject: =?UTF-8?B?${btoa('=?UTF-8?Q?a?=')}?=\r\n`,
  );
});

test('a long plain subject is folded between words', () => {
  const header = encodeTextHeader('Subject', 'word '.repeat(40).trim());
  const lines = header.trimEnd().split('\r\n');
  assert.ok(lines.length > 1 && lines.every((line) => line.length <= 78));
  assert.equal(header.replaceAll('\r\n', ''), `Subject: ${'word '.repeat(40).trim()}`);
});

test('encoded-words are at most 75 characters on lines of 76, and none ends inside a character', () => {
  fc.assert(
    fc.property(awkwardText, awkwardText, (subject, name) => {
      const headers =
        encodeTextHeader('Subject', `é${subject}`) + encodeAddressHeader('To', `é${name}`, 'a@b.example');
      for (const [word, base64 = ''] of headers.matchAll(/=\?UTF-8\?B\?(.*?)\?=/g)) {
        assert.ok(word.length <= 75);
        assert.doesNotThrow(() => utf8.decode(Buffer.from(base64, 'base64')));
      }
      for (const line of headers.split('\r\n')) assert.ok(line.length <= 78, line);
    }),
    { numRuns: 1000 },
  );
});

test('a value with line breaks cannot begin another header', () => {
  fc.assert(
    fc.property(awkwardText, (value) => {
      const headers = encodeTextHeader('Subject', value) + encodeAddressHeader('To', value, 'a@b.example');
      assert.match(
        headers,
        /^Subject:[ -~]*\r\n(?:[ ][!-~][ -~]*\r\n)*To: [ -~]*\r\n(?:[ ][!-~][ -~]*\r\n)*$/,
      );
    }),
    { numRuns: 2000 },
  );
});

test('controls in a header value are shown as spaces', () => {
  assert.equal(headerText('a\r\nBcc: x@y.example\0b\u007fc\u009fd'), 'a  Bcc: x@y.example b c d');
});

test('a display name with quotes, backslashes and commas stays one name', () => {
  assert.equal(
    encodeAddressHeader('To', 'Lee, "Ann" \\', 'ann@example.com'),
    'To: "Lee, \\"Ann\\" \\\\" <ann@example.com>\r\n',
  );
});

test('a long name is folded', () => {
  const name = 'Maria '.repeat(60).trim();
  const header = encodeAddressHeader('To', name, 'maria@example.com');
  assert.ok(
    header.split('\r\n').every((line) => line.length <= 78),
    header,
  );
});

test('a recipient without a name is addressed by the address alone', () => {
  for (const name of [null, undefined, '', ' \n']) {
    assert.equal(encodeAddressHeader('To', name, 'ann@example.com'), 'To: ann@example.com\r\n');
  }
});

test('an international domain is written in its ASCII form', () => {
  assert.deepEqual(encodeAddress('ann@münchen.example'), {
    kind: 'address',
    address: 'ann@xn--mnchen-3ya.example',
    domain: 'xn--mnchen-3ya.example',
  });
});

test('usual addresses are taken as they are', () => {
  for (const email of [
    "o'neil+tag@sub.example.com",
    'a@localhost',
    'A.B@Example.COM',
    'x_y=z@1and1.example',
    '1@a-b.co',
  ]) {
    assert.deepEqual(encodeAddress(email), { kind: 'address', address: email, domain: email.split('@')[1] });
  }
});

test('an address that could break a header or that SMTP cannot carry is refused with a reason', () => {
  const refused = [
    ['', 'no valid name'],
    ['ann', 'no valid name'],
    ['@example.com', 'no valid name'],
    ['a b@example.com', 'no valid name'],
    ['a@b@example.com', 'no valid name'],
    ['.a@example.com', 'no valid name'],
    ['a..b@example.com', 'no valid name'],
    ['"a b"@example.com', 'no valid name'],
    ['a\r\nBcc: x@example.com', 'no valid name'],
    ['<a@example.com>', 'no valid name'],
    [`${'a'.repeat(65)}@example.com`, 'no valid name'],
    ['jürgen@example.com', 'non-ASCII character before the @'],
    ['a@', 'no valid domain'],
    ['a@example.com\r\nBcc: x', 'no valid domain'],
    ['a@example.com>', 'no valid domain'],
    ['a@exa mple.com', 'no valid domain'],
    ['a@münchen.example/x', 'no valid domain'],
    ['a@mün\tchen.example', 'no valid domain'],
    ['a@-example.com', 'no valid domain'],
    ['a@example..com', 'no valid domain'],
    ['a@example.com.', 'no valid domain'],
    ['a@1.2.3.4', 'no valid domain'],
    ['a@[1.2.3.4]', 'no valid domain'],
    ['a@1.2.3', 'no valid domain'],
    [
      `a@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(60)}.${'f'.repeat(20)}`,
      'longer than 254',
    ],
  ];
  for (const [email = '', reason = ''] of refused) {
    const result = encodeAddress(email);
    assert.equal(result.kind, 'invalid', email);
    assert.ok(result.kind === 'invalid' && result.reason.includes(reason), JSON.stringify(result));
    assert.ok(result.kind === 'invalid' && !/[\r\n]/.test(result.reason));
  }
});
