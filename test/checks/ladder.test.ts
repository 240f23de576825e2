import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { readSources, type Source } from './sources.ts';

/** From the top down: the way that a message takes. A folder imports only folders below it. */
const LADDER = [
  'cli',
  'sandbox',
  'web',
  'webhooks',
  'billing',
  'campaigns',
  'audience',
  'queue',
  'delivery',
  'senders',
  'outcomes',
  'content',
  'smtp',
  'stats',
  'accounts',
  'kernel',
];

/** Libraries in all but name: they could be lifted out with the kernel alone. */
const ONLY_ON_KERNEL = ['content', 'smtp'];

test('a folder of server/ imports only folders below it', () => {
  assert.deepEqual(upwardImports(readSources('server/**/*.ts')), []);
});

test('an import that goes up, sideways out of content, or out of server/ is found', () => {
  const plant = (path: string, line: string) => upwardImports([{ path, text: `${line}\n` }]);
  assert.deepEqual(plant('server/smtp/wire.ts', `import { claim } from '../queue/claim.ts';`), [
    'server/smtp/wire.ts imports ../queue/claim.ts: queue stands above smtp',
  ]);
  assert.deepEqual(plant('server/content/mime.ts', `export { dial } from '../smtp/wire.ts';`), [
    'server/content/mime.ts imports ../smtp/wire.ts: content stands on the kernel alone',
  ]);
  assert.equal(plant('server/queue/pump.ts', `const { run } = await import('../cli/main.ts');`).length, 1);
  assert.equal(plant('server/queue/pump.ts', `import '../../test/support/sink.ts';`).length, 1);
  assert.equal(plant('server/novel/idea.ts', '').length, 1);
  assert.equal(plant('server/main.ts', '').length, 1);
  assert.deepEqual(plant('server/queue/pump.ts', `import type { Tx } from '../kernel/database.ts';`), []);
  assert.deepEqual(plant('server/queue/pump.ts', `import { claim } from './claim.ts';`), []);
});

function upwardImports(sources: Source[]): string[] {
  return sources.filter(({ path }) => !path.endsWith('.test.ts')).flatMap(upwardImportsOf);
}

function upwardImportsOf({ path, text }: Source): string[] {
  const folder = folderOf(path);
  if (!LADDER.includes(folder)) return [`${path}: ${folder} has no place on the ladder`];
  const imports = text.matchAll(/^(?:import|export|\}).*?['"](\.[^'"]+)['"];|\bimport\(['"](\.[^'"]+)['"]/gm);
  return [...imports].flatMap(([, plain, dynamic]) => {
    const specifier = plain ?? dynamic ?? '';
    const reason = objection(folder, join(dirname(path), specifier));
    return reason ? [`${path} imports ${specifier}: ${reason}`] : [];
  });
}

function objection(from: string, importedPath: string): string | undefined {
  const to = folderOf(importedPath);
  if (to === from) return undefined;
  if (!LADDER.includes(to)) return `${importedPath} is not on the ladder`;
  if (LADDER.indexOf(to) < LADDER.indexOf(from)) return `${to} stands above ${from}`;
  return ONLY_ON_KERNEL.includes(from) && to !== 'kernel' ? `${from} stands on the kernel alone` : undefined;
}

/** The folder in server/; the path itself for a file that is in none. */
function folderOf(path: string): string {
  return /^server\/([^/]+)\//.exec(path)?.[1] ?? path;
}
