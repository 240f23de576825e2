/** `camp segment` as a person or a script runs it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { camp } from '../../test/support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { upsertContact } from '../audience/contacts.ts';
import { DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { EXIT } from './exit-codes.ts';

let db: TestDatabase;
let folder: string;

before(async () => {
  db = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'camp-segment-'));
  await db.database.withWorkspace(workspaceId, async (tx) => {
    for (const [name, city] of [
      ['ann', 'Bonn'],
      ['bob', 'Kiel'],
    ])
      await upsertContact(tx, workspaceId, { email: `${name}@acme.example`, attributes: { city } });
  });
});

after(async () => {
  await rm(folder, { recursive: true });
  await db.drop();
});

const run = (...args: string[]) => camp(['segment', ...args], { DATABASE_URL: db.url });

async function file(rules: unknown): Promise<string> {
  const path = join(folder, 'rules.json');
  await writeFile(path, typeof rules === 'string' ? rules : JSON.stringify(rules));
  return path;
}

test('a person makes a segment, reads it, counts it, and asks why somebody is in it', async () => {
  const rules = { all: [{ field: 'attribute', name: 'city', type: 'text', op: 'equals', value: 'bonn' }] };
  const made = await run('create', 'Bonn', '--rules', await file(rules), '--json');
  assert.equal(made.code, EXIT.ok, made.stderr);
  const { json: shown } = await run('show', 'Bonn', '--json');
  assert.deepEqual(shown, {
    ...{ id: made.json.id, name: 'Bonn', rules },
    sentence: 'The attribute "city" is "bonn".',
  });
  assert.match((await run('list')).stdout, /^Bonn {2}The attribute "city" is "bonn"\.$/m);
  assert.match((await run('count', 'Bonn')).stdout, /^1 contact, as of /);
  assert.equal((await run('sample', 'Bonn')).stdout, 'ann@acme.example\n');
  assert.match(
    (await run('why', 'Bonn', 'Bob@acme.example')).stdout,
    /is not in "Bonn": .*\n {2}no {2}the attribute "city" is "bonn" {2}has "Kiel"\n/,
  );
});

test('what cannot be is said in one sentence', async () => {
  const path = await file({ all: [{ field: 'city' }] });
  const refused = await run('create', 'X', '--rules', path);
  assert.deepEqual([refused.code, refused.stdout], [EXIT.usage, '']);
  assert.match(
    refused.stderr,
    /^The rules, at \/all\/0\/field: is not known: it is one of attribute, .*\.\n$/,
  );
  const broken = await run('create', 'X', '--rules', await file('{'));
  assert.match(broken.stderr, /rules\.json is no JSON: .*\.\n$/);
  const unknown = await run('count', 'Nobody');
  assert.deepEqual(
    [unknown.code, unknown.stderr],
    [EXIT.usage, 'There is no segment "Nobody" in this workspace.\n'],
  );
});
