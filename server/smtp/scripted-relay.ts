/**
 * A relay for tests that says exactly what a script says, byte for byte, on a real socket: for what no proper
 * server does. Proper behaviour is tested against `smtp-server`.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** The server's end of one connection. */
export class Peer {
  readonly socket: Socket;
  /** Everything that the client said, one character per byte. */
  said = '';
  #heard = 0;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.said += chunk.toString('latin1');
      this.#wake();
    });
    socket.on('close', () => this.#wake());
  }

  say(...lines: string[]): void {
    this.socket.write(lines.map((line) => `${line}\r\n`).join(''), 'latin1');
  }

  /** What the client says up to and including `end`; rejects when it closes first. */
  async hear(end = '\r\n'): Promise<string> {
    for (;;) {
      const at = this.said.indexOf(end, this.#heard);
      if (at >= 0) {
        const words = this.said.slice(this.#heard, at + end.length);
        this.#heard = at + end.length;
        return words;
      }
      if (this.socket.closed) throw new Error(`the client closed; it had said ${JSON.stringify(this.said)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Greets and offers `keywords`. */
  async open(...keywords: string[]): Promise<void> {
    this.say('220 relay.test ESMTP');
    await this.hear('\r\n');
    this.say(
      ...['relay.test', ...keywords].map((word, at) => `250${at < keywords.length ? '-' : ' '}${word}`),
    );
  }

  /** Lets a message pass up to the 354, at once or command by command. */
  async envelope(): Promise<void> {
    for (const reply of ['250 2.1.0 Ok', '250 2.1.5 Ok', '354 Go on']) {
      await this.hear('\r\n');
      this.say(reply);
    }
  }

  async closed(): Promise<void> {
    this.socket.resume();
    if (!this.socket.closed) await once(this.socket, 'close');
  }
}

export interface ScriptedRelay extends AsyncDisposable {
  readonly port: number;
  /** Settles with the first connection's script. */
  readonly played: Promise<void>;
}

export async function scriptedRelay(script: (peer: Peer) => Promise<void>): Promise<ScriptedRelay> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket));
  const played = once(server, 'connection').then(([socket]) => script(new Peer(socket)));
  // A test that expects no connection never looks at it.
  played.catch(() => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return {
    port: address.port,
    played,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
