/** What the judge wants to know of a message as it stood on the wire. */

export interface MessageFacts {
  /** With its angle brackets, or ''. */
  messageId: string;
  subject: string;
  dkim: boolean;
  bytes: number;
  /** A CR without LF or an LF without CR, anywhere. */
  bareLineEnd: boolean;
  /** A line over 998 bytes (RFC 5322 2.1.1). */
  longLine: boolean;
  eightBit: boolean;
}

const LINE_BYTES_MAX = 998;

/** One character per byte, dots as they came. */
export function messageFacts(message: string): MessageFacts {
  const end = message.indexOf('\r\n\r\n');
  const header = end < 0 ? message : message.slice(0, end + 2);
  return {
    messageId: field(/^Message-ID:(.*)$/im, header),
    subject: field(/^Subject:(.*)$/im, header),
    dkim: /^DKIM-Signature:/im.test(header),
    bytes: message.length,
    ...lineFacts(message),
    eightBit: /[\x80-\xff]/.test(message),
  };
}

/** A field's first line, or its second when it was folded behind the name. */
function field(name: RegExp, header: string): string {
  const found = name.exec(header);
  const first = found?.[1]?.trim() ?? '';
  if (!found || first !== '') return first;
  const rest = header.slice(found.index + found[0].length);
  return /^\r?\n[ \t]+(.*)/.exec(rest)?.[1]?.trim() ?? '';
}

function lineFacts(message: string): { bareLineEnd: boolean; longLine: boolean } {
  const facts = { bareLineEnd: false, longLine: false };
  for (let start = 0; start < message.length; ) {
    const lf = message.indexOf('\n', start);
    const end = lf < 0 ? message.length : lf + 1;
    const line = message.slice(start, end);
    if (lf >= 0 ? line.indexOf('\r') !== line.length - 2 : line.includes('\r')) facts.bareLineEnd = true;
    if (line.length > LINE_BYTES_MAX + 2) facts.longLine = true;
    start = end;
  }
  return facts;
}
