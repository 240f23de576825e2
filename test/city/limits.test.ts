import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type City, startCity } from './city.ts';
import { LimitBook } from './limits.ts';
import type { ProviderReport } from './provider.ts';
import { PROVIDERS, providerSpec } from './providers.ts';
import { RawClient, saying } from './raw-client.ts';
import type { ProviderSpec } from './spec.ts';

/** Everybody is known and nobody's mailbox is full; greylisting and published rates have tests of their own. */
const calm = (spec: ProviderSpec): ProviderSpec => ({
  ...spec,
  greylistMs: 0,
  limits: { ...spec.limits, messagesPerSecond: null },
  manner: { ...spec.manner, shares: {} },
});
const specs = [
  ...PROVIDERS.filter(({ weight }) => weight > 1).map(calm),
  { ...calm(providerSpec('harbour')), name: 'slow', domains: [{ domain: 'slow.example', mx: [] }] },
  { ...calm(providerSpec('google')), name: 'secretive', domains: [{ domain: 'secretive.example', mx: [] }] },
].map((spec) => {
  if (spec.name === 'slow') return { ...spec, limits: { ...spec.limits, messagesPerSecond: 2 } };
  if (spec.name === 'secretive') return { ...spec, limits: { ...spec.limits, throttledAbovePerSecond: 2 } };
  return spec;
});
const wellKnown = specs.slice(0, -2);

let folder: string;
let city: City;
/** Each test is a source of its own: what one breaks is nothing to the others. */
let sources = 1;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'camp-city-limits-'));
  city = await startCity({ dir: folder, providers: specs });
});
after(async () => {
  await city.stop();
  await rm(folder, { recursive: true });
});

for (const spec of wellKnown)
  test(`a client that goes up to the limits of ${spec.name} breaks none`, async () => {
    const client = newClient();
    const { connections, messagesPerConnection } = spec.limits;
    const [first, ...others] = await Promise.all(
      Array.from({ length: connections }, () => client.open(spec.name)),
    );
    for (let sent = 0; sent < messagesPerConnection; sent += 1)
      assert.match(await deliver(spec, first), /^250/);
    await first?.quit();
    // Its place is free.
    others.push(await client.open(spec.name));
    await Promise.all(others.map((one) => one.quit()));
    await (await client.open(spec.name)).quit();
    const { limits_broken, connections_max, broken } = await reportOf(spec.name);
    assert.deepEqual([limits_broken, connections_max, broken], [0, connections, []]);
  });

for (const spec of wellKnown)
  test(`${spec.name} refuses a connection more than it allows, and writes it down`, async () => {
    const client = newClient();
    const { connections } = spec.limits;
    const allowed = await Promise.all(Array.from({ length: connections }, () => client.open(spec.name)));
    const before = await reportOf(spec.name);
    const surplus = client.connect(spec.name);
    assert.match(await surplus.reply(), saying(spec.texts.tooManyConnections));
    assert.equal(await surplus.reply(), '', 'it is closed');
    assert.match(await deliver(spec, allowed[0]), /^250/, 'the others go on');
    const { limits_broken, connections_max, broken } = await reportOf(spec.name);
    assert.deepEqual([limits_broken - before.limits_broken, connections_max], [1, connections + 1]);
    assert.partialDeepStrictEqual(broken.at(-1), {
      limit: 'connections',
      source: client.localAddress,
      allowed: connections,
      seen: connections + 1,
    });
    await Promise.all(allowed.map((one) => one.quit()));
  });

for (const spec of wellKnown)
  test(`${spec.name} takes no message more on a connection than it allows, and writes the attempt down`, async () => {
    const client = newClient();
    const { messagesPerConnection, closesWhenFull } = spec.limits;
    const connection = await client.open(spec.name);
    for (let sent = 0; sent < messagesPerConnection; sent += 1)
      assert.match(await deliver(spec, connection), /^250/);
    const before = await reportOf(spec.name);
    const answer = await connection.command('MAIL FROM:<camp@sender.example>');
    if (closesWhenFull) assert.equal(answer, '', 'it was closed without an error');
    else assert.match(answer, saying(spec.texts.tooManyMessages));
    assert.equal(await connection.reply(), '', 'it is closed');
    const { limits_broken, broken } = await reportOf(spec.name);
    assert.equal(limits_broken - before.limits_broken, 1);
    assert.partialDeepStrictEqual(broken.at(-1), {
      limit: 'messagesPerConnection',
      allowed: messagesPerConnection,
      seen: messagesPerConnection + 1,
    });
  });

test('Yahoo closes behind the last message of a connection, and that is no breach', async () => {
  const client = newClient();
  const spec = specs.find(({ name }) => name === 'yahoo') ?? assert.fail();
  const before = await reportOf('yahoo');
  const connection = await client.open('yahoo');
  for (let sent = 0; sent < 20; sent += 1) assert.match(await deliver(spec, connection), /^250/);
  assert.equal(await connection.reply(), '');
  connection.socket.end();
  await connection.closed;
  assert.equal((await reportOf('yahoo')).limits_broken, before.limits_broken);
});

test('messages above the published rate are refused and written down, one by one', async () => {
  const connection = await newClient().open('slow');
  const replies = await mails(connection, 4);
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 3)),
    ['250', '250', '250', '250'],
  );
  const [above] = await mails(connection, 1);
  assert.match(above ?? '', /^451 4\.7\.1 Rate limit exceeded for 127\./);
  assert.match(await connection.command('NOOP'), /^250/, 'the connection goes on');
  const { limits_broken, broken, deferred } = await reportOf('slow');
  assert.deepEqual([limits_broken, deferred], [1, 1]);
  assert.partialDeepStrictEqual(broken[0], { limit: 'messagesPerSecond', allowed: 4, seen: 5 });
});

test('a rate that nobody published is enforced, and is not held against anybody', async () => {
  const connection = await newClient().open('secretive');
  const replies = await mails(connection, 5);
  assert.match(replies[4] ?? '', /^421 4\.7\.28 Gmail has detected an unusual rate/);
  const { limits_broken, deferred } = await reportOf('secretive');
  assert.deepEqual([limits_broken, deferred], [0, 1]);
});

test('a client that keeps to the rate may do so for ever, and come in bunches', () => {
  const limits = { ...providerSpec('harbour').limits, messagesPerSecond: 100 };
  const book = new LimitBook(limits);
  const admit = (nowMs: number) => book.admitMessage('127.0.0.1', 1, nowMs);
  for (let second = 0; second < 60; second += 1)
    for (let message = 0; message < 100; message += 1) assert.equal(admit(second * 1000), 'admitted');
  for (let at = 0; at < 1000; at += 1) assert.equal(admit(61_000 + at * 10), 'admitted');
  assert.equal(book.broken, 0);
});

test('a client that is five of a hundred too fast is found out', () => {
  const limits = { ...providerSpec('harbour').limits, messagesPerSecond: 100 };
  const book = new LimitBook(limits);
  for (let message = 0; message < 6_000; message += 1)
    book.admitMessage('127.0.0.1', 1, message * (1000 / 105));
  assert.ok(book.broken > 0);
});

test('each source address has limits of its own', async () => {
  const before = await reportOf('google');
  const [here, there] = [newClient(), newClient()];
  const open = (client: Client) => Promise.all(Array.from({ length: 5 }, () => client.open('google')));
  const connections = [...(await open(here)), ...(await open(there))];
  assert.equal((await reportOf('google')).limits_broken, before.limits_broken);
  await Promise.all(connections.map((one) => one.quit()));
});

test('a client that has said QUIT may open the next connection, though the old one is still there', async () => {
  const client = newClient();
  const before = await reportOf('google');
  const [first, ...others] = await Promise.all(Array.from({ length: 5 }, () => client.open('google')));
  assert.match((await first?.command('QUIT')) ?? '', /^221/);
  others.push(await client.open('google'));
  assert.equal((await reportOf('google')).limits_broken, before.limits_broken);
  first?.socket.end();
  await Promise.all(others.map((one) => one.quit()));
});

test('a client that closes a connection may open the next at once, however it closes', async () => {
  const client = newClient();
  const before = await reportOf('google');
  const farewells: ((socket: Socket) => unknown)[] = [
    (socket) => new Promise<void>((resolve) => socket.end('QUIT\r\n', resolve)),
    (socket) => socket.destroy(),
    (socket) => socket.resetAndDestroy(),
    (socket) => socket.write('QUIT\r\n', () => socket.destroy()) && once(socket, 'close'),
  ];
  const always = async (start: number) => {
    for (let round = 0; round < 40; round += 1) {
      const { socket } = await client.open('google');
      await farewells[(start + round) % farewells.length]?.(socket);
    }
  };
  await Promise.all([0, 1, 2, 3, 4].map(always));
  const { limits_broken } = await reportOf('google');
  assert.equal(limits_broken, before.limits_broken);
});

interface Client {
  localAddress: string;
  connect(provider: string): RawClient;
  open(provider: string): Promise<RawClient>;
}

function newClient(): Client {
  sources += 1;
  const localAddress = `127.0.9.${sources}`;
  const to = (provider: string) => {
    const host = `127.0.1.${1 + specs.findIndex(({ name }) => name === provider)}`;
    return { host, port: city.mxPort, localAddress };
  };
  return {
    localAddress,
    connect: (provider) => new RawClient(to(provider)),
    open: (provider) => RawClient.open(to(provider)),
  };
}

async function deliver(spec: ProviderSpec, connection: RawClient | undefined): Promise<string> {
  return (await connection?.send(`reader@${spec.domains[0]?.domain}`)) ?? '';
}

async function mails(connection: RawClient, count: number): Promise<string[]> {
  const replies: string[] = [];
  while (replies.length < count) {
    replies.push(await connection.command('MAIL FROM:<camp@sender.example>'));
    if (replies.at(-1)?.startsWith('250')) await connection.command('RSET');
  }
  return replies;
}

async function reportOf(provider: string): Promise<ProviderReport> {
  return (await city.report()).find((report) => report.provider === provider) ?? assert.fail(provider);
}
