/**
 * HTTP as a client: a `fetch` for those of our libraries that take one, over sockets that a Scope owns.
 *
 * A call is a connection, and both end together: when the answer has been read, when the scope ends, or when the call's
 * time is up. There is no pool, so nothing outlives a call; who calls often needs another one. A redirect is given back
 * as it came: where a secret is sent to is decided by whoever sends it.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { connect } from './network.ts';
import type { Scope } from './scope.ts';

export interface FetchLimits {
  /** From the DNS to the last byte of the answer. */
  callMs: number;
  /** Of the answer's body. */
  bytesMax: number;
}

const NO_BODY = new Set([204, 205, 304]);

/** Rejects with ScopeEnded, or with what the network said. `signal` of the request ends the call too. */
export function fetchWithin(
  scope: Scope,
  limits: FetchLimits,
): (url: string | URL, init?: RequestInit) => Promise<Response> {
  return async (url, init) => {
    const asked = new Request(url, init);
    const { origin } = new URL(asked.url);
    const call = scope.child(`${asked.method} ${origin}`, { deadlineMs: limits.callMs });
    const leave = () => call.cancel('its caller left');
    asked.signal.addEventListener('abort', leave, { once: true });
    try {
      const body = Buffer.from(await asked.arrayBuffer());
      call.throwIfEnded();
      return await exchange(await dial(call, new URL(asked.url)), asked, body, limits.bytesMax);
    } catch (error) {
      // Why the socket broke, when it was us.
      call.throwIfEnded();
      throw error;
    } finally {
      asked.signal.removeEventListener('abort', leave);
      call.cancel('done');
    }
  };
}

async function dial(call: Scope, { protocol, hostname, port }: URL): Promise<Socket> {
  const host = hostname.replace(/^\[|\]$/g, '');
  const isSecure = protocol === 'https:';
  const options = { host, port: Number(port || (isSecure ? 443 : 80)), connectMs: call.remainingMs() };
  const socket = await connect(call, options);
  return isSecure ? encrypt(socket, host) : socket;
}

/** By the authorities that Node trusts, and by name. The socket below belongs to the scope, so this one does too. */
function encrypt(socket: Socket, host: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // RFC 6066 section 3: a literal address is no server name.
    const secure = tlsConnect({ socket, host, ...(isIP(host) ? {} : { servername: host }) });
    secure.on('error', reject);
    secure.once('close', () => reject(new Error(`${host} closed the connection`)));
    secure.once('secureConnect', () => resolve(secure));
  });
}

function exchange(socket: Socket, asked: Request, body: Buffer, bytesMax: number): Promise<Response> {
  const { pathname, search, host } = new URL(asked.url);
  const headers = { ...Object.fromEntries(asked.headers), host, 'content-length': body.length };
  return new Promise((resolve, reject) => {
    const call: ClientRequest = httpRequest({
      createConnection: () => socket,
      method: asked.method,
      path: pathname + search,
      headers,
    });
    call.once('response', (response) => read(response, bytesMax).then(resolve, reject));
    call.once('error', reject);
    call.end(body);
  });
}

async function read(response: IncomingMessage, bytesMax: number): Promise<Response> {
  const { statusCode = 0, statusMessage = '', rawHeaders } = response;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`the answer is longer than ${bytesMax} bytes`);
  }
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2)
    headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '');
  const body = NO_BODY.has(statusCode) ? null : Buffer.concat(chunks);
  return new Response(body, { status: statusCode, statusText: statusMessage, headers });
}
