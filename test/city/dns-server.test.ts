import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decode, encode } from 'dns-packet';
import { type City, startCity } from './city.ts';
import { ODD_DOMAINS } from './zone.ts';

let folder: string;
let city: City;
const resolver = new Resolver({ timeout: 200, tries: 1 });

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'camp-city-dns-'));
  city = await startCity({ dir: folder, providers: ['black-hole', 'google', 'office365'] });
  resolver.setServers([city.resolver]);
});
after(async () => {
  await city.stop();
  await rm(folder, { recursive: true });
});

test('a domain leads to its MX hosts, and each host to the address of its provider', async () => {
  const mx = await resolver.resolveMx('GMAIL.example');
  assert.deepEqual(
    mx.map(({ priority, exchange }) => [priority, exchange]),
    [
      [5, 'gmail-smtp-in.l.google.com'],
      [10, 'alt1.gmail-smtp-in.l.google.com'],
      [20, 'alt2.gmail-smtp-in.l.google.com'],
      [30, 'alt3.gmail-smtp-in.l.google.com'],
      [40, 'alt4.gmail-smtp-in.l.google.com'],
    ],
  );
  for (const { exchange } of mx) assert.deepEqual(await resolver.resolve4(exchange), ['127.0.1.2']);
});

test('two domains may share their MX hosts, and two tenants of one provider have each their own', async () => {
  const hosts = async (domain: string) =>
    (await resolver.resolveMx(domain)).map(({ exchange }) => exchange).sort();
  assert.deepEqual(await hosts('bakery.example'), await hosts('bicycles.example'));
  assert.deepEqual(await hosts('contoso.example'), ['contoso-example.mail.protection.outlook.com']);
  assert.deepEqual(await hosts('fabrikam.example'), ['fabrikam-example.mail.protection.outlook.com']);
});

test('answers are for a short time', async () => {
  const [address] = await resolver.resolve4('aspmx.l.google.com', { ttl: true });
  assert.equal(address?.ttl, 5);
});

test('domains that are out of order are so each in its own way', async () => {
  const failure = (name: string, type: string) =>
    resolver.resolve(name, type).then(JSON.stringify, (error) => error.code);
  const { nullMx, noSuchDomain, servfail, silent, noMailHost, danglingMx, withoutMx } = ODD_DOMAINS;
  assert.deepEqual(await resolver.resolveMx(nullMx), [{ priority: 0, exchange: '', type: 'MX' }]);
  assert.equal(await failure(noSuchDomain, 'MX'), 'ENOTFOUND');
  assert.equal(await failure(servfail, 'MX'), 'ESERVFAIL');
  assert.equal(await failure(silent, 'MX'), 'ETIMEOUT');
  assert.equal(await failure(noMailHost, 'MX'), 'ENODATA');
  assert.equal(await failure(noMailHost, 'A'), 'ENODATA');
  const [dangling] = await resolver.resolveMx(danglingMx);
  assert.equal(await failure(dangling?.exchange ?? '', 'A'), 'ENOTFOUND');
  assert.equal(await failure(withoutMx, 'MX'), 'ENODATA');
  // The first provider of this city is silent.
  assert.deepEqual(await resolver.resolve4(withoutMx), ['127.0.1.2']);
});

test('a test sets the records of its sending domain, and sets them anew', async () => {
  const name = 'sender.example';
  const key = `v=DKIM1; k=rsa; p=${'A'.repeat(400)}`;
  await city.setRecords([
    { type: 'TXT', name, data: 'v=spf1 -all' },
    { type: 'TXT', name, data: 'something else' },
    { type: 'TXT', name: `s1._domainkey.${name}`, data: key },
    { type: 'MX', name, data: { preference: 10, exchange: 'bounce.camp.example' } },
    { type: 'CNAME', name: `track.${name}`, data: 'camp.example' },
    { type: 'A', name: 'Camp.EXAMPLE', data: '192.0.2.1' },
    { type: 'CNAME', name: `lost.${name}`, data: 'nowhere.example' },
  ]);
  assert.deepEqual(await resolver.resolveTxt(name), [['v=spf1 -all'], ['something else']]);
  assert.deepEqual(await resolver.resolveTxt(`s1._domainkey.${name}`), [[key.slice(0, 255), key.slice(255)]]);
  assert.equal((await resolver.resolveMx(name))[0]?.exchange, 'bounce.camp.example');
  assert.deepEqual(await resolver.resolveCname(`track.${name}`), ['camp.example']);
  assert.deepEqual(await resolver.resolve4(`track.${name}`), ['192.0.2.1']);
  await assert.rejects(resolver.resolve4(`lost.${name}`), { code: 'ENOTFOUND' });
  await assert.rejects(resolver.resolve4(`_domainkey.${name}`), { code: 'ENODATA' });
  await city.setRecords([{ type: 'TXT', name, data: 'v=spf1 ip4:127.0.0.1 -all' }]);
  assert.deepEqual(await resolver.resolveTxt(name), [['v=spf1 ip4:127.0.0.1 -all']]);
  assert.equal((await resolver.resolveMx(name)).length, 1);
});

test('an answer that is too long for a datagram says so there, and comes whole over TCP', async () => {
  const data = Array.from({ length: 12 }, (_, at) => `${at} ${'x'.repeat(200)}`);
  await city.setRecords(data.map((text) => ({ type: 'TXT', name: 'long.example', data: text })));
  const answer = decode(await ask('long.example'));
  assert.deepEqual([answer.flag_tc, answer.answers], [true, []]);
  assert.equal((await resolver.resolveTxt('long.example')).length, 12);
});

test('what does not exist says how long that may be believed', async () => {
  const { authorities } = decode(await ask('nobody.example'));
  assert.partialDeepStrictEqual(authorities, [{ type: 'SOA', name: 'nobody.example', data: { minimum: 5 } }]);
});

test('a datagram that is no question is not answered, and the next one is', async () => {
  const socket = createSocket('udp4');
  const [host, port] = city.resolver.split(':');
  socket.send(Buffer.from('junk'), Number(port), host, () => socket.close());
  await once(socket, 'close');
  assert.equal((await resolver.resolve4('aspmx.l.google.com')).length, 1);
});

/** The answer to a TXT question over UDP. */
async function ask(name: string): Promise<Buffer> {
  const socket = createSocket('udp4');
  const [host, port] = city.resolver.split(':');
  socket.send(encode({ type: 'query', id: 7, questions: [{ type: 'TXT', name }] }), Number(port), host);
  const [answer] = await once(socket, 'message');
  socket.close();
  return answer;
}
