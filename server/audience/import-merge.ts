/**
 * One chunk of an import becomes contacts and subscriptions, in one transaction.
 *
 * Before: records were read and judged. The rows travel by COPY into a temporary table, and statements on whole sets
 * do the rest. The import's position moves in the same transaction, so a crash repeats nothing and loses nothing; and
 * its row is locked first, so of two processes that run the same import one stops.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Database, Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import type { Chunk } from './import-chunks.ts';
import type { ImportedContact } from './import-record.ts';
import { ImportRefused, ImportUnderWay } from './import-refused.ts';
import * as queries from './queries.ts';
import type { SubscriptionStatus } from './states.ts';

const COPY_ROWS = 500;

export interface MergeTarget {
  workspaceId: string;
  importId: string;
  listId: string;
  status: SubscriptionStatus;
}

/** `recordsDone`: where the import must stand for this chunk to be the next one. `bytesDone`: read so far. */
export function mergeChunk(
  database: Database,
  target: MergeTarget,
  { recordsDone, bytesDone }: { recordsDone: number; bytesDone: number },
  chunk: Chunk,
): Promise<queries.ImportCounts> {
  const { workspaceId, importId } = target;
  return database.withWorkspace(workspaceId, async (tx) => {
    await lockImportAt(tx, target, recordsDone);
    await stage(tx, chunk);
    await queries.mergeStagedContacts(tx, workspaceId);
    const merged = await queries.subscribeStagedContacts(tx, target);
    const duplicates = merged.duplicates + chunk.duplicates;
    const counts = { ...merged, duplicates, rejected: chunk.rejected };
    const { records, sha256 } = chunk;
    await queries.addImportCounts(tx, workspaceId, importId, { ...counts, records, sha256, bytesDone });
    return counts;
  });
}

/** Throws ImportRefused when the import has failed meanwhile, or stands elsewhere. */
async function lockImportAt(
  tx: Tx,
  { workspaceId, importId }: MergeTarget,
  recordsDone: number,
): Promise<void> {
  const found = await queries.lockImport(tx, workspaceId, importId);
  if (found?.error != null) throw new ImportRefused(`The import has ended: ${found.error}`);
  if (found?.state !== 'running' || found.recordsDone !== recordsDone)
    throw new ImportUnderWay(
      'Another process is importing the same file: let it finish, then run this again.',
    );
}

/** What mergeChunk would do; writes nothing. */
export function previewChunk(
  database: Database,
  workspaceId: string,
  listId: string | null,
  chunk: Chunk,
): Promise<queries.ImportCounts> {
  return database.withWorkspace(workspaceId, async (tx) => {
    await stage(tx, chunk);
    const preview = await queries.previewStagedContacts(tx, workspaceId, listId);
    return { ...preview, duplicates: chunk.duplicates, rejected: chunk.rejected };
  });
}

async function stage(tx: Tx, chunk: Chunk): Promise<void> {
  await queries.planForChunks(tx);
  await queries.createStagedContacts(tx);
  await pipeline(Readable.from(copyBlocks(byEmail(chunk.contacts))), queries.copyStagedContacts(tx));
}

/** So that every look-up and every insert of the chunk walks the index of addresses once from left to right. */
function byEmail(contacts: Map<string, ImportedContact>): ImportedContact[] {
  return [...contacts.values()].sort((a, b) => (a.email < b.email ? -1 : 1));
}

function* copyBlocks(contacts: Iterable<ImportedContact>): Generator<Buffer> {
  let block = '';
  let rows = 0;
  for (const contact of contacts) {
    block += copyRow(contact);
    if (++rows % COPY_ROWS > 0) continue;
    yield Buffer.from(block);
    block = '';
  }
  yield Buffer.from(block);
}

/** COPY's text format: columns between tabs, \N for NULL. */
function copyRow({ email, name, attributes }: ImportedContact): string {
  const nameCell = name === null ? '\\N' : escapeCopy(name);
  return `${newId()}\t${escapeCopy(email)}\t${nameCell}\t${escapeCopy(JSON.stringify(attributes))}\n`;
}

const COPY_ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function escapeCopy(text: string): string {
  return text.replace(/[\\\t\n\r]/g, (character) => COPY_ESCAPES[character] ?? character);
}
