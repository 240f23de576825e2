import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import type { Tx } from '../kernel/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { Scope } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { type ImportOptions, type ImportProgress, type ImportReport, importContacts } from './import.ts';
import { listCounts } from './lists.ts';

const workspaceId = DEFAULT_WORKSPACE_ID;
/** Chunks enough that a kill which comes late still comes in the middle. */
const RECORDS = 64_000;
const FEWER_RECORDS = 36_000;

/** Imports as another process would, and says after each chunk how many records are merged. */
const IMPORTER = `
import { Database } from ${JSON.stringify(import.meta.resolve('../kernel/database.ts'))};
import { importContacts } from ${JSON.stringify(import.meta.resolve('./import.ts'))};
const [url, workspaceId, listName, file] = process.argv.slice(1);
let before;
function onProgress({ recordsDone }) {
  before ??= recordsDone;
  if (recordsDone > before) console.log(recordsDone);
}
await importContacts({ database: new Database(url), workspaceId, listName, file, onProgress });
`;

describe('an interrupted import', () => {
  let db: TestDatabase;
  let folder: string;

  before(async () => {
    db = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), 'camp-resume-'));
  });
  after(async () => {
    await db.drop();
    await rm(folder, { recursive: true });
  });

  /** One in a hundred is no address, one in a hundred comes again. */
  function line(i: number): string {
    if (i % 100 === 98) return `nobody ${i},Nobody\n`;
    return `person${i % 100 === 99 ? i - 1000 - (i % 7) - 3 : i}@acme.example,Person ${i}\n`;
  }

  const inWorkspace = <T>(work: (tx: Tx) => Promise<T>) => db.database.withWorkspace(workspaceId, work);

  async function write(name: string, records: number): Promise<string> {
    const file = join(folder, name);
    await writeFile(file, `email,name\n${Array.from({ length: records }, (_, i) => line(i)).join('')}`);
    return file;
  }

  function importFile(file: string, options: Partial<ImportOptions> = {}) {
    return importContacts({ database: db.database, workspaceId, listName: file, file, ...options });
  }

  /** Kills the importer the moment it says that something is merged. */
  async function importAndKill(file: string): Promise<number> {
    const args = ['--input-type=module', '-e', IMPORTER, db.url, workspaceId, file, file];
    const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.ok(child.stdout);
    const lines = createInterface(child.stdout);
    const [merged] = await once(lines, 'line');
    child.kill('SIGKILL');
    await once(child, 'close');
    return Number(merged);
  }

  async function importAndCancel(file: string): Promise<void> {
    await using scope = Scope.root('test');
    const onProgress = (progress: ImportProgress) => {
      if (progress.recordsDone > 0) scope.cancel('Ctrl-C');
    };
    await assert.rejects(importFile(file, { scope, onProgress }), { name: 'ScopeEnded' });
  }

  async function recordsDone(file: string): Promise<number> {
    const [row] = await inWorkspace((tx) =>
      tx.query<{ n: number }>(sql`SELECT records_done::float8 AS n FROM import
        JOIN list ON list.id = list_id WHERE list.name = ${file} AND state = 'running'`),
    );
    return row?.n ?? 0;
  }

  function partition({ created, updated, unchanged, duplicates, rejected }: ImportReport) {
    return { created, updated, unchanged, duplicates, rejected };
  }

  async function contacts(): Promise<string> {
    const [row] = await inWorkspace((tx) =>
      tx.query<{ all: string }>(
        sql`SELECT md5(string_agg(email || name, ',' ORDER BY email)) AS all FROM contact`,
      ),
    );
    return row?.all ?? '';
  }

  test('by kill -9 goes on where it was: the same contacts, counts and rejects as without', async () => {
    const file = await write('killed.csv', RECORDS);
    assert.ok((await importAndKill(file)) > 0);
    const afterFirst = await recordsDone(file);
    assert.ok((await importAndKill(file)) > afterFirst);
    const afterSecond = await recordsDone(file);
    assert.ok(afterFirst < afterSecond && afterSecond < RECORDS, `${afterFirst}, ${afterSecond}`);

    const resumed = await importFile(file);
    assert.deepEqual([resumed.records, resumed.resumedAfter], [RECORDS, afterSecond]);
    const afterKills = await contacts();
    const rejects = await readFile(`${file}.rejects.csv`, 'utf8');

    await inWorkspace((tx) => tx.query(sql`DELETE FROM contact`));
    const whole = await importFile(await write('whole.csv', RECORDS));
    assert.equal(whole.resumedAfter, 0);
    assert.deepEqual(partition(resumed), partition(whole));
    assert.equal(await contacts(), afterKills);
    assert.equal(rejects, await readFile(join(folder, 'whole.csv.rejects.csv'), 'utf8'));
    const { created, updated, unchanged, duplicates, rejected } = resumed;
    assert.equal(created + updated + unchanged + duplicates + rejected, RECORDS);
    assert.deepEqual([rejected, rejects.split('\r\n').length], [RECORDS / 100, RECORDS / 100 + 2]);
  });

  test('by Ctrl-C goes on where it was, and with another file or rule begins anew', async () => {
    const file = await write('cancelled.csv', FEWER_RECORDS);
    await importAndCancel(file);
    const done = await recordsDone(file);
    assert.ok(done > 0 && done < FEWER_RECORDS, String(done));
    const unconfirmed = await importFile(file, { status: 'unconfirmed' });
    assert.equal(unconfirmed.resumedAfter, 0);
    assert.equal((await importFile(file)).resumedAfter, done);
    assert.equal((await importFile(file)).resumedAfter, 0);
    await appendFile(file, 'one-more@acme.example,One\n');
    assert.equal((await importFile(file)).resumedAfter, 0);
  });

  test('into a list that has another name by now does not go on in that one', async () => {
    const file = await write('renamed.csv', FEWER_RECORDS);
    await importAndCancel(file);
    await inWorkspace((tx) => tx.query(sql`UPDATE list SET name = 'renamed' WHERE name = ${file}`));
    const { records, resumedAfter, listId } = await importFile(file);
    assert.deepEqual([records, resumedAfter], [FEWER_RECORDS, 0]);
    const counts = await inWorkspace((tx) => listCounts(tx, workspaceId, listId ?? ''));
    assert.equal(counts.subscribed, new Set((await readFile(file, 'utf8')).match(/^\S+@/gm)).size);
  });

  test('is not run by two processes at once: one of them stops, and every record is counted once', async () => {
    const file = await write('contested.csv', FEWER_RECORDS);
    await importAndCancel(file);
    const both = await Promise.allSettled([importFile(file), importFile(file)]);
    const reports = both.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const errors = both.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []));
    assert.deepEqual(errors, [
      'ImportUnderWay: Another process is importing the same file: let it finish, then run this again.',
    ]);
    assert.deepEqual(
      reports.map((report) => report.records),
      [FEWER_RECORDS],
    );
    assert.equal(await recordsDone(file), 0);
  });
});
