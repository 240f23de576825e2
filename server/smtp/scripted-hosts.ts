/**
 * Mail hosts for tests: loopback addresses that listen on one port. Each connection to an address plays the next of
 * its scripts; for what no script is left, the connection is closed at once.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { TLSSocket, type TlsOptions } from 'node:tls';
import { Peer } from './scripted-relay.ts';

export type Script = (peer: Peer) => Promise<void>;

export interface ScriptedHosts extends AsyncDisposable {
  readonly port: number;
  /** The addresses that were connected to, in order. */
  readonly met: readonly string[];
  /** Resolves when all scripts that began are over; rejects with what the first of them threw. */
  played(): Promise<void>;
}

export async function scriptedHosts(scripts: Record<string, readonly Script[]>): Promise<ScriptedHosts> {
  const met: string[] = [];
  const plays: Promise<void>[] = [];
  const sockets = new Set<Socket>();
  const servers = await listenOnOnePort(Object.keys(scripts));
  for (const [address, server] of servers) {
    const left = [...(scripts[address] ?? [])];
    server.on('connection', (socket) => {
      met.push(address);
      sockets.add(socket);
      const script = left.shift();
      if (!script) return socket.destroy();
      const play = script(new Peer(socket));
      play.catch(() => {});
      return plays.push(play);
    });
  }
  return {
    port: portOf([...servers.values()][0]),
    met,
    played: async () => {
      await Promise.all(plays);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await Promise.all([...servers.values()].map(closed));
    },
  };
}

/** Answers STARTTLS and goes on inside TLS. */
export async function secured(peer: Peer, options: TlsOptions): Promise<Peer> {
  await peer.hear('STARTTLS\r\n');
  peer.socket.removeAllListeners('data');
  peer.say('220 go');
  return new Peer(new TLSSocket(peer.socket, { ...options, isServer: true }));
}

async function listenOnOnePort(addresses: readonly string[]): Promise<Map<string, Server>> {
  for (;;) {
    const servers = new Map(addresses.map((address) => [address, createServer()] as const));
    let port = 0;
    try {
      for (const [address, server] of servers) {
        server.listen(port, address);
        await once(server, 'listening');
        port = portOf(server);
      }
      return servers;
    } catch (error) {
      await Promise.all([...servers.values()].filter((server) => server.listening).map(closed));
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    }
  }
}

function portOf(server: Server | undefined): number {
  const address = server?.address();
  if (!address || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}

async function closed(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
