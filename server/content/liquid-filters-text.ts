/** Filters that make text of text. */
import type { Value } from './liquid-expression.ts';
import { type FilterTable, textFilter } from './liquid-filter-spec.ts';
import { isNil, plain, text, type WorkBudget } from './liquid-values.ts';

export const TEXT_FILTERS: FilterTable = {
  append: textFilter(1, (value, end) => value + end),
  prepend: textFilter(1, (value, start) => start + value),
  upcase: textFilter(0, (value) => value.toUpperCase()),
  downcase: textFilter(0, (value) => value.toLowerCase()),
  capitalize: textFilter(0, (value) => value.charAt(0).toUpperCase() + value.slice(1).toLowerCase()),
  strip: textFilter(0, (value) => value.trim()),
  lstrip: textFilter(0, (value) => value.trimStart()),
  rstrip: textFilter(0, (value) => value.trimEnd()),
  strip_newlines: textFilter(0, (value) => value.replace(/\r?\n/g, '')),
  newline_to_br: textFilter(0, (value) => value.replace(/\r?\n/g, '<br />\n')),
  strip_html: textFilter(0, stripHtml),
  escape: textFilter(0, escapeHtml),
  escape_once: textFilter(0, (value) => escapeHtml(unescapeHtml(value))),
  url_encode: textFilter(0, (value) => encodeURIComponent(value.toWellFormed()).replaceAll('%20', '+')),
  url_decode: textFilter(0, urlDecode),
  remove: textFilter(1, (value, part) => value.replaceAll(part, () => '')),
  remove_first: textFilter(1, (value, part) => value.replace(part, () => '')),
  replace: textFilter(2, replaceAll),
  replace_first: textFilter(2, (value, part, replacement) => value.replace(part, () => replacement)),
  split: textFilter(1, split),
  truncate: { argsMin: 0, argsMax: 2, check: firstIsNumber, apply: truncate },
  truncatewords: { argsMin: 0, argsMax: 2, check: firstIsNumber, apply: truncateWords },
  slice: { argsMin: 1, argsMax: 2, check: allAreNumbers, apply: slice },
};

const ENTITIES = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&#34;'],
  ["'", '&#39;'],
]);
const CHARACTERS = new Map([...ENTITIES].map(([character, entity]) => [entity, character]));

export function escapeHtml(value: string): string {
  if (!/[&<>"']/.test(value)) return value;
  return value.replace(/[&<>"']/g, (character) => ENTITIES.get(character) ?? character);
}

function unescapeHtml(value: string): string {
  return value.replace(/&(?:amp|lt|gt|#34|#39);/g, (entity) => CHARACTERS.get(entity) ?? entity);
}

/** Scripts, styles and comments with their content, then any other `<...>`. */
const MARKUP = [
  { open: '<script', close: '</script>' },
  { open: '<style', close: '</style>' },
  { open: '<!--', close: '-->' },
  { open: '<', close: '>' },
];

function stripHtml(value: string): string {
  const neverClosed = new Set<string>();
  let kept = '';
  let at = 0;
  for (let start = value.indexOf('<'); start >= 0; start = value.indexOf('<', at)) {
    const end = endOfMarkup(value, start, neverClosed);
    if (end === undefined) break;
    kept += value.slice(at, start);
    at = end;
  }
  return kept + value.slice(at);
}

/** `neverClosed` remembers openers that have no close up to the end, so that the whole is linear. */
function endOfMarkup(value: string, start: number, neverClosed: Set<string>): number | undefined {
  for (const { open, close } of MARKUP) {
    if (neverClosed.has(open) || !value.startsWith(open, start)) continue;
    const end = value.indexOf(close, start + open.length);
    if (end >= 0) return end + close.length;
    neverClosed.add(open);
  }
  return undefined;
}

/** Text that is not URL-encoded stays as it is: a mail must not fail for one contact's data. */
function urlDecode(value: string): string {
  try {
    return decodeURIComponent(value.replaceAll('+', ' '));
  } catch {
    return value;
  }
}

function replaceAll(value: string, part: string, replacement: string, work: WorkBudget): string {
  const pieces = value.split(part);
  work.charge(pieces.length * replacement.length);
  return pieces.join(replacement);
}

/** As Ruby: empty texts at the end are dropped. */
function split(value: string, separator: string): string[] {
  const pieces = value.split(separator);
  return pieces.slice(0, pieces.findLastIndex((piece) => piece !== '') + 1);
}

function truncate(value: unknown, args: readonly unknown[], work: WorkBudget): unknown {
  const max = Number(args[0] ?? 50);
  const end = args[1] === undefined ? '...' : text(args[1], work);
  const whole = text(value, work);
  if (whole.length <= max || offsetOf(whole, 0, max) >= whole.length) return value;
  return whole.slice(0, offsetOf(whole, 0, Math.max(max - codePointCount(end), 0))) + end;
}

function truncateWords(value: unknown, args: readonly unknown[], work: WorkBudget): unknown {
  const max = Number(args[0] ?? 15);
  const wanted = max <= 0 ? 1 : max;
  const end = args[1] === undefined ? '...' : text(args[1], work);
  const words = text(value, work).trimStart().split(/\s+/);
  return words.slice(0, wanted).join(' ') + (words.length >= wanted ? end : '');
}

/** Part of a text (in code points) or of a list. */
function slice(value: unknown, args: readonly unknown[], work: WorkBudget): unknown {
  const whole = plain(value);
  if (isNil(whole)) return [];
  const list = Array.isArray(whole) ? whole : undefined;
  const characters = list ? '' : text(whole, work);
  const from = Number(args[0]);
  const length = Number(args[1] ?? 1);
  const start = from < 0 ? from + (list?.length ?? codePointCount(characters)) : from;
  if (start < 0 || length < 0) return list ? [] : '';
  if (list) return list.slice(start, start + length);
  const begin = offsetOf(characters, 0, start);
  return characters.slice(begin, offsetOf(characters, begin, length));
}

/** The offset `count` code points after `from`. */
function offsetOf(value: string, from: number, count: number): number {
  let offset = from;
  for (let passed = 0; passed < count && offset < value.length; passed++) {
    offset += (value.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1;
  }
  return offset;
}

function codePointCount(value: string): number {
  let count = 0;
  for (const _ of value) count++;
  return count;
}

function firstIsNumber(args: readonly Value[]): string | undefined {
  return allAreNumbers(args.slice(0, 1));
}

function allAreNumbers(args: readonly Value[]): string | undefined {
  const fine = args.every((arg) => arg.kind === 'literal' && typeof arg.value === 'number');
  return fine ? undefined : 'takes a number that is written in the template; write for example ": 20"';
}
