import assert from 'node:assert/strict';
import { chmod, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { type ImportOptions, importContacts } from './import.ts';

const NOBODY_UID = 65_534;
const workspaceId = DEFAULT_WORKSPACE_ID;

interface Case {
  name: string;
  content: string | Buffer;
  options?: Partial<ImportOptions>;
  said: string;
}

const COLUMNS = 'the columns of the file are';

const CASES: Case[] = [
  {
    name: 'an empty file',
    content: '',
    said: 'FILE is empty: its first line must name the columns, such as email,name.',
  },
  {
    name: 'a file of blank lines',
    content: '\r\n\r\n \n',
    said: 'FILE is empty: its first line must name the columns, such as email,name.',
  },
  {
    name: 'a file without a column for addresses',
    content: 'Name,City\nEve,Oslo\n',
    said: `No column is called email: ${COLUMNS} Name, City. Say which one holds the addresses with --map email=COLUMN.`,
  },
  {
    name: 'a file without names of columns',
    content: 'eve@acme.example,Eve\n',
    said: 'The first line must name the columns, but it holds an address: put a line such as email,name above it.',
  },
  {
    name: 'a column that comes twice',
    content: 'email,City,Name,city\n',
    said: 'Columns 2 ("City") and 4 ("city") are both city: rename one of them, or say which is which with --map city=COLUMN.',
  },
  {
    name: 'two columns of addresses',
    content: 'email,E-Mail\n',
    said: 'Columns 1 ("email") and 2 ("E-Mail") are both email: rename one of them, or say which is which with --map email=COLUMN.',
  },
  {
    name: 'a mapping to a column that is not there',
    content: 'Mail,City\n',
    options: { mapping: { email: 'Adresse' } },
    said: `There is no column "Adresse" for email: ${COLUMNS} Mail, City.`,
  },
  {
    name: 'a column that is mapped twice',
    content: 'Mail,City\n',
    options: { mapping: { email: 'Mail', name: 'mail' } },
    said: 'Column "Mail" is given to email and to name: choose one.',
  },
  {
    name: 'a type for a column that is not there',
    content: 'email,City\n',
    options: { types: { age: 'number' } },
    said: `A type is given for age, but ${COLUMNS} email, City.`,
  },
  {
    name: 'a spreadsheet',
    content: Buffer.from('PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0', 'latin1'),
    said: 'FILE is a spreadsheet or a ZIP archive: save it as CSV (UTF-8) and import that.',
  },
  {
    name: 'UTF-16 without its mark',
    content: Buffer.from('email,name\neve@acme.example,Eve\n', 'utf16le'),
    said: 'The file holds NUL characters in its first line: save it again as CSV (UTF-8).',
  },
  {
    name: 'names of columns that are not UTF-8',
    content: Buffer.from('email,prénom\n', 'latin1'),
    said: 'The first line of the file is not UTF-8: save it again as CSV (UTF-8).',
  },
  {
    name: 'people whose names are not UTF-8',
    content: Buffer.from(`email,name\n${'a@acme.example,Zoë\nb@acme.example,Bob\n'.repeat(3)}`, 'latin1'),
    said: '3 of 6 records are not UTF-8: save the file again as CSV (UTF-8) and import that.',
  },
  {
    name: 'broken quotation marks in the first line',
    content: 'email,"na"me\neve@acme.example,Eve\n',
    said: 'Line 1 must name the columns, but a quotation mark is not closed, or one inside a cell is not doubled: repair that line.',
  },
  {
    name: 'broken quotation marks all over',
    content: `email,name\n${'eve@acme.example,Eve "E" E\n'.repeat(2000)}`,
    said: '2000 of 2000 records have broken quotation marks: see the rejects file, and save the file again as CSV.',
  },
  {
    name: 'more columns than anybody has',
    content: `email${',x'.repeat(600)}\n`,
    said: 'The file has 601 columns, more than 500: leave some out.',
  },
];

describe('a file that cannot be imported', () => {
  let db: TestDatabase;
  let folder: string;

  before(async () => {
    db = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), 'camp-bad-input-'));
  });
  after(async () => {
    const [written] = await db.database.withWorkspace(workspaceId, (tx) =>
      tx.query<{ n: number }>(sql`SELECT count(*)::int AS n FROM contact`),
    );
    await db.drop();
    await rm(folder, { recursive: true });
    assert.equal(written?.n, 0, 'a refused file left contacts behind');
  });

  const refuse = (file: ImportOptions['file'], message: string, options: Partial<ImportOptions> = {}) =>
    assert.rejects(
      importContacts({ database: db.database, workspaceId, listName: 'Bad', file, ...options }),
      { name: 'ImportRefused', message },
    );

  for (const { name, content, options, said } of CASES)
    test(`such as ${name} is refused with one sentence`, async () => {
      const path = join(folder, 'FILE');
      await writeFile(path, content);
      await refuse(path, said, options);
    });

  test('because it is not there is refused', async () => {
    const path = join(folder, 'nowhere.csv');
    await refuse(path, `${path} is not there: check the path.`);
  });

  test('because it is a folder is refused', async () => {
    await refuse(folder, `${folder} is a folder: name the CSV file inside it that is to be imported.`);
  });

  test('because this user may not read it is refused', async () => {
    const path = join(folder, 'secret.csv');
    await writeFile(path, 'email\n');
    await chmod(path, 0);
    await asOrdinaryUser(() => refuse(path, `${path} may not be read by this user: check its permissions.`));
  });

  test('without a place for its rejected records is refused', async () => {
    const path = join(folder, 'place.csv');
    await writeFile(path, 'email\neve@acme.example\n');
    const rejectsFile = join(folder, 'no', 'such', 'folder.csv');
    const reason = `ENOENT: no such file or directory, open '${rejectsFile}'`;
    await refuse(
      path,
      `The file for rejected records cannot be written (${reason}): name another place with --rejects FILE.`,
      { rejectsFile },
    );
  });

  test('is not overwritten by its own rejected records', async () => {
    const path = join(folder, 'own.csv');
    await writeFile(path, 'email\nnobody\n');
    const said = 'The rejects file would overwrite the file that is imported: name another with --rejects.';
    await refuse(path, said, { rejectsFile: join(folder, 'sub', '..', 'own.csv') });
    assert.equal(await readFile(path, 'utf8'), 'email\nnobody\n');
  });

  test('with 2 GB on one line is refused at once and in little memory', async () => {
    const path = join(folder, 'endless.csv');
    const file = await open(path, 'w');
    await file.write('email,name\n"');
    // A hole: reads as NUL characters and takes no room on the disk.
    await file.truncate(2 ** 31);
    await file.close();
    const before = process.memoryUsage().arrayBuffers;
    await refuse(
      path,
      'Line 2 is longer than 1 MB: this is not a CSV file of contacts, or its line breaks were lost; save it again as CSV.',
    );
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 2 ** 20);
  });

  test('because its stream breaks says so, and the process goes on', async () => {
    const broken = new Error('the disk is gone');
    async function* pieces() {
      yield Buffer.from('email,name\n');
      throw broken;
    }
    const rejectsFile = join(folder, 'stream.rejects.csv');
    const file = Readable.from(pieces());
    const importing = importContacts({
      database: db.database,
      workspaceId,
      listName: 'Bad',
      file,
      rejectsFile,
    });
    await assert.rejects(importing, broken);
  });
});

/** Root may read everything, so for a moment it is somebody else. */
async function asOrdinaryUser(work: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(NOBODY_UID);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
  }
}
