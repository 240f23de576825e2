import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { SETTINGS } from '../kernel/config.ts';
import { EXIT, EXIT_MEANINGS } from './exit-codes.ts';
import { createProgram } from './program.ts';

const DOCS = join(import.meta.dirname, '../../docs');

/** The rows below a table's head, in order. */
async function rowsBelow(file: string, head: string): Promise<string[]> {
  const lines = (await readFile(join(DOCS, file), 'utf8')).split('\n');
  const start = lines.indexOf(head) + 2;
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'));
  return lines.slice(start, end);
}

test('configuration.md lists every setting, with its meaning and default', async () => {
  const settings = Object.values(SETTINGS).map(
    (setting) =>
      `| \`${setting.env}\` | ${setting.help} | ${setting.default ? `\`${setting.default}\`` : ''} |`,
  );
  assert.deepEqual(await rowsBelow('configuration.md', '| variable | what it does | default |'), settings);
});

test('cli.md lists every exit code, with its meaning', async () => {
  const codes = Object.entries(EXIT).map(
    ([name, code]) => `| ${code} | ${EXIT_MEANINGS[name as keyof typeof EXIT]} |`,
  );
  assert.deepEqual(await rowsBelow('cli.md', '| code | meaning |'), codes);
});

test('cli.md lists every command', async () => {
  const documented = (await rowsBelow('cli.md', '| command | what it does |')).map(
    (row) => /^\| `camp ([a-z][a-z -]*[a-z])/.exec(row)?.[1],
  );
  const commands = createProgram().commands.flatMap((command) =>
    command.commands.length === 0
      ? [command.name()]
      : command.commands.map((verb) => `${command.name()} ${verb.name()}`),
  );
  assert.deepEqual(documented.toSorted(), commands.toSorted());
});
