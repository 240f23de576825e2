/**
 * The encodings of RFC 2045 to 2047: quoted-printable for bodies, encoded-words for headers, addresses with IDN.
 *
 * Everything here returns printable ASCII and CRLF only, whatever it is given. Bodies are encoded in pieces (the
 * fixed text of a template once per campaign, each printed value per recipient), and pieces are joined in any order, so:
 *
 *     every piece starts at column 0 and ends at column 0, by a hard line break of its own or by a soft one.
 *
 * That costs three bytes a piece and buys that no piece needs to know its neighbours. A line never starts with
 * a dot or with "From ", so neither dot-stuffing (RFC 5321 4.5.2) nor mbox quoting can change a body.
 */
import { domainToASCII } from 'node:url';

export type AddressResult =
  | { kind: 'address'; address: string; domain: string }
  | { kind: 'invalid'; reason: string };

const softBreak = '=\r\n';
/** RFC 2045 6.7 (5): 76 with the `=` of a soft break. */
const unbrokenCharsMax = 75;
/** RFC 2047 2: an encoded-word has at most 75 characters, and its line 76. */
const encodedLineCharsMax = 76;
/** RFC 5322 2.1.1: what a header line should not exceed. */
const headerLineCharsMax = 78;
/** Longer header texts are cut: no screen shows them, and a mailbox provider refuses headers of many kilobytes. */
const headerTextCharsMax = 1000;
/** A quoted-string is not folded, so longer names become encoded-words. */
const quotedNameCharsMax = 60;
/** RFC 5321 4.5.3.1. */
const localPartCharsMax = 64;
const addressCharsMax = 254;

const printableAsciiPiece = /^(?!\.|From )[ -<>-~]{1,75}$/;
const printableAsciiLine = /^(?!\.|From )(?:[ -<>-~]{0,75}[!-<>-~])?$/;
const printableAscii = /^[ -<>-~]*$/;
const lineBreak = /\r\n|\r|\n/;

/** One piece of a body, see the header. The empty string stays empty. */
export function encodeBodyPiece(text: string): string {
  if (printableAsciiPiece.test(text)) return text + softBreak;
  if (text === '') return '';
  const lines = text.split(lineBreak);
  const unfinished = lines.pop();
  let encoded = '';
  for (const line of lines) encoded += encodeBodyLine(line);
  return unfinished ? encoded + encodeLineBytes(unfinished) + softBreak : encoded;
}

function encodeBodyLine(line: string): string {
  return printableAsciiLine.test(line) ? `${line}\r\n` : `${encodeLineBytes(line, true)}\r\n`;
}

/** `hardBreakFollows`: white space at the end of a line would be lost in transport (RFC 2045 6.7 (3)). */
function encodeLineBytes(line: string, hardBreakFollows = false): string {
  if (printableAscii.test(line) && !(hardBreakFollows && line.endsWith(' '))) return breakPlainLine(line);
  const bytes = Buffer.from(line, 'utf8');
  let encoded = '';
  let lineStart = 0;
  for (let index = 0; index < bytes.length; index += 1) {
    if (encoded.length - lineStart > unbrokenCharsMax - '=00'.length) {
      encoded += softBreak;
      lineStart = encoded.length;
    }
    const byte = bytes[index]!;
    const plain =
      isPlainByte(byte) &&
      !(encoded.length === lineStart && startsDangerously(bytes.toString('latin1', index, index + 5))) &&
      !(hardBreakFollows && index === bytes.length - 1 && byte === 0x20);
    encoded += plain ? String.fromCharCode(byte) : hexOfByte[byte];
  }
  return encoded;
}

/** Long lines of plain ASCII, most of all URLs with tokens, are cut without looking at each byte. */
function breakPlainLine(line: string): string {
  let encoded = '';
  let position = 0;
  for (;;) {
    const dangerous = startsDangerously(line.slice(position, position + 5));
    const end = position + unbrokenCharsMax - (dangerous ? '=00'.length - 1 : 0);
    encoded += dangerous
      ? hexOfByte[line.charCodeAt(position)] + line.slice(position + 1, end)
      : line.slice(position, end);
    if (end >= line.length) return encoded;
    encoded += softBreak;
    position = end;
  }
}

function isPlainByte(byte: number): boolean {
  return byte >= 0x20 && byte <= 0x7e && byte !== 0x3d;
}

function startsDangerously(line: string): boolean {
  return line.startsWith('.') || line.startsWith('From ');
}

const hexOfByte = Array.from(
  { length: 256 },
  (_, byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`,
);

/** Text from `encodeBodyPiece`, or several such pieces joined. */
export function decodeBody(encoded: string): string {
  const bytes = encoded
    .replaceAll(softBreak, '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** A whole unstructured header field such as Subject, folded, with its CRLF. */
export function encodeTextHeader(name: string, value: string): string {
  const text = headerText(value);
  const prefix = `${name}: `;
  if (text === '') return `${name}:\r\n`;
  if (!isPlainHeaderText(text)) return `${prefix}${encodeWords(text, prefix.length)}\r\n`;
  return prefix.length + text.length <= headerLineCharsMax ? `${prefix}${text}\r\n` : foldWords(prefix, text);
}

/** A header field with one address, for example `To: "Ann Lee" <ann@example.com>`, folded, with its CRLF. */
export function encodeAddressHeader(
  name: string,
  displayName: string | null | undefined,
  address: string,
): string {
  const text = headerText(displayName ?? '');
  const prefix = `${name}: `;
  if (text === '') return `${prefix}${address}\r\n`;
  const phrase =
    text.length <= quotedNameCharsMax && isPlainHeaderText(text)
      ? `"${text.replaceAll(/["\\]/g, '\\$&')}"`
      : encodeWords(text, prefix.length);
  const lastLineLength = prefix.length + phrase.length + address.length + ' <>'.length;
  return `${prefix}${phrase}${lastLineLength > headerLineCharsMax ? '\r\n' : ''} <${address}>\r\n`;
}

/**
 * What a reader sees of a value in a header, white space around it removed. Controls, which include every line break,
 * become spaces: a value cannot start a header of its own.
 */
export function headerText(value: string): string {
  return value.slice(0, headerTextCharsMax).replaceAll(controlCharacters, ' ').trim();
}

const controlCharacters = /\p{Cc}/gu;

/** Words that fit on a line, one space between them, and nothing that a reader could take for an encoded-word. */
function isPlainHeaderText(text: string): boolean {
  return /^[!-~]{1,60}(?: [!-~]{1,60})*$/.test(text) && !text.includes('=?');
}

function foldWords(prefix: string, text: string): string {
  let folded = '';
  let line = prefix.trimEnd();
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > headerLineCharsMax) {
      folded += `${line}\r\n`;
      line = '';
    }
    line += ` ${word}`;
  }
  return `${folded}${line}\r\n`;
}

/** RFC 2047 words, cut only between code points, each on a line of its own. */
function encodeWords(text: string, firstColumn: number): string {
  const words: string[] = [];
  let word = '';
  let bytes = 0;
  const base64CharsMax = encodedLineCharsMax - firstColumn - '=?UTF-8?B??='.length;
  const bytesMax = Math.floor(base64CharsMax / 4) * 3;
  for (const character of text) {
    const size = Buffer.byteLength(character);
    if (bytes + size > bytesMax) {
      words.push(encodedWord(word));
      [word, bytes] = ['', 0];
    }
    word += character;
    bytes += size;
  }
  return [...words, encodedWord(word)].join('\r\n ');
}

function encodedWord(text: string): string {
  return `=?UTF-8?B?${Buffer.from(text, 'utf8').toString('base64')}?=`;
}

const dotAtom = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const hostName =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]$/;
const internationalName = /^[A-Za-z0-9.-]*[\u0080-\uffff][A-Za-z0-9.\u0080-\uffff-]*$/;

/**
 * The address as it is written into headers: dot-atom local part (RFC 5322 3.4.1) and an ASCII domain, IDNs in
 * their A-label form. Non-ASCII local parts would need SMTPUTF8 (RFC 6531), which is not offered: they are refused.
 */
export function encodeAddress(email: string): AddressResult {
  const at = email.lastIndexOf('@');
  const local = email.slice(0, Math.max(at, 0));
  const domain = asciiDomain(email.slice(at + 1));
  if (/[\u0080-\uffff]/.test(local)) return invalid(email, 'has a non-ASCII character before the @');
  if (local.length > localPartCharsMax || !dotAtom.test(local))
    return invalid(email, 'has no valid name before the @');
  if (domain === undefined) return invalid(email, 'has no valid domain after the @');
  const address = `${local}@${domain}`;
  if (address.length > addressCharsMax) return invalid(email, 'is longer than 254 characters');
  return { kind: 'address', address, domain };
}

function invalid(email: string, what: string): AddressResult {
  return {
    kind: 'invalid',
    reason: `The address ${JSON.stringify(email.slice(0, addressCharsMax))} ${what}.`,
  };
}

/** `domainToASCII` reads a URL's host, so it would cut at a slash and skip a tab: such characters never get there. */
function asciiDomain(domain: string): string | undefined {
  const ascii = internationalName.test(domain) ? domainToASCII(domain) : domain;
  return hostName.test(ascii) ? ascii : undefined;
}
