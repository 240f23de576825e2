/**
 * Import: a CSV file becomes contacts on a list.
 *
 * The file is read, judged and cut into chunks here (import-source, -csv, -columns, -record); a chunk is merged in
 * one transaction (import-merge) while the next one is read, so at most two chunks are in memory, however long the file
 * is. `import.records_done` says what is merged. The same command on the same file goes on behind it: it reads from the
 * start again, which costs seconds, and so writes the rejects file anew and complete.
 *
 * Nobody who left a list comes back by an import, and an empty cell overwrites nothing.
 */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import type { Database, Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import type { Scope } from '../kernel/scope.ts';
import type { AttributeType } from './attributes.ts';
import { type Chunk, readChunks } from './import-chunks.ts';
import { readColumns } from './import-columns.ts';
import { type CsvRecord, readCsv } from './import-csv.ts';
import { mergeChunk, previewChunk } from './import-merge.ts';
import { ImportRefused, ImportUnderWay, OtherFile } from './import-refused.ts';
import { type Rejects, RejectsFile } from './import-rejects.ts';
import { openSource, type Source, type Upload } from './import-source.ts';
import { findOrCreateList, holdList } from './lists.ts';
import * as queries from './queries.ts';

export { ImportRefused } from './import-refused.ts';

/** An import that merged nothing for so long was interrupted: a chunk takes a second. */
const IDLE_MS = 60_000;

export interface ImportOptions {
  database: Database;
  workspaceId: string;
  listName: string;
  /** A path, an upload, or a stream such as standard input (which cannot be resumed). */
  file: string | Readable | Upload;
  /** Ends the import; what is merged stays, and the same command goes on behind it. */
  scope?: Scope;
  /** Field (email, name, or an attribute) → column of the file; the rest is guessed (import-columns.ts). */
  mapping?: Record<string, string>;
  /** Attribute → type of its JSON value; text when not given. */
  types?: Record<string, AttributeType>;
  /** Says what would happen and changes nothing in the database; the rejects file is written. */
  dryRun?: boolean;
  /** Of those who are new on the list; subscribed when not given. */
  status?: 'subscribed' | 'unconfirmed';
  /** Where rejected records go; FILE.rejects.csv when not given. */
  rejectsFile?: string;
  /** Instead of a file. */
  rejects?: Rejects;
  /** In the transaction in which a new import begins. */
  onBegin?: (tx: Tx, importId: string) => Promise<void>;
  onProgress?: (progress: ImportProgress) => void;
}

export interface ImportProgress {
  /** Read so far; bytesTotal is null for a stream. */
  bytesDone: number;
  bytesTotal: number | null;
  /** Merged so far, as the other three. */
  recordsDone: number;
  created: number;
  updated: number;
  rejected: number;
}

/** records = created + updated + unchanged + duplicates + rejected. */
export interface ImportReport extends queries.ImportCounts {
  /** Null in a dry run. */
  importId: string | null;
  listId: string | null;
  records: number;
  /** Records that an earlier, interrupted run had merged; they are in the counts. */
  resumedAfter: number;
  /** Null when nothing was rejected. */
  rejectsFile: string | null;
}

/** Throws ImportRefused with a sentence for the user when the file as a whole cannot be imported. */
export async function importContacts(options: ImportOptions): Promise<ImportReport> {
  const source = await openSource(options.file);
  const forgetScope = options.scope?.onEnd((reason) => source.abort(reason));
  try {
    const batches = readCsv(source.utf8);
    const { header, records } = await takeHeader(source, batches);
    const columns = readColumns(header, { mapping: options.mapping ?? {}, types: options.types ?? {} });
    const rejects = options.rejects ?? (await RejectsFile.open(rejectsPath(options), columns.titles));
    try {
      const run = await beginRun(options, source, columns.titles);
      rejects.begin(run.importId);
      const watched = watch(options, run, source, records, batches);
      const merged = { records: run.resumedAfter, sha256: run.resumedSha256 };
      await mergeAll(options, run, readChunks(watched, columns, rejects, merged));
      const { importId, listId, recordsDone, resumedAfter, counts } = run;
      const rejectsFile = rejects.pathIfAny;
      return { importId, listId, records: recordsDone, resumedAfter, ...counts, rejectsFile };
    } finally {
      await rejects.close();
    }
  } finally {
    forgetScope?.();
    await source.close();
  }
}

/** The first record, and those that were read together with it. */
async function takeHeader(source: Source, batches: AsyncGenerator<CsvRecord[]>) {
  for (;;) {
    const batch = await batches.next();
    if (batch.done)
      throw new ImportRefused(
        `${source.name} is empty: its first line must name the columns, such as email,name.`,
      );
    const [header, ...records] = batch.value;
    if (header) return { header, records };
  }
}

function rejectsPath(options: ImportOptions): string {
  const { file, rejectsFile } = options;
  if (typeof file !== 'string') return rejectsFile ?? 'import.rejects.csv';
  if (rejectsFile === undefined) return `${file}.rejects.csv`;
  if (resolve(rejectsFile) === resolve(file))
    throw new ImportRefused(
      'The rejects file would overwrite the file that is imported: name another with --rejects.',
    );
  return rejectsFile;
}

/** Where an import stands. */
interface Run {
  /** Null in a dry run. */
  importId: string | null;
  listId: string | null;
  source: Source;
  resumedAfter: number;
  /** Of the records that an earlier run had merged. */
  resumedSha256: string | null;
  recordsDone: number;
  counts: queries.ImportCounts;
}

const NO_COUNTS = { created: 0, updated: 0, unchanged: 0, duplicates: 0, rejected: 0, keptUnsubscribed: 0 };

/** Finds the interrupted import of the same file, or begins a new one. */
function beginRun(options: ImportOptions, source: Source, titles: string[]): Promise<Run> {
  const { database, workspaceId, listName, dryRun } = options;
  return database.withWorkspace(workspaceId, async (tx) => {
    const fresh = { source, resumedAfter: 0, resumedSha256: null, recordsDone: 0, counts: NO_COUNTS };
    if (dryRun)
      return {
        ...fresh,
        importId: null,
        listId: (await queries.findList(tx, workspaceId, listName)) ?? null,
      };
    const listId = await findOrCreateList(tx, workspaceId, listName);
    await holdList(tx, workspaceId, listId);
    const id = newId();
    const fingerprint = fingerprintOf(options, source, listId) ?? id;
    const unfinished = await queries.findUnfinishedImport(tx, workspaceId, fingerprint);
    if (unfinished) {
      const { id: importId, recordsDone, recordsSha256, ...counts } = unfinished;
      const resumed = { resumedAfter: recordsDone, resumedSha256: recordsSha256 };
      return { importId, listId, source, ...resumed, recordsDone, counts };
    }
    const { name: fileName, bytesTotal } = source;
    await queries.insertImport(tx, { workspaceId, id, listId, fingerprint, fileName, bytesTotal, titles });
    await options.onBegin?.(tx, id);
    return { ...fresh, importId: id, listId };
  });
}

/** Of everything that decides what the import does; null when the source is a stream. A list's name may become another's. */
function fingerprintOf(options: ImportOptions, source: Source, listId: string): string | null {
  if (source.fingerprint === null) return null;
  const { mapping, types, status } = options;
  const rules = JSON.stringify([listId, mapping ?? {}, types ?? {}, status ?? 'subscribed']);
  return createHash('sha256').update(source.fingerprint).update(rules).digest('hex');
}

/** Passes records through and reports how far they are. */
async function* watch(
  options: ImportOptions,
  run: Run,
  source: Source,
  first: CsvRecord[],
  batches: AsyncGenerator<CsvRecord[]>,
): AsyncGenerator<CsvRecord[]> {
  yield first;
  for await (const batch of batches) {
    yield batch;
    const { bytesDone, bytesTotal } = source;
    const { created, updated, rejected } = run.counts;
    options.onProgress?.({ bytesDone, bytesTotal, recordsDone: run.recordsDone, created, updated, rejected });
  }
}

/** Merges a chunk while the next one is read. */
async function mergeAll(options: ImportOptions, run: Run, chunks: AsyncGenerator<Chunk>): Promise<void> {
  let chunk = await readNext(options, run, chunks);
  while (chunk) {
    // Both are waited for also when one fails: nothing of the import goes on after it was given up.
    const [merged, next] = await Promise.allSettled([
      mergeNext(options, run, chunk),
      readNext(options, run, chunks),
    ]);
    if (merged.status === 'rejected') throw merged.reason;
    if (next.status === 'rejected') throw next.reason;
    chunk = next.value;
  }
  await endImport(options, run, null);
}

async function readNext(
  options: ImportOptions,
  run: Run,
  chunks: AsyncGenerator<Chunk>,
): Promise<Chunk | undefined> {
  try {
    const next = await chunks.next();
    return next.done ? undefined : next.value;
  } catch (error) {
    if (error instanceof OtherFile) await endIdle(options, run, error);
    else if (error instanceof ImportRefused) await endImport(options, run, error.message);
    throw error;
  }
}

async function mergeNext(options: ImportOptions, run: Run, chunk: Chunk): Promise<void> {
  const { database, workspaceId, status = 'subscribed' } = options;
  const { importId, listId, recordsDone } = run;
  const at = { recordsDone, bytesDone: run.source.bytesDone };
  const merged =
    importId === null || listId === null
      ? await previewChunk(database, workspaceId, listId, chunk)
      : await mergeChunk(database, { workspaceId, importId, listId, status }, at, chunk);
  run.recordsDone += chunk.records;
  run.counts = addCounts(run.counts, merged);
}

function addCounts(a: queries.ImportCounts, b: queries.ImportCounts): queries.ImportCounts {
  return {
    created: a.created + b.created,
    updated: a.updated + b.updated,
    unchanged: a.unchanged + b.unchanged,
    duplicates: a.duplicates + b.duplicates,
    rejected: a.rejected + b.rejected,
    keptUnsubscribed: a.keptUnsubscribed + b.keptUnsubscribed,
  };
}

/** Of what belongs to another file: it begins anew when that one's import ends here, and waits while somebody goes on with it. */
async function endIdle(options: ImportOptions, run: Run, { message }: OtherFile): Promise<void> {
  if (await endImport(options, run, message, IDLE_MS)) return;
  throw new ImportUnderWay(
    'Another process is importing a file that begins like this one, or was interrupted a moment ago: import this one when it has ended, or in a minute.',
  );
}

/** `error`: the sentence for which the file was refused half way; null when all of it is merged. */
async function endImport(
  { database, workspaceId }: ImportOptions,
  { importId }: Run,
  error: string | null,
  idleMs?: number,
): Promise<boolean> {
  if (importId === null) return true;
  return database.withWorkspace(workspaceId, (tx) =>
    queries.finishImport(tx, workspaceId, importId, error, idleMs),
  );
}
