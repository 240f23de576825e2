/** The city's name server, authoritative for everything, on one port of UDP and TCP (RFC 1035, 6891, 7766). */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import {
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  decode,
  encode,
  type OptAnswer,
  type Packet,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import type { Zone } from './zone.ts';

const UDP_BYTES_MIN = 512;
const UDP_BYTES_MAX = 1_232;
const RCODES = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3 };

export class DnsServer {
  readonly #zone: Zone;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;

  constructor(zone: Zone) {
    this.#zone = zone;
    this.#udp = createSocket('udp4', (bytes, from) => this.#datagram(bytes, from));
    this.#tcp = createServer((socket) => this.#stream(socket));
  }

  /** Resolves to the port; 0 takes a free one. Rejects with the system's error. */
  async listen(host: string, port: number): Promise<number> {
    this.#tcp.listen(port, host);
    await once(this.#tcp, 'listening');
    const address = this.#tcp.address();
    const taken = address && typeof address === 'object' ? address.port : 0;
    this.#udp.bind(taken, host);
    await once(this.#udp, 'listening');
    return taken;
  }

  #datagram(bytes: Buffer, from: RemoteInfo): void {
    const query = readQuery(bytes);
    const answer = query && this.#answer(query);
    if (!query || !answer) return;
    const room = Math.min(Math.max(ednsOf(query)?.udpPayloadSize ?? 0, UDP_BYTES_MIN), UDP_BYTES_MAX);
    const whole = encode(answer);
    this.#udp.send(whole.length <= room ? whole : truncated(answer), from.port, from.address);
  }

  #stream(socket: Socket): void {
    let input = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes: Buffer) => {
      input = Buffer.concat([input, bytes]);
      while (input.length >= 2 && input.length >= 2 + input.readUInt16BE()) {
        const end = 2 + input.readUInt16BE();
        const query = readQuery(input.subarray(2, end));
        const answer = query && this.#answer(query);
        if (answer) socket.write(framed(encode(answer)));
        input = input.subarray(end);
      }
    });
  }

  #answer(query: DecodedPacket): Packet | null {
    const [question] = query.questions ?? [];
    if (!question) return null;
    const found = this.#zone.answer(question);
    if (found.kind === 'silence') return null;
    return {
      type: 'response',
      ...(query.id === undefined ? {} : { id: query.id }),
      flags: AUTHORITATIVE_ANSWER | RCODES[found.rcode],
      questions: [question],
      answers: found.answers,
      authorities: found.authorities,
      additionals: ednsOf(query) ? [OPT] : [],
    };
  }
}

const OPT: OptAnswer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: UDP_BYTES_MAX,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

function readQuery(bytes: Buffer): DecodedPacket | null {
  try {
    const packet = decode(bytes);
    return packet.type === 'query' ? packet : null;
  } catch {
    return null;
  }
}

function ednsOf(query: DecodedPacket): OptAnswer | undefined {
  return query.additionals?.find((record) => record.type === 'OPT');
}

function truncated(answer: Packet): Buffer {
  const flags = (answer.flags ?? 0) | TRUNCATED_RESPONSE;
  return encode({ ...answer, flags, answers: [], authorities: [] });
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
