/**
 * Opening a session with a relay: connect, greeting, EHLO, STARTTLS, EHLO again, AUTH.
 *
 * `steps` is the order; each returns nothing, or why the session failed. Nothing of a message has been said yet,
 * so whatever fails here fails the route, and may be tried again.
 */
import { connect } from '../kernel/network.ts';
import type { Scope } from '../kernel/scope.ts';
import { authenticate } from './auth.ts';
import { noOffers, type Offers, offersOf } from './offers.ts';
import type { Reply } from './reply.ts';
import { type SessionPhase, type SmtpTimeouts, smtpTimeoutsMs } from './timeouts.ts';
import { encrypt } from './tls.ts';
import type { RelayOptions } from './url.ts';
import { type Answer, Wire } from './wire.ts';

export type OpenOptions = RelayOptions & {
  /** The name by which we introduce ourselves. */
  readonly heloName: string;
  readonly timeouts?: Partial<SmtpTimeouts>;
};

/** `reply` when the relay said no, `error` when it said nothing useful. */
export interface OpenFailed {
  readonly kind: 'failed';
  readonly phase: SessionPhase;
  readonly reply?: Reply;
  readonly error?: string;
}

interface Session {
  readonly scope: Scope;
  readonly options: OpenOptions;
  readonly timeouts: SmtpTimeouts;
  wire: Wire;
  offers: Offers;
}

const steps = [greet, introduce, secure, logIn] as const;

export async function openSession(scope: Scope, options: OpenOptions): Promise<Session | OpenFailed> {
  const timeouts = { ...smtpTimeoutsMs, ...options.timeouts };
  const wire = await dial(scope, options, timeouts);
  if ('kind' in wire) return wire;
  const session: Session = { scope, options, timeouts, wire, offers: noOffers };
  for (const step of steps) {
    const failed = await step(session);
    if (!failed) continue;
    session.wire.close();
    return failed;
  }
  return session;
}

async function dial(scope: Scope, options: OpenOptions, timeouts: SmtpTimeouts): Promise<Wire | OpenFailed> {
  const { host, port, verify } = options;
  let phase: SessionPhase = 'connect';
  try {
    const socket = await connect(scope, { host, port, connectMs: timeouts.connect });
    if (options.tls !== 'implicit') return new Wire(socket, timeouts);
    phase = 'starttls';
    const secureSocket = await encrypt(scope, socket, { host, verify, handshakeMs: timeouts.starttls });
    return new Wire(secureSocket, timeouts);
  } catch (error) {
    return { kind: 'failed', phase, error: messageOf(error) };
  }
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
  const { tls, host, verify } = session.options;
  if (tls === 'none' || tls === 'implicit') return null;
  if (!session.offers.starttls) return tls === 'required' ? noStarttls : null;
  const answer = await ask(session.wire, 'starttls', 'STARTTLS');
  if ('error' in answer) return failed('starttls', answer);
  if (answer.code !== 220) return tls === 'required' ? failed('starttls', answer) : null;
  const { scope, timeouts } = session;
  try {
    const socket = await encrypt(scope, session.wire.release(), {
      host,
      verify,
      handshakeMs: timeouts.starttls,
    });
    session.wire = new Wire(socket, timeouts);
  } catch (error) {
    return { kind: 'failed', phase: 'starttls', error: messageOf(error) };
  }
  // RFC 3207 4.2: what was offered in clear is forgotten.
  return introduce(session);
}

const noStarttls: OpenFailed = {
  kind: 'failed',
  phase: 'starttls',
  error: 'the relay offers no STARTTLS, and encryption is required (tls=none would send everything in clear)',
};

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
  if ('error' in answer) return { kind: 'failed', phase, error: answer.error };
  return { kind: 'failed', phase, reply: answer };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
