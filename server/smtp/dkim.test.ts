/** Everything that we sign is verified by another implementation: mailauth, in its strict mode. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { type DkimKey, signDkim } from './dkim.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed25519 = generateKeyPairSync('ed25519');
const KEYS: DkimKey[] = [
  { domain: 'acme.example', selector: 'camp-1', algorithm: 'rsa-sha256', key: rsa.privateKey },
  { domain: 'acme.example', selector: 'camp-2', algorithm: 'ed25519-sha256', key: ed25519.privateKey },
];

const MESSAGE = [
  'From: "Acme" <news@acme.example>',
  'Reply-To: help@acme.example',
  'To: Ada <ada@example.com>',
  'Subject: The first',
  '  harvest \t is here ',
  'Date: Mon, 23 Nov 2026 18:02:41 +0000',
  'Message-ID: <3f6b@acme.example>',
  'List-Unsubscribe:',
  ' <https://mail.acme.example/u/token>',
  'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
  'List-Id: <news.acme.example>',
  'Feedback-ID: campaign:workspace:news:camp',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable',
  'Content-Language: en',
  'X-Mailer: Camp',
  '',
  'Dear Ada,  ',
  '',
  '\tit is here: =C3=A9t=C3=A9.',
  '',
  '',
].join('\r\n');

function recordOf({ publicKey }: { publicKey: KeyObject }, type: string): string {
  const der = publicKey.export({ type: 'spki', format: 'der' });
  // RFC 8463 section 4.2: the 32 bytes of the key alone.
  const bytes = type === 'ed25519' ? der.subarray(-32) : der;
  return `v=DKIM1; k=${type}; p=${bytes.toString('base64')}`;
}

const RECORDS: Record<string, string> = {
  'camp-1._domainkey.acme.example': recordOf(rsa, 'rsa'),
  'camp-2._domainkey.acme.example': recordOf(ed25519, 'ed25519'),
};

/** What a receiver makes of the signatures, in their order. */
async function verdicts(message: string): Promise<(string | undefined)[]> {
  const { results } = await dkimVerify(Buffer.from(message, 'latin1'), {
    strict: true,
    resolver: async (name: string) => [[RECORDS[name] ?? '']],
  });
  return results.map(({ status }) => status.result);
}

function signedNames(signed: string): string[] {
  const field = /^DKIM-Signature:(?:[^\r]|\r\n[ \t])*/.exec(signed)?.[0] ?? '';
  const names = /; h=([^;]+);/.exec(field.replaceAll(/\s+/g, ' '))?.[1] ?? '';
  return names.replaceAll(' ', '').split(':');
}

test('a receiver finds both signatures good, the RSA one first, before a message that is unchanged', async () => {
  const signed = await signDkim(MESSAGE, KEYS);
  assert.deepEqual(await verdicts(signed), ['pass', 'pass']);
  assert.ok(signed.endsWith(MESSAGE));
  const algorithms = [...signed.matchAll(/^DKIM-Signature: v=1; a=([\w-]+);/gm)].map(([, name]) => name);
  assert.deepEqual(algorithms, ['rsa-sha256', 'ed25519-sha256']);
});

test('both one-click headers, the Feedback-ID and every MIME header are signed; what a relay may change is not', async () => {
  const names = new Set(signedNames(await signDkim(MESSAGE, KEYS)));
  const present = [...MESSAGE.matchAll(/^([\w-]+):/gm)].map(([, name = '']) => name.toLowerCase());
  const unsigned = present.filter((name) => !names.has(name));
  assert.deepEqual(unsigned, ['x-mailer']);
  const relayed = `Received: from camp by relay\r\nList-Help: <mailto:help@relay.example>\r\n`;
  assert.deepEqual(await verdicts(relayed + (await signDkim(MESSAGE, KEYS))), ['pass', 'pass']);
});

test('nobody can add a second From, Subject or Content-Type on the way, nor a Reply-To where there is none', async () => {
  const withoutReplyTo = MESSAGE.replace(/^Reply-To:.*\r\n/m, '');
  for (const message of [MESSAGE, withoutReplyTo]) {
    const signed = await signDkim(message, KEYS);
    for (const added of [
      'Subject: You won',
      'Content-Type: text/html',
      'Reply-To: mallory@evil.example',
      'Cc: x@y',
    ])
      assert.deepEqual(await verdicts(`${added}\r\n${signed}`), ['fail', 'fail'], added);
    assert.deepEqual(
      signedNames(signed).filter((name) => name === 'from'),
      ['from', 'from'],
    );
  }
});

test('nobody can append to the body: its length is not given', async () => {
  const signed = await signDkim(MESSAGE, KEYS);
  assert.doesNotMatch(signed, /[ ;]l=/);
  assert.deepEqual(await verdicts(`${signed}<p>More</p>\r\n`), ['fail', 'fail']);
});

test('the signature says when it was made, and none of its lines is longer than 78 characters', async () => {
  const before = Math.floor(Date.now() / 1_000);
  const long = { ...KEYS[0]!, selector: 'a'.repeat(60), domain: `${'b'.repeat(60)}.example` };
  const signed = await signDkim(MESSAGE, [long]);
  const seconds = Number(/ t=(\d+);/.exec(signed)?.[1]);
  assert.ok(seconds >= before && seconds <= Date.now() / 1_000);
  const lines = signed.slice(0, signed.indexOf('From:')).split('\r\n');
  assert.ok(lines.length > 10);
  for (const line of lines) assert.ok(line.length <= 78, line);
});

/** Any bytes that a line may have: RFC 5322 leaves out NUL, CR and LF. */
const bytes = fc
  .array(fc.oneof(fc.integer({ min: 0x21, max: 0x7e }), fc.integer({ min: 1, max: 0xff })), { maxLength: 12 })
  .map((codes) => String.fromCharCode(...codes).replaceAll(/[\r\n]/g, '?'));
const utf8 = fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) =>
  Buffer.from(text)
    .toString('latin1')
    .replaceAll(/[\r\n\0]/g, '?'),
);
const word = fc.oneof(bytes, utf8);
const space = fc.constantFrom('', ' ', '  ', '\t', ' \t ', '    ');
const fold = fc.constantFrom(' ', '\t', '  ', '\r\n ', '\r\n\t', ' \r\n  ', '\r\n \r\n ');

const fieldName = fc.constantFrom(
  ...[
    'To',
    'TO',
    'Cc',
    'reply-To',
    'Subject',
    'SUBJECT',
    'Subject ',
    'Date',
    'Message-ID',
    'message-id',
    'Sender',
  ],
  ...[
    'List-Unsubscribe',
    'List-Unsubscribe-Post',
    'Feedback-ID',
    'MIME-Version',
    'Content-Type',
    'Content-X',
  ],
  ...['content-transfer-encoding', 'References', 'X-Other', 'Received'],
);
const field = fc
  .tuple(fieldName, space, fc.array(fc.tuple(word, fold), { maxLength: 5 }), word)
  .map(([name, start, words, last]) => `${name}:${start}${words.flat().join('')}${last}\r\n`);
const line = fc
  .tuple(fc.array(fc.tuple(space, word), { maxLength: 6 }), space)
  .map(([words, end]) => words.flat().join('') + end);
const body = fc
  .tuple(fc.array(line, { maxLength: 12 }), fc.constantFrom('', '\r\n', '\r\n\r\n', '\r\n \r\n\t\r\n\r\n'))
  .map(([lines, end]) => lines.join('\r\n') + end);
const message = fc
  .tuple(fc.array(field, { maxLength: 8 }), fc.array(field, { maxLength: 4 }), body)
  .map(
    ([before, after, text]) => `${before.join('')}From: news@acme.example\r\n${after.join('')}\r\n${text}`,
  );

/** Where another letter is another message to those who verify it. */
function signedLetters(message: string): number[] {
  const end = message.indexOf('\r\n\r\n');
  const unsigned = [...message.slice(0, end).matchAll(/^(X-Other|Received):(?:[^\r]|\r\n[ \t])*/gm)];
  return [...message.matchAll(/[a-z]/g)]
    .map(({ index }) => index)
    .filter((at) => !unsigned.some(({ 0: field, index }) => at >= index && at < index + field.length));
}

test('whatever the headers, the bodies and their encodings, both signatures are good, and a changed byte breaks them', async () => {
  const property = fc.asyncProperty(message, fc.nat(), async (data, pick) => {
    const signed = await signDkim(data, KEYS);
    assert.deepEqual(await verdicts(signed), ['pass', 'pass']);
    const letters = signedLetters(data);
    const at = signed.length - data.length + (letters[pick % letters.length] ?? 0);
    const changed = `${signed.slice(0, at)}${signed[at] === 'x' ? 'y' : 'x'}${signed.slice(at + 1)}`;
    for (const verdict of await verdicts(changed)) assert.notEqual(verdict, 'pass');
  });
  await fc.assert(property, { numRuns: 1_000 });
});
