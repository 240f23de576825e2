/**
 * Cuts a template into text, holes and tags, and applies whitespace control (`{%-`, `-}}`).
 *
 * Before: the author's text. After: pieces for the parser. What is between `raw` and `endraw` is text that no
 * dash trims. The end of a tag is its first `%}`, even inside quotes; the end of a hole is a `}}` outside quotes.
 */
import { TemplateError } from './template-error.ts';

export type Piece =
  | { readonly kind: 'text'; text: string; readonly raw: boolean }
  | { readonly kind: 'output'; readonly at: number; readonly start: number; readonly end: number }
  | TagPiece;

/** `start` and `end` bound the arguments, without blanks around them. */
export interface TagPiece {
  readonly kind: 'tag';
  readonly name: string;
  readonly at: number;
  readonly start: number;
  readonly end: number;
}

const BLANKS = '\\t\\n\\v\\f\\r \\u00a0\\u1680\\u180e\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const BLANKS_HERE = new RegExp(`[${BLANKS}]*`, 'y');
const BLANKS_AT_START = new RegExp(`^[${BLANKS}]+`);
const BLANK = new RegExp(`[${BLANKS}]`);
const WORD_HERE = new RegExp(`(?:[A-Za-z0-9_?-]|(?![${BLANKS}\\u201c\\u201d])[\\u0080-\\uffff])*`, 'y');
const END_RAW = new RegExp(`\\{%[${BLANKS}]*(?=endraw)`, 'g');
const OPENER = /\{[{%]/g;

/** The text of a template with its name: makes errors that name the line. */
export class TemplateSource {
  readonly text: string;
  readonly #name: string;
  readonly #lineOffset: number;
  #counted = { offset: 0, line: 1 };
  constructor(text: string, name: string, lineOffset: number) {
    this.text = text;
    this.#name = name;
    this.#lineOffset = lineOffset;
  }

  /** Asked for in rising order of offsets, so that many questions cost one walk over the text. */
  lineAt(offset: number): number {
    if (offset < this.#counted.offset) this.#counted = { offset: 0, line: 1 };
    let { line } = this.#counted;
    for (let i = this.#counted.offset; i < offset; i++) if (this.text[i] === '\n') line++;
    this.#counted = { offset, line };
    return line + this.#lineOffset;
  }

  fail(offset: number, problem: string): never {
    const column = offset - this.text.slice(0, offset).lastIndexOf('\n');
    throw new TemplateError({ source: this.#name, line: this.lineAt(offset), column }, problem);
  }

  /** The offset after the blanks at `offset`, at most `end`. */
  skipBlanks(offset: number, end = this.text.length): number {
    return Math.min(end, offset + matchLength(BLANKS_HERE, this.text, offset));
  }

  /** The identifier at `offset`, as far as `end`, or the empty string. */
  wordAt(offset: number, end = this.text.length): string {
    return this.text.slice(offset, Math.min(end, offset + matchLength(WORD_HERE, this.text, offset)));
  }
}

export function cutTemplate(source: TemplateSource): Piece[] {
  const pieces: Piece[] = [];
  let trimNext = false;
  for (let at = 0; at < source.text.length; ) {
    const opener = findFrom(OPENER, source.text, at);
    if (opener !== at) {
      const text = source.text.slice(at, opener ?? source.text.length);
      pieces.push({ kind: 'text', text: trimNext ? text.replace(BLANKS_AT_START, '') : text, raw: false });
      trimNext = false;
      if (opener === undefined) break;
    }
    at = opener;
    const hole = source.text.startsWith('{{', at);
    const end = hole ? endOfOutput(source, at) : endOfTag(source, at);
    if (source.text[at + 2] === '-') trimEnd(pieces.at(-1));
    const piece = hole ? outputPiece(source, at, end) : tagPiece(source, at, end);
    trimNext = source.text[end - 3] === '-';
    at = end;
    if (piece.kind === 'tag' && piece.name === 'raw') {
      const raw = readRaw(source, piece, end);
      pieces.push({ kind: 'text', text: source.text.slice(end, raw.contentEnd), raw: true });
      trimNext = source.text[raw.end - 3] === '-';
      at = raw.end;
    } else {
      pieces.push(piece);
    }
  }
  return pieces;
}

function outputPiece(source: TemplateSource, at: number, end: number): Piece {
  return { kind: 'output', at, ...contentOf(source, at, end) };
}

function tagPiece(source: TemplateSource, at: number, end: number): TagPiece {
  const content = contentOf(source, at, end);
  const comment = source.text[content.start] === '#';
  const name = comment ? '#' : source.wordAt(content.start, content.end);
  if (name === '') {
    source.fail(at, 'a tag has no name; write for example "{% if contact.first_name %}"');
  }
  return {
    kind: 'tag',
    name,
    at,
    start: source.skipBlanks(content.start + name.length, content.end),
    end: content.end,
  };
}

/** What is between the delimiters, without their dashes and without blanks around it. */
function contentOf(source: TemplateSource, at: number, end: number): { start: number; end: number } {
  const start = source.skipBlanks(source.text[at + 2] === '-' ? at + 3 : at + 2);
  let last = source.text[end - 3] === '-' ? end - 3 : end - 2;
  while (last > start && BLANK.test(source.text.charAt(last - 1))) last--;
  return { start, end: last };
}

function endOfOutput(source: TemplateSource, at: number): number {
  for (let i = at + 2; i < source.text.length; i++) {
    const char = source.text[i];
    if (char === '}' && source.text[i + 1] === '}') return i + 2;
    if (char === '"' || char === "'") i = endOfQuoted(source.text, i) - 1;
  }
  return source.fail(at, 'a "{{" is not closed; put "}}" after its value (and close its quotes)');
}

function endOfTag(source: TemplateSource, at: number): number {
  const close = source.text.indexOf('%}', at + 1);
  if (close < 0) source.fail(at, 'a "{%" is not closed; put "%}" after its tag');
  if (close === at + 1) source.fail(at, '"{%}" is not a tag; write "{% ... %}"');
  return close + 2;
}

/** Offset after the string that begins at `at`; the end of the text when it is not closed. */
export function endOfQuoted(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === text[at]) return i + 1;
  }
  return text.length;
}

function readRaw(source: TemplateSource, tag: TagPiece, from: number): { contentEnd: number; end: number } {
  if (tag.start < tag.end) source.fail(tag.at, '"raw" takes no arguments; write "{% raw %}"');
  for (let at = from; ; ) {
    const contentEnd = findFrom(END_RAW, source.text, at);
    if (contentEnd === undefined) {
      return source.fail(tag.at, '"raw" is not closed; add "{% endraw %}" (without a dash before "endraw")');
    }
    const nameAt = source.skipBlanks(contentEnd + 2);
    at = nameAt;
    if (source.wordAt(nameAt) !== 'endraw') continue;
    const closeAt = source.skipBlanks(nameAt + 'endraw'.length);
    if (source.text.startsWith('%}', closeAt)) return { contentEnd, end: closeAt + 2 };
    if (source.text.startsWith('-%}', closeAt)) return { contentEnd, end: closeAt + 3 };
    source.fail(contentEnd, '"endraw" takes no arguments; write "{% endraw %}"');
  }
}

function trimEnd(piece: Piece | undefined): void {
  if (piece?.kind !== 'text' || piece.raw) return;
  let end = piece.text.length;
  while (end > 0 && BLANK.test(piece.text.charAt(end - 1))) end--;
  piece.text = piece.text.slice(0, end);
}

function findFrom(pattern: RegExp, text: string, from: number): number | undefined {
  pattern.lastIndex = from;
  return pattern.exec(text)?.index;
}

function matchLength(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.exec(text)?.[0].length ?? 0;
}
