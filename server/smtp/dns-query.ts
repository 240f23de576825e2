/**
 * One question to DNS servers, and what they say to it.
 *
 * Above it is the resolver (dns.ts), which remembers; below it is kernel/network.
 *
 * - Each try has a socket of its own, with a port and an id that nobody can guess (RFC 5452), and hears one address.
 *   What does not repeat the id and the question is not heard.
 * - The servers are asked in turn, then again with more patience. One that answered with an error is not asked again;
 *   silence and errors of the network may pass.
 * - Whatever a server does is a value. Only the end of the scope rejects, and it leaves no socket and no timer.
 */
import { randomInt } from 'node:crypto';
import {
  AUTHENTIC_DATA,
  type DecodedPacket,
  DNSSEC_OK,
  decode,
  encode,
  type OptAnswer,
  type Packet,
  type Question,
  RECURSION_DESIRED,
  streamEncode,
} from 'dns-packet';
import { connect, datagrams, type Endpoint } from '../kernel/network.ts';
import { type Scope, ScopeEnded } from '../kernel/scope.ts';
import { type DnsAnswer, type DnsRecord, readAnswer } from './dns-answer.ts';

/** What passes through any network in one piece (DNS flag day 2020); the rest comes by TCP. */
const DATAGRAM_BYTES_MAX = 1232;
const IDS = 2 ** 16;

/** The header (RFC 1035 section 4.1.1): where its flags and the counts after that of the questions are. */
const TRUNCATED_BYTE = 2;
const TRUNCATED_BIT = 0x02;
const COUNTS_BEGIN = 6;
const HEADER_BYTES = 12;
const TCP_LENGTH_BYTES = 2;

const NOERROR = 0;
const NXDOMAIN = 3;
const RCODE_NAMES: Record<number, string> = { 1: 'FORMERR', 2: 'SERVFAIL', 4: 'NOTIMP', 5: 'REFUSED' };

/** `question.name` is a dnsName(); `triesMs` says how long a server has in the first round, the second, and so on. */
export async function query(
  scope: Scope,
  servers: readonly Endpoint[],
  question: Question,
  triesMs: readonly number[],
): Promise<DnsAnswer<DnsRecord>> {
  const troubles = new Map<Endpoint, Trouble>();
  for (const tryMs of triesMs) {
    for (const server of servers.filter((each) => !troubles.get(each)?.final)) {
      const answer = await ask(scope, server, question, tryMs);
      if ('kind' in answer) return answer;
      troubles.set(server, answer);
    }
  }
  const told = [...troubles].map(([{ host, port }, { error }]) => `${host} port ${port} ${error}`);
  return { kind: 'failed', error: `DNS ${question.type} ${question.name}: ${told.join('; ')}` };
}

/** Why a server gave no answer; `final`: it would say the same again. */
interface Trouble {
  error: string;
  final: boolean;
}

async function ask(
  scope: Scope,
  server: Endpoint,
  question: Question,
  tryMs: number,
): Promise<DnsAnswer<DnsRecord> | Trouble> {
  const short = await attempt(scope, tryMs, (tryScope) => overUdp(tryScope, server, question));
  if ('error' in short) return short;
  if (!isTruncated(short)) return read(short, question);
  const whole = await attempt(scope, tryMs, (tryScope) => overTcp(tryScope, server, question));
  return 'error' in whole ? whole : read(whole, question);
}

async function attempt(
  scope: Scope,
  tryMs: number,
  exchange: (tryScope: Scope) => Promise<Buffer>,
): Promise<Buffer | Trouble> {
  const tryScope = scope.child('dns', { deadlineMs: tryMs });
  try {
    return await exchange(tryScope);
  } catch (error) {
    scope.throwIfEnded();
    if (error instanceof ScopeEnded) return { error: `did not answer within ${tryMs} ms`, final: false };
    if (error instanceof Error && 'code' in error)
      return { error: `cannot be asked: ${error.message}`, final: false };
    throw error;
  } finally {
    tryScope.cancel('done');
  }
}

function overUdp(scope: Scope, server: Endpoint, question: Question): Promise<Buffer> {
  const id = randomInt(IDS);
  return new Promise((resolve, reject) => {
    const socket = datagrams(scope, server);
    scope.onEnd(reject);
    socket.on('error', reject);
    socket.on('message', (bytes) => {
      if (isResponse(bytes, id, question)) resolve(bytes);
    });
    socket.send(encode(queryPacket(id, question)));
  });
}

/** RFC 1035 section 4.2.2: the length stands in front. */
async function overTcp(scope: Scope, server: Endpoint, question: Question): Promise<Buffer> {
  const id = randomInt(IDS);
  const socket = await connect(scope, { ...server, connectMs: scope.remainingMs() });
  return new Promise((resolve, reject) => {
    let heard = Buffer.alloc(0);
    scope.onEnd(reject);
    socket.on('error', reject);
    socket.on('close', () => reject(new NoAnswer('the connection was closed')));
    socket.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]);
      const end =
        heard.length < TCP_LENGTH_BYTES ? Number.POSITIVE_INFINITY : heard.readUInt16BE(0) + TCP_LENGTH_BYTES;
      if (heard.length < end) return;
      const bytes = heard.subarray(TCP_LENGTH_BYTES, end);
      if (isResponse(bytes, id, question)) resolve(bytes);
      else socket.destroy();
    });
    socket.write(streamEncode(queryPacket(id, question)));
  });
}

/** What the server's end of a TCP connection is to us: an error like those of the system. */
class NoAnswer extends Error {
  readonly code = 'ECONNRESET';
}

function queryPacket(id: number, question: Question): Packet {
  const opt: OptAnswer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: DATAGRAM_BYTES_MAX,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: DNSSEC_OK,
    flag_do: true,
    options: [],
  };
  return { id, flags: RECURSION_DESIRED | AUTHENTIC_DATA, questions: [question], additionals: [opt] };
}

/** Whether somebody answers our question: the id and the question come back (RFC 5452 section 9.1). */
function isResponse(bytes: Buffer, id: number, question: Question): boolean {
  const head = decodeHead(bytes);
  if (head?.type !== 'response' || head.id !== id) return false;
  const [echo, ...others] = head.questions ?? [];
  // A server that could not read the question says so without it.
  if (!echo) return isError(rcodeOf(head));
  const { type, name, class: kind } = echo;
  return (
    others.length === 0 && kind === 'IN' && type === question.type && name.toLowerCase() === question.name
  );
}

function isTruncated(bytes: Buffer): boolean {
  return ((bytes[TRUNCATED_BYTE] ?? 0) & TRUNCATED_BIT) !== 0;
}

function read(bytes: Buffer, question: Question): DnsAnswer<DnsRecord> | Trouble {
  const packet = decoded(bytes);
  if (!packet) return { error: 'gave an answer that cannot be read', final: true };
  const rcode = rcodeOf(packet);
  if (isError(rcode)) return { error: `answered ${RCODE_NAMES[rcode] ?? `code ${rcode}`}`, final: true };
  return readAnswer(packet, question, rcode === NXDOMAIN);
}

/** Header and question alone: a truncated response may end in the middle of a record. */
function decodeHead(bytes: Buffer): DecodedPacket | null {
  if (bytes.length < HEADER_BYTES) return null;
  return decoded(Buffer.from(bytes).fill(0, COUNTS_BEGIN, HEADER_BYTES));
}

function decoded(bytes: Buffer): DecodedPacket | null {
  try {
    return decode(bytes);
  } catch {
    return null;
  }
}

/** With the upper bits that EDNS adds (RFC 6891 section 6.1.3). */
function rcodeOf(packet: DecodedPacket): number {
  const opt = packet.additionals?.find((record) => record.type === 'OPT');
  return ((opt?.extendedRcode ?? 0) << 4) | ((packet.flags ?? 0) & 0x0f);
}

function isError(rcode: number): boolean {
  return rcode !== NOERROR && rcode !== NXDOMAIN;
}
