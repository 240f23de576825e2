/**
 * MJML to HTML, once per campaign, by mrml (MJML's compiler in Rust, run as WebAssembly; it reads no files).
 *
 * mrml parses XML and knows no Liquid, writes attribute values through an escaping of its own that damages anything
 * but plain ASCII, and drops white space with a line break between two elements of a text. So it never sees these:
 * each is replaced by a word of plain letters before, and put back after.
 *
 * Liquid may stand in texts, in attributes that MJML copies, and between blocks of a body, section or column.
 * What MJML would lose in silence (an unknown element, an include, Liquid in a place that it does not keep) is a
 * TemplateError.
 */
import { Engine, type ToHtmlError } from 'mrml';
import { findLiquid } from './opaque.ts';
import { TemplateError } from './template-error.ts';

/** Throws TemplateError. `lineOffset` is what stands before the source in its file. */
export function mjmlToHtml(text: string, name = 'template', lineOffset = 0): string {
  const fail = failIn(text, name, lineOffset);
  const include = text.replaceAll(comment, (it) => ' '.repeat(it.length)).search(/<mj-include\b/i);
  if (include >= 0)
    fail(include, 'mj-include is not supported, a template is one file; paste the included part here');

  const stand = new StandIns(text);
  const masked = hideFromMjml(text, stand);
  const failMasked: Fail = (offset, problem) =>
    fail(stand.restore(masked.slice(0, offset), 'source').length, problem);
  refuseWrongNesting(masked, failMasked);
  using engine = new Engine();
  engine.setRenderOptions(RENDER_OPTIONS);
  const result = engine.toHtml(masked);
  if (result.type === 'error') {
    const { offset, problem } = explain(result, masked);
    return failMasked(offset, problem);
  }
  const inlined = result.warnings.find(({ kind }) => kind === 'inline-style-unsupported');
  if (inlined) {
    failMasked(
      inlined.span.start,
      'mj-style inline="inline" is not supported; use attributes or a plain mj-style',
    );
  }
  refuseLosses(text, result.content, stand, fail);
  return stand.restore(result.content, 'html');
}

/** mrml's own fonts would make every reader's program ask a server of Google's; a template that wants one has mj-font. */
const RENDER_OPTIONS = { disableComments: false, socialIconOrigin: null, fonts: {} };

type Fail = (offset: number, problem: string) => never;

function failIn(text: string, source: string, lineOffset: number): Fail {
  return (offset, problem) => {
    const before = text.slice(0, offset).split('\n');
    const column = (before.at(-1)?.length ?? 0) + 1;
    throw new TemplateError({ source, line: before.length + lineOffset, column }, problem);
  };
}

const comment = /<!--.*?-->/gs;

/** Words that stand in for what MJML must not see. */
class StandIns {
  readonly #prefix: string;
  readonly #hidden: { source: string; html: string }[] = [];
  constructor(text: string) {
    let prefix = 'standin';
    while (text.includes(prefix)) prefix += 'x';
    this.#prefix = prefix;
  }

  hide(source: string, html = source): string {
    return this.wordFor(this.#hidden.push({ source, html }) - 1);
  }

  wordFor(index: number): string {
    return `${this.#prefix}${index}z`;
  }

  restore(text: string, as: 'source' | 'html'): string {
    const words = new RegExp(`${this.#prefix}(\\d+)z`, 'g');
    return text.replaceAll(words, (word, index: string) => this.#hidden[Number(index)]?.[as] ?? word);
  }
}

const quotedValue = /=\s*(?:"[^"]*"|'[^']*')/g;
const textElement =
  /<(mj-(?:text|button|table|raw|accordion-text|accordion-title|navbar-link|social-element))\b[^>]*(?<!\/)>.*?<\/\1>/gs;
const lineBreakBetweenTags = /(?<=>)\s*\n\s*(?=<)/g;

/** Liquid is hidden first, so that the n-th stand-in is the n-th span. */
function hideFromMjml(text: string, stand: StandIns): string {
  let masked = '';
  let position = 0;
  for (const { start, end, source } of findLiquid(text)) {
    masked += text.slice(position, start) + stand.hide(source);
    position = end;
  }
  return (masked + text.slice(position))
    .replaceAll(/[^\t\n\r -~]+|\\/g, (characters) => stand.hide(characters))
    .replaceAll(quotedValue, (value) => hideInValue(value, stand))
    .replaceAll(textElement, (element) =>
      element.replaceAll(lineBreakBetweenTags, (space) => stand.hide(space)),
    );
}

function hideInValue(value: string, stand: StandIns): string {
  const quote = value.at(-1) ?? '';
  const start = value.indexOf(quote) + 1;
  const inner = value.slice(start, -1);
  const hidden = inner.replaceAll(/[\t\n\r]+/g, (space) => stand.hide(space));
  return value.slice(0, start) + hidden.replaceAll('"', (mark) => stand.hide(mark, '&quot;')) + quote;
}

const tagOrComment = /<!--.*?-->|<(\/?)([a-z][\w:-]*)(?:"[^"]*"|'[^']*'|[^"'>])*?(\/?)>/gis;
const voidElements: ReadonlySet<string> = new Set([
  'area',
  'base',
  'br',
  'col',
  'embed',
  'hr',
  'img',
  'input',
  'link',
  'meta',
  'source',
  'track',
  'wbr',
]);

/** mrml lets any end tag end any element, and then finds the end of the document in the wrong place or not at all. */
function refuseWrongNesting(masked: string, fail: Fail): void {
  const open: { name: string; start: number }[] = [];
  for (const { index: start, 1: slash, 2: name, 3: selfClosing } of masked.matchAll(tagOrComment)) {
    if (name === undefined || voidElements.has(name.toLowerCase())) continue;
    if (!slash && !selfClosing) open.push({ name, start });
    if (!slash) continue;
    const ended = open.pop();
    if (ended?.name === name) continue;
    fail(
      start,
      `</${name}> ends ${ended ? `the element <${ended.name}>` : 'nothing'}; close elements in order`,
    );
  }
  const [unclosed] = open.slice(-1);
  if (unclosed) fail(unclosed.start, `<${unclosed.name}> is not closed; add </${unclosed.name}>`);
}

/** What mrml could not read, and where in the text that it was given. */
function explain(error: ToHtmlError, masked: string): { offset: number; problem: string } {
  if (error.origin === 'render') return { offset: 0, problem: `MJML cannot be rendered: ${error.message}` };
  const { details } = error;
  if (details.type === 'parser-error') {
    const [problem = '', row, column] = details.source.split(/ at (\d+):(\d+)(?: cause .*)?$/s);
    const offset = offsetOf(masked, Number(row), Number(column));
    return { offset, problem: `MJML is not well-formed: ${problem}` };
  }
  const start = 'position' in details ? details.position.start : 0;
  // A text begins with the white space before it.
  const offset = start + Math.max(masked.slice(start).search(/\S/), 0);
  if (details.type === 'unexpected-token' || details.type === 'unexpected-element') {
    return {
      offset,
      problem: 'MJML does not allow this here; put Liquid around a whole block, or inside its text',
    };
  }
  return { offset, problem: `MJML cannot be read (${details.type}); begin with <mjml> and end with </mjml>` };
}

function offsetOf(text: string, row: number, column: number): number {
  const before = text.split('\n').slice(0, row - 1);
  return before.reduce((sum, line) => sum + line.length + 1, column - 1);
}

function refuseLosses(text: string, html: string, stand: StandIns, fail: Fail): void {
  const [, element] = /<(mj-[a-z-]+)/i.exec(html.replaceAll(comment, '')) ?? [];
  if (element) {
    fail(
      text.indexOf(`<${element}`),
      `<${element}> is not an element of MJML, or not allowed where it stands`,
    );
  }
  for (const [index, { start, source }] of findLiquid(text).entries()) {
    if (html.includes(stand.wordFor(index))) continue;
    fail(
      start,
      `MJML does not keep ${source} here; Liquid works in texts, colours, links and image addresses`,
    );
  }
}
