/** The policy file of MTA-STS over HTTPS, as strict as RFC 8461 section 3.3 asks: no redirect, no second chance. */
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { connect } from '../kernel/network.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Resolver } from './dns.ts';
import { parseStsPolicy, type StsPolicy } from './mta-sts-policy.ts';
import { encrypt } from './tls.ts';

export type FetchedStsPolicy =
  | { readonly kind: 'fetched'; readonly policy: StsPolicy }
  | { readonly kind: 'failed'; readonly error: string };

/** What MTA-STS needs of a resolver. */
export type StsResolver = Pick<Resolver, 'addresses' | 'txt'>;

export interface StsFetch {
  readonly resolver: StsResolver;
  readonly domain: string;
  readonly port: number;
  readonly fetchMs: number;
}

const CONNECT_MS = 3_000;
const POLICY_BYTES_MAX = 64 * 1024;

/** Only the end of `scope` rejects. */
export async function fetchStsPolicy(
  scope: Scope,
  { resolver, domain, port, fetchMs }: StsFetch,
): Promise<FetchedStsPolicy> {
  const host = `mta-sts.${domain}`;
  const fetching = scope.child(`fetch ${host}`, { deadlineMs: fetchMs });
  try {
    const socket = await dial(fetching, resolver, host, port);
    return { kind: 'fetched', policy: parseStsPolicy(await get(socket, host)) };
  } catch (error) {
    scope.throwIfEnded();
    return {
      kind: 'failed',
      error: fetching.ended ? `${host} took longer than ${fetchMs} ms` : String(error),
    };
  } finally {
    fetching.cancel('done');
  }
}

async function dial(scope: Scope, resolver: StsResolver, host: string, port: number): Promise<Socket> {
  const addresses = await resolver.addresses(scope, host);
  if (addresses.kind !== 'found')
    throw new Error(addresses.kind === 'failed' ? addresses.error : `${host} has no address`);
  let fault: unknown;
  for (const address of addresses.records)
    try {
      const socket = await connect(scope, { host: address, port, connectMs: CONNECT_MS });
      return await encrypt(scope, socket, { host, trust: 'authorities', handshakeMs: CONNECT_MS });
    } catch (error) {
      fault = error;
    }
  throw fault;
}

function get(socket: Socket, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({
      createConnection: () => socket,
      path: '/.well-known/mta-sts.txt',
      headers: { host },
    });
    call.once('response', (response) => read(response).then(resolve, reject));
    call.once('error', reject);
    call.end();
  });
}

async function read(response: IncomingMessage): Promise<string> {
  const { statusCode, headers } = response;
  const type = headers['content-type'] ?? '';
  if (statusCode !== 200) throw new Error(`the answer was ${statusCode}`);
  if (!/^text\/plain[ \t]*(?:;|$)/i.test(type)) throw new Error(`the answer was "${type}", not text/plain`);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > POLICY_BYTES_MAX) throw new Error(`the policy is longer than ${POLICY_BYTES_MAX} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}
