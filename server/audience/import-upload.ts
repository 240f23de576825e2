/**
 * An import of a file that arrives over the network: what importContacts does, with the rejected records kept in Postgres
 * and the import in the audit log. It ends with the request; sent again the same file goes on behind what is merged.
 */
import { Readable } from 'node:stream';
import { audit } from '../accounts/audit.ts';
import type { Actor } from '../accounts/principal.ts';
import type { Database } from '../kernel/database.ts';
import { type ImportOptions, type ImportReport, importContacts } from './import.ts';
import { rejectsHead, rejectsLine } from './import-rejects.ts';
import { KeptRejects } from './import-rejects-kept.ts';
import type { Upload } from './import-source.ts';
import { type ImportRow, type RejectRow, rejectPage } from './queries-imports.ts';

const LINES_PER_PAGE = 500;

export interface UploadOptions
  extends Pick<ImportOptions, 'database' | 'listName' | 'mapping' | 'types' | 'dryRun' | 'status' | 'scope'> {
  actor: Actor;
  /** Network address that the request came from. */
  address?: string;
  file: Upload;
}

export interface UploadReport extends ImportReport {
  firstRejects: readonly RejectRow[];
}

/** Throws ImportRefused with a sentence for the user when the file as a whole cannot be imported. */
export async function importUpload({ actor, address, ...options }: UploadOptions): Promise<UploadReport> {
  const { database, listName, file } = options;
  const { workspaceId } = actor;
  const rejects = new KeptRejects(database, workspaceId);
  const report = await importContacts({
    ...options,
    workspaceId,
    rejects,
    async onBegin(tx, importId) {
      const after = { list: listName, file: file.name };
      await audit(tx, actor, { action: 'import.started', subject: `import/${importId}`, after, address });
    },
  });
  return { ...report, firstRejects: rejects.first };
}

/** The rejected records that are kept, as the CSV file that `camp import` writes. */
export function rejectsCsv(database: Database, workspaceId: string, { id, titles }: ImportRow): Readable {
  async function* lines() {
    yield rejectsHead(titles);
    for (let afterLine = 0; ; ) {
      const of = { afterLine, limit: LINES_PER_PAGE };
      const page = await database.readWorkspace(workspaceId, (tx) => rejectPage(tx, workspaceId, id, of));
      if (page.length > 0) yield page.map(rejectsLine).join('');
      if (page.length < LINES_PER_PAGE) return;
      afterLine = page.at(-1)?.line ?? 0;
    }
  }
  return Readable.from(lines(), { objectMode: false });
}
