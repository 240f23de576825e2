/**
 * One SMTP dialogue of the sink, by hand on a socket so that every cut, silence and delay falls on an exact byte.
 * Commands may be pipelined (RFC 2920); while a message's final reply is owed, nothing behind it is read.
 */
import type { Socket } from 'node:net';
import type { SinkBehaviour, SinkRecord } from './sink-protocol.ts';

const EHLO = '250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n';
const BUSY = '421 4.3.2 sink.example Service not available, closing transmission channel\r\n';

export interface SinkHooks {
  behaviour(): SinkBehaviour;
  /** True with this probability. */
  chance(share: number): boolean;
  record(record: SinkRecord, whenDurable: () => void): void;
  /** Runs the answer when the 250 may leave. */
  whenReplyIsDue(answer: () => void): void;
}

export class SinkConnection {
  readonly #socket: Socket;
  readonly #hooks: SinkHooks;
  #input = '';
  #recipient = '';
  #inData = false;
  #replyOwed = false;

  constructor(socket: Socket, hooks: SinkHooks) {
    this.#socket = socket;
    this.#hooks = hooks;
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('error', () => {});
    socket.on('data', (text: string) => this.#read(text));
    if (hooks.behaviour().door === 'busy') socket.end(BUSY);
    else socket.write('220 sink.example ESMTP\r\n');
  }

  #read(text: string): void {
    this.#input += text;
    while (!this.#replyOwed && !this.#socket.destroyed && this.#step());
  }

  /** Takes one command or one message from the input; false: there is none whole. */
  #step(): boolean {
    const end = this.#inData ? endOfData(this.#input) : this.#input.indexOf('\r\n') + 2;
    if (end < 2) return false;
    const taken = this.#input.slice(0, end);
    this.#input = this.#input.slice(end);
    if (this.#hooks.behaviour().door === 'busy') this.#socket.end(BUSY);
    else if (this.#inData) this.#message(taken);
    else this.#command(taken);
    return this.#socket.writable;
  }

  #command(line: string): void {
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === 'EHLO') this.#socket.write(EHLO);
    else if (verb === 'RCPT') this.#rcpt(line);
    else if (verb === 'DATA') this.#data();
    else if (verb === 'QUIT') this.#socket.end('221 2.0.0 Bye\r\n');
    else this.#socket.write('250 2.0.0 OK\r\n');
  }

  #rcpt(line: string): void {
    this.#recipient = /<(.*)>/.exec(line)?.[1] ?? '';
    this.#socket.write('250 2.1.5 OK\r\n');
  }

  #data(): void {
    if (this.#hooks.chance(this.#hooks.behaviour().cutBeforeDot)) return void this.#socket.destroy();
    this.#inData = true;
    this.#socket.write('354 Go on\r\n');
  }

  #message(text: string): void {
    this.#inData = false;
    if (this.#hooks.chance(this.#hooks.behaviour().refuseAtDot))
      return void this.#socket.write('451 4.3.0 Try again later\r\n');
    this.#replyOwed = true;
    const record = { atMs: Date.now(), recipient: this.#recipient, ...headersOf(text) };
    const cut = this.#hooks.chance(this.#hooks.behaviour().cutAfterDot);
    this.#hooks.record(record, () =>
      cut ? this.#socket.destroy() : this.#hooks.whenReplyIsDue(() => this.#accept()),
    );
  }

  #accept(): void {
    if (!this.#socket.writable || this.#hooks.behaviour().door === 'silent') return;
    this.#replyOwed = false;
    this.#socket.write('250 2.6.0 Accepted\r\n');
    this.#read('');
  }
}

function endOfData(input: string): number {
  if (input.startsWith('.\r\n')) return 3;
  const dot = input.indexOf('\r\n.\r\n');
  return dot < 0 ? -1 : dot + 5;
}

function headersOf(message: string): { subject: string; messageId: string } {
  const header = message.slice(0, message.indexOf('\r\n\r\n') + 2);
  const field = (name: RegExp) => name.exec(header)?.[1]?.trim() ?? '';
  return { subject: field(/^Subject:(.*)$/im), messageId: field(/^Message-ID:(.*)$/im) };
}
