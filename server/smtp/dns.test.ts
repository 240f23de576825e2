import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { after, afterEach, beforeEach, test } from 'node:test';
import { decode, encode } from 'dns-packet';
import { type ScriptedDns, scriptedDns, type Zone } from '../../test/support/dns-server.ts';
import { openScopeNames, Scope } from '../kernel/scope.ts';
import { Resolver, systemServers } from './dns.ts';

const PATIENT_MS = [10_000];
const MX_TTL_SECONDS = 300;

let scope: Scope;

beforeEach(() => {
  scope = Scope.root('test');
});

afterEach(() => scope.cancel());

after(() => assert.deepEqual(openScopeNames(), []));

function resolverOf(servers: ScriptedDns[], triesMs: readonly number[] = PATIENT_MS): Resolver {
  return new Resolver({ servers: servers.map(({ server }) => server), triesMs });
}

test('every kind of record comes as it stands in the zone', async () => {
  const certificate = Buffer.from('0123456789abcdef', 'hex');
  await using dns = await scriptedDns({
    'acme.example': {
      MX: ['10 MX1.acme.example', '0 .'],
      TXT: [['v=spf1 include:', 'a.example -all'], 'grüße'],
    },
    'mx1.acme.example': { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8::1'] },
    'track.acme.example': { CNAME: 'Camp.Host.example' },
    '_25._tcp.mx1.acme.example': { TLSA: [{ usage: 3, selector: 1, matchingType: 1, certificate }] },
    '1.2.0.192.in-addr.arpa': { PTR: ['mx1.acme.example'] },
    '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa': { PTR: ['six.acme.example'] },
  });
  const resolver = resolverOf([dns]);
  const found = { kind: 'found', ttlSeconds: MX_TTL_SECONDS, authenticated: false };
  assert.deepEqual(await resolver.mx(scope, 'ACME.example.'), {
    ...found,
    records: [
      { preference: 10, exchange: 'mx1.acme.example' },
      { preference: 0, exchange: '' },
    ],
  });
  assert.deepEqual(await resolver.addresses(scope, 'mx1.acme.example'), {
    ...found,
    records: ['192.0.2.1', '192.0.2.2', '2001:db8::1'],
  });
  const records = ['v=spf1 include:a.example -all', 'grüße'];
  assert.deepEqual(await resolver.txt(scope, 'acme.example'), { ...found, records });
  assert.deepEqual(await resolver.cname(scope, 'track.acme.example'), {
    ...found,
    records: ['camp.host.example'],
  });
  assert.deepEqual(await resolver.tlsa(scope, '_25._tcp.mx1.acme.example'), {
    ...found,
    records: [{ usage: 3, selector: 1, matchingType: 1, certificate }],
  });
  assert.deepEqual(await resolver.ptr(scope, '192.0.2.1'), { ...found, records: ['mx1.acme.example'] });
  assert.deepEqual(await resolver.ptr(scope, '2001:db8::1'), { ...found, records: ['six.acme.example'] });
});

test('aliases are followed to the end, and the shortest life on the way counts', async () => {
  await using dns = await scriptedDns({
    'a.example': { CNAME: 'B.example' },
    'b.example': { CNAME: 'c.example', ttl: 40 },
    'c.example': { TXT: ['end'] },
    'loop.example': { CNAME: 'pool.example' },
    'pool.example': { CNAME: 'loop.example' },
  });
  const answer = await resolverOf([dns]).txt(scope, 'a.example');
  assert.deepEqual(answer, { kind: 'found', records: ['end'], ttlSeconds: 40, authenticated: false });
  assert.equal((await resolverOf([dns]).addresses(scope, 'loop.example')).kind, 'none');
});

test('what a server adds about other names is not believed', async () => {
  const addForeign = (answer: Buffer) => {
    const packet = decode(answer);
    packet.answers?.push({ type: 'A', name: 'bank.example', ttl: 300, data: '192.0.2.66' });
    return [encode(packet)];
  };
  await using dns = await scriptedDns({ 'a.example': { A: ['192.0.2.1'] } }, { datagrams: addForeign });
  const answer = await resolverOf([dns]).addresses(scope, 'a.example');
  assert.deepEqual(answer.kind === 'found' && answer.records, ['192.0.2.1']);
});

test('a name that does not exist is told from one without such records, both for the time of the zone', async () => {
  await using dns = await scriptedDns({ 'acme.example': { A: ['192.0.2.1'] }, 'x.deep.example': {} });
  const resolver = resolverOf([dns]);
  const none = { kind: 'none', ttlSeconds: 60, authenticated: false };
  assert.deepEqual(await resolver.mx(scope, 'nowhere.example'), { ...none, nxdomain: true });
  assert.deepEqual(await resolver.mx(scope, 'acme.example'), { ...none, nxdomain: false });
  assert.deepEqual(await resolver.addresses(scope, 'deep.example'), { ...none, nxdomain: false });
  assert.deepEqual(await resolver.addresses(scope, 'nowhere.example'), { ...none, nxdomain: true });
});

test('an answer is asked for once in its life, and a failure once in a breath', async () => {
  await using dns = await scriptedDns({
    'acme.example': { MX: ['10 mx.acme.example'] },
    'broken.example': { fails: 'SERVFAIL' },
  });
  const resolver = resolverOf([dns]);
  for (const domain of ['acme.example', 'nowhere.example', 'broken.example']) {
    const first = await resolver.mx(scope, domain);
    assert.deepEqual(await resolver.mx(scope, domain.toUpperCase()), first);
  }
  assert.deepEqual(dns.queries, ['udp MX acme.example', 'udp MX nowhere.example', 'udp MX broken.example']);
});

test('however many ask at the same time, the question is asked once', async () => {
  await using dns = await scriptedDns({ 'acme.example': { MX: ['10 mx.acme.example'] } });
  const resolver = resolverOf([dns]);
  const answers = await Promise.all(Array.from({ length: 20 }, () => resolver.mx(scope, 'acme.example')));
  assert.deepEqual([...new Set(answers.map(({ kind }) => kind))], ['found']);
  assert.deepEqual(dns.queries, ['udp MX acme.example']);
});

test('who goes away takes nothing from the others who wait for the same answer', async () => {
  const asked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const hold = async (answer: Buffer) => {
    asked.resolve();
    await release.promise;
    return [answer];
  };
  await using dns = await scriptedDns(
    { 'acme.example': { MX: ['10 mx.acme.example'] } },
    { datagrams: hold },
  );
  const resolver = resolverOf([dns]);
  const hasty = scope.child('hasty');
  const leaving = resolver.mx(hasty, 'acme.example');
  const staying = resolver.mx(scope, 'acme.example');
  await asked.promise;
  hasty.cancel('gone');
  await assert.rejects(leaving, { name: 'ScopeEnded', kind: 'cancelled' });
  release.resolve();
  assert.equal((await staying).kind, 'found');
  assert.deepEqual(dns.queries, ['udp MX acme.example']);
});

for (const kind of ['cancelled', 'deadline'] as const)
  test(`who is ${kind === 'cancelled' ? 'cancelled' : 'out of time'} waits no longer, and leaves no socket and no timer`, async () => {
    await using dns = await scriptedDns({ 'acme.example': { fails: 'silence' } });
    const timersBefore = active('Timeout');
    const hasty = scope.child('hasty', kind === 'deadline' ? { deadlineMs: 20 } : {});
    const asking = resolverOf([dns]).addresses(hasty, 'acme.example');
    if (kind === 'cancelled') hasty.cancel('SIGTERM');
    await assert.rejects(asking, { name: 'ScopeEnded', kind });
    await nothingLeft(timersBefore);
  });

test('who asks again after somebody gave up gets an answer', async () => {
  const zone: Zone = { 'acme.example': { fails: 'silence' } };
  await using dns = await scriptedDns(zone);
  const resolver = resolverOf([dns]);
  const hasty = scope.child('hasty');
  const asking = resolver.mx(hasty, 'acme.example');
  hasty.cancel('gone');
  await assert.rejects(asking, { name: 'ScopeEnded' });
  zone['acme.example'] = { MX: ['10 mx.acme.example'] };
  assert.equal((await resolver.mx(scope, 'acme.example')).kind, 'found');
});

test('nothing is asked for a scope that has ended', async () => {
  await using dns = await scriptedDns({});
  const resolver = resolverOf([dns]);
  const ended = scope.child('ended');
  ended.cancel('drained');
  await assert.rejects(resolver.mx(ended, 'acme.example'), { name: 'ScopeEnded' });
  await resolver.mx(scope, 'later.example');
  assert.deepEqual(dns.queries, ['udp MX later.example']);
});

test('after a thousand answers nothing is left of the questions', async () => {
  await using dns = await scriptedDns({});
  const timersBefore = active('Timeout');
  const resolver = resolverOf([dns]);
  for (let round = 0; round < 20; round += 1)
    await Promise.all(Array.from({ length: 50 }, (_, n) => resolver.mx(scope, `acme${round}-${n}.example`)));
  await nothingLeft(timersBefore);
  assert.equal(getEventListeners(scope.signal, 'abort').length, 0);
});

test('a name that no DNS could hold does not exist, and nobody is asked', async () => {
  await using dns = await scriptedDns({});
  const resolver = resolverOf([dns]);
  const tooLong = `${'abcdefg.'.repeat(31)}toolong`;
  for (const name of [
    '',
    '.',
    'a..example',
    `${'a'.repeat(64)}.example`,
    tooLong,
    'a b.example',
    'grüße.example',
    tooLong.slice(1),
    '-a.example',
  ])
    for (const answer of [
      await resolver.mx(scope, name),
      await resolver.addresses(scope, name),
      await resolver.ptr(scope, name),
    ])
      assert.equal(answer.kind === 'none' && answer.nxdomain, true, name);
  assert.equal((await resolver.mx(scope, tooLong.slice(2))).kind, 'none');
  assert.deepEqual(dns.queries, [`udp MX ${tooLong.slice(2)}`], 'the longest name that there can be');
});

test('a mail host whose name no host can have is dropped', async () => {
  const MX = [
    '10 mx.acme.example',
    '20 mx acme.example',
    '30 mx;rm.example',
    '40 -x.example',
    '50 mx_1.acme.example',
  ];
  await using dns = await scriptedDns({ 'acme.example': { MX }, 'odd.example': { MX: ['10 a b.example'] } });
  const resolver = resolverOf([dns]);
  const answer = await resolver.mx(scope, 'acme.example');
  assert.deepEqual(answer.kind === 'found' && answer.records.map(({ exchange }) => exchange), [
    'mx.acme.example',
    'mx_1.acme.example',
  ]);
  const none = await resolver.mx(scope, 'odd.example');
  assert.deepEqual(none.kind === 'found' && none.records, []);
});

test('an answer counts as validated when the server says so of all of it', async () => {
  await using dns = await scriptedDns({
    'signed.example': { A: ['192.0.2.1'], authenticated: true },
    'plain.example': { A: ['192.0.2.1'] },
  });
  const resolver = resolverOf([dns]);
  const validated = async (name: string) => {
    const answer = await resolver.addresses(scope, name);
    return answer.kind === 'found' && answer.authenticated;
  };
  assert.deepEqual([await validated('signed.example'), await validated('plain.example')], [true, false]);
});

test('an address of one kind is enough while the other kind fails, and is not kept for long', async () => {
  await using dns = await scriptedDns({
    'half.example': { A: ['192.0.2.1'], fails: { AAAA: 'SERVFAIL' } },
    'other-half.example': { AAAA: ['2001:db8::1'], fails: { A: 'SERVFAIL' } },
    'none.example': { fails: { AAAA: 'SERVFAIL' } },
    'other-none.example': { fails: { A: 'SERVFAIL' } },
  });
  const resolver = resolverOf([dns]);
  const found = { kind: 'found', ttlSeconds: 5, authenticated: false };
  assert.deepEqual(await resolver.addresses(scope, 'half.example'), { ...found, records: ['192.0.2.1'] });
  assert.deepEqual(await resolver.addresses(scope, 'other-half.example'), {
    ...found,
    records: ['2001:db8::1'],
  });
  assert.equal((await resolver.addresses(scope, 'none.example')).kind, 'failed');
  assert.equal((await resolver.addresses(scope, 'other-none.example')).kind, 'failed');
});

test('the servers of this machine can be asked, and a server that is none is our mistake', () => {
  assert.ok(systemServers().length > 0);
  assert.ok(new Resolver({ servers: systemServers() }));
  assert.throws(() => new Resolver({ servers: ['dns.example:53'] }), /IP:PORT/);
});

/** But the socket of the test's own server. */
async function nothingLeft(timersBefore: number): Promise<void> {
  assert.equal(active('Timeout'), timersBefore);
  assert.deepEqual(openScopeNames(), ['test']);
  for (let turn = 0; active('UDPWrap') > 1; turn += 1) {
    assert.ok(turn < 100, 'a socket is open');
    await nextTurn();
  }
}

function active(kind: string): number {
  return process.getActiveResourcesInfo().filter((name) => name === kind).length;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
