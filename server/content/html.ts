/**
 * Reads HTML that has Liquid in it: tags, texts and attributes with their places in the source.
 *
 * An HTML tokenizer (parse5) sees the source with its Liquid masked; each text and attribute value is handed on
 * as pieces, entities decoded in what is literal, Liquid exactly as written. Offsets are those of the source, so a caller
 * changes it by splicing and every other byte stays (MSO conditionals, odd markup, Liquid tags).
 */
import { RewritingStream } from 'parse5-html-rewriting-stream';
import { escapeHtml } from './liquid-filters-text.ts';
import { findLiquid, type LiquidSpan, maskLiquid, tagMask, valueMask } from './opaque.ts';

/** Literal text, entities decoded, or a piece of Liquid. */
export type HtmlPiece = string | LiquidSpan;

/** From the first character of its name to the end of its value. */
export interface HtmlAttribute {
  pieces: HtmlPiece[];
  start: number;
  end: number;
}

export type HtmlToken =
  | { kind: 'doctype'; start: number; end: number }
  | { kind: 'start'; name: string; start: number; end: number; attributes: Map<string, HtmlAttribute> }
  | { kind: 'end'; name: string; start: number; end: number }
  | { kind: 'text' | 'comment'; pieces: HtmlPiece[]; start: number; end: number };

export interface HtmlEdit {
  start: number;
  end: number;
  text: string;
}

/** In order. What is in a conditional comment is no element: it is part of the comment. */
export function readHtml(html: string): HtmlToken[] {
  const spans = findLiquid(html);
  const spansIn = spanCursor(spans);
  const tokens: HtmlToken[] = [];
  const parser = new RewritingStream();
  parser.on('doctype', (doctype) => tokens.push({ kind: 'doctype', ...place(doctype.sourceCodeLocation) }));
  parser.on('startTag', ({ tagName: name, attrs, sourceCodeLocation }) => {
    const attributes = readAttributes(attrs, sourceCodeLocation, spansIn);
    tokens.push({ kind: 'start', name, attributes, ...place(sourceCodeLocation) });
  });
  parser.on('endTag', ({ tagName: name, sourceCodeLocation }) => {
    tokens.push({ kind: 'end', name, ...place(sourceCodeLocation) });
  });
  for (const kind of ['text', 'comment'] as const) {
    parser.on(
      kind,
      ({ text, sourceCodeLocation }: { text: string; sourceCodeLocation?: Location | null }) => {
        const { start, end } = place(sourceCodeLocation);
        tokens.push({ kind, pieces: unmask(text, spansIn, start, end), start, end });
      },
    );
  }
  // With a listener for every kind of token the stream writes nothing, so `end` runs to the end at once.
  parser.end(maskLiquid(html, spans));
  return tokens;
}

interface Location {
  startOffset: number;
  endOffset: number;
  attrs?: Record<string, Location>;
}

function place(location: Location | null | undefined): { start: number; end: number } {
  if (!location) throw new Error('parse5 gave a token without its place');
  return { start: location.startOffset, end: location.endOffset };
}

function readAttributes(
  attributes: readonly { name: string; value: string }[],
  location: Location | null | undefined,
  spansIn: SpansIn,
): Map<string, HtmlAttribute> {
  return new Map(
    attributes.map(({ name, value }) => {
      const { start, end } = place(location?.attrs?.[name]);
      return [name, { pieces: unmask(value, spansIn, start, end), start, end }];
    }),
  );
}

const maskRun = new RegExp(`([${valueMask}${tagMask}]+)`);

/**
 * The pieces of a decoded text that stood at [start, end). Decoding keeps the masks, so the spans fill the runs of
 * mask characters in order. (A very long text comes in parts, but parse5 cuts it only where white space begins or ends.)
 */
function unmask(decoded: string, spansIn: SpansIn, start: number, end: number): HtmlPiece[] {
  const inside = spansIn(start, end);
  if (inside.length === 0) return decoded === '' ? [] : [decoded];
  const pieces: HtmlPiece[] = [];
  for (const part of decoded.split(maskRun)) {
    let masked = maskRun.test(part) ? part.length : 0;
    if (masked === 0 && part !== '') pieces.push(part);
    while (masked > 0) {
      const span = inside.shift();
      if (!span) throw new Error('more masked characters than Liquid');
      masked -= span.end - span.start;
      pieces.push(span);
    }
  }
  return pieces;
}

type SpansIn = (start: number, end: number) => LiquidSpan[];

/** Finds the spans in [start, end), for questions in rising order of `start`. */
function spanCursor(spans: readonly LiquidSpan[]): SpansIn {
  let first = 0;
  return (start, end) => {
    while ((spans[first]?.start ?? Number.POSITIVE_INFINITY) < start) first += 1;
    let last = first;
    while ((spans[last]?.start ?? Number.POSITIVE_INFINITY) < end) last += 1;
    return spans.slice(first, last);
  };
}

/** Applies edits that do not overlap. */
export function splice(source: string, edits: readonly HtmlEdit[]): string {
  let result = '';
  let position = 0;
  for (const { start, end, text } of edits.toSorted((a, b) => a.start - b.start)) {
    result += source.slice(position, start) + text;
    position = end;
  }
  return result + source.slice(position);
}

const characterOf = new Map(['&', '<', '>', '"', "'"].map((character) => [escapeHtml(character), character]));

/** Undoes Liquid's escaping of printed values. */
export function unescapeHtml(text: string): string {
  return text.replaceAll(/&(?:amp|lt|gt|#34|#39);/g, (entity) => characterOf.get(entity) ?? entity);
}
