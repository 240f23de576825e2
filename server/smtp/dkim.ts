/**
 * DKIM (RFC 6376, Ed25519 by RFC 8463): signs a message with every key of its sender's domain.
 *
 * Before: the finished message. After: the same bytes with one DKIM-Signature a key in front, in the order of the keys.
 * `data` is what `message.ts` sends: RFC 5322 with CRLF line ends, one character a byte (latin1), so that 8-bit headers
 * and bodies are signed as the bytes that go over the wire. Canonicalisation is relaxed/relaxed; the whole body is signed
 * (no l=, which lets anybody append).
 *
 * Oversigned fields stand in h= once more than in the message: nobody can add a second From or Content-Type on the way.
 * Other fields are signed as often as they are there, because an honest relay may add its own. List-Unsubscribe and
 * List-Unsubscribe-Post must both be signed for one-click unsubscribing (RFC 8058 section 4).
 *
 * The body is canonicalised and hashed once a message; only the signing itself runs on the thread pool.
 */
import { hash, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';

export interface DkimKey {
  /** d=, in ASCII. */
  domain: string;
  selector: string;
  algorithm: 'rsa-sha256' | 'ed25519-sha256';
  /** Private; parsed once and used for every message. */
  key: KeyObject;
}

/** Also when they are absent: then nobody can add one. */
const OVERSIGNED = new Set([
  'from',
  'reply-to',
  'to',
  'cc',
  'subject',
  'date',
  'message-id',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
]);

/** Signed where present; so is every other Content-* field. */
const SIGNED = new Set([
  'sender',
  'in-reply-to',
  'references',
  'list-id',
  'list-help',
  'list-owner',
  'list-post',
  'list-archive',
  'list-subscribe',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'feedback-id',
  'auto-submitted',
]);

/** RFC 5322 2.1.1 wants lines of 78 characters at most, with what stands in front. */
const FOLDED_CHARS_MAX = 72;
const BASE64_LINE = new RegExp(`.{${FOLDED_CHARS_MAX}}(?=.)`, 'g');

type Done = (error: Error | null, signature: Buffer) => void;
const signOnThreadPool = promisify((algorithm: string | null, data: Buffer, key: KeyObject, done: Done) =>
  sign(algorithm, data, key, done),
);

/** The message with its DKIM-Signature fields in front. */
export async function signDkim(data: string, keys: readonly DkimKey[]): Promise<string> {
  const digest = digestOf(data);
  const signatures = await Promise.all(keys.map((key) => signatureField(key, digest)));
  return signatures.join('') + data;
}

/** All of a message that does not depend on a key. */
interface Digest {
  /** h=, folded. */
  names: string;
  /** The fields that h= names, in its order and in relaxed form. */
  fields: string;
  /** bh=. */
  bodyHash: string;
}

function digestOf(data: string): Digest {
  const [head, body] = headAndBody(data);
  const bodyHash = hash('sha256', Buffer.from(relaxedBody(body), 'latin1'), 'base64');
  return { ...signedFields(head), bodyHash };
}

function headAndBody(data: string): [head: string, body: string] {
  const end = data.indexOf('\r\n\r\n');
  return end < 0 ? [data, ''] : [data.slice(0, end), data.slice(end + 4)];
}

/** Of several fields of one name the last comes first (RFC 6376 section 5.4.2). */
function signedFields(head: string): { names: string; fields: string } {
  const present = new Map<string, string[]>();
  for (const field of head.split(/\r\n(?![ \t])/)) {
    const name = fieldName(field);
    if (OVERSIGNED.has(name) || SIGNED.has(name) || name.startsWith('content-'))
      present.set(name, [relaxedField(field), ...(present.get(name) ?? [])]);
  }
  const names: string[] = [];
  let fields = '';
  for (const name of new Set([...OVERSIGNED, ...present.keys()])) {
    for (const field of present.get(name) ?? []) {
      names.push(name);
      fields += `${field}\r\n`;
    }
    if (OVERSIGNED.has(name)) names.push(name);
  }
  return { names: foldedNames(names), fields };
}

async function signatureField(
  { domain, selector, algorithm, key }: DkimKey,
  digest: Digest,
): Promise<string> {
  const unsigned =
    `DKIM-Signature: v=1; a=${algorithm}; c=relaxed/relaxed;\r\n d=${domain};\r\n s=${selector};` +
    `\r\n t=${Math.floor(Date.now() / 1_000)};\r\n h=${digest.names};\r\n bh=${digest.bodyHash};\r\n b=`;
  const signed = Buffer.from(digest.fields + relaxedField(unsigned), 'latin1');
  const signature =
    algorithm === 'rsa-sha256'
      ? await signOnThreadPool('sha256', signed, key)
      : // RFC 8463 section 3: Ed25519 signs the SHA-256 of the fields.
        await signOnThreadPool(null, hash('sha256', signed, 'buffer'), key);
  return `${unsigned}${foldedBase64(signature)}\r\n`;
}

/** RFC 6376 section 3.4.2, without the CRLF. */
function relaxedField(field: string): string {
  const colon = field.indexOf(':');
  const value = field.slice(colon + 1).replace(/[ \t\r\n]{2,}|[\t\r\n]/g, ' ');
  return `${fieldName(field)}:${value.slice(value.startsWith(' ') ? 1 : 0, value.endsWith(' ') ? -1 : undefined)}`;
}

function fieldName(field: string): string {
  return field
    .slice(0, field.indexOf(':'))
    .replace(/[ \t\r\n]/g, '')
    .toLowerCase();
}

/** RFC 6376 section 3.4.4. Runs become one space first: what removes them at the ends of lines is then linear. */
function relaxedBody(body: string): string {
  let text = body.replace(/[ \t]{2,}|\t/g, ' ').replaceAll(' \r\n', '\r\n');
  if (text.endsWith(' ')) text = text.slice(0, -1);
  let end = text.length;
  while (text.endsWith('\r\n', end)) end -= 2;
  return end === 0 ? '' : `${text.slice(0, end)}\r\n`;
}

function foldedNames(names: readonly string[]): string {
  let folded = '';
  let lineChars = 0;
  for (const name of names) {
    const fits = lineChars + name.length < FOLDED_CHARS_MAX;
    folded += folded === '' ? name : fits ? `:${name}` : `:\r\n ${name}`;
    lineChars = fits ? lineChars + name.length + 1 : name.length;
  }
  return folded;
}

function foldedBase64(bytes: Buffer): string {
  return bytes.toString('base64').replace(BASE64_LINE, '$&\r\n ');
}
