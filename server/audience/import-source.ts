/**
 * The bytes of an import: a file or a stream, as UTF-8.
 *
 * UTF-8 passes through untouched (faults in it are found cell by cell later), UTF-16 is known by its byte order mark
 * and decoded. A file has a fingerprint, so that the same command on it goes on where it stopped; a stream has none. An
 * upload has one of its beginning and of what its sender says of the whole; that the rest is the same as well is seen
 * while it is read (import-chunks.ts).
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { ImportRefused } from './import-refused.ts';

const READ_BYTES = 64 * 1024;
const FINGERPRINT_BYTES = 1024 * 1024;
const UPLOAD_FINGERPRINT_BYTES = 64 * 1024;

export interface Source {
  /** As the user knows it: the file's name, or `standard input`. */
  name: string;
  bytesTotal: number | null;
  bytesDone: number;
  /** Of size, beginning and end; null for a stream. */
  fingerprint: string | null;
  /** UTF-8, without a byte order mark. */
  utf8: AsyncGenerator<Buffer>;
  /** Makes reading throw `reason`, also when it waits for a stream that says nothing. */
  abort(reason: Error): void;
  close(): Promise<void>;
}

/** A file that arrives, and what its sender says of it: its length, its Content-Digest. */
export interface Upload {
  name: string;
  content: Readable;
  bytesTotal: number | null;
  digest: string | null;
}

/** Throws ImportRefused when there is nothing that can be read. */
export async function openSource(file: string | Readable | Upload): Promise<Source> {
  if (file instanceof Readable) return sourceOf('standard input', file, null, null, async () => {});
  if (typeof file !== 'string') return openUpload(file);
  const handle = await openFile(file);
  try {
    const stats = await handle.stat();
    if (stats.isDirectory())
      throw new ImportRefused(`${file} is a folder: name the CSV file inside it that is to be imported.`);
    const size = stats.isFile() ? stats.size : null;
    const fingerprint = size === null ? null : await fingerprintOf(handle, size);
    const stream = handle.createReadStream({
      highWaterMark: READ_BYTES,
      autoClose: false,
      ...(size !== null && { start: 0 }),
    });
    return sourceOf(basename(file), stream, size, fingerprint, () => handle.close());
  } catch (error) {
    await handle.close();
    throw error;
  }
}

const OPEN_ERRORS: Record<string, string> = {
  ENOENT: 'is not there: check the path',
  ENOTDIR: 'is not there: check the path',
  EACCES: 'may not be read by this user: check its permissions',
  EPERM: 'may not be read by this user: check its permissions',
};

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new ImportRefused(`${path} ${OPEN_ERRORS[code] ?? `cannot be opened (${code})`}.`, {
      cause: error,
    });
  }
}

/** Whoever sends it is to hear what was wrong with it. */
const KEEP_OPEN = { destroyOnReturn: false };

async function openUpload({ name, content, bytesTotal, digest }: Upload): Promise<Source> {
  const head = await takeHead(content);
  const hash = createHash('sha256').update(JSON.stringify(['upload', bytesTotal, digest]));
  for (const chunk of head) hash.update(chunk);
  async function* whole() {
    yield* head;
    yield* content.iterator(KEEP_OPEN);
  }
  const stream = Readable.from(whole(), { objectMode: false });
  return sourceOf(name, stream, bytesTotal, hash.digest('hex'), async () => {});
}

/** The first bytes of a stream, or all of it: what must have arrived before anything is merged. */
async function takeHead(content: Readable): Promise<Buffer[]> {
  const head: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of content.iterator(KEEP_OPEN)) {
    head.push(chunk.subarray(0, UPLOAD_FINGERPRINT_BYTES - bytes));
    bytes += chunk.length;
    if (bytes < UPLOAD_FINGERPRINT_BYTES) continue;
    content.unshift(chunk.subarray(chunk.length - (bytes - UPLOAD_FINGERPRINT_BYTES)));
    break;
  }
  return head;
}

async function fingerprintOf(handle: FileHandle, size: number): Promise<string> {
  const hash = createHash('sha256').update(`${size}\n`);
  for (const position of [0, Math.max(0, size - FINGERPRINT_BYTES)]) {
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(FINGERPRINT_BYTES), position });
    hash.update(buffer.subarray(0, bytesRead));
  }
  return hash.digest('hex');
}

function sourceOf(
  name: string,
  stream: Readable,
  bytesTotal: number | null,
  fingerprint: string | null,
  closeFile: () => Promise<void>,
): Source {
  const source: Source = {
    name,
    bytesTotal,
    bytesDone: 0,
    fingerprint,
    utf8: decode(name, counted()),
    abort: (reason) => stream.destroy(reason),
    async close() {
      stream.destroy();
      await closeFile();
    },
  };
  async function* counted() {
    for await (const chunk of stream) {
      source.bytesDone += chunk.length;
      yield Buffer.from(chunk);
    }
  }
  return source;
}

const MARKS = [
  { encoding: 'utf-8', mark: Buffer.from([0xef, 0xbb, 0xbf]) },
  { encoding: 'utf-16le', mark: Buffer.from([0xff, 0xfe]) },
  { encoding: 'utf-16be', mark: Buffer.from([0xfe, 0xff]) },
];
const ZIP_MARK = Buffer.from('PK\x03\x04');
const MARK_BYTES_MAX = 4;

async function* decode(name: string, bytes: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < MARK_BYTES_MAX) {
    const next = await bytes.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  if (startsWith(head, ZIP_MARK))
    throw new ImportRefused(
      `${name} is a spreadsheet or a ZIP archive: save it as CSV (UTF-8) and import that.`,
    );
  const found = MARKS.find(({ mark }) => startsWith(head, mark));
  const body = head.subarray(found?.mark.length ?? 0);
  if (!found || found.encoding === 'utf-8') {
    yield body;
    yield* bytes;
    return;
  }
  const decoder = new TextDecoder(found.encoding, { ignoreBOM: true });
  yield Buffer.from(decoder.decode(body, { stream: true }));
  for await (const chunk of bytes) yield Buffer.from(decoder.decode(chunk, { stream: true }));
  yield Buffer.from(decoder.decode());
}

function startsWith(bytes: Buffer, mark: Buffer): boolean {
  return bytes.subarray(0, mark.length).equals(mark);
}
