/**
 * How long each phase of a dialogue may take, in milliseconds.
 *
 * From MAIL on they are the minimums of RFC 5321 4.5.3.2; an answer to the final dot that we stop waiting for is
 * an outcome that nobody knows, so that one is never shortened. Before MAIL nothing can be sent twice, so the
 * session's opening is cut shorter than the RFC's five minutes by choice.
 */

/** The phases that open a session, in order. `starttls` is also the handshake of an smtps:// relay. */
export type SessionPhase = 'connect' | 'greeting' | 'ehlo' | 'starttls' | 'auth';

/** The phases of one message, in order. `rset` clears a refused transaction in front of the next one. */
export type TransactionPhase = 'rset' | 'mail' | 'rcpt' | 'data' | 'dot';

/** `block`: no progress while the body is written. `quit`: how long a farewell may linger. */
export type TimedPhase = SessionPhase | TransactionPhase | 'block' | 'quit';

export type SmtpTimeouts = Readonly<Record<TimedPhase, number>>;

export const smtpTimeoutsMs: SmtpTimeouts = {
  connect: 30_000,
  greeting: 60_000,
  ehlo: 120_000,
  starttls: 30_000,
  auth: 120_000,
  rset: 20_000,
  mail: 300_000,
  rcpt: 300_000,
  data: 120_000,
  block: 180_000,
  dot: 600_000,
  quit: 2_000,
};
