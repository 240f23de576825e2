/**
 * The sink's record of what it accepted. Many messages share one fsync, but nobody hears of a message's acceptance
 * before its line is on the disk.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { SinkRecord } from './sink-protocol.ts';

export class SinkLog {
  readonly #file: FileHandle;
  readonly #seen = new Set<string>();
  #lines: string[] = [];
  #whenDurable: (() => void)[] = [];
  #writing = false;
  accepted = 0;
  duplicates = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(path: string): Promise<SinkLog> {
    return new SinkLog(await open(path, 'a'));
  }

  append(record: SinkRecord, whenDurable: () => void): void {
    this.#lines.push(`${JSON.stringify(record)}\n`);
    this.#whenDurable.push(() => {
      this.#count(record);
      whenDurable();
    });
    if (!this.#writing) void this.#write();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#lines.length > 0) {
      const [lines, whenDurable] = [this.#lines, this.#whenDurable];
      [this.#lines, this.#whenDurable] = [[], []];
      await this.#file.appendFile(lines.join(''));
      await this.#file.datasync();
      for (const tell of whenDurable) tell();
    }
    this.#writing = false;
  }

  #count(record: SinkRecord): void {
    const message = `${record.subject}\n${record.recipient}`;
    if (this.#seen.has(message)) this.duplicates += 1;
    this.#seen.add(message);
    this.accepted += 1;
  }
}
