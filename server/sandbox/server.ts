/**
 * The sandbox's SMTP side: smtp-server, with failures as real providers give them.
 *
 * A connection that is cut before the dot is cut where 354 would have come: a client that sends a small message and
 * its dot in one write could otherwise not tell the two cuts apart. After the dot, half of the cut messages were
 * accepted all the same, which is why a client cannot know.
 */
import {
  SMTPServer,
  type SMTPServerDataStream,
  type SMTPServerError,
  type SMTPServerSession,
} from 'smtp-server';
import type { Dice, FailureKind } from './failures.ts';
import type { Mailbox } from './mailbox.ts';

const MESSAGE_BYTES_MAX = 25 * 1024 * 1024;
const SLOW_REPLY_MS = [1_000, 3_000] as const;

const REPLIES = {
  unknownUser: [550, '5.1.1 The email account that you tried to reach does not exist.'],
  mailboxFull: [452, "4.2.2 The recipient's inbox is out of storage space. Please try again later."],
  slowDown: [421, '4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume.'],
} as const satisfies Partial<Record<FailureKind, readonly [code: number, text: string]>>;

export interface SandboxServerOptions {
  dice: Dice;
  mailbox: Mailbox;
  onFailure: (kind: FailureKind) => void;
}

export function createSandboxServer(options: SandboxServerOptions): SMTPServer {
  const { dice, onFailure } = options;
  const refuse = (kind: keyof typeof REPLIES) => {
    onFailure(kind);
    const [responseCode, text] = REPLIES[kind];
    return Object.assign(new Error(text), { responseCode }) satisfies SMTPServerError;
  };
  /** What waits for the message of a session whose recipient has been named. */
  const ahead = new WeakMap<SMTPServerSession, FailureKind>();
  const server = new SMTPServer({
    name: 'sandbox.camp.example',
    banner: 'Camp sandbox: mail ends here',
    size: MESSAGE_BYTES_MAX,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    // The replies bring their own enhanced codes.
    hideENHANCEDSTATUSCODES: true,
    onMailFrom: (_sender, _session, answer) => answer(dice.rollMail() && refuse('slowDown')),
    onRcptTo({ address }, session, answer) {
      const failure = dice.rollRecipient(address);
      if (failure === 'unknownUser' || failure === 'mailboxFull') return answer(refuse(failure));
      if (failure) ahead.set(session, failure);
      else ahead.delete(session);
      answer();
    },
    onData: (stream, session, answer) =>
      receive({ ...options, server, session, failure: ahead.get(session) }, stream, answer),
  });
  // A client that goes away in the middle of a message is its own business.
  server.on('error', () => {});
  return server;
}

interface Delivery extends SandboxServerOptions {
  server: SMTPServer;
  session: SMTPServerSession;
  failure: FailureKind | undefined;
}

function receive(delivery: Delivery, stream: SMTPServerDataStream, answer: () => void): void {
  const { failure, mailbox, session } = delivery;
  if (failure) delivery.onFailure(failure);
  if (failure === 'cutBeforeDot') {
    cut(delivery);
    return;
  }
  const recipient = session.envelope.rcptTo[0]?.address ?? '';
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('error', () => {});
  stream.on('end', () => {
    const fate = delivery.dice.fraction(`fate ${recipient}`);
    if (failure === 'cutAfterDot') cut(delivery);
    if (failure !== 'cutAfterDot' || fate < 0.5) mailbox.accept(recipient, Buffer.concat(chunks));
    if (failure === 'slowReply')
      setTimeout(answer, SLOW_REPLY_MS[0] + fate * (SLOW_REPLY_MS[1] - SLOW_REPLY_MS[0]));
    else answer();
  });
}

function cut({ server, session }: Delivery): void {
  for (const connection of server.connections) if (connection.id === session.id) connection._socket.destroy();
}
