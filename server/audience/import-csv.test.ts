import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type CsvRecord, readCsv } from './import-csv.ts';

async function read(bytes: Buffer, cuts: number[] = []): Promise<CsvRecord[]> {
  async function* pieces() {
    const ends = [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
    let start = 0;
    for (const end of ends) {
      yield bytes.subarray(start, end);
      start = end;
    }
  }
  return (await Array.fromAsync(readCsv(pieces()))).flat();
}

const readText = (text: string, cuts?: number[]) => read(Buffer.from(text), cuts);
const cellsOf = async (text: string) => (await readText(text)).map((record) => record.cells);

const QUOTE_FAULT = 'a quotation mark is not closed, or one inside a cell is not doubled';

describe('a CSV file', () => {
  for (const [name, delimiter] of [
    ['commas', ','],
    ['semicolons', ';'],
    ['tabs', '\t'],
    ['bars', '|'],
  ] as const)
    test(`with ${name} is recognised by its first line`, async () => {
      const text = `email${delimiter}"a,b;c\td|e"${delimiter}city\nx@y.example${delimiter}1,2;3${delimiter}Oslo\n`;
      const [header, record] = await cellsOf(text.replace('1,2;3', '"1,2;3"'));
      assert.deepEqual(header, ['email', 'a,b;c\td|e', 'city']);
      assert.deepEqual(record, ['x@y.example', '1,2;3', 'Oslo']);
    });

  for (const [name, newline] of [
    ['Unix', '\n'],
    ['Windows', '\r\n'],
    ['old Mac', '\r'],
  ] as const)
    test(`with ${name} line ends is read, whether or not the last line has one`, async () => {
      const text = ['email,name', 'a@b.example,Ann', '', 'c@d.example,Cid'].join(newline);
      for (const ending of ['', newline, newline + newline])
        assert.deepEqual(await readText(text + ending), [
          { line: 1, cells: ['email', 'name'] },
          { line: 2, cells: ['a@b.example', 'Ann'] },
          { line: 4, cells: ['c@d.example', 'Cid'] },
        ]);
    });

  test('with both kinds of line ends is read', async () => {
    assert.deepEqual(await cellsOf('a,b\r\n1,2\n3,4\r\n'), [
      ['a', 'b'],
      ['1', '2'],
      ['3', '4'],
    ]);
  });

  test('has no records in lines of nothing but delimiters and spaces', async () => {
    assert.deepEqual(await readText('a,b\n,,\n \n1,2\n, \n'), [
      { line: 1, cells: ['a', 'b'] },
      { line: 4, cells: ['1', '2'] },
    ]);
  });

  test('keeps count of lines through cells that run over several', async () => {
    assert.deepEqual(await readText('a,b\r\n"1\r\n2\r\n3",x\r\n\r\n4,y\r\n'), [
      { line: 1, cells: ['a', 'b'] },
      { line: 2, cells: ['1\r\n2\r\n3', 'x'] },
      { line: 6, cells: ['4', 'y'] },
    ]);
  });

  test('reads the same however its bytes arrive, and each record is on the line where it begins', async () => {
    const cell = fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r\n', ';', ' ', 'é', '😀', 'x'), maxLength: 8 }),
    );
    const row = fc.array(cell, { minLength: 1, maxLength: 4 });
    const newlines = fc.constantFrom('\n', '\r\n');
    const same = fc.asyncProperty(
      fc.array(row, { minLength: 1, maxLength: 12 }),
      newlines,
      fc.array(fc.nat()),
      async (rows, newline, cuts) => {
        const text = ['email,name', ...rows.map(csvRow)].join(newline);
        const expected: CsvRecord[] = [];
        let line = 2;
        for (const cells of rows) {
          if (cells.some((value) => value.trim() !== '')) expected.push({ line, cells });
          line += 1 + (cells.join().match(/\n/g)?.length ?? 0);
        }
        const [, ...records] = await readText(text, cuts);
        assert.deepEqual(records, expected);
      },
    );
    await fc.assert(same, { numRuns: 300 });
  });
});

function csvRow(cells: string[]): string {
  return cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',');
}

describe('a broken quotation mark', () => {
  const BROKEN: [what: string, line: string][] = [
    ['that is never closed', 'b@x.example,"Bob'],
    ['inside a cell that is not doubled', 'b@x.example,"Bob "the" Builder"'],
    ['in a cell that does not begin with one', 'b@x.example,Bob "the" Builder'],
    ['at the very end', 'b@x.example,"'],
  ];
  const FOLLOWERS = [
    'c@x.example,"Cid, MD"',
    'd@x.example,Dan',
    'e@x.example,"Eve ""E"" E"',
    'f@x.example,Fay',
  ];

  for (const [what, broken] of BROKEN)
    test(`${what} costs its own line and no other`, async () => {
      const text = ['email,name', 'a@x.example,Ann', broken, ...FOLLOWERS].join('\n');
      const records = await readText(text);
      assert.deepEqual(records[2], { line: 3, cells: [broken], fault: QUOTE_FAULT });
      assert.deepEqual(records.map(({ line, cells }) => `${line} ${cells[0]}`).toSpliced(2, 1), [
        '1 email',
        '2 a@x.example',
        '4 c@x.example',
        '5 d@x.example',
        '6 e@x.example',
        '7 f@x.example',
      ]);
    });

  test('that is never closed costs its own line also when ten thousands of lines without one follow', async () => {
    const lines = Array.from({ length: 60_000 }, (_, i) => `person${i}@x.example,Person ${i} of many`);
    const text = ['email,name', 'b@x.example,"Bob', '', ...lines].join('\n');
    assert.ok(text.length > 2 ** 21);
    const records = await readText(
      text,
      Array.from({ length: 40 }, (_, i) => i * 64 * 1024),
    );
    assert.equal(records.length, 60_002);
    assert.deepEqual(
      records.filter((record) => record.fault),
      [{ line: 2, cells: ['b@x.example,"Bob'], fault: QUOTE_FAULT }],
    );
    assert.deepEqual(records.at(-1), {
      line: 60_003,
      cells: ['person59999@x.example', 'Person 59999 of many'],
    });
  });

  test('on every line rejects every line, in time that grows with the file only', async () => {
    const text = `email,name\n${'a"b,c\n'.repeat(20_000)}`;
    const records = await readText(text);
    assert.equal(records.filter((record) => record.fault).length, 20_000);
    assert.equal(records.at(-1)?.line, 20_001);
  });
});

describe('a line without end', () => {
  const endless = (head: string, bytesMax: number) => {
    const feed = { sent: 0 };
    const filler = Buffer.alloc(64 * 1024, 'x');
    async function* bytes() {
      yield Buffer.from(head);
      for (; feed.sent < bytesMax; feed.sent += filler.length) yield filler;
    }
    return { feed, bytes: bytes() };
  };

  for (const [where, head, line] of [
    ['at the start', '', 1],
    ['after good ones', 'email,name\na@b.example,Ann\n', 3],
    ['after an open quotation mark', 'email,name\na@b.example,"Ann\n', 3],
  ] as const)
    test(`${where} is refused after about a megabyte`, async () => {
      const { feed, bytes } = endless(head, 2 ** 31);
      await assert.rejects(Array.fromAsync(readCsv(bytes)), {
        name: 'ImportRefused',
        message: `Line ${line} is longer than 1 MB: this is not a CSV file of contacts, or its line breaks were lost; save it again as CSV.`,
      });
      assert.ok(feed.sent < 2 ** 21, `${feed.sent} bytes were read`);
    });
});
