/**
 * An open connection to a server, used for one message after the other.
 *
 * It belongs to the scope that opened it: when that ends, so does the connection. It comes from `openConnection`;
 * whoever keeps connections decides how long one may rest and how many messages it may carry. The first
 * transaction follows EHLO or AUTH directly; RSET goes in front of a MAIL only when the transaction before was
 * refused, because some servers count a needless one as abuse.
 *
 * A server may close between two messages without a word: some do after a number of messages. Nothing was said of the
 * next message then, even if our MAIL was on its way, so it may go over another connection at once (`closedBetween`).
 */
import type { Scope } from '../kernel/scope.ts';
import { type Message, messageFault } from './message.ts';
import type { Offers } from './offers.ts';
import { type OpenFailed, type OpenOptions, openSession } from './session.ts';
import { type SendResult, transact } from './transaction.ts';
import type { Break, Wire } from './wire.ts';

export type OpenResult = { readonly kind: 'open'; readonly connection: SmtpConnection } | OpenFailed;

export async function openConnection(scope: Scope, options: OpenOptions): Promise<OpenResult> {
  const session = await openSession(scope, options);
  if ('kind' in session) return session;
  return { kind: 'open', connection: new SmtpConnection(session.wire, session.offers) };
}

/** A close by the server with no message under way. */
export interface ClosedBetween {
  /** Messages that it had taken part in, one at least. */
  readonly messages: number;
  /** Milliseconds since the last one: long, and it was our rest that ended the connection. */
  readonly restedMs: number;
}

export class SmtpConnection {
  readonly offers: Offers;
  /** Whether TLS protects it. */
  readonly encrypted: boolean;
  readonly #wire: Wire;
  #sent = 0;
  #busy = false;
  #quitting = false;
  #resetFirst = false;
  /** Messages of which the server has said something, and when the last one was over. */
  #answered = 0;
  #answeredAtMs = performance.now();
  #broken: Break | null = null;
  #closedBetween: ClosedBetween | null = null;
  readonly #closedBetweenListeners: ((closed: ClosedBetween) => void)[] = [];

  constructor(wire: Wire, offers: Offers) {
    this.#wire = wire;
    this.offers = offers;
    this.encrypted = wire.encrypted;
    wire.onClose((why) => {
      this.#broken = why;
      if (!this.#busy) this.#endBetween(why);
    });
    wire.rest();
  }

  /** Whether another message may be sent. */
  get usable(): boolean {
    return !this.#wire.broken && !this.#quitting;
  }

  /** Messages that this connection was used for, whatever became of them. */
  get sent(): number {
    return this.#sent;
  }

  /** Not null when the server closed between two messages: that says nothing against the next one, nor the server. */
  get closedBetween(): ClosedBetween | null {
    return this.#closedBetween;
  }

  /**
   * Sends one message to one recipient. `beforeDot` is called when the server has said 354; the bytes that end
   * the message leave only after it resolved to true. When it rejects, the connection is closed and the
   * rejection is the caller's.
   */
  async send(message: Message, beforeDot: () => Promise<boolean>): Promise<SendResult> {
    if (this.#busy) throw new Error('a connection sends one message at a time');
    const error = messageFault(message, this.offers);
    if (error) return { kind: 'invalid', error };
    this.#busy = true;
    this.#sent += 1;
    this.#wire.resume();
    try {
      const result = await transact(this.#wire, this.offers, this.#resetFirst, message, beforeDot);
      this.#resetFirst = result.kind === 'refused';
      this.#settle(result);
      if (endsConnection(result)) this.close();
      else this.#wire.rest();
      return result;
    } catch (thrown) {
      this.close();
      throw thrown;
    } finally {
      this.#busy = false;
    }
  }

  /** Calls `listener` once when the connection ends: by the server, by us, by an error, by its scope. */
  onClose(listener: (why: string) => void): void {
    this.#wire.onClose(({ error }) => listener(error));
  }

  /** Calls `listener` when the server closes between two messages. */
  onClosedBetween(listener: (closed: ClosedBetween) => void): void {
    this.#closedBetweenListeners.push(listener);
  }

  /** Takes leave without waiting for the answer. */
  quit(): void {
    this.#quitting = true;
    if (this.#busy) this.close();
    else this.#wire.end('QUIT\r\n');
  }

  close(): void {
    this.#wire.close();
  }

  #settle(result: SendResult): void {
    if (isUnanswered(result)) {
      if (this.#broken) this.#endBetween(this.#broken);
      return;
    }
    this.#answered += 1;
    this.#answeredAtMs = performance.now();
  }

  #endBetween({ closed }: Break): void {
    if (!closed || this.#answered === 0 || this.#quitting || this.#closedBetween) return;
    const restedMs = performance.now() - this.#answeredAtMs;
    this.#closedBetween = { messages: this.#answered, restedMs };
    for (const listener of this.#closedBetweenListeners) listener(this.#closedBetween);
  }
}

/** The session ended at the first command, before anything of the message. */
function isUnanswered(result: SendResult): boolean {
  return result.kind === 'lost' && (result.phase === 'rset' || result.phase === 'mail');
}

function endsConnection(result: SendResult): boolean {
  if (result.kind === 'refused') return result.reply.code === 421;
  return result.kind === 'lost' || result.kind === 'withheld';
}
