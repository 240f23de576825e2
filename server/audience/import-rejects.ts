/**
 * The file of rejected records: line, column, value and reason, then the record as it was, so that it can be mended
 * in place. An import that goes on where it stopped reads its file from the start and writes this one anew, so
 * each rejected record stands in it once. Of an upload they stand in Postgres (import-rejects-kept.ts).
 *
 * People open it in a spreadsheet: a cell that would be a formula there gets an apostrophe in front.
 */
import { type FileHandle, open, rm } from 'node:fs/promises';
import type { CsvRecord } from './import-csv.ts';
import type { RejectedRecord } from './import-record.ts';
import { ImportRefused } from './import-refused.ts';

/** Where rejected records go. */
export interface Rejects {
  /** Before the first record: of which import; null in a dry run. */
  begin(importId: string | null): void;
  add(record: CsvRecord, rejected: RejectedRecord): void;
  /** Writes what was added since. */
  flush(): Promise<void>;
  close(): Promise<void>;
  /** Of a file: null when nothing was rejected; then close() removes it. */
  readonly pathIfAny: string | null;
}

export class RejectsFile implements Rejects {
  readonly #path: string;
  readonly #handle: FileHandle;
  #lines = '';
  #isEmpty = true;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** Throws ImportRefused when the file cannot be written. */
  static async open(path: string, titles: string[]): Promise<RejectsFile> {
    try {
      const file = new RejectsFile(path, await open(path, 'w'));
      file.#lines = rejectsHead(titles);
      return file;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new ImportRefused(
        `The file for rejected records cannot be written (${why}): name another place with --rejects FILE.`,
        { cause: error },
      );
    }
  }

  begin(): void {}

  add({ line, cells }: CsvRecord, { column, value, reason }: RejectedRecord): void {
    this.#lines += rejectsLine({ line, column, value, reason, cells });
    this.#isEmpty = false;
  }

  async flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = '';
    await this.#handle.writeFile(lines);
  }

  get pathIfAny(): string | null {
    return this.#isEmpty ? null : this.#path;
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#handle.close();
    if (this.#isEmpty) await rm(this.#path);
  }
}

export interface RejectedLine {
  line: number;
  column: string;
  value: string;
  reason: string;
  cells: readonly string[];
}

export function rejectsHead(titles: readonly string[]): string {
  return csvLine(['line', 'column', 'value', 'reason', ...titles]);
}

export function rejectsLine({ line, column, value, reason, cells }: RejectedLine): string {
  return csvLine([String(line), column, value, reason, ...cells]);
}

function csvLine(cells: string[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
