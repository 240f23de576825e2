/** `camp template render`: subject, HTML and text of a template as a recipient with these data reads them. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { type Preview, previewTemplate } from '../content/preview.ts';
import { loadTemplate, type RenderedTemplate, type TemplateSource } from '../content/template.ts';
import { RenderLimit } from '../content/template-error.ts';
import type { Config } from '../kernel/config.ts';
import { type Cli, run } from './cli.ts';
import { usageError } from './errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { type Output, styled } from './output.ts';

interface RenderFlags {
  data?: string;
  subject?: string;
}

export function templateCommand(program: Command): void {
  program
    .command('template')
    .description('look at templates')
    .command('render <file>')
    .description('print subject, HTML and text as a recipient reads them (MJML, HTML or plain text)')
    .option('--data <file>', 'JSON of one contact: email, name, and attributes')
    .option('--subject <text>', 'instead of the one in the file')
    .action(run(render));
}

async function render(cli: Cli, file: string, flags: RenderFlags): Promise<ExitCode> {
  const source = withSubject(loadTemplate(basename(file), await readFile(file, 'utf8')), flags.subject);
  const { missing, subject, html, text } = preview(source, await readData(flags.data), cli.config);
  const [lacking] = missing;
  if (lacking) {
    const remedy = flags.data === undefined ? 'give it with --data FILE.json' : 'add it';
    throw usageError(
      `${lacking.file} line ${lacking.line}: the data have no "${lacking.path}"; ${remedy}, or give it a default ({{ ${lacking.path} | default: "…" }}).`,
    );
  }
  show(cli.out, { subject, html, text });
  cli.out.result({ subject, html, text });
  return EXIT.ok;
}

function preview(
  source: TemplateSource,
  data: Record<string, unknown>,
  { publicUrl, postalAddress }: Config,
): Preview {
  try {
    return previewTemplate(source, data, { unsubscribeUrl: `${publicUrl}/u/sample`, postalAddress });
  } catch (error) {
    if (error instanceof RenderLimit) throw usageError(`${source.file}: ${error.message}.`);
    throw error;
  }
}

function withSubject(source: TemplateSource, subject: string | undefined): TemplateSource {
  if (subject === undefined) return source;
  return { ...source, settings: { ...source.settings, subject: { value: subject, line: 1 } } };
}

async function readData(file: string | undefined): Promise<Record<string, unknown>> {
  if (file === undefined) return {};
  const text = await readFile(file, 'utf8');
  const data = parseJson(file, text);
  if (isObject(data)) return data;
  throw usageError(`${file} must hold one JSON object, such as {"email": "ada@example.com", "name": "Ada"}.`);
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (error) {
    throw usageError(`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(out: Output, { subject, html, text }: RenderedTemplate): void {
  const title = (name: string) => styled(out, 'bold', name);
  out.say(`${title('Subject:')} ${subject}\n`);
  if (html !== null) out.say(`${title('HTML:')}\n${html.trimEnd()}\n`);
  out.say(`${title('Text:')}\n${text.trimEnd()}`);
}
