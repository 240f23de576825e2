import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ParsedMail, simpleParser } from 'mailparser';
import PostalMime from 'postal-mime';
import { compileMessage, type MessageInput, type MessageRecipient, SenderError } from './message.ts';
import { compileTemplate, loadTemplate } from './template.ts';
import { createSigner } from './tokens.ts';

const workspaceId = '01890a5d-ac96-774b-bcce-b302099a8057';
const campaignId = '01890a5d-ac96-774b-bcce-b302099a8058';
const contactId = '01890a5d-ac96-774b-bcce-b302099a8059';
const signer = createSigner('secret');

const htmlTemplate = `---
subject: {{ first_name | default: "Hello" }}: {{ topic }}
---
<!doctype html>
<html><head><title>News</title></head><body>
<p>Dear {{ name }}, <b>{{ topic }}</b></p>
.a line with a dot
From a line with From
<p>{{ topic }}</p>
</body></html>
`;
const ownText = `Dear {{ name }},
.{{ topic }}
{{ topic }}
From {{ topic }}
Bye
`;

const expectedHeaders = [
  'content-type',
  'date',
  'from',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'message-id',
  'mime-version',
  'subject',
  'to',
];

const awkward = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
      fc.constantFrom('.', '\n.', '\r\n.\r\n', '\nFrom ', ' ', '\t', ' \n', '\r', '\n', '\r\nBcc: evil@example.com\r\n', '\n\n<b>'),
      fc.constantFrom('👩‍👩‍👧‍👦', 'שלום עולם', 'e\u0301', 'مرحبا', '=?UTF-8?Q?=41?=', '"', '\\', ',', ';', '<a@b.example>', '(c)', '@', '='),
      fc.constantFrom('\u0001', '\u0002https://evil.example\u0003', '\0', '\u007f', '\u0085', '\u2028', '\ud800', '\u00a0'),
      fc.constantFrom('x'.repeat(300), '字'.repeat(100), '--=_01890a5dac96774bbcceb302099a8058--', '{{ x }}', '&amp;', '%'),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));

test('whatever a contact is called and has as attributes, two mail readers show exactly that and nothing more', async () => {
  const template = compileTemplate(loadTemplate('t.html', htmlTemplate, ownText));
  await fc.assert(
    fc.asyncProperty(awkward, awkward, awkward, async (name, topic, fromName) => {
      const message = compileMessage(input({ template, from: { name: fromName, email: 'news@green.example' } }));
      const recipient = { contactId, email: 'ann@example.com', name, attributes: { topic } };
      const data = rendered(message.render(recipient));
      assertWire(data);
      const first = name.trim().split(/\s+/)[0] || 'Hello';
      const expected = {
        subject: header(`${first}: ${topic}`),
        fromName: header(fromName),
        toName: header(name),
        text: `Dear ${lines(name)},\n.${lines(topic)}\n${lines(topic)}\nFrom ${lines(topic)}\nBye`,
        html:
          '<!doctype html>\n<html><head><title>News</title></head><body>\n' +
          `<p>Dear ${escape(lines(name))}, <b>${escape(lines(topic))}</b></p>\n` +
          `.a line with a dot\nFrom a line with From\n<p>${escape(lines(topic))}</p>\n`,
      };
      await assertPostalMime(data, expected);
      await assertMailparser(data, expected);
    }),
    { numRuns: 8000 },
  );
});

interface Expected {
  subject: string;
  fromName: string;
  toName: string;
  text: string;
  html: string;
}

async function assertPostalMime(data: string, expected: Expected): Promise<void> {
  const mail = await PostalMime.parse(data);
  assert.deepEqual(mail.headers.map(({ key }) => key).sort(), expectedHeaders);
  assert.equal(mail.subject, expected.subject, 'postal-mime subject');
  assert.deepEqual(mail.from, { address: 'news@green.example', name: expected.fromName });
  assert.deepEqual(mail.to, [{ address: 'ann@example.com', name: expected.toName }]);
  assert.equal(mail.cc ?? mail.bcc, undefined);
  assert.equal(lines(mail.text ?? '').replace(/\n$/, ''), expected.text, 'postal-mime text');
  assert.equal(lines(beforePixel(mail.html ?? '')), expected.html, 'postal-mime html');
  assert.deepEqual(mail.attachments, []);
}

async function assertMailparser(data: string, expected: Expected): Promise<void> {
  const mail: ParsedMail = await simpleParser(data, { skipTextToHtml: true, skipHtmlToText: true, skipTextLinks: true });
  assert.deepEqual(mail.headerLines.map(({ key }) => key).sort(), expectedHeaders);
  assert.equal(mail.subject ?? '', expected.subject, 'mailparser subject');
  assert.deepEqual(mail.from?.value, [{ address: 'news@green.example', name: expected.fromName }]);
  assert.ok(mail.to && !Array.isArray(mail.to));
  assert.deepEqual(mail.to.value, [{ address: 'ann@example.com', name: expected.toName }]);
  assert.equal(lines(mail.text ?? '').replace(/\n$/, ''), expected.text, 'mailparser text');
  assert.equal(lines(beforePixel(mail.html || '')), expected.html, 'mailparser html');
  assert.deepEqual(mail.attachments, []);
}

/** Printable ASCII, CRLF, no line too long, no line that needs dot-stuffing. */
function assertWire(data: string): void {
  assert.match(data, /^(?:[ -~]{0,998}\r\n)*$/);
  assert.doesNotMatch(data, /^\./m);
}

function beforePixel(html: string): string {
  return html.slice(0, html.indexOf('<img src="https://track.green.example/o/'));
}

function lines(text: string): string {
  return text.toWellFormed().replaceAll(/\r\n|\r|\n/g, '\n');
}

function header(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: controls become spaces in headers
  return text.slice(0, 1000).toWellFormed().replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ').trim();
}

function escape(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}

function input(changes: Partial<MessageInput> & Pick<MessageInput, 'template'>): MessageInput {
  return {
    workspaceId,
    campaignId,
    from: { name: 'Green Mill Farm', email: 'news@green.example' },
    trackingBase: 'https://track.green.example',
    signer,
    now: () => Date.UTC(2026, 10, 23, 14, 35),
    ...changes,
  };
}

function rendered(result: ReturnType<ReturnType<typeof compileMessage>['render']>): string {
  assert.equal(result.kind, 'rendered', result.kind === 'unrenderable' ? result.error : '');
  return result.kind === 'rendered' ? result.data : '';
}
