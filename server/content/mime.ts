/**
 * Writes whole messages: headers, multipart/alternative, bodies (RFC 5322, 2045, 2046; RFC 8058 for unsubscribing).
 *
 * Before: bodies that are already encoded. After: one string of printable ASCII with CRLF line ends, ready for DATA: no
 * line is longer than 998 characters (998 only for what cannot be folded; 78 is the rule) or starts with a dot.
 * What is the same for every recipient is put together once.
 */
import { encodeAddressHeader, encodeTextHeader } from './encodings.ts';

/** `address` is what `encodeAddress` returned. */
export interface Mailbox {
  name?: string | null;
  address: string;
}

/** The part of the headers that belongs to the campaign. */
export interface CampaignHeaders {
  from: Mailbox;
  replyTo?: Mailbox | undefined;
  /** For List-Id, without angle brackets: `news.example.com` (RFC 2919). */
  listId?: string | undefined;
  feedbackId?: string | undefined;
  /** Unique to the campaign; hexadecimal digits, or other characters that a boundary may have. */
  boundaryId: string;
  hasHtml: boolean;
}

export interface RecipientParts {
  to: Mailbox;
  subject: string;
  dateMs: number;
  /** Without angle brackets. */
  messageId: string;
  unsubscribeUrl: string;
  /** Encoded bodies, which end with a line break; `html` is '' when the campaign has none. */
  text: string;
  html: string;
}

export function createMessageWriter(campaign: CampaignHeaders): (recipient: RecipientParts) => string {
  const { start, beforeText, beforeHtml, end } = fixedParts(campaign);
  return ({ to, subject, dateMs, messageId, unsubscribeUrl, text, html }) =>
    start +
    encodeAddressHeader('To', to.name, to.address) +
    encodeTextHeader('Subject', subject) +
    dateHeader(dateMs) +
    `Message-ID: <${messageId}>\r\nList-Unsubscribe:\r\n <${unsubscribeUrl}>\r\n` +
    beforeText +
    text +
    beforeHtml +
    html +
    end;
}

/**
 * The boundary holds `=_`, which quoted-printable text cannot: there `=` is followed by a hexadecimal digit or a line
 * end (RFC 2045 6.7).
 */
function fixedParts(campaign: CampaignHeaders): {
  start: string;
  beforeText: string;
  beforeHtml: string;
  end: string;
} {
  const { from, replyTo, listId, feedbackId, boundaryId, hasHtml } = campaign;
  const start =
    encodeAddressHeader('From', from.name, from.address) +
    (replyTo ? encodeAddressHeader('Reply-To', replyTo.name, replyTo.address) : '');
  const headers =
    'List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n' +
    (listId ? encodeTextHeader('List-Id', `<${listId}>`) : '') +
    (feedbackId ? encodeTextHeader('Feedback-ID', feedbackId) : '') +
    'MIME-Version: 1.0\r\n';
  if (!hasHtml) return { start, beforeText: headers + partHeaders('text/plain'), beforeHtml: '', end: '' };
  const boundary = `=_${boundaryId}`;
  const multipart = `Content-Type: multipart/alternative;\r\n boundary="${boundary}"\r\n\r\n`;
  return {
    start,
    beforeText: `${headers}${multipart}--${boundary}\r\n${partHeaders('text/plain')}`,
    beforeHtml: `--${boundary}\r\n${partHeaders('text/html')}`,
    end: `--${boundary}--\r\n`,
  };
}

function partHeaders(type: string): string {
  return `Content-Type: ${type}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n`;
}

let lastDate = { second: Number.NaN, header: '' };

/** RFC 5322 3.3. One string serves all messages of a second. */
export function dateHeader(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== lastDate.second) {
    const date = new Date(second * 1000).toUTCString().replace('GMT', '+0000');
    lastDate = { second, header: `Date: ${date}\r\n` };
  }
  return lastDate.header;
}
