import assert from 'node:assert/strict';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import type { Tx } from '../kernel/database.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../kernel/ids.ts';
import { Scope } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { type ImportOptions, importContacts } from './import.ts';
import { changeSubscription, listCounts } from './lists.ts';
import * as queries from './queries.ts';
import { findContactByEmail } from './queries-contacts.ts';

const workspaceId = DEFAULT_WORKSPACE_ID;
const SHIPPED = join(import.meta.dirname, '../../examples/contacts.csv');

describe('an import', () => {
  let db: TestDatabase;
  let folder: string;

  before(async () => {
    db = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), 'camp-import-'));
  });
  after(async () => {
    await db.drop();
    await rm(folder, { recursive: true });
  });

  const inWorkspace = <T>(work: (tx: Tx) => Promise<T>) => db.database.withWorkspace(workspaceId, work);

  async function write(text: string | Buffer): Promise<string> {
    const file = join(folder, `${newId()}.csv`);
    await writeFile(file, text);
    return file;
  }

  async function importText(text: string | Buffer, options: Partial<ImportOptions> = {}) {
    return importFile(await write(text), options);
  }

  function importFile(file: ImportOptions['file'], options: Partial<ImportOptions> = {}) {
    return importContacts({ database: db.database, workspaceId, listName: 'News', file, ...options });
  }

  async function contact(email: string) {
    const found = await inWorkspace((tx) => findContactByEmail(tx, workspaceId, email));
    return found && { name: found.name, attributes: found.attributes };
  }

  async function statusOf(email: string, listName = 'News') {
    return inWorkspace(async (tx) => {
      const listId = (await queries.findList(tx, workspaceId, listName)) ?? '';
      const contactId = (await findContactByEmail(tx, workspaceId, email))?.id ?? '';
      return {
        status: await queries.lockSubscription(tx, { workspaceId, listId, contactId }),
        listId,
        contactId,
      };
    });
  }

  /** Every row that an import could write, with the transaction that wrote it. */
  async function everything(): Promise<unknown[]> {
    const tables = ['contact', 'list', 'subscription', 'suppression', 'import'];
    return inWorkspace(async (tx) => {
      const contents: unknown[] = [];
      for (const table of tables)
        contents.push((await tx.client.query(`SELECT t.*, t.xmin FROM ${table} t ORDER BY t::text`)).rows);
      return contents;
    });
  }

  test('of the shipped contacts takes every one of them, and a second time changes nothing', async () => {
    const rejectsFile = join(folder, 'shipped.rejects.csv');
    const first = await importFile(SHIPPED, { listName: 'Shipped', rejectsFile });
    const expected = {
      records: 10_000,
      created: 10_000,
      updated: 0,
      unchanged: 0,
      duplicates: 0,
      rejected: 0,
    };
    const { importId, listId } = first;
    const rest = { keptUnsubscribed: 0, resumedAfter: 0, rejectsFile: null, importId, listId };
    assert.deepEqual(first, { ...expected, ...rest });
    const again = await importFile(SHIPPED, { listName: 'Shipped', rejectsFile });
    assert.deepEqual(again, { ...first, importId: again.importId, created: 0, unchanged: 10_000 });
    const counts = await inWorkspace((tx) => listCounts(tx, workspaceId, first.listId ?? ''));
    assert.deepEqual(counts, { subscribed: 10_000, unconfirmed: 0, unsubscribed: 0 });
    await assert.rejects(access(rejectsFile), { code: 'ENOENT' });
  });

  test('knows the usual names of columns, keeps the others as attributes, and skips empty cells', async () => {
    await importText(
      'E-Mail Address;Full Name;Sign-up Date;Größe;;City\nEve@Acme.example;"Eve ""E"" O\'Neil";2024-01-02;12;x;\n',
    );
    assert.deepEqual(await contact('eve@acme.example'), {
      name: 'Eve "E" O\'Neil',
      attributes: { sign_up_date: '2024-01-02', größe: '12' },
    });
  });

  test('makes the name of first and last name where there is none', async () => {
    await importText('email,first name,Surname\njoin@acme.example,Åsa,Öberg\nhalf@acme.example,,Öberg\n');
    assert.deepEqual(await contact('join@acme.example'), {
      name: 'Åsa Öberg',
      attributes: { first_name: 'Åsa', last_name: 'Öberg' },
    });
    assert.equal((await contact('half@acme.example'))?.name, 'Öberg');
  });

  test('follows the mapping and the types it is given', async () => {
    const text = 'Adresse,email,Alter,Kunde,PLZ\nmap@acme.example,old@acme.example,42,TRUE,01067\n';
    await importText(text, {
      mapping: { email: 'adresse', age: 'Alter', customer: 'Kunde' },
      types: { age: 'number', customer: 'boolean' },
    });
    assert.deepEqual(await contact('map@acme.example'), {
      name: null,
      attributes: { age: 42, customer: true, plz: '01067' },
    });
    assert.equal(await contact('old@acme.example'), undefined);
  });

  test('keeps every character of a cell, whatever it means to a shell, to SQL, to COPY or to a spreadsheet', async () => {
    const nasty = '=cmd|\' /C calc\'!A1 \\N \\. \\t "q" $1 {"a":1} \u2028 😀\r\n\tend';
    await importText(`email,name,note\nnasty@acme.example,\\N,"${nasty.replaceAll('"', '""')}"\n`);
    assert.deepEqual(await contact('nasty@acme.example'), { name: '\\N', attributes: { note: nasty } });
  });

  test('of UTF-16, as spreadsheets save it, reads every letter', async () => {
    const text = '\ufeffemail\tname\nutf16@acme.example\tŁukasz 😀\n';
    const little = Buffer.from(text, 'utf16le');
    await importText(little);
    assert.equal((await contact('utf16@acme.example'))?.name, 'Łukasz 😀');
    await importText(Buffer.from(text.replace('utf16@', 'big@'), 'utf16le').swap16());
    assert.equal((await contact('big@acme.example'))?.name, 'Łukasz 😀');
  });

  test('reads a byte order mark as no part of the first column', async () => {
    const report = await importText('\ufeffemail\nbom@acme.example\n');
    assert.equal(report.created, 1);
  });

  test('fills in what is new about a contact and leaves the rest alone', async () => {
    await importText('email,name,city,plan\nfill@acme.example,Fay,Oslo,free\n');
    const report = await importText('email,name,city,plan\nfill@acme.example,,,pro\n');
    assert.deepEqual([report.updated, report.unchanged], [1, 0]);
    const expected = { name: 'Fay', attributes: { city: 'Oslo', plan: 'pro' } };
    assert.deepEqual(await contact('fill@acme.example'), expected);
  });

  test('makes one contact of an address that comes again, and the last word on each cell wins', async () => {
    const report = await importText(
      'email,name,city\ntwice@acme.example,Ann,Oslo\nTWICE@acme.example ,Anna,\ntwice@ACME.example,,Bergen\n',
    );
    assert.deepEqual([report.records, report.created, report.duplicates], [3, 1, 2]);
    assert.deepEqual(await contact('twice@acme.example'), { name: 'Anna', attributes: { city: 'Bergen' } });
  });

  test('counts an address that comes again far behind as a duplicate too', async () => {
    const people = Array.from({ length: 25_000 }, (_, i) => `far${i}@acme.example,Far ${i}\n`);
    const report = await importText(
      ['email,name\n', ...people, people[0], 'far1@acme.example,Else\n'].join(''),
    );
    const { records, created, updated, unchanged, duplicates } = report;
    assert.deepEqual(
      { records, created, updated, unchanged, duplicates },
      { records: 25_002, created: 25_000, updated: 0, unchanged: 0, duplicates: 2 },
    );
    assert.equal((await contact('far1@acme.example'))?.name, 'Else');
  });

  test('never brings back somebody who left, nor confirms somebody who did not', async () => {
    const text = 'email\nleft@acme.example\nasked@acme.example\n';
    await importText(text, { status: 'unconfirmed' });
    const left = await statusOf('left@acme.example');
    assert.equal(left.status, 'unconfirmed');
    await inWorkspace((tx) => changeSubscription(tx, { workspaceId, ...left }, 'unsubscribe'));
    const report = await importText(text, { status: 'subscribed' });
    assert.equal(report.keptUnsubscribed, 1);
    assert.equal((await statusOf('left@acme.example')).status, 'unsubscribed');
    assert.equal((await statusOf('asked@acme.example')).status, 'unconfirmed');
  });

  test('puts people whom another list knows on this one as well', async () => {
    const text = 'email\nboth@acme.example\n';
    await importText(text, { listName: 'Here' });
    const report = await importText(text, { listName: 'There' });
    assert.equal(report.unchanged, 1);
    assert.equal((await statusOf('both@acme.example', 'Here')).status, 'subscribed');
    assert.equal((await statusOf('both@acme.example', 'There')).status, 'subscribed');
  });

  test('tried as a dry run says what would happen and changes nothing', async () => {
    const text = 'email,name\ndry1@acme.example,Ann\ndry2@acme.example,Ben\nno address,X\n';
    await importText('email,name\ndry1@acme.example,\ndry3@acme.example,Cid\n', { listName: 'Dry' });
    const gone = await statusOf('dry1@acme.example', 'Dry');
    await inWorkspace((tx) => changeSubscription(tx, { workspaceId, ...gone }, 'unsubscribe'));
    const state = await everything();
    const dry = await importText(`${text}dry3@acme.example,Cid\n`, { listName: 'Dry', dryRun: true });
    const onNewList = await importText(text, { listName: 'No such list', dryRun: true });
    assert.deepEqual(await everything(), state);
    assert.deepEqual([onNewList.listId, onNewList.created, onNewList.updated], [null, 1, 1]);
    const real = await importText(`${text}dry3@acme.example,Cid\n`, { listName: 'Dry' });
    assert.deepEqual({ ...dry, rejectsFile: '' }, { ...real, rejectsFile: '', importId: null });
    const { created, updated, unchanged, rejected, keptUnsubscribed } = dry;
    assert.deepEqual([created, updated, unchanged, rejected, keptUnsubscribed], [1, 1, 1, 1, 1]);
  });

  test('writes rejected records to a file that a spreadsheet opens without running anything', async () => {
    const file = await write(
      [
        'email,name,age',
        'good@acme.example,Good,1',
        'bad address,"Bad, ""B""",2',
        '',
        '=cmd()@acme.example,+1,@x',
        'few@acme.example,Few',
        'many@acme.example,Many,3,4',
        'old@acme.example,Old,eighty',
        'nul@acme.example,N\0ul,5',
        'quote@acme.example,"Quo"te,6',
        'lines@acme.example,"Two\nlines",7',
        'good2@acme.example,Good,8',
      ].join('\n'),
    );
    const report = await importFile(file, { types: { age: 'number' } });
    assert.equal(report.rejectsFile, `${file}.rejects.csv`);
    assert.deepEqual([report.records, report.created, report.rejected], [10, 2, 8]);
    assert.deepEqual((await readFile(`${file}.rejects.csv`, 'utf8')).split('\r\n'), [
      'line,column,value,reason,email,name,age',
      '3,email,bad address,it has no @,bad address,"Bad, ""B""",2',
      "5,email,'=cmd()@acme.example,it has the character (,'=cmd()@acme.example,'+1,'@x",
      '6,,,"the record has 2 cells, the first line names 3 columns",few@acme.example,Few',
      '7,,,"the record has 4 cells, the first line names 3 columns",many@acme.example,Many,3,4',
      '8,age,eighty,it is not a number,old@acme.example,Old,eighty',
      '9,name,Nul,it holds a NUL character,nul@acme.example,N\0ul,5',
      '10,,,"a quotation mark is not closed, or one inside a cell is not doubled","quote@acme.example,""Quo""te,6"',
      '11,name,"Two\nlines",the name runs over several lines: is a quotation mark missing?,lines@acme.example,"Two\nlines",7',
      '',
    ]);
  });

  test('leaves out single records that are not UTF-8', async () => {
    const people = Array.from({ length: 30 }, (_, i) => `latin${i}@acme.example,Latin\n`).join('');
    const text = Buffer.concat([
      Buffer.from(`email,name\n${people}`),
      Buffer.from('latin@acme.example,José\n', 'latin1'),
    ]);
    const report = await importText(text);
    assert.deepEqual([report.created, report.rejected], [30, 1]);
    const rejects = await readFile(report.rejectsFile ?? '', 'utf8');
    assert.match(rejects, /^32,name,Jos\ufffd,"it is not UTF-8, or was damaged before/m);
  });

  test('says how far it is while it runs', async () => {
    const people = Array.from({ length: 30_000 }, (_, i) => `progress${i}@acme.example,Progress ${i}\n`);
    const text = `email,name\n${people.join('')}`;
    const seen: number[] = [];
    let bytes = 0;
    await importText(text, {
      onProgress({ bytesDone, bytesTotal, recordsDone, created }) {
        assert.equal(bytesTotal, Buffer.byteLength(text));
        assert.ok(bytesDone >= bytes);
        assert.equal(created, recordsDone);
        bytes = bytesDone;
        seen.push(recordsDone);
      },
    });
    assert.equal(bytes, Buffer.byteLength(text));
    assert.ok(new Set(seen).size > 1, 'recordsDone never moved');
  });

  test('takes a stream', async () => {
    const rejectsFile = join(folder, 'stream.rejects.csv');
    const file = Readable.from(['email\nstr', 'eam@acme.example\n'].map((piece) => Buffer.from(piece)));
    const report = await importFile(file, { rejectsFile });
    assert.equal(report.created, 1);
    assert.equal((await statusOf('stream@acme.example')).status, 'subscribed');
  });

  test('ends when its scope ends, also while a stream keeps it waiting', async () => {
    await using scope = Scope.root('test');
    const stream = new PassThrough();
    const ended = importFile(stream, { scope, rejectsFile: join(folder, 'ended.rejects.csv') });
    stream.write('email\nwaiting@acme.example\n');
    setImmediate(() => scope.cancel('Ctrl-C'));
    await assert.rejects(ended, { name: 'ScopeEnded' });
    assert.equal(stream.destroyed, true);
  });

  test('of one workspace touches no other', async () => {
    const other = newId();
    await importText('email,name\nshared@acme.example,Here\n');
    const report = await importText('email,name\nshared@acme.example,There\n', { workspaceId: other });
    assert.equal(report.created, 1);
    assert.equal((await contact('shared@acme.example'))?.name, 'Here');
  });

  test('writes down how it ended', async () => {
    const rows = () =>
      inWorkspace((tx) =>
        tx.query<{ state: string; error: string | null }>(
          sql`SELECT state, error FROM import WHERE file_name = ${name} ORDER BY created_at`,
        ),
      );
    const name = `${newId()}.csv`;
    const file = join(folder, name);
    await writeFile(file, 'email,name\nend@acme.example,End\n');
    await importFile(file);
    await writeFile(file, Buffer.from('email,name\nend@acme.example,Jos\xe9\n', 'latin1'));
    await assert.rejects(importFile(file), { name: 'ImportRefused' });
    assert.deepEqual(await rows(), [
      { state: 'finished', error: null },
      {
        state: 'failed',
        error: '1 of 1 records are not UTF-8: save the file again as CSV (UTF-8) and import that.',
      },
    ]);
  });
});
