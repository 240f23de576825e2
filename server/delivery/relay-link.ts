/**
 * One slot's connection to the relay: opened when first needed, used for one message after the other, given up when
 * it carried enough messages, rested too long, or broke.
 */
import type { Scope } from '../kernel/scope.ts';
import { openConnection, type SmtpConnection } from '../smtp/connection.ts';
import type { OpenOptions } from '../smtp/session.ts';
import type { Link, LinkOpened } from './link.ts';

const MESSAGES_PER_CONNECTION_MAX = 1_000;
const REST_MS_MAX = 30_000;

export class RelayLink implements Link {
  readonly #scope: Scope;
  readonly #options: OpenOptions;
  #connection: SmtpConnection | undefined;
  #resting: NodeJS.Timeout | undefined;
  /** Cut off while it was opening: what it opened is not used. */
  #closed = false;

  constructor(scope: Scope, options: OpenOptions) {
    this.#scope = scope;
    this.#options = options;
  }

  async connection(): Promise<LinkOpened> {
    clearTimeout(this.#resting);
    const current = this.#connection;
    if (current?.usable && current.sent < MESSAGES_PER_CONNECTION_MAX)
      return { kind: 'open', connection: current, host: null };
    current?.quit();
    this.#connection = undefined;
    this.#closed = false;
    const opened = await openConnection(this.#scope, this.#options);
    if (opened.kind === 'open' && this.#closed) {
      opened.connection.close();
      return { kind: 'busy', afterMs: 0 };
    }
    if (opened.kind === 'open') this.#connection = opened.connection;
    return { ...opened, host: null };
  }

  rest(): void {
    this.#resting = setTimeout(() => this.quit(), REST_MS_MAX);
  }

  quit(): void {
    clearTimeout(this.#resting);
    this.#connection?.quit();
    this.#connection = undefined;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#resting);
    this.#connection?.close();
    this.#connection = undefined;
  }
}
