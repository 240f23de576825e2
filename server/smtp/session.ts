/**
 * Opening a session with a server: connect, greeting, EHLO, STARTTLS, EHLO again, AUTH.
 *
 * `steps` is the order; each returns nothing, or why the session failed. Nothing of a message has been said yet,
 * so whatever fails here fails the route, and may be tried again.
 */
import { connect } from '../kernel/network.ts';
import { type Scope, ScopeEnded } from '../kernel/scope.ts';
import { authenticate } from './auth.ts';
import type { Tlsa } from './dns.ts';
import { noOffers, type Offers, offersOf } from './offers.ts';
import type { Reply } from './reply.ts';
import { type SessionPhase, type SmtpTimeouts, smtpTimeoutsMs } from './timeouts.ts';
import { encrypt, type Trust } from './tls.ts';
import type { RelayOptions } from './url.ts';
import { type Answer, Wire } from './wire.ts';

export type OpenOptions = RelayOptions & {
  /** The name by which we introduce ourselves. */
  readonly heloName: string;
  /** The IP address of `host`, when somebody knows it already; `host` stays the name that TLS asks for. */
  readonly address?: string;
  /** The IP address that we connect from. */
  readonly localAddress?: string;
  /** The certificate must match one of these (RFC 7672); then `verify` has no say. */
  readonly tlsa?: readonly Tlsa[];
  /** Milliseconds for the whole opening, beside what each phase may take. */
  readonly openMs?: number;
  readonly timeouts?: Partial<SmtpTimeouts>;
};

/** `reply` when the server said no, `error` when it said nothing useful. */
export interface OpenFailed {
  readonly kind: 'failed';
  readonly phase: SessionPhase;
  readonly reply?: Reply;
  readonly error?: string;
  readonly timedOut?: true;
}

interface Session {
  /** Ends with the opening; what is opened belongs to its parent. */
  readonly opening: Scope;
  readonly options: OpenOptions;
  readonly timeouts: SmtpTimeouts;
  wire: Wire;
  offers: Offers;
}

const steps = [greet, introduce, secure, logIn] as const;

export async function openSession(scope: Scope, options: OpenOptions): Promise<Session | OpenFailed> {
  const timeouts = { ...smtpTimeoutsMs, ...options.timeouts };
  const opening = scope.child(`open ${options.host}`, {
    deadlineMs: options.openMs ?? Number.POSITIVE_INFINITY,
  });
  try {
    const wire = await dial(scope, opening, options, timeouts);
    if ('kind' in wire) return wire;
    return await play({ opening, options, timeouts, wire, offers: noOffers });
  } finally {
    opening.cancel('done');
  }
}

async function dial(
  scope: Scope,
  opening: Scope,
  options: OpenOptions,
  timeouts: SmtpTimeouts,
): Promise<Wire | OpenFailed> {
  const { host, address, localAddress, port, publicOnly } = options;
  let phase: SessionPhase = 'connect';
  try {
    opening.throwIfEnded();
    const socket = await connect(scope, {
      host: address ?? host,
      port,
      connectMs: Math.min(timeouts.connect, opening.remainingMs()),
      ...(localAddress && { localAddress }),
      ...(publicOnly && { publicOnly }),
    });
    if (options.tls !== 'implicit') return new Wire(socket, timeouts);
    phase = 'starttls';
    const handshakeMs = timeouts.starttls;
    return new Wire(await encrypt(opening, socket, { host, trust: trustOf(options), handshakeMs }), timeouts);
  } catch (error) {
    return failureOf(phase, error);
  }
}

async function play(session: Session): Promise<Session | OpenFailed> {
  const stopWatching = session.opening.onEnd(({ message }) =>
    session.wire.close({ error: message, timedOut: true }),
  );
  for (const step of steps) {
    const failed = await step(session);
    if (!failed) continue;
    session.wire.close();
    return failed;
  }
  stopWatching();
  return session;
}

async function greet(session: Session): Promise<OpenFailed | null> {
  const answer = await session.wire.next('greeting');
  return has(answer, 220) ? null : failed('greeting', answer);
}

async function introduce(session: Session): Promise<OpenFailed | null> {
  const { wire, options } = session;
  const ehlo = await ask(wire, 'ehlo', `EHLO ${options.heloName}`);
  if (has(ehlo, 250)) {
    session.offers = offersOf(ehlo);
    return null;
  }
  if ('error' in ehlo || ehlo.code < 500) return failed('ehlo', ehlo);
  session.offers = noOffers;
  const helo = await ask(wire, 'ehlo', `HELO ${options.heloName}`);
  return has(helo, 250) ? null : failed('ehlo', helo);
}

async function secure(session: Session): Promise<OpenFailed | null> {
  const { opening, options, timeouts } = session;
  const { tls, host } = options;
  if (tls === 'none' || tls === 'implicit') return null;
  if (!session.offers.starttls) return tls === 'required' ? noStarttls : null;
  const answer = await ask(session.wire, 'starttls', 'STARTTLS');
  if ('error' in answer) return failed('starttls', answer);
  if (answer.code !== 220) return tls === 'required' ? failed('starttls', answer) : null;
  try {
    const handshakeMs = timeouts.starttls;
    const socket = await encrypt(opening, session.wire.release(), {
      host,
      trust: trustOf(options),
      handshakeMs,
    });
    session.wire = new Wire(socket, timeouts);
  } catch (error) {
    return failureOf('starttls', error);
  }
  // RFC 3207 4.2: what was offered in clear is forgotten.
  const refused = await introduce(session);
  // In TLS 1.3 what the server has against our part of the handshake arrives in the place of this answer.
  return refused?.error && !refused.timedOut ? { ...refused, phase: 'starttls' } : refused;
}

const noStarttls: OpenFailed = {
  kind: 'failed',
  phase: 'starttls',
  error: 'the server offers no STARTTLS, and encryption is required',
};

function trustOf({ tlsa, verify }: OpenOptions): Trust {
  return tlsa ?? (verify ? 'authorities' : 'anyone');
}

async function logIn(session: Session): Promise<OpenFailed | null> {
  const { credentials } = session.options;
  if (!credentials) return null;
  const answer = await authenticate(session.wire, credentials, session.offers.auth);
  return has(answer, 235) ? null : failed('auth', answer);
}

function ask(wire: Wire, phase: SessionPhase, line: string): Promise<Answer> {
  wire.write(`${line}\r\n`);
  return wire.next(phase);
}

function has<Code extends number>(answer: Answer, code: Code): answer is Reply & { readonly code: Code } {
  return 'code' in answer && answer.code === code;
}

function failed(phase: SessionPhase, answer: Answer): OpenFailed {
  if ('code' in answer) return { kind: 'failed', phase, reply: answer };
  const { error, timedOut } = answer;
  return { kind: 'failed', phase, error, ...(timedOut && { timedOut }) };
}

/** For what the network and a scope that ended throw. */
export function failureOf(phase: SessionPhase, error: unknown): OpenFailed {
  const answer = { error: error instanceof Error ? error.message : String(error) };
  const timedOut = error instanceof ScopeEnded && error.kind === 'deadline';
  return failed(phase, timedOut ? { ...answer, timedOut } : answer);
}
