/**
 * The records of a file, judged and cut into chunks: what one transaction will merge.
 *
 * Before: CSV records. After: import-merge. Rejected records go to their file here. A file of which too much cannot be
 * read at all (another encoding, not CSV) is refused as a whole rather than rejected record by record.
 */
import type { Columns } from './import-columns.ts';
import type { CsvRecord } from './import-csv.ts';
import { type ImportedContact, judgeRecord, type RejectedRecord } from './import-record.ts';
import { ImportRefused } from './import-refused.ts';
import type { RejectsFile } from './import-rejects.ts';

const CHUNK_RECORDS = 10_000;
const UNREADABLE_SHARE_MAX = 0.1;
const BROKEN_RECORDS_MAX = 1000;

export interface Chunk {
  /** All records, also the rejected ones. */
  records: number;
  contacts: Map<string, ImportedContact>;
  /** Records about a contact who is in `contacts` already: they were folded into it. */
  duplicates: number;
  rejected: number;
  /** Of the rejected: not UTF-8. */
  unreadable: number;
  /** Of the rejected: broken quotation marks. */
  broken: number;
}

/** Leaves out the first `skip` records, but for the rejects file. Throws ImportRefused. */
export async function* readChunks(
  batches: AsyncIterable<CsvRecord[]>,
  columns: Columns,
  rejects: RejectsFile,
  skip: number,
): AsyncGenerator<Chunk> {
  let chunk = emptyChunk();
  let toSkip = skip;
  for await (const batch of batches) {
    for (const record of batch) {
      const judged = judgeRecord(record, columns);
      if (judged.kind === 'rejected') rejects.add(record, judged);
      if (toSkip-- > 0) continue;
      addToChunk(chunk, judged);
      if (chunk.records < CHUNK_RECORDS) continue;
      yield readable(chunk);
      chunk = emptyChunk();
    }
    await rejects.flush();
  }
  if (chunk.records > 0) yield readable(chunk);
}

function emptyChunk(): Chunk {
  return { records: 0, contacts: new Map(), duplicates: 0, rejected: 0, unreadable: 0, broken: 0 };
}

function addToChunk(chunk: Chunk, judged: ImportedContact | RejectedRecord): void {
  chunk.records++;
  if (judged.kind === 'rejected') {
    chunk.rejected++;
    if (judged.fault === 'encoding') chunk.unreadable++;
    if (judged.fault === 'csv') chunk.broken++;
    return;
  }
  const earlier = chunk.contacts.get(judged.email);
  if (earlier) chunk.duplicates++;
  chunk.contacts.set(judged.email, earlier ? fold(earlier, judged) : judged);
}

/** The later record wins, cell by cell; its empty cells say nothing. */
function fold(earlier: ImportedContact, later: ImportedContact): ImportedContact {
  const attributes = { ...earlier.attributes, ...later.attributes };
  return { kind: 'contact', email: later.email, name: later.name ?? earlier.name, attributes };
}

function readable(chunk: Chunk): Chunk {
  if (chunk.unreadable > chunk.records * UNREADABLE_SHARE_MAX)
    throw new ImportRefused(
      `${chunk.unreadable} of ${chunk.records} records are not UTF-8: save the file again as CSV (UTF-8) and import that.`,
    );
  if (chunk.broken > BROKEN_RECORDS_MAX)
    throw new ImportRefused(
      `${chunk.broken} of ${chunk.records} records have broken quotation marks: see the rejects file, and save the file again as CSV.`,
    );
  return chunk;
}
