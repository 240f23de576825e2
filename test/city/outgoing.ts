/** What a provider says, at once or one byte after the other. */
import type { Socket } from 'node:net';

export class Outgoing {
  readonly #byteMs: () => number;
  #socket: Socket;
  #rest = '';
  #afterwards = () => {};
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, byteMs: () => number) {
    this.#socket = socket;
    this.#byteMs = byteMs;
  }

  /** From now on over this socket. */
  moveTo(socket: Socket): void {
    this.#socket = socket;
  }

  /** True: it is said. False: it is being said, and `afterwards` will be called; nothing else may be written until then. */
  write(text: string, afterwards: () => void): boolean {
    if (text === '') return true;
    if (this.#byteMs() > 0) {
      this.#rest = text;
      this.#afterwards = afterwards;
      this.#timer = setInterval(() => this.#drip(), this.#byteMs());
      return false;
    }
    this.#socket.write(text, 'latin1');
    return true;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #drip(): void {
    this.#socket.write(this.#rest.slice(0, 1), 'latin1');
    this.#rest = this.#rest.slice(1);
    if (this.#rest !== '') return;
    this.stop();
    this.#afterwards();
  }
}
