/**
 * Liquid seen from outside: where the tags of a template are, for code that reads HTML, MJML or plain text with
 * Liquid in it. Such code must neither interpret a tag (`{% if a < b %}` is no element) nor change a byte of it.
 *
 * A `capture`, `comment` or `raw` block is one span with all that it encloses: its content is a value, nothing, or not
 * Liquid at all, so nothing in it may be rewritten. The template has been parsed before: tags are well-formed.
 */

/** A piece of a template that belongs to Liquid: `source.slice(start, end)`. */
export interface LiquidSpan {
  readonly start: number;
  readonly end: number;
  /** What it does to its surroundings: prints, opens a block, begins its next branch, ends it, or nothing. */
  readonly kind: 'value' | 'open' | 'branch' | 'close' | 'silent';
  readonly source: string;
}

/** Stand for one character of a tag in masked text. No template contains them: control characters are refused. */
export const valueMask = '\u0001';
export const tagMask = '\u0002';

/** As in the lexer: a hole ends at a `}}` outside quotes, a tag at its first `%}`. */
const liquidTag = /\{\{(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^"'])*?\}\}|\{%-?\s*(\w*).*?%\}/gs;
const opaqueBlocks: ReadonlySet<string> = new Set(['capture', 'comment', 'raw']);
const kindOfTag = new Map<string, LiquidSpan['kind']>([
  ...['if', 'unless', 'case', 'for'].map((name) => [name, 'open'] as const),
  ...['else', 'elsif', 'when'].map((name) => [name, 'branch'] as const),
]);

/** The spans in order. */
export function findLiquid(source: string): LiquidSpan[] {
  const spans: LiquidSpan[] = [];
  let position = 0;
  for (;;) {
    liquidTag.lastIndex = position;
    const match = liquidTag.exec(source);
    if (!match) return spans;
    const [text, word] = match;
    const start = match.index;
    position = start + text.length;
    if (word !== undefined && opaqueBlocks.has(word)) position = endOfBlock(source, word, position);
    spans.push({ start, end: position, kind: kindOf(word), source: source.slice(start, position) });
  }
}

function kindOf(word: string | undefined): LiquidSpan['kind'] {
  if (word === undefined || word === 'raw') return 'value';
  if (word.startsWith('end')) return 'close';
  return kindOfTag.get(word) ?? 'silent';
}

/** Only `capture` nests. As in liquidjs, `{%- endraw %}` with a dash before it ends nothing. */
function endOfBlock(source: string, name: string, from: number): number {
  const dash = name === 'raw' ? '' : '-?';
  const edge = new RegExp(`\\{%${dash}\\s*(end)?${name}\\b[^%]*%\\}`, 'g');
  edge.lastIndex = from;
  let depth = 1;
  for (let match = edge.exec(source); match; match = edge.exec(source)) {
    if (match[1]) depth -= 1;
    else if (name === 'capture') depth += 1;
    if (depth === 0) return edge.lastIndex;
  }
  return source.length;
}

/** The source with each character of its tags masked, so that every offset stays what it was. */
export function maskLiquid(source: string, spans: readonly LiquidSpan[]): string {
  let masked = '';
  let position = 0;
  for (const { start, end, kind } of spans) {
    const mask = kind === 'value' ? valueMask : tagMask;
    masked += source.slice(position, start) + mask.repeat(end - start);
    position = end;
  }
  return masked + source.slice(position);
}

/**
 * How many of these spans can be cut out of a template together with what lies between them: blocks that begin in
 * them end in them. Less than all when the last ones belong to a block from outside.
 */
export function balancedCount(spans: readonly LiquidSpan[]): number {
  let depth = 0;
  let count = 0;
  for (const [index, { kind }] of spans.entries()) {
    if (kind === 'open') depth += 1;
    if (kind === 'close') depth -= 1;
    if (depth < 0 || (depth === 0 && kind === 'branch')) return count;
    if (depth === 0) count = index + 1;
  }
  return count;
}
