/**
 * A way to Postgres that can lose the answer to a COMMIT: the server has committed, the client sees its connection end.
 */

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Cutter {
  url: string;
  /**
   * The next COMMIT is one whose answer never comes; with `statement`, the next COMMIT of a connection that sends that
   * text from now on.
   */
  cutAfterCommit(statement?: string): void;
  cuts(): number;
  stop(): Promise<void>;
}

const COMMAND_COMPLETE_COMMIT = Buffer.from('COMMIT\0');

export async function startCutter(databaseUrl: string): Promise<Cutter> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let armed: string | undefined;
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    let cutHere = false;
    client.on('data', (bytes: Buffer) => {
      if (armed !== undefined && bytes.includes(armed)) cutHere = true;
      upstream.write(bytes);
    });
    upstream.on('data', (bytes: Buffer) => {
      if (armed !== undefined && cutHere && bytes.includes(COMMAND_COMPLETE_COMMIT)) {
        armed = undefined;
        cuts += 1;
        client.destroy();
      } else client.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the cutter has no port');
  const url = new URL(databaseUrl);
  url.port = String(address.port);
  return {
    url: url.href,
    cutAfterCommit(statement = 'COMMIT') {
      armed = statement;
    },
    cuts: () => cuts,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
