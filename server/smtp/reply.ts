/**
 * The reply parser: bytes from a server in, whole replies out (RFC 5321 4.2).
 *
 * The stream may be cut anywhere: what the parser says never depends on where. It keeps only the unfinished
 * reply, and that one is capped, so a server cannot make us hold more than REPLY_BYTES_MAX. Bytes travel as a
 * 'latin1' string (one character per byte); text is decoded once, when its reply is complete.
 */

/** A whole reply. `text` has one line per reply line, without codes; `enhanced` is the first RFC 3463 code. */
export interface Reply {
  readonly code: number;
  readonly enhanced: string | null;
  readonly text: string;
}

export const REPLY_BYTES_MAX = 64 * 1024;
export const REPLY_LINES_MAX = 512;

const LINE = /^[2-5][0-9][0-9](?:[ -]|$)/;
const ENHANCED = /^([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: +|$)/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a reply may not bring into logs and rows
const CONTROLS = /[\x00-\x1f\x7f]/g;
const NOT_ASCII = /[^\0-\x7f]/;
const utf8 = new TextDecoder('utf-8', { fatal: true });

export class ReplyParser {
  /** The unfinished line. */
  #tail = '';
  /** The finished lines of the unfinished reply, and their bytes with line ends. */
  #lines: string[] = [];
  #bytes = 0;

  /**
   * Appends the replies that `chunk` completes to `replies`. Returns a sentence when the server does not speak
   * SMTP; then the stream has no meaning any more and must not be fed again.
   */
  feed(chunk: string, replies: Reply[]): string | null {
    const input = this.#tail === '' ? chunk : this.#tail + chunk;
    let start = 0;
    for (let end = input.indexOf('\n'); end >= 0; end = input.indexOf('\n', start)) {
      const error = this.#line(input.slice(start, end), replies);
      if (error) return error;
      start = end + 1;
    }
    this.#tail = input.slice(start);
    return this.#bytes + this.#tail.length > REPLY_BYTES_MAX ? tooLong : null;
  }

  #line(raw: string, replies: Reply[]): string | null {
    this.#bytes += raw.length + 1;
    if (this.#bytes > REPLY_BYTES_MAX) return tooLong;
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (!LINE.test(line)) return `not an SMTP reply: ${JSON.stringify(line.slice(0, 80))}`;
    if (this.#lines[0] && !line.startsWith(this.#lines[0].slice(0, 3)))
      return `a reply changed its code from ${this.#lines[0].slice(0, 3)} to ${line.slice(0, 3)}`;
    this.#lines.push(line);
    if (this.#lines.length > REPLY_LINES_MAX) return tooLong;
    if (line[3] === '-') return null;
    replies.push(toReply(this.#lines));
    this.#lines = [];
    this.#bytes = 0;
    return null;
  }
}

/** As it is written down: one line of text per reply line, the codes once. */
export function replyText({ code, enhanced, text }: Reply): string {
  return [code, enhanced, text].filter((part) => part !== null && part !== '').join(' ');
}

/** A reply from what replyText wrote, from a log, or from a person; the codes may stand on each line. null: no code. */
export function readReply(written: string): Reply | null {
  const [, code] = /^\s*([2-5]\d\d)(?![^\s-])/.exec(written) ?? [];
  if (code === undefined) return null;
  const bytes = Buffer.from(written.trim()).toString('latin1');
  const hasCode = new RegExp(`^${code}(?:[ -]|$)`);
  return toReply(bytes.split(/\r?\n/).map((line) => (hasCode.test(line) ? line : `${code} ${line}`)));
}

const tooLong = `a reply longer than ${REPLY_BYTES_MAX} bytes or ${REPLY_LINES_MAX} lines`;

function toReply(lines: readonly string[]): Reply {
  let enhanced: string | null = null;
  let text = '';
  for (let index = 0; index < lines.length; index++) {
    const rest = lines[index]?.slice(4) ?? '';
    const found = ENHANCED.exec(rest);
    if (found?.[1]) enhanced ??= found[1];
    text += (index > 0 ? '\n' : '') + (found ? rest.slice(found[0].length) : rest).replace(CONTROLS, ' ');
  }
  return { code: Number(lines[0]?.slice(0, 3)), enhanced, text: decoded(text) };
}

function decoded(text: string): string {
  if (!NOT_ASCII.test(text)) return text;
  try {
    return utf8.decode(Buffer.from(text, 'latin1'));
  } catch {
    return text;
  }
}
