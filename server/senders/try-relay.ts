/** Whether a relay would take mail from us: as far as a worker goes before its first message. */
import type { Scope } from '../kernel/scope.ts';
import { openConnection } from '../smtp/connection.ts';
import type { Offers } from '../smtp/offers.ts';
import type { OpenFailed } from '../smtp/session.ts';
import type { RelayOptions } from '../smtp/url.ts';

export type RelayTest =
  | { kind: 'ok'; loggedIn: boolean; encrypted: boolean; offers: string[] }
  /** `failure`: half a sentence. */
  | { kind: 'failed'; phase: OpenFailed['phase']; failure: string };

/** The scope's deadline is all the time that there is. */
export async function tryRelay(scope: Scope, relay: RelayOptions, heloName: string): Promise<RelayTest> {
  const opened = await openConnection(scope, { ...relay, heloName });
  if (opened.kind === 'failed')
    return { kind: 'failed', phase: opened.phase, failure: failureOf(opened, relay, scope.ended) };
  const { offers, encrypted } = opened.connection;
  opened.connection.quit();
  return { kind: 'ok', loggedIn: relay.credentials !== null, encrypted, offers: offered(offers) };
}

export function placeOf({ host, port }: RelayOptions): string {
  return `${host}:${port}`;
}

function failureOf({ phase, reply, error }: OpenFailed, relay: RelayOptions, outOfTime: boolean): string {
  if (outOfTime) return `no answer in time (${phase})`;
  if (reply) return `${phase} was answered with "${reply.code} ${reply.text}"`;
  if (error?.includes('ECONNREFUSED')) return 'nothing listens there';
  if (error?.includes('ENOTFOUND')) return `the host ${relay.host} is not known`;
  return `${phase} failed (${error ?? 'no answer'})`;
}

function offered({ pipelining, eightBitMime, starttls, auth, messageBytesMax }: Offers): string[] {
  return [
    ...(pipelining ? ['PIPELINING'] : []),
    ...(eightBitMime ? ['8BITMIME'] : []),
    ...(starttls ? ['STARTTLS'] : []),
    ...(Number.isFinite(messageBytesMax) ? [`SIZE ${messageBytesMax}`] : []),
    ...(auth.length > 0 ? [`AUTH ${auth.join(' ')}`] : []),
  ];
}
