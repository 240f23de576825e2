/**
 * HTTP calls to others: one request, one answer, one connection, and all three belong to a Scope.
 *
 * A call ends when its caller goes away or its time is up, whichever is first, wherever it stands: in DNS, while
 * connecting, in TLS, before the first byte or between two of them. Then its socket is destroyed and nothing of it is
 * left. An answer is read whole, and no further than its limit. Redirects are not followed and nothing is sent twice: who
 * repeats a request that may have had an effect must know why.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { connect } from './network.ts';
import type { Scope } from './scope.ts';

export interface HttpRequest {
  method: string;
  /** http: or https:. */
  url: URL;
  headers: Readonly<Record<string, string>>;
  body?: string | Uint8Array;
  /** An IP address that its host was found to have: the call goes there, and the name is not asked for again. */
  address?: string;
  /** For everything, from DNS to the last byte. */
  deadlineMs: number;
  responseBytesMax: number;
  /** A longer answer is cut there; else it is an error. */
  cut?: boolean;
}

export interface HttpResponse {
  status: number;
  /** A name that came twice is there twice. */
  headers: [name: string, value: string][];
  body: Buffer;
}

/** Rejects with ScopeEnded, or with an error whose `cause` says what became of the connection. */
export async function callHttp(scope: Scope, request: HttpRequest): Promise<HttpResponse> {
  const { method, url, deadlineMs } = request;
  scope.throwIfEnded();
  const call = scope.child(`${method} ${url.host}`, { deadlineMs });
  try {
    return await exchange(call, await dial(call, request), request);
  } catch (error) {
    call.throwIfEnded();
    // Its `code` is not ours: a client that sees ECONNRESET may send the request again by itself.
    throw new Error(`${url.host}: ${error instanceof Error ? error.message : error}`, { cause: error });
  } finally {
    call.cancel('done');
  }
}

async function dial(call: Scope, { url, address, deadlineMs }: HttpRequest): Promise<Socket> {
  const isSecure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || (isSecure ? 443 : 80));
  const socket = await connect(call, { host: address ?? host, port, connectMs: deadlineMs });
  return isSecure ? encrypt(socket, host) : socket;
}

/** Rejects when the handshake fails, and when the scope destroys the socket below. */
function encrypt(socket: Socket, host: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // RFC 6066 3: a literal address is no server name.
    const secure = tlsConnect({ socket, host, ...(isIP(host) ? {} : { servername: host }) });
    secure.once('secureConnect', () => resolve(secure));
    secure.on('error', reject);
    secure.once('close', () => reject(new Error('the connection was closed during the TLS handshake')));
  });
}

/** Settles at the latest when the scope ends, whatever becomes of the socket. */
function exchange(
  call: Scope,
  socket: Socket,
  { method, url, headers, body, responseBytesMax, cut = false }: HttpRequest,
) {
  return new Promise<HttpResponse>((resolve, reject) => {
    call.onEnd(reject);
    const outgoing = httpRequest({
      createConnection: () => socket,
      method,
      host: url.hostname,
      path: url.pathname + url.search,
      headers: { host: url.host, connection: 'close', ...headers },
    });
    outgoing.once('response', (incoming) => read(incoming, responseBytesMax, cut).then(resolve, reject));
    // To 101, which nobody asked for, Node says nothing at all when nobody listens.
    outgoing.once('upgrade', () => reject(new Error('it answered in another protocol')));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

async function read(incoming: IncomingMessage, bytesMax: number, cut: boolean): Promise<HttpResponse> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    bytes += chunk.length;
    if (bytes > bytesMax && !cut) throw new Error(`the answer is longer than ${bytesMax} bytes`);
    chunks.push(chunk);
    if (cut && bytes >= bytesMax) break;
  }
  const { statusCode: status = 0, rawHeaders } = incoming;
  const headers = Array.from({ length: rawHeaders.length / 2 }, (_, index): [string, string] => [
    rawHeaders[index * 2] ?? '',
    rawHeaders[index * 2 + 1] ?? '',
  ]);
  return { status, headers, body: Buffer.concat(chunks).subarray(0, bytesMax) };
}

/** As the `fetch` that libraries take, over a scope: of its options method, headers, body and signal are heard. */
export function fetchWithin(
  scope: Scope,
  limits: Pick<HttpRequest, 'deadlineMs' | 'responseBytesMax'>,
): (url: string | URL | Request, init?: RequestInit) => Promise<Response> {
  return async (url, init = {}) => {
    const target = new URL(url instanceof Request ? url.url : url);
    const call = scope.child('fetch');
    const leave = () => call.cancel('its caller left');
    if (init.signal?.aborted) leave();
    init.signal?.addEventListener('abort', leave, { once: true });
    try {
      const { status, headers, body } = await callHttp(call, {
        method: init.method ?? 'GET',
        url: target,
        headers: Object.fromEntries(new Headers(init.headers)),
        ...(init.body ? { body: bytesOf(init.body) } : {}),
        ...limits,
      });
      return new Response(BODILESS.has(status) ? null : new Uint8Array(body), { status, headers });
    } finally {
      init.signal?.removeEventListener('abort', leave);
      call.cancel('done');
    }
  };
}

/** Statuses that a Response allows no body to have. */
const BODILESS = new Set([204, 205, 304]);

function bytesOf(body: NonNullable<RequestInit['body']>): string | Uint8Array {
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new TypeError('a body is text, bytes or URLSearchParams');
}
