import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const ROWS = 8;

test('every row of "Follow one message" in ARCHITECTURE.md names a function that exists', () => {
  assert.ok(existsSync('ARCHITECTURE.md'), 'ARCHITECTURE.md is missing');
  const rows = rowsOf(readFileSync('ARCHITECTURE.md', 'utf8'));
  assert.equal(rows.length, ROWS, `"Follow one message" has ${rows.length} rows of file#function`);
  assert.deepEqual(
    rows.filter((row) => !exists(row)),
    [],
  );
});

test('a row whose file or function is gone is found', () => {
  const document =
    '# A\n## Follow one message\n| where | what |\n| --- | --- |\n| `server/a.ts#b` | x |\n## Next\n| `server/c.ts#d` | y |\n';
  assert.deepEqual(rowsOf(document), ['server/a.ts#b']);
  assert.equal(exists('server/kernel/scope.ts#Scope'), true);
  assert.equal(exists('server/kernel/migrate.ts#migrate'), true);
  assert.equal(exists('server/kernel/migrate.ts#migrat'), false);
  assert.equal(exists('server/kernel/nothing.ts#migrate'), false);
});

function rowsOf(document: string): string[] {
  const section = document.split(/^## /m).find((part) => /^follow one message/i.test(part)) ?? '';
  return [...section.matchAll(/^\|\s*\[?`([^`]+\.ts#\w+)`/gm)].map(([, row]) => row ?? '');
}

function exists(row: string): boolean {
  const [file = '', name = ''] = row.split('#');
  if (!existsSync(file)) return false;
  const definition = new RegExp(
    `\\b(?:function\\*?|class|const) ${name}\\b|^\\s+(?:async )?\\*?${name}(?:<[^>]*>)?\\(`,
    'm',
  );
  return definition.test(readFileSync(file, 'utf8'));
}
