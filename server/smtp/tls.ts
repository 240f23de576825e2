/** TLS over a socket that kernel/network connected. */
import { isIP, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { Scope } from '../kernel/scope.ts';

export interface TlsOptions {
  readonly host: string;
  /** Whether the certificate must be trusted and name `host`. */
  readonly verify: boolean;
  readonly handshakeMs: number;
}

/** The encrypted socket. Rejects with the handshake's error or ScopeEnded; then the socket is destroyed. */
export function encrypt(scope: Scope, socket: Socket, options: TlsOptions): Promise<Socket> {
  const attempt = scope.child(`tls ${options.host}`, { deadlineMs: options.handshakeMs });
  return new Promise<Socket>((resolve, reject) => {
    const secure = tlsConnect({
      socket,
      host: options.host,
      rejectUnauthorized: options.verify,
      // RFC 6066 3: a literal address is no server name.
      ...(isIP(options.host) ? {} : { servername: options.host }),
    });
    let stopWaiting = () => {};
    const fail = (error: Error) => {
      stopWaiting();
      attempt.cancel('done');
      secure.destroy();
      reject(error);
    };
    secure.once('error', fail);
    secure.once('secureConnect', () => {
      stopWaiting();
      attempt.cancel('done');
      // `fail` stays as the listener of an error that nobody waits for: a settled promise ignores it.
      resolve(secure);
    });
    stopWaiting = attempt.onEnd(fail);
  });
}
