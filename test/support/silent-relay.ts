import { once } from 'node:events';
import { createConnection } from 'node:net';
import { Worker } from 'node:worker_threads';

/**
 * A port that takes no connection and refuses none. Its queue of connections is full and nobody takes one out: the
 * thread that listens stands still. Linux drops the next SYN; where it is answered all the same, nobody hears of this
 * relay either.
 */
export async function silentRelay(): Promise<AsyncDisposable & { port: number }> {
  const thread = new Worker(
    `const { parentPort } = require('node:worker_threads');
     const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
     });`,
    { eval: true },
  );
  const [port] = await once(thread, 'message');
  const queued = [0, 1].map(() => createConnection(port, '127.0.0.1').on('error', () => {}));
  await Promise.all(queued.map((socket) => once(socket, 'connect')));
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of queued) socket.destroy();
      await thread.terminate();
    },
  };
}
