/** The only door to the network: every socket belongs to a Scope and is destroyed when the scope ends. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { isIP, connect as netConnect, type Socket } from 'node:net';
import { isPublicAddress, lookupPublic, NotPublic } from './public-address.ts';
import type { Scope } from './scope.ts';

export interface ConnectOptions {
  host: string;
  port: number;
  /** Time for DNS and the TCP handshake together. */
  connectMs: number;
  /** Source address, when the route names one. */
  localAddress?: string;
  /** Refuses every address that is not the public internet's. */
  publicOnly?: boolean;
}

/**
 * A connected socket without Nagle's delay. Rejects with the socket's own error (`code` ECONNREFUSED, ENOTFOUND, …)
 * or with ScopeEnded. The scope goes on owning the socket: when it ends, the socket is destroyed.
 */
export async function connect(scope: Scope, options: ConnectOptions): Promise<Socket> {
  scope.throwIfEnded();
  const { host, port, localAddress, publicOnly = false } = options;
  if (publicOnly && isIP(host) !== 0 && !isPublicAddress(host)) throw new NotPublic(host);
  const attempt = scope.child(`connect ${options.host}:${options.port}`, { deadlineMs: options.connectMs });
  return new Promise<Socket>((resolve, reject) => {
    const socket = netConnect({
      host,
      port,
      ...(localAddress && { localAddress }),
      ...(publicOnly && { lookup: lookupPublic }),
    });
    socket.setNoDelay(true);
    const stopWaiting = attempt.onEnd((reason) => settle(() => reject(reason), true));
    const onError = (error: Error) => settle(() => reject(error), true);
    const onConnect = () => settle(() => resolve(own(scope, socket)), false);
    socket.once('error', onError);
    socket.once('connect', onConnect);
    function settle(answer: () => void, destroy: boolean): void {
      stopWaiting();
      socket.off('error', onError);
      socket.off('connect', onConnect);
      // A destroyed socket may still report an error that nobody waits for.
      socket.on('error', () => {});
      if (destroy) socket.destroy();
      attempt.cancel('done');
      answer();
    }
  });
}

/** Ties a socket's life to a scope's. */
function own(scope: Scope, socket: Socket): Socket {
  const release = scope.onEnd(() => socket.destroy());
  socket.once('close', release);
  return socket;
}

/** An IP address and a port. */
export interface Endpoint {
  host: string;
  port: number;
}

/** Reads "192.0.2.1:53" or "[2001:db8::1]:53"; null for anything else. */
export function parseEndpoint(text: string): Endpoint | null {
  const [, v6, v4, digits] = /^(?:\[([^\]]+)\]|([\d.]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (!(port >= 1 && port <= 65_535)) return null;
  if (v4 !== undefined && isIP(v4) === 4) return { host: v4, port };
  if (v6 !== undefined && isIP(v6) === 6) return { host: v6, port };
  return null;
}

/**
 * A UDP socket that speaks to one address and hears only that, on a port that the system picks at random each time
 * (RFC 5452 section 9.2). The scope closes it, and nobody else. Throws the system's error, or ScopeEnded; a later
 * error (`code` ECONNREFUSED: nobody listens there) is an event, and the socket lives on.
 */
export function datagrams(scope: Scope, { host, port }: Endpoint): DatagramSocket {
  scope.throwIfEnded();
  const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4');
  socket.on('error', () => {});
  try {
    socket.connectSync(port, host);
  } catch (error) {
    socket.close();
    throw error;
  }
  scope.onEnd(() => socket.close());
  return socket;
}
