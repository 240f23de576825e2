/**
 * The records of a file, judged and cut into chunks: what one transaction will merge.
 *
 * Before: CSV records. After: import-merge. Rejected records go to their file here. A file of which too much cannot be
 * read at all (another encoding, not CSV) is refused as a whole rather than rejected record by record.
 *
 * An import that goes on leaves out what is merged, after it has seen that these are the same records: by a hash of all
 * records so far, which every chunk carries. An upload is known by its beginning only, and the rest of it may differ.
 */
import { createHash, type Hash } from 'node:crypto';
import type { Columns } from './import-columns.ts';
import type { CsvRecord } from './import-csv.ts';
import { type ImportedContact, judgeRecord, type RejectedRecord } from './import-record.ts';
import { ImportRefused, OtherFile } from './import-refused.ts';
import type { Rejects } from './import-rejects.ts';

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
  /** Of all records of the file up to the chunk's last, in hex. */
  sha256: string;
}

/** Where an interrupted import got to; a hash of null is older than the hashes. */
export interface Merged {
  records: number;
  sha256: string | null;
}

/** Leaves out the records that are merged, but for the rejects. Throws ImportRefused. */
export async function* readChunks(
  batches: AsyncIterable<CsvRecord[]>,
  columns: Columns,
  rejects: Rejects,
  merged: Merged,
): AsyncGenerator<Chunk> {
  const hash = createHash('sha256');
  let chunk = emptyChunk();
  let toSkip = merged.records;
  for await (const batch of batches) {
    for (const record of batch) {
      hash.update(`${record.cells.join('\x1f')}\x1e`);
      const judged = judgeRecord(record, columns);
      if (judged.kind === 'rejected') rejects.add(record, judged);
      if (toSkip > 0) {
        toSkip--;
        if (toSkip === 0 && merged.sha256 !== null && merged.sha256 !== digestOf(hash))
          throw otherFile(merged);
        continue;
      }
      addToChunk(chunk, judged);
      if (chunk.records < CHUNK_RECORDS) continue;
      yield readable(chunk, hash);
      chunk = emptyChunk();
    }
    await rejects.flush();
  }
  if (toSkip > 0) throw otherFile(merged);
  if (chunk.records > 0) yield readable(chunk, hash);
}

function digestOf(hash: Hash): string {
  return hash.copy().digest('hex');
}

function otherFile({ records }: Merged): OtherFile {
  return new OtherFile(
    `The file begins like one whose import was interrupted after ${records} records, but these are not the same: what was imported stays; import the file again, and it begins anew.`,
  );
}

function emptyChunk(): Omit<Chunk, 'sha256'> {
  return { records: 0, contacts: new Map(), duplicates: 0, rejected: 0, unreadable: 0, broken: 0 };
}

function addToChunk(chunk: Omit<Chunk, 'sha256'>, judged: ImportedContact | RejectedRecord): void {
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

function readable(chunk: Omit<Chunk, 'sha256'>, hash: Hash): Chunk {
  if (chunk.unreadable > chunk.records * UNREADABLE_SHARE_MAX)
    throw new ImportRefused(
      `${chunk.unreadable} of ${chunk.records} records are not UTF-8: save the file again as CSV (UTF-8) and import that.`,
    );
  if (chunk.broken > BROKEN_RECORDS_MAX)
    throw new ImportRefused(
      `${chunk.broken} of ${chunk.records} records have broken quotation marks: see the rejects file, and save the file again as CSV.`,
    );
  return { ...chunk, sha256: digestOf(hash) };
}
