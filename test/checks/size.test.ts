import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { readSources, type Source } from './sources.ts';

const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 500;
const WORST_SHOWN = 3;

const STATEMENT = /^\s*(?:\} )?(?:if|else|for|while|switch|catch|with|return)\b/;
const METHOD =
  /^\s*(?:(?:static|async|override|private|protected|public|get|set) |\*)*[\w#$.[\]]+(?:<.*>)?\(/;

interface Measured {
  where: string;
  lines: number;
}

/** By people: the types of the client are not. */
const WRITTEN = ['{server,test,bench,scripts,examples}/**/*.ts', 'client/client*.ts'];

test(`no file is longer than ${FILE_LINES_MAX} lines`, (t) => {
  const sources = readSources(...WRITTEN);
  const files = sources.map(({ path, text }) => ({ where: path, lines: text.split('\n').length - 1 }));
  report(t, 'files', files);
  assert.deepEqual(longerThan(FILE_LINES_MAX, files), []);
});

test(`no function is longer than ${FUNCTION_LINES_MAX} lines`, (t) => {
  // A test file's outermost function is its table of contents, so only its file is measured.
  const sources = readSources(...WRITTEN);
  const functions = sources.filter(({ path }) => !path.endsWith('.test.ts')).flatMap(functionsOf);
  report(t, 'functions', functions);
  assert.deepEqual(longerThan(FUNCTION_LINES_MAX, functions), []);
});

test('a function of every form is measured from its first to its last line', () => {
  const body = '  step();\n'.repeat(69);
  const forms = {
    'a declaration': `export async function send(message: Message): Promise<void> {\n${body}}\n`,
    'parameters on several lines': `function send(\n  message: Message,\n): void {\n${body}}\n`,
    'an arrow function': `const send = async (message: Message) => {\n${body}};\n`,
    'an arrow function as an argument': `return run(name, (scope) => {\n${body}});\n`,
    'a method': `  async #transaction<T>(work: Work<T>): Promise<T> {\n${body.replaceAll('  s', '    s')}  }\n`,
    'a method of an object': `  async stop() {\n${body.replaceAll('  s', '    s')}  },\n`,
    'a constructor': `  constructor(url: string) {\n${body.replaceAll('  s', '    s')}  }\n`,
  };
  for (const [form, text] of Object.entries(forms)) {
    const [measured, ...others] = functionsOf({ path: 'x.ts', text });
    const lines = text.split('\n').length - 1;
    assert.deepEqual(measured, { where: 'x.ts:1', lines }, form);
    assert.ok(lines > FUNCTION_LINES_MAX, form);
    assert.deepEqual(others, [], form);
  }
});

test('a loop, a condition and a class are not taken for functions', () => {
  const blocks = [
    'if (a(b)) {',
    'for (const a of b()) {',
    '} else if (c()) {',
    'while (d()) {',
    'switch (e()) {',
  ];
  const text = [...blocks, '} catch (error) {', 'export class Pump {', 'const a = {', 'a(b, {'].join(
    '\n  x();\n}\n',
  );
  assert.deepEqual(functionsOf({ path: 'x.ts', text }), []);
});

/** By the shape that the formatter gives: a function ends at the first brace that stands where its first line begins. */
function functionsOf({ path, text }: Source): Measured[] {
  const lines = text.split('\n');
  return lines.flatMap((line, index) => {
    if (!line.endsWith('{')) return [];
    const indent = indentOf(line);
    const isTail = /^\s*\)/.test(line);
    const first = isTail
      ? lines.findLastIndex((above, at) => at < index && startsParameters(above, indent))
      : index;
    if (!isFunctionHead(lines[first] ?? '', line)) return [];
    const length = lines.slice(index + 1).findIndex((below) => below.startsWith(`${indent}}`));
    return [{ where: `${path}:${first + 1}`, lines: index + 2 + length - first }];
  });
}

function startsParameters(line: string, indent: string): boolean {
  return line.endsWith('(') && indentOf(line) === indent;
}

/** `first` and `last` are the first and the last line of what stands before the body; often they are one. */
function isFunctionHead(first: string, last: string): boolean {
  if (last.endsWith('=> {')) return true;
  if (!/\)(?:: .+)? \{$/.test(last) || STATEMENT.test(first)) return false;
  return /\bfunction\b/.test(first) || METHOD.test(first);
}

function indentOf(line: string): string {
  return /^\s*/.exec(line)?.[0] ?? '';
}

function report(t: TestContext, what: string, measured: Measured[]): void {
  const sorted = measured.toSorted((a, b) => a.lines - b.lines);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)]?.lines;
  const worst = sorted.slice(-WORST_SHOWN).reverse();
  const named = worst.map(({ where, lines }) => `${where} (${lines})`).join(', ');
  t.diagnostic(`${measured.length} ${what}: median ${at(0.5)} lines, p90 ${at(0.9)}, longest ${named}`);
}

function longerThan(linesMax: number, measured: Measured[]): string[] {
  return measured
    .filter(({ lines }) => lines > linesMax)
    .map(({ where, lines }) => `${where} has ${lines} lines`);
}
