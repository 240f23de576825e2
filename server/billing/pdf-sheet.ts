/**
 * Pages to write text on, from the top down: the part of pdfkit that an invoice needs, with fonts chosen by character.
 *
 * The same calls give the same bytes, on every machine: dates are the caller's, and nothing is compressed, because zlib
 * packs differently from processor to processor. Lengths are points (1/72 inch) from the page's upper left corner.
 */
import PDFDocument from 'pdfkit';
import { type FontName, fontBytes, runsOf, type Weight } from './pdf-fonts.ts';

const A4 = { width: 595.28, height: 841.89 };
export const LEFT = 56;
export const RIGHT = A4.width - 56;
const TOP = 56;
const FOOTER = A4.height - 44;
const BOTTOM = FOOTER - 16;
const LINE_HEIGHT = 1.45;
/** Where letters stand in their line, as a share of the font size. */
const BASELINE = 1.07;
const RULE_COLOR = '#c8ccd2';

export interface Style {
  weight?: Weight;
  size?: number;
  color?: string;
  /** 'right': `x` is where the text ends. */
  align?: 'left' | 'right';
}

export class Sheet {
  /** The upper edge of the next line. */
  y = TOP;
  readonly #pdf: PDFKit.PDFDocument;
  readonly #chunks: Buffer[] = [];

  constructor(info: { title: string; author: string; createdAt: Date }) {
    this.#pdf = new PDFDocument({
      size: [A4.width, A4.height],
      margin: 0,
      // None until one is chosen: Helvetica would be loaded for nothing.
      font: '',
      bufferPages: true,
      compress: false,
      pdfVersion: '1.7',
      lang: 'en',
      displayTitle: true,
      info: {
        Title: info.title,
        Author: info.author,
        Producer: 'Camp',
        Creator: 'Camp',
        CreationDate: info.createdAt,
      },
    });
    this.#pdf.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
  }

  /** Writes one line at the current height, and does not move down. Gives the line's height. */
  write(text: string, x: number, style: Style = {}): number {
    const { size = 9, color = '#1a1d21', align = 'left' } = style;
    let at = align === 'right' ? x - this.widthOf(text, style) : x;
    for (const run of runsOf(text, style.weight ?? 'regular')) {
      this.#use(run.font, size).fillColor(color);
      this.#pdf.text(run.text, at, this.y + size * BASELINE, { lineBreak: false, baseline: 'alphabetic' });
      at += this.#pdf.widthOfString(run.text);
    }
    return size * LINE_HEIGHT;
  }

  /** Writes one line and moves below it. */
  line(text: string, x: number, style: Style = {}): void {
    this.y += this.write(text, x, style);
  }

  widthOf(text: string, { weight = 'regular', size = 9 }: Style = {}): number {
    return runsOf(text, weight)
      .map((run) => this.#use(run.font, size).widthOfString(run.text))
      .reduce((sum, width) => sum + width, 0);
  }

  /** The text in lines that are not wider: broken at spaces, and inside of what is wider than a line. */
  wrap(text: string, width: number, style: Style = {}): string[] {
    const lines: string[] = [];
    let line = '';
    for (const piece of text.split(/(?<= )/).flatMap((word) => this.#breakable(word, width, style))) {
      if (line !== '' && this.widthOf((line + piece).trimEnd(), style) > width) {
        lines.push(line.trimEnd());
        line = '';
      }
      line += piece;
    }
    return [...lines, line.trimEnd()];
  }

  #breakable(word: string, width: number, style: Style): string[] {
    return this.widthOf(word.trimEnd(), style) > width ? [...word] : [word];
  }

  rule(from = LEFT): void {
    this.#pdf.moveTo(from, this.y).lineTo(RIGHT, this.y).lineWidth(0.6).strokeColor(RULE_COLOR).stroke();
  }

  /** True when it had to go on to a new page for so much height. */
  makeRoom(height: number): boolean {
    if (this.y + height <= BOTTOM) return false;
    this.#pdf.addPage();
    this.y = TOP;
    return true;
  }

  /** Writes a footer on every page and gives the file. */
  async end(footerOf: (page: number, pages: number) => { left: string; right: string }): Promise<Buffer> {
    const { count } = this.#pdf.bufferedPageRange();
    for (let page = 0; page < count; page += 1) {
      this.#pdf.switchToPage(page);
      this.y = FOOTER;
      const style: Style = { size: 7.5, color: '#6b7280' };
      const { left, right } = footerOf(page + 1, count);
      const [shown = ''] = this.wrap(left, RIGHT - LEFT - this.widthOf(right, style) - 20, style);
      this.write(shown, LEFT, style);
      this.write(right, RIGHT, { ...style, align: 'right' });
    }
    const ended = Promise.withResolvers<void>();
    this.#pdf.on('end', ended.resolve);
    this.#pdf.end();
    await ended.promise;
    return Buffer.concat(this.#chunks);
  }

  #use(font: FontName, size: number): PDFKit.PDFDocument {
    if (!this.#known.has(font)) this.#pdf.registerFont(font, fontBytes(font));
    this.#known.add(font);
    return this.#pdf.font(font).fontSize(size);
  }

  readonly #known = new Set<FontName>();
}
