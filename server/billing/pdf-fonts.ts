/**
 * The fonts of our PDFs, and which characters they have. They stand in fonts/, with their licences, so that a PDF looks the
 * same wherever it is rendered: Noto Sans for Latin, Greek and Cyrillic, Droid Sans Fallback for Chinese, Japanese and
 * Korean.
 *
 * A character that neither has is never printed as an empty box: it is written as its code point, `[U+05D0]`, so that no
 * name on paper says less than the data. Scripts that run from right to left or join their letters need more than a font.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Weight = 'regular' | 'bold';
export type FontName = Weight | 'eastAsian';

/** A piece of text in one font. */
export interface Run {
  font: FontName;
  text: string;
}

const FILES: Record<FontName, string> = {
  regular: 'NotoSans-Regular.ttf',
  bold: 'NotoSans-Bold.ttf',
  eastAsian: 'DroidSansFallback.ttf',
};

interface LoadedFont {
  bytes: Buffer;
  /** Code points. */
  characters: Set<number>;
}

const loaded = new Map<FontName, LoadedFont>();

export function fontBytes(name: FontName): Buffer {
  return load(name).bytes;
}

/** The characters that no font has, once each, as they are and as they are printed: `א [U+05D0]`. */
export function uncovered(text: string): string[] {
  const missing = [...new Set(text)].filter((character) => fontOf(character, 'regular') === undefined);
  return missing.map((character) => `${character} ${codePointOf(character)}`);
}

/** The text in as few pieces as its fonts allow. It is on one line. */
export function runsOf(text: string, weight: Weight): Run[] {
  const runs: Run[] = [];
  for (const character of text) {
    const found = fontOf(character, weight);
    const font = found ?? weight;
    const shown = found === undefined ? codePointOf(character) : character;
    const last = runs.at(-1);
    if (last?.font === font) last.text += shown;
    else runs.push({ font, text: shown });
  }
  return runs;
}

function fontOf(character: string, weight: Weight): FontName | undefined {
  const codePoint = character.codePointAt(0) ?? 0;
  if (load(weight).characters.has(codePoint)) return weight;
  return load('eastAsian').characters.has(codePoint) ? 'eastAsian' : undefined;
}

function codePointOf(character: string): string {
  return `[U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`;
}

function load(name: FontName): LoadedFont {
  const known = loaded.get(name);
  if (known) return known;
  const bytes = readFileSync(join(import.meta.dirname, 'fonts', FILES[name]));
  const font = { bytes, characters: charactersOf(bytes) };
  loaded.set(name, font);
  return font;
}

/** Reads the font's cmap table, of the two formats that these fonts have (OpenType 1.9, `cmap`). */
function charactersOf(font: Buffer): Set<number> {
  const cmap = tableOf(font, 'cmap');
  const characters = new Set<number>();
  for (let record = 4; record < 4 + 8 * cmap.readUInt16BE(2); record += 8) {
    const subtable = cmap.subarray(cmap.readUInt32BE(record + 4));
    if (subtable.readUInt16BE(0) === 12) addGroups(subtable, characters);
    else addSegments(subtable, characters);
  }
  return characters;
}

function tableOf(font: Buffer, tag: string): Buffer {
  const records = Array.from({ length: font.readUInt16BE(4) }, (_, index) => 12 + 16 * index);
  const record = records.find((at) => font.toString('latin1', at, at + 4) === tag);
  if (record === undefined) throw new Error(`the font has no table ${tag}`);
  const offset = font.readUInt32BE(record + 8);
  return font.subarray(offset, offset + font.readUInt32BE(record + 12));
}

/** Format 12: groups that are there as a whole. */
function addGroups(subtable: Buffer, characters: Set<number>): void {
  for (let group = 16; group < 16 + 12 * subtable.readUInt32BE(12); group += 12)
    for (let at = subtable.readUInt32BE(group); at <= subtable.readUInt32BE(group + 4); at += 1)
      characters.add(at);
}

/** Format 4: segments in which single characters may be missing, which then have glyph 0. */
function addSegments(subtable: Buffer, characters: Set<number>): void {
  if (subtable.readUInt16BE(0) !== 4) throw new Error('the font has a cmap that is neither format 4 nor 12');
  const bytes = subtable.readUInt16BE(6);
  const [lasts, firsts, deltas, offsets] = [14, 16 + bytes, 16 + 2 * bytes, 16 + 3 * bytes];
  for (let segment = 0; segment < bytes; segment += 2) {
    const first = subtable.readUInt16BE(firsts + segment);
    const last = subtable.readUInt16BE(lasts + segment);
    const delta = subtable.readUInt16BE(deltas + segment);
    const offset = subtable.readUInt16BE(offsets + segment);
    const glyphs = offsets + segment + offset;
    for (let at = first; at <= last && at < 0xff_ff; at += 1) {
      const glyph = offset === 0 ? at : subtable.readUInt16BE(glyphs + 2 * (at - first));
      if (glyph !== 0 && ((glyph + delta) & 0xff_ff) !== 0) characters.add(at);
    }
  }
}
