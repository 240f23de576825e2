/**
 * Mails of their own, which are written whole by whoever sends them: text, HTML or both, with attachments. No Liquid, no
 * tracking, no unsubscribe header: nobody unsubscribes from an invoice.
 *
 * Before: queue/transactional.ts kept the body with the message. After: the same string as a campaign's mail, for DKIM and
 * DATA. The Message-ID depends on ids alone: a mail that is sent again has the same.
 */
import {
  type AddressResult,
  encodeAddress,
  encodeAddressHeader,
  encodeBodyPiece,
  encodeTextHeader,
} from './encodings.ts';
import type { CompiledMessage, MessageRecipient, RenderResult } from './message.ts';
import { dateHeader } from './mime.ts';
import type { Signer } from './tokens.ts';

/** As it is kept: plain JSON. */
export interface TransactionalBody {
  from: { name: string | null; email: string };
  toName: string | null;
  replyTo: string | null;
  subject: string;
  text: string | null;
  html: string | null;
  attachments: Attachment[];
}

export interface Attachment {
  filename: string;
  /** `application/pdf`. */
  contentType: string;
  base64: string;
}

const BASE64_LINE = 76;
const CONTENT_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: what may not stand in a header
const CONTROLS = /[\x00-\x1f\x7f]/;

export interface TransactionalFault {
  /** JSON pointer into the mail, as the API takes it. */
  at: string;
  /** For people. */
  sentence: string;
}

/** Why no mail can be made of it; null: it can. */
export function transactionalFault(body: TransactionalBody, toEmail?: string): TransactionalFault | null {
  return faultOfAddresses(body, toEmail) ?? faultOfLines(body) ?? faultOfContent(body);
}

function faultOfAddresses({ from, replyTo }: TransactionalBody, toEmail: string | undefined) {
  const addresses = [
    ['/from/email', 'from', from.email],
    ['/to/email', 'to', toEmail],
    ['/reply_to', 'reply-to', replyTo],
  ] as const;
  for (const [at, what, email] of addresses) {
    if (email === null || email === undefined) continue;
    const result = encodeAddress(email);
    if (result.kind === 'invalid')
      return { at, sentence: `The ${what} address cannot be written: ${result.reason}.` };
  }
  return null;
}

function faultOfLines({ from, toName, subject, attachments }: TransactionalBody): TransactionalFault | null {
  const lines: [at: string, line: string | null][] = [
    ['/from/name', from.name],
    ['/to/name', toName],
    ['/subject', subject],
    ...attachments.map(({ filename }, i): [string, string] => [`/attachments/${i}/filename`, filename]),
  ];
  const [at] = lines.find(([, line]) => line !== null && CONTROLS.test(line)) ?? [];
  if (at === undefined) return null;
  const sentence =
    'A name, the subject or a file name has a line break or a control character in it: take it out.';
  return { at, sentence };
}

function faultOfContent({ text, html, attachments }: TransactionalBody): TransactionalFault | null {
  if (text === null && html === null)
    return { at: '', sentence: 'There is neither text nor html: give at least one of them.' };
  const odd = attachments.findIndex(({ contentType }) => !CONTENT_TYPE.test(contentType));
  if (odd < 0) return null;
  const sentence = `"${attachments[odd]?.contentType}" is no content type such as application/pdf.`;
  return { at: `/attachments/${odd}/content_type`, sentence };
}

/** Renders whatever body comes with the recipient as its attributes. */
export function transactionalMessages(
  of: { workspaceId: string; campaignId: string },
  signer: Signer,
): CompiledMessage {
  const forCampaign = signer.forCampaign(of);
  return {
    render(recipient: MessageRecipient): RenderResult {
      const body = recipient.attributes as unknown as TransactionalBody;
      const [to, from] = [encodeAddress(recipient.email), encodeAddress(body.from.email)];
      if (to.kind === 'invalid') return { kind: 'unrenderable', error: to.reason };
      if (from.kind === 'invalid') return { kind: 'unrenderable', error: from.reason };
      const messageId = `${forCampaign.recipient(recipient.contactId).messageIdLocal}@${from.domain}`;
      const headers = headersOf(body, { from, to: to.address, messageId });
      return {
        kind: 'rendered',
        data: headers + content(body, recipient.contactId.replaceAll('-', '')),
        messageId,
      };
    },
  };
}

function headersOf(
  { from: { name }, toName, replyTo, subject }: TransactionalBody,
  {
    from,
    to,
    messageId,
  }: { from: Extract<AddressResult, { kind: 'address' }>; to: string; messageId: string },
): string {
  const answerTo = replyTo === null ? null : encodeAddress(replyTo);
  return (
    encodeAddressHeader('From', name, from.address) +
    (answerTo?.kind === 'address' ? encodeAddressHeader('Reply-To', null, answerTo.address) : '') +
    encodeAddressHeader('To', toName, to) +
    encodeTextHeader('Subject', subject) +
    dateHeader(Date.now()) +
    `Message-ID: <${messageId}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n`
  );
}

function content({ text, html, attachments }: TransactionalBody, id: string): string {
  const bodies = [
    ...(text === null ? [] : [textPart('text/plain', text)]),
    ...(html === null ? [] : [textPart('text/html', html)]),
  ];
  const body = bodies.length === 1 ? (bodies[0] ?? '') : multipart('alternative', `=_a${id}`, bodies);
  if (attachments.length === 0) return body;
  return multipart('mixed', `=_m${id}`, [body, ...attachments.map(attachmentPart)]);
}

function multipart(kind: 'alternative' | 'mixed', boundary: string, parts: string[]): string {
  const all = parts.map((part) => `--${boundary}\r\n${part}`).join('');
  return `Content-Type: multipart/${kind};\r\n boundary="${boundary}"\r\n\r\n${all}--${boundary}--\r\n`;
}

function textPart(type: string, text: string): string {
  const body = encodeBodyPiece(text.endsWith('\n') ? text : `${text}\n`);
  return `Content-Type: ${type}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${body}`;
}

function attachmentPart({ filename, contentType, base64 }: Attachment): string {
  const lines = base64.match(new RegExp(`.{1,${BASE64_LINE}}`, 'g')) ?? [];
  return `Content-Type: ${contentType}\r\nContent-Disposition: attachment;\r\n ${filenameParameter(filename)}\r\nContent-Transfer-Encoding: base64\r\n\r\n${lines.join('\r\n')}\r\n`;
}

/** RFC 2183; RFC 2231 for what is not plain. */
function filenameParameter(filename: string): string {
  if (/^[\w .()+-]{1,60}$/.test(filename)) return `filename="${filename}"`;
  const escaped = encodeURIComponent(filename).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  return `filename*=UTF-8''${escaped}`;
}
