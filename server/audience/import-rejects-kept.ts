/**
 * The rejected records of an upload, kept in Postgres: the first ones, each without what makes it very long, for some time.
 * So a file of a million bad lines leaves a few megabytes, and what people need to see the mistake. The key is the line, so
 * an import that goes on, and reads its file from the start, keeps each once.
 */
import type { Database } from '../kernel/database.ts';
import type { CsvRecord } from './import-csv.ts';
import type { RejectedRecord } from './import-record.ts';
import type { Rejects } from './import-rejects.ts';
import { insertRejects, type RejectRow } from './queries-imports.ts';

export const REJECTS_MAX = 10_000;
export const REJECTS_DAYS = 30;
const VALUE_CHARS_MAX = 200;
const RECORD_CHARS_MAX = 2_000;
const FIRST_SHOWN = 20;

export class KeptRejects implements Rejects {
  readonly pathIfAny = null;
  /** Of a dry run as well. */
  readonly first: RejectRow[] = [];
  readonly #database: Database;
  readonly #workspaceId: string;
  #importId: string | null = null;
  #waiting: RejectRow[] = [];
  #kept = 0;

  constructor(database: Database, workspaceId: string) {
    this.#database = database;
    this.#workspaceId = workspaceId;
  }

  begin(importId: string | null): void {
    this.#importId = importId;
  }

  add({ line, cells }: CsvRecord, { column, value, reason }: RejectedRecord): void {
    if (this.#kept >= REJECTS_MAX) return;
    this.#kept += 1;
    const row = { line, column: cut(column), value: cut(value), reason, cells: storable(cells) };
    if (this.first.length < FIRST_SHOWN) this.first.push(row);
    if (this.#importId !== null) this.#waiting.push(row);
  }

  async flush(): Promise<void> {
    const importId = this.#importId;
    const rows = this.#waiting;
    this.#waiting = [];
    if (importId === null || rows.length === 0) return;
    await this.#database.withWorkspace(this.#workspaceId, (tx) =>
      insertRejects(tx, this.#workspaceId, importId, rows),
    );
  }

  close(): Promise<void> {
    return this.flush();
  }
}

/** Nothing that Postgres does not keep: no NUL, and no half of a surrogate pair at the end. */
function cut(text: string): string {
  return text.replaceAll('\0', '').slice(0, VALUE_CHARS_MAX).toWellFormed();
}

function storable(cells: string[]): string[] {
  const isLong = cells.reduce((chars, cell) => chars + cell.length, 0) > RECORD_CHARS_MAX;
  return isLong ? [] : cells.map((cell) => cell.replaceAll('\0', ''));
}
