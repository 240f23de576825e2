/** The city's ground truth: what became of each message whose last dot arrived, one line of JSON each. */
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { MessageFacts } from './message-facts.ts';

/** One message to one recipient. */
export interface MessageRecord extends MessageFacts {
  atMs: number;
  provider: string;
  source: string;
  /** The provider's connection, from 1. */
  connection: number;
  tls: boolean;
  sender: string;
  recipient: string;
  /** The provider has it, whatever was said. */
  accepted: boolean;
  /** What was said to the dot. */
  reply: string;
  /** Whether it was said: the connection may have ended before. */
  answered: boolean;
}

export class Ledger {
  readonly #stream: WriteStream;

  constructor(path: string) {
    this.#stream = createWriteStream(path, { flags: 'a' });
  }

  write(record: MessageRecord): void {
    this.#stream.write(`${JSON.stringify(record)}\n`);
  }

  /** What was written before can be read when it resolves. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#stream.write('', (error) => (error ? reject(error) : resolve())),
    );
  }

  async close(): Promise<void> {
    this.#stream.end();
    await finished(this.#stream);
  }
}
