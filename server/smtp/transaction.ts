/**
 * One message over an open connection: [RSET] MAIL RCPT DATA, then the data and the dot (RFC 5321 3.3).
 *
 * The dot is the point of no return. Before it nothing was sent and everything may be tried again; after it only
 * the server's answer tells what happened. So the bytes that end the message leave only when `beforeDot` said
 * true, and only while the server has said nothing after its 354.
 *
 * With PIPELINING (RFC 2920) the commands leave in one write and their replies are read in order; the first
 * refusal speaks for the transaction, and the replies behind it only tell what is left to clear up.
 */
import { dotStuffed, type Message, mailLine } from './message.ts';
import type { Offers } from './offers.ts';
import type { Reply } from './reply.ts';
import type { TransactionPhase } from './timeouts.ts';
import type { Answer, Wire } from './wire.ts';

export type SendResult =
  | { readonly kind: 'accepted'; readonly reply: Reply }
  /** A definitive 4xx or 5xx. The connection stays usable, except after a 421. */
  | { readonly kind: 'refused'; readonly phase: 'mail' | 'rcpt' | 'data' | 'dot'; readonly reply: Reply }
  /** `beforeDot` said false: the message was not sent, and the connection, being inside DATA, is closed. */
  | { readonly kind: 'withheld' }
  | Lost
  /** Refused by us before a byte was written; the connection stays usable. */
  | { readonly kind: 'invalid'; readonly error: string };

/** The connection broke, timed out, ended (421) or lost its order. With `dotSent` nobody knows the outcome. */
export interface Lost {
  readonly kind: 'lost';
  readonly phase: TransactionPhase;
  readonly dotSent: boolean;
  readonly error: string;
  readonly reply?: Reply;
}

type Refused = Extract<SendResult, { kind: 'refused' }>;
type Step = readonly [phase: Exclude<TransactionPhase, 'dot'>, line: string];

/** Up to here body and dot leave in one write. */
const HELD_BYTES_MAX = 64 * 1024;

/** The first digit of the reply that lets the transaction go on (RFC 5321 4.3.2). */
const expectedDigit: Record<TransactionPhase, number> = { rset: 2, mail: 2, rcpt: 2, data: 3, dot: 2 };

export async function transact(
  wire: Wire,
  offers: Offers,
  resetFirst: boolean,
  message: Message,
  beforeDot: () => Promise<boolean>,
): Promise<SendResult> {
  const steps: Step[] = [
    ['mail', mailLine(message, offers)],
    ['rcpt', `RCPT TO:<${message.to}>\r\n`],
    ['data', 'DATA\r\n'],
  ];
  if (resetFirst) steps.unshift(['rset', 'RSET\r\n']);
  const stopped = offers.pipelining ? await pipelined(wire, steps) : await oneByOne(wire, steps);
  return stopped ?? content(wire, message.data, beforeDot);
}

async function oneByOne(wire: Wire, steps: readonly Step[]): Promise<Refused | Lost | null> {
  for (const [phase, line] of steps) {
    wire.write(line);
    const stopped = verdict(phase, await wire.next(phase));
    if (stopped) return stopped;
  }
  return null;
}

async function pipelined(wire: Wire, steps: readonly Step[]): Promise<Refused | Lost | null> {
  let lines = '';
  for (const [, line] of steps) lines += line;
  wire.write(lines);
  let refused: Refused | null = null;
  for (const [phase] of steps) {
    const answer = await wire.next(phase);
    const stopped = verdict(phase, answer);
    if (refused) await clearUp(wire, phase, stopped);
    else if (stopped?.kind === 'lost') return stopped;
    else refused = stopped;
  }
  return refused;
}

/** Behind a refusal: what the server says to the commands that were under way already. */
async function clearUp(wire: Wire, phase: TransactionPhase, stopped: Refused | Lost | null): Promise<void> {
  // 503 is the usual answer to a command whose forerunner was refused; other disorder ends the connection.
  if (stopped?.kind === 'lost' && stopped.reply?.code !== 503) wire.close();
  if (stopped || phase !== 'data') return;
  // RFC 2920 3.1: DATA was accepted without a recipient; a lone dot leads out of it.
  wire.write('.\r\n');
  const answer = await wire.next('dot');
  if ('error' in answer || answer.code === 421) wire.close();
}

async function content(wire: Wire, data: string, beforeDot: () => Promise<boolean>): Promise<SendResult> {
  const body = dotStuffed(data);
  const held = body.length <= HELD_BYTES_MAX;
  const [maySend] = held ? [await beforeDot()] : await Promise.all([beforeDot(), wire.writeAll(body)]);
  if (!maySend) return { kind: 'withheld' };
  const early = wire.peek();
  if (early) return lost('data', early, 'the server did not wait for the end of the message');
  wire.write(held ? `${body}.\r\n` : '.\r\n');
  const answer = await wire.next('dot');
  return verdict('dot', answer) ?? accepted(answer);
}

/** null: go on. */
function verdict(phase: Exclude<TransactionPhase, 'rset'>, answer: Answer): Refused | Lost | null;
function verdict(phase: TransactionPhase, answer: Answer): Refused | Lost | null;
function verdict(phase: TransactionPhase, answer: Answer): Refused | Lost | null {
  if ('error' in answer) return lost(phase, answer, answer.error);
  const digit = Math.trunc(answer.code / 100);
  if (digit === expectedDigit[phase]) return null;
  if (digit < 4 || phase === 'rset') return lost(phase, answer, 'the server is out of step');
  if (phase === 'dot') return { kind: 'refused', phase, reply: answer };
  if (answer.code === 421) return lost(phase, answer, 'the server ended the session');
  if (answer.code === 503) return lost(phase, answer, 'the server is out of step');
  return { kind: 'refused', phase, reply: answer };
}

function lost(phase: TransactionPhase, answer: Answer, why: string): Lost {
  const dotSent = phase === 'dot';
  if ('error' in answer) return { kind: 'lost', phase, dotSent, error: answer.error };
  return { kind: 'lost', phase, dotSent, error: `${why}: ${answer.code} ${answer.text}`, reply: answer };
}

function accepted(answer: Answer): SendResult {
  if ('error' in answer) throw new Error('a break was taken for an acceptance');
  return { kind: 'accepted', reply: answer };
}
