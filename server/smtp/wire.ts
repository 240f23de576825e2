/**
 * The wire: one socket, one reply parser, one watchdog. It knows no SMTP verb.
 *
 * Below it is kernel/network; above it are the session's opening (session.ts) and a message (transaction.ts).
 *
 * - Replies wait in a queue, so a pipelined answer that came early is found by the `next()` that asks for it.
 * - A wire breaks once: a close, an error, a timeout or a broken protocol. What had arrived before is still
 *   delivered; then every `next()` gives the same Break.
 * - The watchdog is one interval per connection. Waiting only writes a number into #deadline, because a timer per
 *   phase would cost more than the phase.
 * - A late watchdog looks at the socket before it gives up (see #check): a process that was stopped for longer
 *   than a timeout still learns the answers that reached it meanwhile.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type Reply, ReplyParser } from './reply.ts';
import type { SmtpTimeouts, TimedPhase } from './timeouts.ts';

/** Why no reply will come any more. */
export interface Break {
  readonly error: string;
  /** The server closed, and said nothing of why. */
  readonly closed?: true;
  readonly timedOut?: true;
}

export type Answer = Reply | Break;

const WATCH_INTERVAL_MS = 1_000;
const SLICE_BYTES = 64 * 1024;

export class Wire {
  readonly #socket: Socket;
  readonly #timeouts: SmtpTimeouts;
  readonly #parser = new ReplyParser();
  readonly #replies: Reply[] = [];
  readonly #watchdog: NodeJS.Timeout;
  readonly #closeListeners: ((why: Break) => void)[] = [];
  #break: Break | null = null;
  #resting = false;
  #phase: TimedPhase = 'connect';
  /** Monotonic milliseconds; Infinity while nothing is waited for. */
  #deadline = Number.POSITIVE_INFINITY;
  /** Wakes whoever waits for a reply or for room in the socket. */
  #wake: (() => void) | null = null;

  constructor(socket: Socket, timeouts: SmtpTimeouts) {
    this.#socket = socket;
    this.#timeouts = timeouts;
    this.#watchdog = setInterval(
      () => this.#check(),
      Math.min(WATCH_INTERVAL_MS, ...Object.values(timeouts)),
    );
    socket.on('data', this.#onData);
    socket.on('drain', this.#onDrain);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    if (socket.destroyed) this.#onClose();
  }

  get broken(): boolean {
    return this.#break !== null;
  }

  get encrypted(): boolean {
    return this.#socket instanceof TLSSocket;
  }

  /** `text` has one character per byte. Written at once, or never when the wire is broken. */
  write(text: string): void {
    if (!this.#break) this.#socket.write(text, 'latin1');
  }

  /** The next reply, or why there is none. One caller at a time. */
  next(phase: TimedPhase): Promise<Answer> {
    const ready = this.peek();
    if (ready) {
      this.#replies.shift();
      return Promise.resolve(ready);
    }
    return new Promise((resolve) => {
      this.#wait(phase, () => resolve(this.#replies.shift() ?? this.#break ?? unwoken()));
    });
  }

  /** What `next()` would give without waiting. */
  peek(): Answer | null {
    // A scope that ended has destroyed the socket before the socket says so.
    if (this.#socket.destroyed) this.#breakWith({ error: 'the connection was closed' });
    return this.#replies[0] ?? this.#break;
  }

  /** Writes a large text without filling memory; stops early when the server speaks or the wire breaks. */
  async writeAll(text: string): Promise<void> {
    for (let start = 0; start < text.length && !this.peek(); start += SLICE_BYTES) {
      const fits = this.#socket.write(text.slice(start, start + SLICE_BYTES), 'latin1');
      if (!fits) await new Promise<void>((resolve) => this.#wait('block', resolve));
    }
  }

  /** Between messages: the server may close, and may not speak. */
  rest(): void {
    this.#resting = true;
    this.#refuseUnasked();
  }

  resume(): void {
    this.#resting = false;
  }

  /** Calls `listener` once, when the wire breaks for whatever reason. */
  onClose(listener: (why: Break) => void): void {
    if (this.#break) listener(this.#break);
    else this.#closeListeners.push(listener);
  }

  /** Says a last line and closes as soon as the server does, or soon. */
  end(text: string): void {
    if (this.#break) return;
    this.resume();
    this.#socket.end(text, 'latin1');
    this.#phase = 'quit';
    this.#deadline = performance.now() + this.#timeouts.quit;
  }

  close(why: Break = { error: 'closed by us' }): void {
    this.#breakWith(why);
  }

  /**
   * Gives the socket up for TLS. What arrived unread is dropped with this wire: it came in clear, and whoever sent
   * it could be anybody (CVE-2011-0411's kind of injection).
   */
  release(): Socket {
    clearInterval(this.#watchdog);
    this.#break = { error: 'released' };
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('drain', this.#onDrain);
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError);
    socket.off('close', this.#onClose);
    socket.pause();
    return socket;
  }

  #wait(phase: TimedPhase, wake: () => void): void {
    this.#phase = phase;
    this.#deadline = performance.now() + this.#timeouts[phase];
    this.#wake = wake;
  }

  #woken(): void {
    const wake = this.#wake;
    if (!wake) return;
    this.#wake = null;
    this.#deadline = Number.POSITIVE_INFINITY;
    wake();
  }

  readonly #onData = (chunk: Buffer): void => {
    const error = this.#parser.feed(chunk.toString('latin1'), this.#replies);
    if (this.#resting) this.#refuseUnasked();
    if (this.#replies.length > 0) this.#woken();
    if (error) this.#breakWith({ error });
  };

  readonly #onDrain = (): void => {
    if (this.#phase === 'block') this.#woken();
  };

  readonly #onEnd = (): void => this.#breakWith({ error: 'the server closed the connection', closed: true });

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    const closed = error.code === 'ECONNRESET' || error.code === 'EPIPE';
    this.#breakWith({ error: error.message, ...(closed && { closed }) });
  };

  readonly #onClose = (): void => this.#breakWith({ error: 'the connection was closed' });

  #refuseUnasked(): void {
    const unasked = this.#replies[0];
    if (unasked) this.#breakWith({ error: `the server spoke out of turn: ${unasked.code} ${unasked.text}` });
  }

  #check(): void {
    if (performance.now() < this.#deadline) return;
    // The poll phase of the event loop runs between a timer and an immediate: bytes that are here already count.
    setImmediate(() => {
      if (performance.now() >= this.#deadline)
        this.#breakWith({
          error: `no answer within ${this.#timeouts[this.#phase]} ms (${this.#phase})`,
          timedOut: true,
        });
    });
  }

  #breakWith(why: Break): void {
    if (this.#break) return;
    this.#break = why;
    clearInterval(this.#watchdog);
    this.#socket.destroy();
    this.#woken();
    for (const listener of this.#closeListeners) listener(why);
  }
}

function unwoken(): never {
  throw new Error('a wire woke its reader without a reply');
}
