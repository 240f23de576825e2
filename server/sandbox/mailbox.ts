/** What the sandbox accepted: counted, with the last few messages kept as files that a person can open. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const MESSAGES_KEPT = 50;
const WRITE_EVERY_MS = 1_000;
/** Message-ID stands in the header; that is read as far as this. */
const HEADER_BYTES_MAX = 16_384;

export class Mailbox {
  readonly #folder: string;
  readonly #recipients = new Set<string>();
  readonly #seen = new Set<string>();
  /** A ring; a slot that was written to disk is undefined until it is filled again. */
  readonly #unwritten: (Buffer | undefined)[] = [];
  #accepted = 0;
  #duplicates = 0;
  #timer: NodeJS.Timeout | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(folder: string): Promise<Mailbox> {
    await mkdir(folder, { recursive: true });
    return new Mailbox(folder);
  }

  accept(recipient: string, message: Buffer): void {
    const address = recipient.toLowerCase();
    const fingerprint = createHash('sha1')
      .update(`${address} ${messageId(message)}`)
      .digest('base64');
    if (this.#seen.has(fingerprint)) this.#duplicates += 1;
    this.#seen.add(fingerprint);
    this.#recipients.add(address);
    this.#unwritten[this.#accepted % MESSAGES_KEPT] = message;
    this.#accepted += 1;
    this.#timer ??= setTimeout(() => this.write().catch(complain), WRITE_EVERY_MS);
  }

  /** Brings the folder up to date. */
  async write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const files = this.#unwritten.splice(0);
    await Promise.all(files.map((message, slot) => message && writeFile(this.#path(slot), message)));
  }

  /** A message counts twice when the same Message-ID reaches the same recipient again. */
  counts(): { accepted: number; acceptedDistinctRecipients: number; duplicates: number } {
    return {
      accepted: this.#accepted,
      acceptedDistinctRecipients: this.#recipients.size,
      duplicates: this.#duplicates,
    };
  }

  #path(slot: number): string {
    return join(this.#folder, `message-${String(slot + 1).padStart(2, '0')}.eml`);
  }
}

/** The files are for looking at: mail is accepted without them as well. */
function complain(error: Error): void {
  process.stderr.write(`The sandbox cannot keep a copy of the mail: ${error.message}\n`);
}

function messageId(message: Buffer): string {
  const header = message.subarray(0, HEADER_BYTES_MAX).toString('latin1').split('\r\n\r\n', 1)[0] ?? '';
  return /^Message-ID:\s*(\S+)/im.exec(header)?.[1] ?? header;
}
