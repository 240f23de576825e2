/**
 * One connection to a provider: bytes in, bytes out, TLS, and the cuts and delays of its dialogue.
 *
 * A connection counts from the moment when it is taken until the client closes its side or says QUIT, or the provider ends
 * it. One that would be too many waits for some turns of the event loop before it is judged: what the others have sent by
 * then has been read, so a client that closes one connection and opens the next is not blamed for the order in which the
 * kernel tells of them.
 */
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { type SecureContext, TLSSocket } from 'node:tls';
import { Dialogue, type Step } from './dialogue.ts';
import { Incoming } from './incoming.ts';
import { Outgoing } from './outgoing.ts';
import type { Provider } from './provider.ts';

/** How long a client may keep an ended connection half open. */
const LINGER_MS = 2_000;
/** One to hear of a connection, one to read its bytes, one to see that they were the last, one for its error; and as many. */
const TURNS = 8;

export class SmtpSession {
  readonly #provider: Provider;
  readonly #secureContext: SecureContext;
  readonly #source: string;
  readonly #dialogue: Dialogue;
  readonly #input = new Incoming();
  readonly #output: Outgoing;
  #socket: Socket;
  /** What is being waited for: a command, a message, or so many bytes. */
  #expected: 'line' | 'message' | number = 'line';
  /** Nothing more is read while an answer is owed. */
  #blocked = true;
  #counted = true;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;
  #owed: ((answered: boolean) => void) | undefined;

  constructor(socket: Socket, provider: Provider, secureContext: SecureContext) {
    this.#socket = socket;
    this.#provider = provider;
    this.#secureContext = secureContext;
    this.#source = socket.remoteAddress ?? '';
    const connection = provider.connected();
    this.#dialogue = new Dialogue(provider, { source: this.#source, connection });
    this.#output = new Outgoing(socket, () => provider.manner.byteMs);
    provider.limits.enter(this.#source);
    socket.once('close', () => {
      provider.disconnected();
      this.#closed();
    });
    this.#listen(socket);
    void this.#begin();
  }

  async #begin(): Promise<void> {
    const { limits, manner } = this.#provider;
    for (let turns = 0; turns < TURNS && limits.crowded(this.#source); turns += 1) await turn();
    if (!this.#counted) return;
    if (!limits.admitConnection(this.#source)) return this.#carryOut(this.#dialogue.tooManyConnections());
    if (manner.door === 'reset') this.#socket.resetAndDestroy();
    else this.#carryOut({ ...this.#dialogue.greeting(() => this.#input.empty), afterMs: manner.bannerMs });
  }

  #listen(socket: Socket): void {
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#input.add(text);
      if (!this.#blocked) this.#read();
    });
    socket.on('error', () => socket.destroy());
    socket.once('end', () => {
      this.#leave();
      socket.end();
    });
  }

  #read(): void {
    const socket = this.#socket;
    socket.cork();
    while (!this.#blocked && !this.#silent && this.#takeOne());
    socket.uncork();
  }

  get #silent(): boolean {
    return this.#provider.manner.door === 'silent';
  }

  /** Takes one command, message or chunk; false: there is none whole. */
  #takeOne(): boolean {
    const taken = this.#take();
    if (taken === null) return false;
    const expected = this.#expected;
    this.#expected = 'line';
    if (this.#ended) this.#dialogue.tooLate(taken);
    else if (expected === 'message') this.#carryOut(this.#dialogue.message(taken));
    else if (expected !== 'line') this.#carryOut(this.#dialogue.chunk(taken));
    else this.#carryOut(this.#dialogue.command(taken, this.#input.empty));
    return true;
  }

  #take(): string | null {
    if (this.#expected === 'line') return this.#input.takeLine();
    if (this.#expected === 'message') return this.#input.takeMessage();
    return this.#input.takeBytes(this.#expected);
  }

  #carryOut(step: Step): void {
    if (step.afterMs) {
      this.#owe(step);
      this.#timer = setTimeout(() => this.#answer(step), step.afterMs);
    } else this.#answer(step);
  }

  #answer(step: Step): void {
    if (this.#silent || !this.#output.write(step.say, () => this.#proceed(step))) this.#owe(step);
    else this.#proceed(step);
  }

  #owe({ settled }: Step): void {
    this.#blocked = true;
    this.#owed = settled;
  }

  #proceed({ next, settled }: Step): void {
    this.#owed = undefined;
    settled?.(this.#socket.writable);
    if (next === 'cut') this.#cut();
    else if (next === 'end') this.#end();
    else if (next === 'starttls') this.#secure();
    else this.#expect(next === 'go on' ? 'line' : next === 'data' ? 'message' : next.bytes);
  }

  #expect(what: 'line' | 'message' | number): void {
    this.#expected = what;
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#read();
  }

  #cut(): void {
    this.#ended = true;
    this.#leave();
    this.#socket.destroySoon();
  }

  #end(): void {
    this.#ended = true;
    this.#blocked = false;
    this.#leave();
    this.#socket.end();
    this.#timer = setTimeout(() => this.#socket.destroy(), LINGER_MS);
  }

  /** Whatever came in clear behind STARTTLS could be anybody's (CVE-2011-0411): it is dropped. */
  #secure(): void {
    const clear = this.#socket;
    clear.removeAllListeners('data').removeAllListeners('end');
    this.#input.clear();
    this.#dialogue.secured();
    const secure = new TLSSocket(clear, { isServer: true, secureContext: this.#secureContext });
    this.#socket = secure;
    this.#output.moveTo(secure);
    this.#listen(secure);
    this.#expect('line');
  }

  #leave(): void {
    if (this.#counted) this.#provider.limits.leave(this.#source);
    this.#counted = false;
  }

  #closed(): void {
    this.#leave();
    clearTimeout(this.#timer);
    this.#output.stop();
    this.#owed?.(false);
  }
}
