/**
 * A connection to one of the mail hosts of a domain: hosts in the order of preference, each host's addresses in turn,
 * until one takes our EHLO under the TLS that is asked for.
 *
 * Nothing of a message has been said before that, so every failure may be answered by the next address. Afterwards
 * there is no way back here: a connection never becomes another one, so a message that was begun with one host is
 * never offered to a second one (delivery.md: no next MX after MAIL).
 *
 * - Opportunistic TLS that breaks in the handshake is given up on a new connection to the same address, and what that
 *   proves is remembered for days. A TLS that is asked for never falls back.
 * - When all fail, the most telling failure is handed over: a refusal in words, a session that broke, a connection that
 *   was refused, silence, and last a host that the TLS policy forbids.
 */
import { isIP } from 'node:net';
import { type Scope, ScopeEnded } from '../kernel/scope.ts';
import { type OpenResult, openConnection, type SmtpConnection } from './connection.ts';
import { daneOf } from './dane.ts';
import type { Resolver } from './dns.ts';
import type { HostMemory } from './host-memory.ts';
import { failureOf, type OpenFailed, type OpenOptions } from './session.ts';
import { type SmtpTimeouts, smtpTimeoutsMs } from './timeouts.ts';
import { type HostTls, hostTls, type Protection, type TlsPolicy } from './tls-policy.ts';

export interface MxOptions {
  /** In the order to try (mx.ts). */
  readonly hosts: readonly string[];
  readonly resolver: Resolver;
  readonly port: number;
  readonly heloName: string;
  /** The IP address to connect from; then only addresses of its family are tried. */
  readonly localAddress?: string;
  readonly tls: TlsPolicy;
  readonly memory: HostMemory;
  /** Milliseconds for all hosts together. */
  readonly openMs?: number;
  readonly timeouts?: Partial<SmtpTimeouts>;
}

export interface MxOpen extends Protection {
  readonly kind: 'open';
  readonly connection: SmtpConnection;
  readonly address: string;
}

/** What failed at `host`. */
export type MxFailed = HostFailed & { readonly host: string };

/** `avoided`: the TLS policy forbids the host now, so nobody knocked. */
type HostFailed = OpenFailed & { readonly avoided?: true };

const OPEN_MS = 180_000;
/** How long an address may take that is not the last one. */
const CONNECT_MS_WHILE_OTHERS = 10_000;
const WORTH_A_TRY_MS = 10;
/** One connection tries no more than these, whatever strangers publish. */
const HOSTS_MAX = 5;
const ADDRESSES_PER_HOST_MAX = 4;

interface Search {
  /** What is opened belongs to `scope`; the search for it ends with `opening`. */
  readonly scope: Scope;
  readonly opening: Scope;
  readonly options: MxOptions;
}

interface Target {
  readonly host: string;
  readonly address: string;
  readonly tls: WayOfTls;
  /** Nothing else is left to try. */
  readonly isLast: boolean;
}

/** Never rejects: a scope that ended is a failure too. */
export async function openMxConnection(scope: Scope, options: MxOptions): Promise<MxOpen | MxFailed> {
  const { memory } = options;
  const opening = scope.child('open mx', { deadlineMs: options.openMs ?? OPEN_MS });
  const hosts = memory.reachableFirst(options.hosts).slice(0, HOSTS_MAX);
  const failures: MxFailed[] = [];
  try {
    for (const [index, host] of hosts.entries()) {
      const isLast = index === hosts.length - 1;
      const opened = await openHost({ scope, opening, options }, host, isLast);
      if (opened.kind === 'open') return opened;
      failures.push({ ...opened, host });
      if (!scope.ended && !opened.avoided) memory.noteFailed(host, opened);
      if (isOver(opening)) break;
    }
    return mostTelling(failures);
  } finally {
    opening.cancel('done');
  }
}

async function openHost(search: Search, host: string, isLast: boolean): Promise<MxOpen | HostFailed> {
  const place = await locate(search, host);
  if ('kind' in place) return place;
  const { addresses, tls } = place;
  const failures: OpenFailed[] = [];
  for (const [index, address] of addresses.entries()) {
    const target = { host, address, tls, isLast: isLast && index === addresses.length - 1 };
    const opened = await openAddress(search, target);
    if (opened.kind === 'open') return remembered(search.options, target, opened.connection);
    failures.push(opened);
    if (isOver(search.opening)) break;
  }
  return mostTelling(failures);
}

interface Place {
  readonly addresses: readonly string[];
  readonly tls: WayOfTls;
}

type WayOfTls = Exclude<HostTls, { kind: 'avoid' }>;

async function locate({ opening, options }: Search, host: string): Promise<Place | HostFailed> {
  const { resolver, port, localAddress } = options;
  try {
    const answer = await resolver.addresses(opening, host);
    if (answer.kind === 'failed') return failureOf('connect', answer.error);
    const family = isIP(localAddress ?? '');
    const all = answer.kind === 'found' ? answer.records : [];
    const addresses = all.filter((address) => !family || isIP(address) === family);
    if (addresses.length === 0)
      return failureOf('connect', `${host} has no ${family ? `IPv${family} ` : ''}address`);
    const dane = options.tls.dane
      ? await daneOf(opening, resolver, host, port, answer)
      : ({ kind: 'insecure' } as const);
    const tls = hostTls(options.tls, host, dane);
    if (tls.kind === 'avoid')
      return { ...failureOf('starttls', `${host} is not used: ${tls.reason}`), avoided: true };
    return { addresses: addresses.slice(0, ADDRESSES_PER_HOST_MAX), tls };
  } catch (error) {
    if (!(error instanceof ScopeEnded)) throw error;
    return failureOf('connect', error);
  }
}

async function openAddress(search: Search, target: Target): Promise<OpenResult> {
  const { memory } = search.options;
  const { host, tls } = target;
  if (tls.kind !== 'opportunistic') return because(tls, await open(search, target, demanded(tls)));
  if (memory.isTlsBroken(host)) return open(search, target, inClear);
  const opened = await open(search, target, asItComes);
  if (opened.kind === 'open' || opened.phase !== 'starttls' || isOver(search.opening)) return opened;
  const again = await open(search, target, inClear);
  if (again.kind === 'failed') return mostTelling([opened, again]);
  memory.noteTlsBroken(host);
  return again;
}

type TlsOptions = Pick<OpenOptions, 'tls' | 'verify' | 'tlsa'>;

const asItComes: TlsOptions = { tls: 'opportunistic', verify: false };
const inClear: TlsOptions = { tls: 'none', verify: false };

type Demand = Exclude<WayOfTls, { kind: 'opportunistic' }>;

function demanded(tls: Demand): TlsOptions {
  if (tls.kind === 'dane') return { tls: 'required', verify: false, tlsa: tls.records };
  return { tls: 'required', verify: tls.kind === 'verified' };
}

function open({ scope, opening, options }: Search, target: Target, tls: TlsOptions): Promise<OpenResult> {
  const { port, heloName, localAddress } = options;
  const timeouts = { ...smtpTimeoutsMs, ...options.timeouts };
  const connect = Math.min(
    timeouts.connect,
    target.isLast ? Number.POSITIVE_INFINITY : CONNECT_MS_WHILE_OTHERS,
  );
  return openConnection(scope, {
    ...tls,
    host: target.host,
    address: target.address,
    ...(localAddress && { localAddress }),
    port,
    heloName,
    credentials: null,
    openMs: opening.remainingMs(),
    timeouts: { ...timeouts, connect },
  });
}

/** Adds to what TLS failed of why it was asked for. */
function because(tls: Demand, opened: OpenResult): OpenResult {
  if (opened.kind === 'open' || opened.phase !== 'starttls' || opened.reply) return opened;
  return { ...opened, error: `${opened.error} (${tls.reason})` };
}

function remembered({ tls, memory }: MxOptions, target: Target, connection: SmtpConnection): MxOpen {
  const { host, address } = target;
  memory.noteOpened(host, connection.offers);
  connection.onClosedBetween(({ messages, restedMs }) => memory.noteClosedBetween(host, messages, restedMs));
  const level =
    target.tls.kind === 'verified' || target.tls.kind === 'dane'
      ? target.tls.kind
      : connection.encrypted
        ? 'encrypted'
        : 'clear';
  return { kind: 'open', connection, host, address, policy: tls, level };
}

function isOver(opening: Scope): boolean {
  return opening.ended || opening.remainingMs() < WORTH_A_TRY_MS;
}

/** The first of the most telling ones. */
function mostTelling<Failure extends OpenFailed>(failures: readonly Failure[]): Failure {
  return failures.reduce((best, failure) => (telling(failure) > telling(best) ? failure : best));
}

function telling({ reply, phase, timedOut, avoided }: HostFailed): number {
  if (avoided) return -1;
  if (reply) return 3;
  if (timedOut) return 0;
  return phase === 'connect' ? 1 : 2;
}
