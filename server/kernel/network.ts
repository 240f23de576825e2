/** The only door to the network: every connection belongs to a Scope and is destroyed when the scope ends. */
import { connect as netConnect, type Socket } from 'node:net';
import type { Scope } from './scope.ts';

export interface ConnectOptions {
  host: string;
  port: number;
  /** Time for DNS and the TCP handshake together. */
  connectMs: number;
  /** Source address, when the route names one. */
  localAddress?: string;
}

/**
 * A connected socket without Nagle's delay. Rejects with the socket's own error (`code` ECONNREFUSED, ENOTFOUND, …)
 * or with ScopeEnded. The scope goes on owning the socket: when it ends, the socket is destroyed.
 */
export async function connect(scope: Scope, options: ConnectOptions): Promise<Socket> {
  scope.throwIfEnded();
  const attempt = scope.child(`connect ${options.host}:${options.port}`, { deadlineMs: options.connectMs });
  return new Promise<Socket>((resolve, reject) => {
    const { host, port, localAddress } = options;
    const socket = netConnect(localAddress ? { host, port, localAddress } : { host, port });
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
