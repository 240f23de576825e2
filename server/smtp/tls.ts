/** TLS over a socket that kernel/network connected. */
import { isIP, type Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Scope } from '../kernel/scope.ts';
import { daneFault } from './dane.ts';
import type { Tlsa } from './dns.ts';

/** What makes a certificate good: nothing is asked, the authorities that the system trusts and its name, or TLSA records. */
export type Trust = 'anyone' | 'authorities' | readonly Tlsa[];

export interface TlsOptions {
  /** Whose certificate it must be, and the server name that we ask for. */
  readonly host: string;
  readonly trust: Trust;
  readonly handshakeMs: number;
}

/** The encrypted socket. Rejects with the handshake's error or ScopeEnded; then the socket is destroyed. */
export function encrypt(scope: Scope, socket: Socket, options: TlsOptions): Promise<Socket> {
  const { host, trust, handshakeMs } = options;
  const attempt = scope.child(`tls ${host}`, { deadlineMs: handshakeMs });
  return new Promise<Socket>((resolve, reject) => {
    const secure = tlsConnect({
      socket,
      host,
      rejectUnauthorized: trust === 'authorities',
      // RFC 6066 3: a literal address is no server name.
      ...(isIP(host) ? {} : { servername: host }),
    });
    let stopWaiting = () => {};
    const settle = () => {
      stopWaiting();
      attempt.cancel('done');
    };
    const fail = (error: Error) => {
      settle();
      secure.destroy();
      reject(error);
    };
    secure.once('error', fail);
    secure.once('secureConnect', () => {
      const fault = faultOf(secure, options);
      if (fault) return fail(new Error(fault));
      settle();
      // `fail` stays as the listener of an error that nobody waits for: a settled promise ignores it.
      resolve(secure);
    });
    stopWaiting = attempt.onEnd(fail);
  });
}

/** What the handshake itself does not look at. */
function faultOf(secure: TLSSocket, { host, trust }: TlsOptions): string | null {
  if (typeof trust === 'string') return null;
  return daneFault(trust, secure.getPeerX509Certificate(), host);
}
