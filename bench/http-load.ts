/**
 * Load of HTTP requests from this process, on connections that stay open; as cheap as it can be, because it shares the
 * machine with what it measures. A connection has one request under way.
 *
 * `closed`: every connection asks again as soon as it has its answer; that says how much goes through. `open`: requests
 * begin at their times whatever becomes of those before, and their time counts from then; that says how long one takes, and
 * a server that stalls cannot hide it (coordinated omission).
 */
import { connect, type Socket } from 'node:net';

export interface Loaded {
  perS: number;
  /** Of each request, in the order in which they ended. */
  tookMs: number[];
}

export interface Target {
  url: string;
  connections: number;
  /** The bytes of request number `n`; `before`: the body that its connection heard last. */
  request(n: number, before: string): string;
  status: number;
}

export async function closed(target: Target, durationMs: number): Promise<Loaded> {
  const tookMs: number[] = [];
  const startedAt = performance.now();
  let n = 0;
  const askOn = async (connection: Connection) => {
    let heard = '';
    while (performance.now() - startedAt < durationMs) {
      const askedAt = performance.now();
      heard = await connection.ask(target.request(n++, heard), target.status);
      tookMs.push(performance.now() - askedAt);
    }
  };
  await withConnections(target, (connections) => Promise.all(connections.map(askOn)));
  return { perS: (tookMs.length / (performance.now() - startedAt)) * 1_000, tookMs };
}

export async function open(target: Target, perS: number, durationMs: number): Promise<Loaded> {
  const count = Math.floor((perS * durationMs) / 1_000);
  const tookMs: number[] = [];
  const startedAt = performance.now();
  let n = 0;
  /** Whoever is free takes the next; one that is late begins at once. */
  const askOn = async (connection: Connection) => {
    while (n < count) {
      const number = n++;
      const dueAt = startedAt + (number / perS) * 1_000;
      const waitMs = dueAt - performance.now();
      if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
      await connection.ask(target.request(number, ''), target.status);
      tookMs.push(performance.now() - dueAt);
    }
  };
  await withConnections(target, (connections) => Promise.all(connections.map(askOn)));
  return { perS: (count / (performance.now() - startedAt)) * 1_000, tookMs };
}

async function withConnections(
  { url, connections }: Target,
  work: (connections: Connection[]) => Promise<unknown>,
): Promise<void> {
  const opened = await Promise.all(Array.from({ length: connections }, () => Connection.open(url)));
  try {
    await work(opened);
  } finally {
    for (const connection of opened) connection.close();
  }
}

class Connection {
  readonly #socket: Socket;
  #heard = '';
  #done: { resolve(body: string): void; reject(error: Error): void } | undefined;
  #status = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1').setNoDelay();
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', (error) => this.#done?.reject(error));
    socket.on('close', () => this.#done?.reject(new Error('the server has closed the connection')));
  }

  static open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => resolve(new Connection(socket)));
      socket.once('error', reject);
    });
  }

  ask(request: string, status: number): Promise<string> {
    this.#status = status;
    return new Promise((resolve, reject) => {
      this.#done = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#done = undefined;
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#heard += text;
    const end = this.#heard.indexOf('\r\n\r\n');
    if (end < 0) return;
    const bytes = Number(/\r\ncontent-length: (\d+)/i.exec(this.#heard)?.[1]);
    if (this.#heard.length < end + 4 + bytes) return;
    const heard = this.#heard;
    this.#heard = '';
    const done = this.#done;
    this.#done = undefined;
    if (Number(heard.slice(9, 12)) === this.#status) done?.resolve(heard.slice(end + 4));
    else
      done?.reject(
        new Error(`the server answered ${heard.slice(0, 12)}: ${heard.slice(end + 4, end + 300)}`),
      );
  }
}
