/**
 * The plain-text part of a mail that has only HTML: what a reader without HTML should get.
 *
 * Liquid stays as it is and where it is. Line breaks and spaces are held back until something is printed, so
 * the blank line before a paragraph lands inside an `{% if %}` around it, and goes when the paragraph goes.
 */
import { type HtmlAttribute, type HtmlPiece, readHtml } from './html.ts';
import { balancedCount } from './opaque.ts';

/** HTML with Liquid in, text with the same Liquid out. */
export function htmlToText(html: string): string {
  const writer = new TextWriter();
  for (const token of readHtml(html)) {
    if (token.kind === 'start') writer.startElement(token.name, token.attributes);
    if (token.kind === 'end') writer.endElement(token.name);
    if (token.kind === 'text') writer.print(token.pieces);
    if (token.kind === 'comment') writer.keepBlocks(token.pieces);
  }
  return writer.finish();
}

type Attributes = ReadonlyMap<string, HtmlAttribute>;

/** Line breaks around an element: two make a blank line. */
const breaksAround: Readonly<Record<string, number>> = {
  ...Object.fromEntries('p h1 h2 h3 h4 h5 h6 table blockquote hr pre'.split(' ').map((name) => [name, 2])),
  ...Object.fromEntries(
    'div li tr section article header footer center dt dd'.split(' ').map((name) => [name, 1]),
  ),
};
const notShown: ReadonlySet<string> = new Set(['head', 'title', 'style', 'script', 'noscript', 'template']);
const voidElements: ReadonlySet<string> = new Set([
  'br',
  'hr',
  'img',
  'input',
  'link',
  'meta',
  'col',
  'area',
]);

const ruleChars = 20;

class TextWriter {
  #text = '';
  /** Something was printed: Liquid tags alone do not count. */
  #printed = false;
  #breaks = 0;
  #space = false;
  /** Printed after the next line break: the bullet of a list item. */
  #marker = '';
  #hidden: { name: string; depth: number } | undefined;
  #preformatted = false;
  readonly #lists: { ordered: boolean; count: number }[] = [];
  readonly #links: { href: string | undefined; start: number }[] = [];
  /** Whether each open table only lays out its cells, as e-mail does, or holds data. */
  readonly #tables: boolean[] = [];

  startElement(name: string, attributes: Attributes): void {
    if (name === 'body') this.#hidden = undefined;
    if (this.#hide(name, attributes)) return;
    this.#breakAround(name);
    if (name === 'br') this.#breaks = Math.min(this.#breaks + 1, 2);
    if (name === 'hr') this.#printRule();
    if (name === 'img') this.print(attributes.get('alt')?.pieces ?? []);
    if (name === 'a') this.#links.push({ href: readHref(attributes.get('href')), start: this.#text.length });
    if (name === 'ul' || name === 'ol') this.#startList(name === 'ol');
    if (name === 'li') this.#startItem();
    if (name === 'table') this.#tables.push(attributes.get('role')?.pieces[0] === 'presentation');
    if (name === 'pre') this.#preformatted = true;
  }

  endElement(name: string): void {
    if (this.#hidden) {
      if (this.#hidden.name === name) this.#hidden.depth -= 1;
      if (this.#hidden.depth === 0) this.#hidden = undefined;
      return;
    }
    if (name === 'a') this.#endLink();
    this.#breakAround(name);
    if (name === 'ul' || name === 'ol') this.#endList();
    if (name === 'table') this.#tables.pop();
    if (name === 'pre') this.#preformatted = false;
  }

  print(pieces: readonly HtmlPiece[]): void {
    for (const piece of pieces) {
      if (typeof piece === 'string') this.#printText(piece);
      else if (piece.kind !== 'value') this.#text += piece.source;
      else if (!this.#hidden) this.#append(piece.source);
    }
  }

  /** Conditions are often hidden from HTML editors in comments: `<!-- {% if vip %} -->`. */
  keepBlocks(pieces: readonly HtmlPiece[]): void {
    this.print(pieces.filter((piece) => typeof piece !== 'string' && piece.kind !== 'value'));
  }

  finish(): string {
    return `${this.#text.trim()}\n`;
  }

  /** True inside an element that is not shown, which begins here or goes on. */
  #hide(name: string, attributes: Attributes): boolean {
    if (this.#hidden) {
      if (this.#hidden.name === name) this.#hidden.depth += 1;
      return true;
    }
    const style = attributes.get('style')?.pieces.find((piece) => typeof piece === 'string') ?? '';
    const hides = notShown.has(name) || /display\s*:\s*none/i.test(style);
    if (hides && !voidElements.has(name)) this.#hidden = { name, depth: 1 };
    return hides;
  }

  #breakAround(name: string): void {
    const layout = this.#tables.at(-1) === true;
    const cell = name === 'td' || name === 'th';
    if (cell && !layout) this.#space = true;
    const breaks = layout && (cell || name === 'tr') ? 2 : (breaksAround[name] ?? 0);
    this.#breaks = Math.max(this.#breaks, breaks);
  }

  #printRule(): void {
    this.#append('-'.repeat(ruleChars));
    this.#breakAround('hr');
  }

  #startList(ordered: boolean): void {
    this.#breaks = Math.max(this.#breaks, this.#lists.length === 0 ? 2 : 1);
    this.#lists.push({ ordered, count: 0 });
  }

  #endList(): void {
    this.#lists.pop();
    this.#breaks = Math.max(this.#breaks, this.#lists.length === 0 ? 2 : 1);
  }

  #startItem(): void {
    const list = this.#lists.at(-1);
    if (list) list.count += 1;
    const indent = '  '.repeat(Math.max(this.#lists.length - 1, 0));
    this.#marker = list?.ordered ? `${indent}${list.count}. ` : `${indent}- `;
  }

  /** `text (url)`, or only one of them when they say the same. */
  #endLink(): void {
    const link = this.#links.pop();
    const text = this.#text.slice(link?.start).trim();
    if (!link?.href || text === '' || text === link.href) return;
    this.#text += ` (${link.href})`;
  }

  #printText(text: string): void {
    if (this.#hidden) return;
    if (this.#preformatted) this.#append(text);
    else this.#printWords(text.replaceAll(/[ \t\n\r\f\u00a0]+/g, ' '));
  }

  #printWords(words: string): void {
    if (words.startsWith(' ')) this.#space = true;
    const content = words.trim();
    if (content === '') return;
    this.#append(content);
    this.#space = words.endsWith(' ');
  }

  #append(text: string): void {
    if (this.#printed && this.#breaks > 0) this.#text += '\n'.repeat(this.#breaks);
    else if (this.#printed && this.#space) this.#text += ' ';
    this.#text += this.#marker + text;
    this.#printed = true;
    this.#breaks = 0;
    this.#space = false;
    this.#marker = '';
  }
}

/** Where a link leads, when a reader can use it: web and mail addresses, and Liquid. */
function readHref(href: HtmlAttribute | undefined): string | undefined {
  const pieces = href?.pieces ?? [];
  const spans = pieces.filter((piece) => typeof piece !== 'string');
  if (balancedCount(spans) < spans.length) return undefined;
  const url = pieces
    .map((piece) => (typeof piece === 'string' ? piece : piece.source))
    .join('')
    .trim();
  return /^(?:https?:|\{)/i.test(url) ? url : /^(?:mailto|tel):([^?]*)/i.exec(url)?.[1];
}
