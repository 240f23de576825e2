/**
 * A DNS server for tests, on UDP and TCP of one loopback port. It answers like a recursive resolver that knows one
 * zone: follows CNAMEs, says NXDOMAIN or no data with an SOA record, truncates what a datagram cannot carry.
 *
 *   await using dns = await scriptedDns({
 *     'acme.example': { MX: ['10 mx1.acme.example'] },
 *     'mx1.acme.example': { A: ['127.0.1.1'] },
 *   });
 *   new Resolver({ servers: [dns.server] })
 *
 * The zone may be changed while the server runs.
 */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import {
  type Answer,
  AUTHENTIC_DATA,
  decode,
  encode,
  type MxData,
  type Packet,
  type Question,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  type RecordType,
  streamEncode,
  type TlsaData,
  TRUNCATED_RESPONSE,
} from 'dns-packet';

/** By name: lower case, ASCII, no trailing dot. A name that is above another one exists without records. */
export type Zone = Record<string, ZoneName>;

export interface ZoneName {
  A?: string[];
  AAAA?: string[];
  CNAME?: string;
  /** "10 mx.acme.example"; "0 ." is the null MX. */
  MX?: string[];
  PTR?: string[];
  TLSA?: TlsaData[];
  /** One record each; a list of strings is one record of several strings. */
  TXT?: (string | string[])[];
  /** Seconds, of all its records; 300 unless told. */
  ttl?: number;
  /** Says that answers about this name were validated (AD), or those about these types. */
  authenticated?: boolean | RecordType[];
  /** Instead of an answer: to all questions about this name, or to those of one type. */
  fails?: Failure | Partial<Record<RecordType, Failure>>;
}

type Failure = 'SERVFAIL' | 'REFUSED' | 'silence';

export interface ScriptedDns extends AsyncDisposable {
  /** "IP:PORT" */
  readonly server: string;
  /** What was asked, in order: "udp MX acme.example". */
  readonly queries: string[];
  close(): Promise<void>;
}

export interface ScriptedDnsOptions {
  /** The datagrams that are sent for a question, in order; the proper answer alone unless told. */
  datagrams?: (answer: Buffer, question: Buffer) => Buffer[] | Promise<Buffer[]>;
  address?: string;
}

const NOERROR = 0;
const SERVFAIL = 2;
const NXDOMAIN = 3;
const REFUSED = 5;

/** Seconds that a negative answer may be kept. */
const SOA_MINIMUM_SECONDS = 60;
const DEFAULT_TTL_SECONDS = 300;
const CNAMES_MAX = 8;
const PLAIN_DATAGRAM_BYTES_MAX = 512;

export async function scriptedDns(zone: Zone, options: ScriptedDnsOptions = {}): Promise<ScriptedDns> {
  const { address = '127.0.0.1', datagrams = (answer) => [answer] } = options;
  const queries: string[] = [];
  const sockets = new Set<Socket>();
  const { udp, tcp, port } = await listenOnOnePort(address);
  udp.on('message', async (message, from) => {
    const reply = replyTo(zone, message, 'udp', queries);
    if (reply) for (const bytes of await datagrams(reply, message)) udp.send(bytes, from.port, from.address);
  });
  tcp.on('connection', (socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.on('data', (bytes: Buffer) => {
      const reply = replyTo(zone, bytes.subarray(2), 'tcp', queries);
      if (reply) writeInPieces(socket, reply);
    });
  });
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all([closed(udp), closed(tcp)]);
  };
  return { server: `${address}:${port}`, queries, close, [Symbol.asyncDispose]: close };
}

async function listenOnOnePort(address: string): Promise<{ udp: DatagramSocket; tcp: Server; port: number }> {
  for (;;) {
    const tcp = createServer().listen(0, address);
    await once(tcp, 'listening');
    const bound = tcp.address();
    if (bound === null || typeof bound === 'string') throw new Error('a TCP server has a port');
    const udp = createSocket('udp4').bind(bound.port, address);
    const taken = await once(udp, 'listening').then(
      () => false,
      () => true,
    );
    if (!taken) return { udp, tcp, port: bound.port };
    await closed(tcp);
  }
}

async function closed(server: DatagramSocket | Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

/** A stream has no edges: the first byte arrives alone. */
function writeInPieces(socket: Socket, bytes: Buffer): void {
  socket.setNoDelay(true).write(bytes.subarray(0, 1));
  setImmediate(() => setImmediate(() => socket.write(bytes.subarray(1))));
}

function replyTo(zone: Zone, bytes: Buffer, transport: 'udp' | 'tcp', queries: string[]): Buffer | null {
  const query = decode(bytes);
  const [question] = query.questions ?? [];
  if (!question) return null;
  queries.push(`${transport} ${question.type} ${question.name.toLowerCase()}`);
  const answer = answerTo(zone, question);
  if (!answer) return null;
  const reply: Packet = { ...answer, type: 'response', id: query.id ?? 0, questions: [question] };
  if (transport === 'tcp') return streamEncode(reply);
  const whole = encode(reply);
  if (whole.length <= datagramBytesMax(query)) return whole;
  const flags = (reply.flags ?? 0) | TRUNCATED_RESPONSE;
  return encode({ ...reply, flags, answers: [], authorities: [] });
}

function datagramBytesMax(query: Packet): number {
  const opt = query.additionals?.find((record) => record.type === 'OPT');
  return Math.max(PLAIN_DATAGRAM_BYTES_MAX, opt?.udpPayloadSize ?? 0);
}

function answerTo(zone: Zone, question: Question): Packet | null {
  const answers: Answer[] = [];
  let name = question.name.toLowerCase();
  let at = zone[name];
  const first = at;
  while (at?.CNAME && question.type !== 'CNAME' && answers.length < CNAMES_MAX) {
    answers.push({ type: 'CNAME', name, ttl: at.ttl ?? DEFAULT_TTL_SECONDS, data: at.CNAME });
    name = at.CNAME.toLowerCase();
    at = zone[name];
  }
  const failure = typeof at?.fails === 'object' ? at.fails[question.type] : at?.fails;
  if (failure === 'silence') return null;
  if (failure) return { flags: flagsOf(first, question.type) | (failure === 'REFUSED' ? REFUSED : SERVFAIL) };
  const records = at ? recordsOf(name, at, question.type) : [];
  if (records.length > 0)
    return { flags: flagsOf(first, question.type) | NOERROR, answers: [...answers, ...records] };
  const rcode = at || isAboveAnother(zone, name) ? NOERROR : NXDOMAIN;
  return { flags: flagsOf(first, question.type) | rcode, answers, authorities: [soa(name)] };
}

function flagsOf(at: ZoneName | undefined, type: RecordType): number {
  const { authenticated = false } = at ?? {};
  const validated = typeof authenticated === 'boolean' ? authenticated : authenticated.includes(type);
  return RECURSION_DESIRED | RECURSION_AVAILABLE | (validated ? AUTHENTIC_DATA : 0);
}

function isAboveAnother(zone: Zone, name: string): boolean {
  return Object.keys(zone).some((other) => other.endsWith(`.${name}`));
}

function recordsOf(name: string, at: ZoneName, type: RecordType): Answer[] {
  const head = { name, ttl: at.ttl ?? DEFAULT_TTL_SECONDS };
  switch (type) {
    case 'A':
    case 'AAAA':
    case 'PTR':
      return (at[type] ?? []).map((data) => ({ ...head, type, data }));
    case 'CNAME':
      return at.CNAME ? [{ ...head, type, data: at.CNAME }] : [];
    case 'MX':
      return (at.MX ?? []).map((text) => ({ ...head, type, data: mx(text) }));
    case 'TLSA':
      return (at.TLSA ?? []).map((data) => ({ ...head, type, data }));
    case 'TXT':
      return (at.TXT ?? []).map((data) => ({ ...head, type, data: [data].flat() }));
    default:
      return [];
  }
}

function mx(text: string): MxData {
  const space = text.indexOf(' ');
  return { preference: Number(text.slice(0, space)), exchange: text.slice(space + 1) };
}

function soa(name: string): Answer {
  return {
    type: 'SOA',
    name,
    ttl: SOA_MINIMUM_SECONDS,
    data: { mname: 'ns.test', rname: 'hostmaster.test', minimum: SOA_MINIMUM_SECONDS },
  };
}
