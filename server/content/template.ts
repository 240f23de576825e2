/**
 * A template from its file: front matter, kind, subject, HTML and plain text, all still Liquid.
 *
 *     ---
 *     subject: Hello {{ first_name }}
 *     preheader: What an inbox shows after the subject
 *     ---
 *     <mjml> … </mjml>
 *
 * Three kinds: MJML and HTML get a plain-text part made from them (or the one that is given), plain text is sent
 * without HTML. Merge fields and errors name the line of the author's file, not of what MJML made of it.
 * After this, message.ts makes mails of it; `render` shows what a recipient reads, without tracking.
 */
import { headerText } from './encodings.ts';
import { type HtmlToken, readHtml, splice } from './html.ts';
import { htmlToText } from './html-to-text.ts';
import { type LiquidTemplate, type MergeField, parseLiquid } from './liquid.ts';
import { escapeHtml } from './liquid-filters-text.ts';
import { mjmlToHtml } from './mjml.ts';
import { findLiquid } from './opaque.ts';
import { TemplateError } from './template-error.ts';

export type TemplateKind = 'mjml' | 'html' | 'text';

/** A template's file, taken apart. */
export interface TemplateSource {
  /** File name, for messages. */
  readonly file: string;
  readonly kind: TemplateKind;
  readonly settings: Readonly<Partial<Record<Setting, { value: string; line: number }>>>;
  readonly body: string;
  /** Lines of the file before the body. */
  readonly bodyLineOffset: number;
  /** The author's own plain-text part, if there is one. */
  readonly text: string | undefined;
}

type Setting = (typeof settingNames)[number];
const settingNames = ['subject', 'preheader', 'from', 'name'] as const;

export interface TemplateField extends MergeField {
  /** The file that the line is in. */
  readonly file: string;
}

export interface CompiledTemplate {
  readonly file: string;
  /** Every value that the subject and the bodies read from a recipient's data. */
  readonly fields: readonly TemplateField[];
  readonly subject: LiquidTemplate;
  /** Liquid sources with `\n` line ends. `html` is null for a plain-text template. */
  readonly html: string | null;
  readonly text: string;
  /** What a recipient with these data reads. Throws RenderLimit. */
  render(data: Record<string, unknown>): RenderedTemplate;
  /** The fields that the template cannot do without and the data do not have. */
  missingFields(data: Record<string, unknown>): TemplateField[];
}

export interface RenderedTemplate {
  subject: string;
  html: string | null;
  text: string;
}

/**
 * Takes a file's content apart. The kind is told by the file's extension, else by how the content begins.
 * `text` is the plain-text part of an HTML or MJML template. Throws TemplateError.
 */
export function loadTemplate(file: string, content: string, text?: string): TemplateSource {
  const lines = cleanText(file, content).split('\n');
  const settings: TemplateSource['settings'] = {};
  const end = lines[0] === '---' ? lines.indexOf('---', 1) : -1;
  if (lines[0] === '---' && end < 0)
    fail(file, 1, 'the settings that "---" begins are not ended; add a line "---"');
  for (const [index, line] of lines.slice(1, Math.max(end, 1)).entries()) {
    Object.assign(settings, readSetting(file, line, index + 2));
  }
  const body = lines.slice(end + 1).join('\n');
  const ownText = text === undefined ? undefined : cleanText(`${file} (text)`, text);
  return { file, kind: kindOf(file, body), settings, body, bodyLineOffset: end + 1, text: ownText };
}

/** Reads the Liquid, makes HTML of MJML and text of HTML. Throws TemplateError. */
export function compileTemplate(source: TemplateSource): CompiledTemplate {
  const { file, body, settings } = source;
  const parsed = [
    ...[settings.subject, settings.preheader].flatMap((setting) =>
      setting ? [parseLiquid(setting.value, { name: file, lineOffset: setting.line - 1 })] : [],
    ),
    parseLiquid(body, { name: file, lineOffset: source.bodyLineOffset }),
  ];
  const html = compileHtml(source);
  const text = source.text ?? (html === null ? body : htmlToText(html));
  const subject = parseLiquid(findSubject(source, html), { name: file });
  const ownText = source.text === undefined ? [] : [parseLiquid(source.text, { name: `${file} (text)` })];
  const fields = [
    ...parsed.flatMap((template) => template.fields.map((field) => ({ ...field, file }))),
    ...ownText.flatMap((template) => template.fields.map((field) => ({ ...field, file: `${file} (text)` }))),
  ];
  const shown = {
    subject,
    html: html === null ? null : withPreheader(html, settings.preheader?.value),
    text,
  };
  return { file, fields: unite(fields), ...shown, render: compileRender(file, shown), missingFields };

  function missingFields(data: Record<string, unknown>): TemplateField[] {
    return unite(fields).filter((field) => !field.optional && !isPresent(data, field.path));
  }
}

/** Line ends as `\n`. Control characters mean nothing in a mail and are used as marks further on. */
function cleanText(file: string, content: string): string {
  const text = content.replace(/^\ufeff/, '').replaceAll(/\r\n?/g, '\n');
  const control = text.search(/(?![\t\n])\p{Cc}/u);
  if (control >= 0) {
    const code = text.charCodeAt(control).toString(16).padStart(2, '0');
    fail(
      file,
      text.slice(0, control).split('\n').length,
      `there is a control character (0x${code}); remove it`,
    );
  }
  return text;
}

function readSetting(file: string, line: string, lineNumber: number): TemplateSource['settings'] {
  if (line.trim() === '') return {};
  const [, key = '', value = ''] = /^(\w+):\s*(.*?)\s*$/.exec(line) ?? [];
  const name = settingNames.find((known) => known === key);
  if (!name)
    fail(
      file,
      lineNumber,
      `"${line.trim()}" is not a setting; write ${settingNames.join(', ')}, ":" and its value`,
    );
  return { [name]: { value: value.replace(/^(["'])((?:(?!\1).)*)\1$/, '$2'), line: lineNumber } };
}

const kindOfExtension: Readonly<Record<string, TemplateKind>> = {
  mjml: 'mjml',
  html: 'html',
  htm: 'html',
  txt: 'text',
  text: 'text',
};

function kindOf(file: string, body: string): TemplateKind {
  const extension = /\.(\w+)$/.exec(file)?.[1]?.toLowerCase() ?? '';
  const byContent = /^\s*<mjml\b/i.test(body) ? 'mjml' : /^\s*<[!a-z]/i.test(body) ? 'html' : 'text';
  return kindOfExtension[extension] ?? byContent;
}

function compileHtml({ kind, file, body, bodyLineOffset }: TemplateSource): string | null {
  if (kind === 'text') return null;
  return kind === 'mjml' ? mjmlToHtml(body, file, bodyLineOffset) : body;
}

function findSubject({ file, settings }: TemplateSource, html: string | null): string {
  const subject = settings.subject?.value || titleOf(html ?? '');
  if (!subject)
    fail(file, 1, 'there is no subject; begin the file with the lines "---", "subject: …" and "---"');
  return subject;
}

function titleOf(html: string): string {
  const tokens = readHtml(html);
  const start = tokens.findIndex((token) => token.kind === 'start' && token.name === 'title');
  const text = tokens[start + 1];
  if (start < 0 || text?.kind !== 'text') return '';
  return text.pieces
    .map((piece) => (typeof piece === 'string' ? piece : piece.source))
    .join('')
    .trim();
}

/** Hidden text at the top, which inboxes show behind the subject. */
function withPreheader(html: string, preheader: string | undefined): string {
  if (!preheader) return html;
  const start = contentStart(readHtml(html));
  const style = 'display:none;max-height:0;overflow:hidden;mso-hide:all';
  const text = `<div style="${style}">${escapeAroundLiquid(preheader)}</div>`;
  return splice(html, [{ start, end: start, text }]);
}

function contentStart(tokens: readonly HtmlToken[]): number {
  const before = tokens.filter(
    (token) =>
      token.kind === 'doctype' ||
      (token.kind === 'start' && (token.name === 'html' || token.name === 'body')) ||
      (token.kind === 'end' && token.name === 'head'),
  );
  return before.at(-1)?.end ?? 0;
}

function escapeAroundLiquid(source: string): string {
  const spans = findLiquid(source);
  const starts = [0, ...spans.map((span) => span.end)];
  return starts
    .map(
      (start, index) => escapeHtml(source.slice(start, spans[index]?.start)) + (spans[index]?.source ?? ''),
    )
    .join('');
}

/** One field per path, with its first line; optional when every use is. */
function unite(fields: readonly TemplateField[]): TemplateField[] {
  const united = new Map<string, TemplateField>();
  for (const field of fields) {
    const earlier = united.get(field.path);
    if (!earlier || (earlier.optional && !field.optional)) united.set(field.path, field);
  }
  return [...united.values()];
}

function isPresent(data: Record<string, unknown>, path: string): boolean {
  let value: unknown = data;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null) return false;
    value = Object.getOwnPropertyDescriptor(value, name)?.value;
  }
  return value !== null && value !== undefined;
}

function compileRender(
  file: string,
  shown: { subject: LiquidTemplate; html: string | null; text: string },
): CompiledTemplate['render'] {
  const subject = shown.subject.compile();
  const text = parseLiquid(shown.text, { name: `${file} (text)` }).compile();
  const html =
    shown.html === null ? undefined : parseLiquid(shown.html, { name: file }).compile({ escapeHtml: true });
  return (data) => ({ subject: headerText(subject(data)), html: html?.(data) ?? null, text: text(data) });
}

function fail(source: string, line: number, problem: string): never {
  throw new TemplateError({ source, line, column: 1 }, problem);
}
