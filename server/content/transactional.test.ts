import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simpleParser } from 'mailparser';
import { newId } from '../kernel/ids.ts';
import { createSigner } from './tokens.ts';
import { type TransactionalBody, transactionalFault, transactionalMessages } from './transactional.ts';

const pdf = Buffer.from('%PDF-1.7\r\n.\r\nbinary \x00\xff', 'latin1');
const body: TransactionalBody = {
  from: { name: 'Zoë’s Shop', email: 'shop@acme.example' },
  toName: 'Ann Ärger',
  replyTo: 'help@acme.example',
  subject: 'Invoice 7 – thank you, Ann',
  text: 'Hello Ann,\n.\nyour invoice is attached.',
  html: null,
  attachments: [
    { filename: 'Rechnung für Ann.pdf', contentType: 'application/pdf', base64: pdf.toString('base64') },
  ],
};
const ids = { workspaceId: newId(), campaignId: newId() };
const contactId = newId();

function render(changes: Partial<TransactionalBody> = {}) {
  const attributes = { ...body, ...changes } as unknown as Record<string, unknown>;
  const messages = transactionalMessages(ids, createSigner('secret'));
  const result = messages.render({ contactId, email: 'ann@city.example', name: null, attributes });
  if (result.kind === 'unrenderable') throw new Error(result.error);
  return result;
}

test('an invoice arrives with its text, its names and its PDF, byte for byte', async () => {
  const mail = await simpleParser(render().data);
  assert.equal(mail.from?.value[0]?.name, body.from.name);
  assert.equal(mail.subject, body.subject);
  assert.equal(mail.text?.trimEnd(), body.text);
  assert.deepEqual(
    mail.attachments.map(({ filename, contentType, content }) => [
      filename,
      contentType,
      content.equals(pdf),
    ]),
    [['Rechnung für Ann.pdf', 'application/pdf', true]],
  );
  assert.equal(mail.headers.has('list-unsubscribe'), false);
});

test('text and HTML are alternatives of one mail, and a mail with one of them is that alone', async () => {
  const both = await simpleParser(render({ html: '<p>Hello <b>Ann</b></p>', attachments: [] }).data);
  assert.equal(both.text?.trimEnd(), body.text);
  assert.match(String(both.html), /<b>Ann<\/b>/);
  assert.match(
    render({ text: null, html: '<p>x</p>', attachments: [] }).data,
    /\r\nContent-Type: text\/html/,
  );
});

test('sent again it has the same Message-ID', () => {
  assert.equal(render().messageId, render().messageId);
  assert.match(render().messageId, /@acme\.example$/);
});

test('what cannot be a mail is refused in one sentence', () => {
  assert.equal(transactionalFault(body), null);
  for (const [changes, sentence] of [
    [{ subject: 'Hi\r\nBcc: all@city.example' }, /line break/],
    [{ from: { name: null, email: 'nobody' } }, /from address/],
    [{ text: null, html: null }, /neither text nor html/],
    [{ attachments: [{ filename: 'a', contentType: 'x; y', base64: '' }] }, /content type/],
  ] as const)
    assert.match(transactionalFault({ ...body, ...changes } as TransactionalBody)?.sentence ?? '', sentence);
});
