/** An SMTP client for the city's tests, by hand: it says what a proper client would not. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawClientOptions {
  host: string;
  port: number;
  localAddress?: string;
}

/** Matches a reply that was made of a provider's text (spec.ts), whatever was filled in. */
export function saying(text: string): RegExp {
  return new RegExp(
    `^${text
      .split(/\{\w+\}/)
      .map(RegExp.escape)
      .join('.+?')}$`,
  );
}

const WHOLE_REPLY = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/;

export class RawClient {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  /** Everything that arrived, chunk by chunk. */
  readonly chunks: string[] = [];
  #unread = '';
  #wake = () => {};

  constructor(options: RawClientOptions) {
    // A client may go on speaking when the server has said that it will not.
    this.socket = connect({ ...options, noDelay: true, allowHalfOpen: true });
    this.socket.setEncoding('latin1');
    this.socket.on('error', () => {});
    this.socket.on('data', (text: string) => {
      this.chunks.push(text);
      this.#unread += text;
      this.#wake();
    });
    this.socket.once('end', () => this.#wake());
    this.socket.once('close', () => this.#wake());
    this.closed = once(this.socket, 'close').catch(() => {});
  }

  /** Connected, greeted and introduced. */
  static async open(options: RawClientOptions): Promise<RawClient> {
    const client = new RawClient(options);
    const greeting = await client.reply();
    if (!greeting.startsWith('220')) throw new Error(`greeted with ${greeting}`);
    await client.command('EHLO client.example');
    return client;
  }

  /** The next reply: code, blank, lines without their codes. '' when the server closes instead. */
  async reply(): Promise<string> {
    for (;;) {
      const whole = WHOLE_REPLY.exec(this.#unread)?.[0];
      if (whole) {
        this.#unread = this.#unread.slice(whole.length);
        const lines = whole.trimEnd().split('\r\n');
        return `${whole.slice(0, 3)} ${lines.map((line) => line.slice(4)).join('\n')}`;
      }
      if (this.socket.readableEnded || this.socket.destroyed) return '';
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  say(text: string): void {
    this.socket.write(text, 'latin1');
  }

  command(line: string): Promise<string> {
    this.say(`${line}\r\n`);
    return this.reply();
  }

  /** A message with `data` up to its dot; the reply that ended it, after RSET if that was not the last. */
  async send(to: string, data = 'Subject: hello\r\n\r\nhello\r\n'): Promise<string> {
    for (const line of ['MAIL FROM:<camp@sender.example>', `RCPT TO:<${to}>`, 'DATA']) {
      const reply = await this.command(line);
      if (/^[23]/.test(reply)) continue;
      if (line !== 'DATA' && reply !== '') await this.command('RSET');
      return reply;
    }
    this.say(`${data}.\r\n`);
    return this.reply();
  }

  async quit(): Promise<void> {
    this.socket.end('QUIT\r\n');
    await this.closed;
  }
}
