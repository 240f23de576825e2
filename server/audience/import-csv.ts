/**
 * CSV records with the line that each begins on, from bytes of any length, in bounded memory.
 *
 * The parser (csv-parse) is given whole lines only. It stops at the first fault or at a quotation mark that the
 * lines so far do not close; what it did not finish is kept and tried again together with the lines that follow. A
 * record that turns out to be broken costs its first line and nothing else: reading goes on at the next line,
 * so that one stray quotation mark cannot swallow the thousands of lines after it.
 */
import { CsvError } from 'csv-parse';
import { parse } from 'csv-parse/sync';
import { ImportRefused } from './import-refused.ts';

const RECORD_BYTES_MAX = 1024 * 1024;
const DELIMITERS = [',', ';', '\t', '|'];
const LF = 0x0a;
const CR = 0x0d;

export interface CsvRecord {
  /** The first line of the record; the first line of the file is 1. */
  line: number;
  cells: string[];
  /** Set when the line is not CSV: it is the only cell then. */
  fault?: string;
}

/** Gives the records as they become complete, blank ones left out. Throws ImportRefused on a line without end. */
export async function* readCsv(bytes: AsyncIterable<Buffer>): AsyncGenerator<CsvRecord[]> {
  const reader = new CsvReader();
  for await (const chunk of bytes) yield reader.read(chunk);
  yield reader.finish();
}

interface Dialect {
  delimiter: string;
  newline: number;
}

class CsvReader {
  #held: Buffer = Buffer.alloc(0);
  #line = 1;
  #dialect: Dialect | undefined;

  read(chunk: Buffer): CsvRecord[] {
    this.#held = Buffer.concat([this.#held, chunk]);
    this.#dialect ??= detectDialect(this.#held);
    const linesEnd = this.#dialect ? this.#held.lastIndexOf(this.#dialect.newline) + 1 : 0;
    const records = this.#dialect ? this.#parseLines(this.#dialect, linesEnd, false) : [];
    this.#refuseEndlessLine(this.#dialect?.newline ?? LF);
    return records;
  }

  #refuseEndlessLine(newline: number): void {
    const lineStart = this.#held.lastIndexOf(newline) + 1;
    if (this.#held.length - lineStart <= RECORD_BYTES_MAX) return;
    const line = this.#line + countByte(this.#held, newline, 0, lineStart);
    throw new ImportRefused(
      `Line ${line} is longer than ${RECORD_BYTES_MAX / 1024 / 1024} MB: this is not a CSV file of contacts, or its line breaks were lost; save it again as CSV.`,
    );
  }

  finish(): CsvRecord[] {
    this.#dialect ??= detectDialect(Buffer.concat([this.#held, Buffer.from('\n')]));
    return this.#dialect ? this.#parseLines(this.#dialect, this.#held.length, true) : [];
  }

  #parseLines(dialect: Dialect, linesEnd: number, isLast: boolean): CsvRecord[] {
    const lines = this.#held.subarray(0, linesEnd);
    const records: CsvRecord[] = [];
    let done = 0;
    while (done < linesEnd) {
      const parsed = parseRecords(lines.subarray(done), dialect, this.#line, records);
      done += parsed.bytes;
      this.#line = parsed.line;
      if (parsed.fault === undefined) break;
      const mayStillClose = parsed.fault === 'open' && !isLast && linesEnd - done <= RECORD_BYTES_MAX;
      if (mayStillClose) break;
      done += this.#rejectLine(lines.subarray(done), dialect, records);
    }
    this.#held = this.#held.subarray(done);
    return records;
  }

  /** Gives the length of what it took: blank lines, and the first line that is not. */
  #rejectLine(lines: Buffer, { newline }: Dialect, records: CsvRecord[]): number {
    const start = skipNewlines(lines, 0);
    const end = lines.indexOf(newline, start) + 1 || lines.length;
    this.#line += countByte(lines, newline, 0, start);
    const fault = 'a quotation mark is not closed, or one inside a cell is not doubled';
    records.push({ line: this.#line, cells: [lines.toString('utf8', start, end).trimEnd()], fault });
    this.#line++;
    return end;
  }
}

interface Parsed {
  /** Bytes of the records that were complete, and the line after them. */
  bytes: number;
  line: number;
  /** `open`: the lines ended inside quotation marks. Undefined: all bytes were records. */
  fault: 'open' | 'broken' | undefined;
}

function parseRecords(lines: Buffer, dialect: Dialect, firstLine: number, records: CsvRecord[]): Parsed {
  let bytes = 0;
  let line = firstLine;
  const takeRecord = (cells: string[], info: { bytes: number }) => {
    const start = skipNewlines(lines, bytes);
    line += countByte(lines, dialect.newline, bytes, start);
    if (cells.some((cell) => cell.trim() !== '')) records.push({ line, cells });
    line += countByte(lines, dialect.newline, start, info.bytes);
    bytes = info.bytes;
    return null;
  };
  try {
    parse(lines, {
      delimiter: dialect.delimiter,
      record_delimiter: dialect.newline === LF ? ['\r\n', '\n'] : ['\r'],
      relax_column_count: true,
      skip_empty_lines: true,
      on_record: takeRecord,
    });
    line += countByte(lines, dialect.newline, bytes, lines.length);
    return { bytes: lines.length, line, fault: undefined };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return { bytes, line, fault: error.code === 'CSV_QUOTE_NOT_CLOSED' ? 'open' : 'broken' };
  }
}

function skipNewlines(bytes: Buffer, from: number): number {
  let position = from;
  while (bytes[position] === LF || bytes[position] === CR) position++;
  return position;
}

function countByte(bytes: Buffer, byte: number, from: number, to: number): number {
  let count = 0;
  for (let at = bytes.indexOf(byte, from); at >= 0 && at < to; at = bytes.indexOf(byte, at + 1)) count++;
  return count;
}

/** Undefined until the first line is complete. */
function detectDialect(head: Buffer): Dialect | undefined {
  const lineFeed = head.indexOf(LF);
  const carriageReturn = head.indexOf(CR);
  // A carriage return that is the last byte so far may be the first half of CR LF.
  const isOldMac = lineFeed < 0 && carriageReturn >= 0 && carriageReturn < head.length - 1;
  if (lineFeed < 0 && !isOldMac) return undefined;
  const firstLine = head.toString('utf8', 0, isOldMac ? carriageReturn : lineFeed);
  const counts = DELIMITERS.map((delimiter) => unquoted(firstLine).split(delimiter).length);
  const delimiter = DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ',';
  return { delimiter, newline: isOldMac ? CR : LF };
}

function unquoted(line: string): string {
  return line.replace(/"[^"]*"/g, '');
}
