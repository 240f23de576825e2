/**
 * JSON as a request may bring it: stricter than JSON.parse, which takes the last of two equal names, lets `__proto__` and
 * NUL through, and nests without end. RFC 8259 leaves these open; RFC 7493 (I-JSON) closes them as here.
 *
 * One pass over the text looks at structure and names; JSON.parse does the rest, and finds every error of syntax.
 */
import { Problem } from './problem.ts';

const DEPTH_MAX = 32;
const NAMES_REFUSED = new Set(['__proto__', 'constructor']);

/** Throws a Problem that says what is wrong. */
export function parseJson(bytes: Buffer): unknown {
  const text = decode(bytes);
  const value = parse(text);
  inspect(text);
  return value;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Problem('malformed-request', 'The body is not UTF-8.');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem('malformed-request', 'The body is no JSON.');
  }
}

/** Of text that JSON.parse has taken. */
function inspect(text: string): void {
  /** What is open: of an object the names that it has had, of an array null. */
  const open: (Set<string> | null)[] = [];
  let nameIsNext = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') {
      const end = endOfString(text, at);
      inspectString(text.slice(at, end + 1), nameIsNext ? open.at(-1) : null);
      nameIsNext = false;
      at = end;
    } else if (character === '{' || character === '[') {
      open.push(character === '{' ? new Set() : null);
      if (open.length > DEPTH_MAX)
        throw new Problem('malformed-request', `The body nests deeper than ${DEPTH_MAX} levels.`);
      nameIsNext = character === '{';
    } else if (character === '}' || character === ']') open.pop();
    else if (character === ',') nameIsNext = Boolean(open.at(-1));
  }
}

function endOfString(text: string, start: number): number {
  let end = start;
  let backslashes: number;
  do {
    end = text.indexOf('"', end + 1);
    backslashes = 0;
    while (text[end - 1 - backslashes] === '\\') backslashes += 1;
  } while (backslashes % 2 === 1);
  return end;
}

/** `names`: of the object whose next name this is, if it is one. */
function inspectString(token: string, names: Set<string> | null | undefined): void {
  let string = token.slice(1, -1);
  if (string.includes('\\')) {
    string = JSON.parse(token);
    assertStorable(string, 'The body');
  }
  if (!names) return;
  if (names.has(string))
    throw new Problem('malformed-request', `The body has the name ${token} twice in one object.`);
  if (NAMES_REFUSED.has(string))
    throw new Problem('malformed-request', `The body may not have the name ${token}.`);
  names.add(string);
}

/** Postgres keeps neither NUL nor half of a surrogate pair. */
export function assertStorable(text: string, where: string): void {
  if (text.includes('\0')) throw new Problem('malformed-request', `${where} holds the character U+0000.`);
  if (!text.isWellFormed())
    throw new Problem('malformed-request', `${where} holds half of a surrogate pair.`);
}
