import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { after, afterEach, beforeEach, test } from 'node:test';
import { decode, encode, type Packet, streamEncode, TRUNCATED_RESPONSE } from 'dns-packet';
import { type ScriptedDns, scriptedDns, type Zone } from '../../test/support/dns-server.ts';
import { openScopeNames, Scope } from '../kernel/scope.ts';
import { Resolver } from './dns.ts';

const PATIENT_MS = [10_000];

let scope: Scope;

beforeEach(() => {
  scope = Scope.root('test');
});

afterEach(() => scope.cancel());

after(() => assert.deepEqual(openScopeNames(), []));

function resolverOf(servers: ScriptedDns[], triesMs: readonly number[] = PATIENT_MS): Resolver {
  return new Resolver({ servers: servers.map(({ server }) => server), triesMs });
}

test('a server that fails is told by its name, and the next one is asked', async () => {
  await using broken = await scriptedDns({ 'acme.example': { fails: 'SERVFAIL' } });
  await using closed = await scriptedDns({ 'acme.example': { fails: 'REFUSED' } });
  await using good = await scriptedDns({ 'acme.example': { MX: ['10 mx.acme.example'] } });
  const port = ({ server }: ScriptedDns) => server.replace(':', ' port ');
  assert.deepEqual(await resolverOf([broken, closed]).mx(scope, 'acme.example'), {
    kind: 'failed',
    error: `DNS MX acme.example: ${port(broken)} answered SERVFAIL; ${port(closed)} answered REFUSED`,
  });
  assert.equal((await resolverOf([broken, closed, good]).mx(scope, 'acme.example')).kind, 'found');
  assert.equal(broken.queries.length, 2, 'one that answered is not asked a second time');
});

test('one socket is open at a time', async () => {
  let open = 0;
  const count = async (answer: Buffer) => {
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    open = process.getActiveResourcesInfo().filter((name) => name === 'UDPWrap').length;
    return [answer];
  };
  await using broken = await scriptedDns({ 'acme.example': { fails: 'SERVFAIL' } });
  await using good = await scriptedDns({}, { datagrams: count });
  await resolverOf([broken, good]).mx(scope, 'acme.example');
  assert.equal(open, 3, 'the two servers and the one that asks');
});

test('a server that is not there, or is silent, is asked again after the others', async () => {
  const zone: Zone = { 'acme.example': { fails: 'silence' } };
  const gone = await scriptedDns({});
  await gone.close();
  await using silent = await scriptedDns(zone);
  const answer = await resolverOf([gone, silent], [10, 15]).mx(scope, 'acme.example');
  assert.equal(answer.kind, 'failed');
  assert.match(answer.error, /ECONNREFUSED.*; .* did not answer within 15 ms$/);
  assert.equal(silent.queries.length, 2);
});

test('a datagram that is lost is sent again, from another port and with another id', async () => {
  const asked: Buffer[] = [];
  const loseTheFirst = (answer: Buffer, question: Buffer) => (asked.push(question) === 1 ? [] : [answer]);
  await using dns = await scriptedDns(
    { 'acme.example': { MX: ['10 mx.acme.example'] } },
    { datagrams: loseTheFirst },
  );
  const answer = await resolverOf([dns], [10, ...PATIENT_MS]).mx(scope, 'acme.example');
  assert.equal(answer.kind, 'found');
  assert.equal(asked.length, 2);
});

test('no two questions have an id or a port that could be told beforehand', async () => {
  const ids = new Set<number>();
  const ports = new Set<number>();
  const server = createSocket('udp4').bind(0, '127.0.0.1');
  await once(server, 'listening');
  server.on('message', (bytes, from) => {
    const { id = 0, questions = [], ...query } = decode(bytes);
    const [opt] = query.additionals ?? [];
    assert.ok(query.flag_rd && query.flag_ad);
    assert.ok(opt?.type === 'OPT' && opt.flag_do && opt.udpPayloadSize === 1232);
    ids.add(id);
    ports.add(from.port);
    server.send(encode({ type: 'response', id, questions, flags: 3 }), from.port);
  });
  const resolver = new Resolver({ servers: [`127.0.0.1:${server.address().port}`] });
  await Promise.all(Array.from({ length: 40 }, (_, n) => resolver.mx(scope, `acme${n}.example`)));
  server.close();
  assert.ok(ids.size > 30 && ports.size === 40, `${ids.size} ids and ${ports.size} ports of 40`);
  const steps = [...ids].slice(1).map((id, at) => id - ([...ids][at] ?? 0));
  assert.ok(new Set(steps).size > 10, 'the ids are no sequence');
});

test('an answer to another question is not heard', async () => {
  const a = { type: 'A', name: 'a.example' } as const;
  const forged = (answer: Buffer, change: Packet) =>
    encode({ ...decode(answer), answers: [{ ...a, data: '192.0.2.66' }], ...change });
  const forgeries = (answer: Buffer, question: Buffer) => [
    forged(answer, { id: (decode(answer).id ?? 0) ^ 1 }),
    forged(answer, { questions: [{ ...a, name: 'b.example' }] }),
    forged(answer, { questions: [{ ...a, type: 'MX' }] }),
    forged(answer, { questions: [{ ...a, class: 'CH' }] }),
    forged(answer, { questions: [a, { ...a, name: 'b.example' }] }),
    forged(answer, { questions: [] }),
    question,
    Buffer.alloc(0),
    Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
    answer.subarray(0, 5),
    answer,
  ];
  await using dns = await scriptedDns({ 'a.example': { A: ['192.0.2.1'] } }, { datagrams: forgeries });
  const answer = await resolverOf([dns]).addresses(scope, 'A.Example');
  assert.deepEqual(answer.kind === 'found' && answer.records, ['192.0.2.1']);
});

test('a server that could not read the question is believed without an echo of it', async () => {
  const FORMERR = 1;
  const refuse = (answer: Buffer) => [
    encode({ type: 'response', id: decode(answer).id ?? 0, flags: FORMERR }),
  ];
  await using dns = await scriptedDns({}, { datagrams: refuse });
  const answer = await resolverOf([dns]).mx(scope, 'acme.example');
  assert.ok(answer.kind === 'failed');
  assert.match(answer.error, /answered FORMERR$/);
});

test('an error code that needs the bits of EDNS is an error', async () => {
  const BADVERS = 16;
  const opt = { type: 'OPT', name: '.', udpPayloadSize: 1232, ednsVersion: 0, options: [] } as const;
  const refuse = (answer: Buffer) => [
    encode({
      ...decode(answer),
      additionals: [{ ...opt, options: [], extendedRcode: BADVERS >> 4, flags: 0, flag_do: false }],
    }),
  ];
  await using dns = await scriptedDns({ 'acme.example': { MX: ['10 a.example'] } }, { datagrams: refuse });
  const answer = await resolverOf([dns]).mx(scope, 'acme.example');
  assert.ok(answer.kind === 'failed');
  assert.match(answer.error, /answered code 16$/);
});

test('an answer that a datagram cannot carry comes by TCP', async () => {
  const TXT = Array.from({ length: 40 }, (_, n) => `${n} ${'x'.repeat(200)}`);
  await using dns = await scriptedDns({ 'acme.example': { TXT } });
  const answer = await resolverOf([dns]).txt(scope, 'acme.example');
  assert.deepEqual(answer.kind === 'found' && answer.records, TXT);
  assert.deepEqual(dns.queries, ['udp TXT acme.example', 'tcp TXT acme.example']);
});

test('an answer that is cut in the middle of a record comes by TCP as well', async () => {
  const cut = (answer: Buffer) => {
    const short = answer.subarray(0, -3);
    short.writeUInt16BE(short.readUInt16BE(2) | TRUNCATED_RESPONSE, 2);
    return [short];
  };
  await using dns = await scriptedDns({ 'acme.example': { MX: ['10 mx.acme.example'] } }, { datagrams: cut });
  assert.equal((await resolverOf([dns]).mx(scope, 'acme.example')).kind, 'found');
  assert.deepEqual(dns.queries, ['udp MX acme.example', 'tcp MX acme.example']);
});

for (const [what, says] of Object.entries({
  'closes without a word': (socket: Socket) => socket.end(),
  'answers another question': (socket: Socket) =>
    socket.write(streamEncode({ type: 'response', questions: [{ type: 'MX', name: 'b.example' }] })),
  'says less than it announces': (socket: Socket) => socket.end(Buffer.from([1, 0, 0])),
}))
  test(`a server that promises an answer by TCP and then ${what} has failed`, async () => {
    const tcp = createServer((socket) => socket.once('data', () => says(socket)).on('error', () => {}));
    await once(tcp.listen(0, '127.0.0.1'), 'listening');
    const { port } = Object(tcp.address());
    const udp = createSocket('udp4').bind(port, '127.0.0.1');
    await once(udp, 'listening');
    udp.on('message', (bytes, from) => {
      udp.send(encode({ ...decode(bytes), type: 'response', flags: TRUNCATED_RESPONSE }), from.port);
    });
    const answer = await new Resolver({ servers: [`127.0.0.1:${port}`], triesMs: PATIENT_MS }).mx(
      scope,
      'a.example',
    );
    assert.ok(answer.kind === 'failed');
    assert.match(answer.error, /cannot be asked: the connection was closed$/);
    udp.close();
    tcp.close();
  });

test('an answer that cannot be read is an error of that server, and the next one is asked', async () => {
  const spoil = (answer: Buffer) => [answer.subarray(0, -3)];
  const zone: Zone = { 'acme.example': { MX: ['10 mx.acme.example'] } };
  await using bad = await scriptedDns(zone, { datagrams: spoil });
  await using good = await scriptedDns(zone);
  const answer = await resolverOf([bad]).mx(scope, 'acme.example');
  assert.ok(answer.kind === 'failed');
  assert.match(answer.error, /gave an answer that cannot be read$/);
  assert.equal((await resolverOf([bad, good]).mx(scope, 'acme.example')).kind, 'found');
});
