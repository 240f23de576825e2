/**
 * A provider's side of one SMTP conversation (RFC 5321, 1870, 2920, 3030, 3207), as steps that a session carries out. It
 * knows no socket: it is given commands and messages, and says what to answer and what to do then.
 */
import type { MessageRecord } from './ledger.ts';
import { type MessageFacts, messageFacts } from './message-facts.ts';
import type { Provider } from './provider.ts';
import { type Fate, REFUSED_WORD } from './spec.ts';

export interface Step {
  /** SMTP lines; '' says nothing. */
  say: string;
  next: 'go on' | 'data' | 'starttls' | 'end' | 'cut' | { bytes: number };
  /** Before it is said nothing more is read. */
  afterMs?: number;
  /** Called once, with whether it could be said. */
  settled?: (answered: boolean) => void;
}

interface Envelope {
  sender: string;
  eightBit: boolean;
  recipients: { address: string; fate: Fate | null }[];
  /** What BDAT brought so far. */
  chunks: string;
}

export interface Client {
  source: string;
  /** The provider's connection. */
  connection: number;
}

const RECIPIENTS_MAX = 100;
/** RFC 2920 3.1: only as the last of a group. */
const LAST_OF_A_GROUP = new Set(['EHLO', 'HELO', 'DATA', 'STARTTLS', 'QUIT']);
const OUT_OF_ORDER = '503 5.5.1 Bad sequence of commands';

export class Dialogue {
  readonly #provider: Provider;
  readonly #client: Client;
  #tls = false;
  #introduced = false;
  #mails = 0;
  #envelope: Envelope | null = null;
  #isLastChunk = false;

  constructor(provider: Provider, client: Client) {
    this.#provider = provider;
    this.#client = client;
  }

  /** `isPolite`: the client has not spoken before it was greeted. */
  greeting(isPolite: () => boolean): Step {
    const settled = () => isPolite() || this.#provider.fault('spoke before the greeting');
    return { ...this.#say(`220 {host} ${this.#provider.spec.banner}`), settled };
  }

  tooManyConnections(): Step {
    return this.#end(this.#provider.spec.texts.tooManyConnections);
  }

  /** After the TLS handshake everything that was said in clear is forgotten (RFC 3207 4.2). */
  secured(): void {
    this.#tls = true;
    this.#introduced = false;
    this.#envelope = null;
  }

  /** `isLast`: nothing has arrived behind it. */
  command(line: string, isLast: boolean): Step {
    const verb = line.split(' ', 1)[0]?.toUpperCase() ?? '';
    if (/[\r\n\0]/.test(line)) this.#provider.fault('bare CR, LF or NUL in a command');
    const mayFollow = verb === 'BDAT' || (this.#offers('PIPELINING') && !LAST_OF_A_GROUP.has(verb));
    if (!isLast && !mayFollow) this.#provider.fault(`something behind ${verb} that had to wait`);
    switch (verb) {
      case 'EHLO':
      case 'HELO':
        return this.#introduce(verb);
      case 'STARTTLS':
        return this.#startTls();
      case 'MAIL':
        return this.#mail(line);
      case 'RCPT':
        return this.#rcpt(line);
      case 'DATA':
        return this.#data();
      case 'BDAT':
        return this.#bdat(line);
      case 'RSET':
        this.#envelope = null;
        return this.#say('250 2.0.0 OK');
      case 'NOOP':
        return this.#say('250 2.0.0 OK');
      case 'QUIT':
        return this.#end('221 2.0.0 {host} closing connection {id}');
      default:
        return this.#say('502 5.5.1 Unrecognized command');
    }
  }

  /** A command that came when the provider had ended the connection already: only a MAIL is held against it. */
  tooLate(line: string): void {
    if (!/^MAIL /i.test(line)) return;
    this.#mails += 1;
    this.#provider.limits.admitMessage(this.#client.source, this.#mails, performance.now());
  }

  /** A whole message: after 354 with its dots still doubled. */
  message(text: string): Step {
    const envelope = this.#envelope;
    const first = envelope?.recipients[0];
    if (!envelope || !first) throw new Error('a message was taken without a recipient');
    this.#envelope = null;
    const facts = messageFacts(text);
    this.#findFaults(facts, envelope);
    const { mailboxes, manner, spec } = this.#provider;
    const refusal = this.#refusal(text, first.fate);
    const isCut = mailboxes.isCut('dot', first.address, manner.cuts);
    const isKept = !isCut || mailboxes.fraction(`kept ${first.address}`) < 0.5;
    const reply = this.#words(refusal ?? spec.texts.accepted, {
      recipient: first.address,
      messageId: facts.messageId,
    });
    const record = { ...facts, accepted: refusal === null && isKept, reply: reply.trimEnd() };
    const settle = (answered: boolean) => this.#settle(envelope, { ...record, answered });
    if (isCut) return { say: '', next: 'cut', settled: () => settle(false) };
    const next = this.#endsAfter(first.address) ? 'end' : 'go on';
    return { say: reply, next, afterMs: manner.answerMs, settled: settle };
  }

  /** The bytes that a BDAT announced. */
  chunk(text: string): Step {
    if (!this.#envelope?.recipients.length) return this.#say(OUT_OF_ORDER);
    this.#envelope.chunks += text;
    return this.#isLastChunk
      ? this.message(this.#envelope.chunks)
      : this.#say(`250 2.0.0 ${text.length} octets received`);
  }

  #introduce(verb: string): Step {
    this.#introduced = true;
    this.#envelope = null;
    if (verb === 'HELO') return this.#say('250 {host}');
    const keywords = this.#provider.spec.keywords.filter((keyword) => !(this.#tls && keyword === 'STARTTLS'));
    return this.#say(['250 {host} at your service, [{source}]', ...keywords].join('\n'));
  }

  #startTls(): Step {
    if (this.#tls || !this.#offers('STARTTLS')) return this.#say('502 5.5.1 STARTTLS not offered');
    const { mailboxes, manner } = this.#provider;
    const say = this.#words('220 2.0.0 SMTP server ready');
    const cut = mailboxes.isCut('starttls', String(this.#client.connection), manner.cuts);
    return { say, next: cut ? 'cut' : 'starttls' };
  }

  #mail(line: string): Step {
    const path = /^MAIL FROM:<([^>]*)>(.*)$/i.exec(line);
    if (!this.#introduced || this.#envelope) return this.#outOfOrder('MAIL');
    const { limits, manner, spec } = this.#provider;
    this.#mails += 1;
    const admission = limits.admitMessage(this.#client.source, this.#mails, performance.now());
    const throttled = manner.door === 'throttle' || admission === 'throttled';
    if (admission === 'tooManyMessages') return this.#refuse(spec.texts.tooManyMessages);
    if (throttled) return this.#refuse(spec.texts.throttled);
    if (manner.door === 'block') return this.#refuse(spec.texts.blocked);
    if (!path) return this.#refuse('501 5.5.4 Syntax: MAIL FROM:<address>');
    const [, sender = '', parameters = ''] = path;
    const bytes = Number(/ SIZE=(\d+)/i.exec(parameters)?.[1] ?? 0);
    if (bytes > this.#messageBytesMax()) return this.#refuse('552 5.3.4 Message size exceeds fixed limit');
    const eightBit = /BODY=(?:8BITMIME|BINARYMIME)/i.test(parameters);
    this.#envelope = { sender, eightBit, recipients: [], chunks: '' };
    return this.#say('250 2.1.0 OK');
  }

  #rcpt(line: string): Step {
    const envelope = this.#envelope;
    if (!envelope) return this.#outOfOrder('RCPT');
    const address = /^RCPT TO:<([^>]+)>/i.exec(line)?.[1]?.toLowerCase();
    if (!address) return this.#refuse('501 5.5.4 Syntax: RCPT TO:<address>');
    const { mailboxes, manner, spec } = this.#provider;
    if (!this.#provider.serves(address.slice(address.lastIndexOf('@') + 1))) {
      this.#provider.fault('mail for another provider');
      return this.#refuse('550 5.7.1 <{recipient}>: Relay access denied', { recipient: address });
    }
    if (envelope.recipients.length >= RECIPIENTS_MAX) return this.#refuse('452 4.5.3 Too many recipients');
    const fate = mailboxes.meet(address, manner.shares);
    const atDot = fate === 'unknownUser' && spec.unknownUserAt === 'dot';
    if (fate && !atDot) return this.#refuse(spec.texts[fate], { recipient: address });
    const wait = mailboxes.greylistedForMs(this.#client.source, envelope.sender, address, performance.now());
    if (wait > 0) return this.#refuse(spec.texts.greylisted, { recipient: address, wait: clock(wait) });
    envelope.recipients.push({ address, fate });
    return this.#say('250 2.1.5 OK');
  }

  #data(): Step {
    const recipient = this.#envelope?.recipients[0];
    if (!recipient) return this.#outOfOrder('DATA');
    const { mailboxes, manner } = this.#provider;
    if (mailboxes.isCut('data', recipient.address, manner.cuts)) return { say: '', next: 'cut' };
    return { say: this.#words('354 Go ahead'), next: 'data' };
  }

  #bdat(line: string): Step {
    const size = /^BDAT (\d+)( LAST)?$/i.exec(line);
    if (!size || !this.#offers('CHUNKING')) return this.#say('502 5.5.1 Unrecognized command');
    this.#isLastChunk = size[2] !== undefined;
    return { say: '', next: { bytes: Number(size[1]) } };
  }

  #endsAfter(recipient: string): boolean {
    const { mailboxes, manner, spec } = this.#provider;
    const { closesWhenFull, messagesPerConnection } = spec.limits;
    if (closesWhenFull && this.#mails >= messagesPerConnection) return true;
    return mailboxes.isCut('reply', recipient, manner.cuts);
  }

  #refusal(text: string, fate: Fate | null): string | null {
    const { spec } = this.#provider;
    if (text.length > this.#messageBytesMax()) return '552 5.3.4 Message size exceeds fixed limit';
    if (text.includes(REFUSED_WORD)) return spec.texts.content;
    return fate && spec.texts[fate];
  }

  #settle(
    envelope: Envelope,
    outcome: MessageFacts & Pick<MessageRecord, 'accepted' | 'reply' | 'answered'>,
  ): void {
    for (const { address } of envelope.recipients)
      this.#provider.settled({
        atMs: Date.now(),
        ...this.#client,
        tls: this.#tls,
        sender: envelope.sender,
        recipient: address,
        ...outcome,
      });
  }

  #findFaults(facts: MessageFacts, envelope: Envelope): void {
    if (facts.bareLineEnd) this.#provider.fault('bare CR or LF in a message');
    if (facts.longLine) this.#provider.fault('a line over 998 bytes');
    if (facts.eightBit && !envelope.eightBit) this.#provider.fault('8-bit data that were not announced');
  }

  /** 503 to what follows a refusal is usual; without one the client has lost its order. */
  #outOfOrder(verb: string): Step {
    if (!this.#introduced) this.#provider.fault(`${verb} before EHLO`);
    return this.#say(OUT_OF_ORDER);
  }

  /** A 421 ends the connection (RFC 5321 3.8). */
  #refuse(text: string, facts: Facts = {}): Step {
    this.#provider.refused(text);
    return { say: this.#words(text, facts), next: text.startsWith('421') ? 'end' : 'go on' };
  }

  #say(text: string): Step {
    return { say: this.#words(text), next: 'go on' };
  }

  #end(text: string): Step {
    return { say: this.#words(text), next: 'end' };
  }

  #offers(keyword: string): boolean {
    return this.#provider.spec.keywords.includes(keyword);
  }

  #messageBytesMax(): number {
    const size = this.#provider.spec.keywords.find((keyword) => keyword.startsWith('SIZE '));
    return size ? Number(size.slice('SIZE '.length)) : Number.POSITIVE_INFINITY;
  }

  #words(text: string, facts: Facts = {}): string {
    const { connection, source } = this.#client;
    return replyLines(text, {
      host: this.#provider.spec.host,
      source,
      id: `${connection}.${this.#mails}`,
      ...facts,
    });
  }
}

type Facts = Record<string, string>;

/** `text` is the code, a blank, and lines. */
function replyLines(text: string, facts: Facts): string {
  const filled = text.replaceAll(
    /\{(\w+)\}/g,
    (name, key: string) => facts[key] ?? domainOf(key, facts) ?? name,
  );
  const code = filled.slice(0, 3);
  const lines = filled.slice(4).split('\n');
  return lines.map((line, at) => `${code}${at < lines.length - 1 ? '-' : ' '}${line}\r\n`).join('');
}

function domainOf(key: string, { recipient }: Facts): string | undefined {
  return key === 'domain' ? recipient?.slice(recipient.lastIndexOf('@') + 1) : undefined;
}

/** hh:mm:ss, rounded up. */
function clock(ms: number): string {
  return new Date(Math.ceil(ms / 1000) * 1000).toISOString().slice(11, 19);
}
