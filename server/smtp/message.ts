/**
 * A message as it goes over the wire: what we refuse to send, and how the rest is written down.
 *
 * Whatever passes `messageFault` cannot end a command or a message early, on any server: an address is one
 * token, and every line of the data ends in CRLF and nowhere else (SMTP smuggling needs a bare CR or LF).
 */
import type { Offers } from './offers.ts';

export interface Message {
  /** Envelope sender without angle brackets; empty for the null sender. */
  readonly from: string;
  readonly to: string;
  /** RFC 5322 with CRLF line ends, one character per byte. A missing last line end is added. */
  readonly data: string;
}

/** RFC 5321 4.5.3.1.3: a path has 256 octets with its angle brackets. */
const ADDRESS_BYTES_MAX = 254;
/** RFC 5322 2.1.1, without CRLF. */
const LINE_BYTES_MAX = 998;

// No SMTPUTF8 (RFC 6531) yet: only visible ASCII without the brackets that would end the path.
const ADDRESS = /^[!-;=?-~]*$/;

/** One sentence that says why the message must not be sent as it is, or null. */
export function messageFault(message: Message, offers: Offers): string | null {
  return (
    addressFault('sender', message.from) ??
    (message.to === '' ? 'The recipient address is empty.' : addressFault('recipient', message.to)) ??
    lineFault(message.data) ??
    byteFault(message.data, offers) ??
    sizeFault(message.data, offers)
  );
}

/** MAIL with the parameters that the message needs and the server offers. */
export function mailLine(message: Message, offers: Offers): string {
  const size = offers.size ? ` SIZE=${wireSize(message.data)}` : '';
  const body = offers.eightBitMime && !isAscii(message.data) ? ' BODY=8BITMIME' : '';
  return `MAIL FROM:<${message.from}>${size}${body}\r\n`;
}

/** The data as it stands between 354 and the final dot: dots doubled (RFC 5321 4.5.2), CRLF at the end. */
export function dotStuffed(data: string): string {
  const stuffed = data.indexOf('\r\n.') < 0 ? data : data.replaceAll('\r\n.', '\r\n..');
  const opened = stuffed.startsWith('.') ? `.${stuffed}` : stuffed;
  return opened === '' || opened.endsWith('\r\n') ? opened : `${opened}\r\n`;
}

function addressFault(whose: string, address: string): string | null {
  if (address.length > ADDRESS_BYTES_MAX)
    return `The ${whose} address is longer than ${ADDRESS_BYTES_MAX} bytes.`;
  if (ADDRESS.test(address)) return null;
  return `The ${whose} address has a character that an SMTP command cannot carry: ${JSON.stringify(address)}.`;
}

function lineFault(data: string): string | null {
  let start = 0;
  while (start < data.length) {
    const lf = data.indexOf('\n', start);
    const cr = data.indexOf('\r', start);
    const unended = lf < 0 && cr < 0;
    if (!unended && (cr < 0 || lf !== cr + 1))
      return 'The message has a bare CR or LF: every line must end in CRLF.';
    const end = unended ? data.length : cr;
    if (end - start > LINE_BYTES_MAX) return `The message has a line longer than ${LINE_BYTES_MAX} bytes.`;
    start = end + 2;
  }
  return null;
}

function byteFault(data: string, offers: Offers): string | null {
  if (data.includes('\0')) return 'The message has a NUL byte.';
  if (isAscii(data)) return null;
  if (/[^\0-\xff]/.test(data))
    return 'The message has characters that are not bytes: it must be encoded first.';
  return offers.eightBitMime ? null : 'The message has 8-bit bytes and the relay does not offer 8BITMIME.';
}

function sizeFault(data: string, offers: Offers): string | null {
  const bytes = wireSize(data);
  if (bytes <= offers.messageBytesMax) return null;
  return `The message has ${bytes} bytes and the relay takes ${offers.messageBytesMax} at most.`;
}

/** RFC 1870 3: with line ends, without doubled dots. */
function wireSize(data: string): number {
  return data === '' || data.endsWith('\r\n') ? data.length : data.length + 2;
}

/** As UTF-8 every character above 0x7f grows; measuring that is native and copies nothing. */
function isAscii(data: string): boolean {
  return Buffer.byteLength(data, 'utf8') === data.length;
}
