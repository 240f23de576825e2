import assert from 'node:assert/strict';
import { hash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { createServer } from 'node:tls';
import { scriptedDns, type Zone } from '../../test/support/dns-server.ts';
import { connect } from '../kernel/network.ts';
import { Scope } from '../kernel/scope.ts';
import { daneOf } from './dane.ts';
import { Resolver, type Tlsa } from './dns.ts';
import { encrypt } from './tls.ts';

const file = (name: string) =>
  readFileSync(new URL(`../../test/support/certificates/${name}`, import.meta.url), 'utf8');
const certificatesIn = (pem: string) =>
  (pem.match(/-----BEGIN[\s\S]+?END CERTIFICATE-----/g) ?? []).map((each) => new X509Certificate(each));
const first = (pem: string) => certificatesIn(pem)[0] ?? assert.fail('no certificate');

const key = file('acme.key');
const acme = file('acme.crt');
const [leaf, issuer] = certificatesIn(acme);
const authority = first(file('authority.crt'));
const stranger = readFileSync(new URL('testdata/relay.crt', import.meta.url), 'utf8');
const strangerKey = readFileSync(new URL('testdata/relay.key', import.meta.url), 'utf8');
assert.ok(leaf && issuer);

function tlsa(name: string, of: X509Certificate): Tlsa {
  const [usage = 0, selector = 0, matchingType = 0] = name.split(' ').map(Number);
  const data = selector === 0 ? of.raw : of.publicKey.export({ type: 'spki', format: 'der' });
  const digest = ['', 'sha256', 'sha512'][matchingType];
  return { usage, selector, matchingType, certificate: digest ? hash(digest, data, 'buffer') : data };
}

const servers: Record<string, { cert: string; key: string }> = {
  'its chain': { cert: acme, key },
  'no issuer': { cert: leaf.toString(), key },
  'an expired certificate': { cert: file('expired.crt'), key },
  'an expired issuer': { cert: file('expired-issuer.crt'), key },
  'a forged certificate': { cert: file('forged.crt'), key },
  'a certificate in the name of another issuer': { cert: file('misnamed.crt'), key },
  'a certificate by one that is no issuer': { cert: file('below.crt'), key },
  "a stranger's certificate over the right issuer": {
    cert: `${stranger}\n${issuer.toString()}`,
    key: strangerKey,
  },
};
const listening = new Map(
  Object.entries(servers).map(([name, options]) => [name, createServer(options).listen(0, '127.0.0.1')]),
);
after(() => {
  for (const server of listening.values()) server.close();
});

interface Case {
  shown: keyof typeof servers;
  record: Tlsa;
  name: string;
  host?: string;
}

async function isTaken({ shown, record, host = 'mx1.acme.example' }: Case): Promise<boolean> {
  await using scope = Scope.root('test');
  const server = listening.get(shown) ?? assert.fail();
  if (!server.listening) await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const socket = await connect(scope, { host: '127.0.0.1', port: address.port, connectMs: 5_000 });
  const wrong = { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32) };
  return await encrypt(scope, socket, { host, trust: [wrong, record], handshakeMs: 5_000 }).then(
    () => true,
    (error: Error) => {
      assert.match(error.message, /matches none of its 2 TLSA records/);
      return false;
    },
  );
}

const matchings = ['0 0', '0 1', '0 2', '1 0', '1 1', '1 2'];
const other = 'mx3.acme.example';
const taken: Case[] = [
  ...matchings.map((rest) => ({
    shown: 'its chain',
    name: `3 ${rest} of the host`,
    record: tlsa(`3 ${rest}`, leaf),
  })),
  ...matchings.map((rest) => ({
    shown: 'its chain',
    name: `2 ${rest} of the issuer`,
    record: tlsa(`2 ${rest}`, issuer),
  })),
  {
    shown: 'its chain',
    name: '3 1 1 of the host, under another name',
    record: tlsa('3 1 1', leaf),
    host: other,
  },
  { shown: 'an expired certificate', name: '3 1 1 of the host', record: tlsa('3 1 1', leaf) },
  { shown: 'no issuer', name: '2 0 0 of the issuer, brought by the record', record: tlsa('2 0 0', issuer) },
  { shown: 'its chain', name: '2 0 0 of the root, brought by the record', record: tlsa('2 0 0', authority) },
];
const refused: Case[] = [
  { shown: 'its chain', name: '3 1 1 of the issuer', record: tlsa('3 1 1', issuer) },
  { shown: 'its chain', name: '2 1 1 of the host', record: tlsa('2 1 1', leaf) },
  { shown: 'its chain', name: '2 1 1 of a root that is not sent', record: tlsa('2 1 1', authority) },
  {
    shown: 'its chain',
    name: '2 1 1 of the issuer, under another name',
    record: tlsa('2 1 1', issuer),
    host: other,
  },
  ...[
    'an expired certificate',
    'an expired issuer',
    'a forged certificate',
    'a certificate in the name of another issuer',
  ].map((shown) => ({ shown, name: '2 1 1 of the issuer', record: tlsa('2 1 1', issuer) })),
  {
    shown: 'a certificate by one that is no issuer',
    name: '2 0 1 of that one',
    record: tlsa('2 0 1', leaf),
  },
  {
    shown: "a stranger's certificate over the right issuer",
    name: '2 1 1 of the issuer, under its own name',
    record: tlsa('2 1 1', issuer),
    host: 'localhost',
  },
];
for (const each of taken)
  test(`a host that shows ${each.shown} is the one of the record ${each.name}`, async () =>
    assert.equal(await isTaken(each), true));
for (const each of refused)
  test(`a host that shows ${each.shown} is not the one of the record ${each.name}`, async () =>
    assert.equal(await isTaken(each), false));

const good = tlsa('3 1 1', leaf);
const host = { A: ['127.0.0.2'], authenticated: true };
const NAME = '_25._tcp.mx1.acme.example';
const findings: readonly [name: string, zone: Zone, found: string][] = [
  ['validated records', { [NAME]: { TLSA: [good], authenticated: true } }, 'usable 1'],
  ['records that were not validated', { [NAME]: { TLSA: [good] } }, 'insecure'],
  [
    'a host that was not validated',
    { 'mx1.acme.example': { A: ['127.0.0.2'] }, [NAME]: { fails: 'SERVFAIL' } },
    'insecure',
  ],
  ['no records, validated', { [NAME]: { authenticated: true } }, 'none'],
  ['no records, not validated', {}, 'insecure'],
  ['bogus records', { [NAME]: { fails: 'SERVFAIL' } }, 'failed'],
  ...[
    { ...good, usage: 1 },
    { ...good, usage: 0 },
    { ...good, selector: 2 },
    { ...good, matchingType: 3 },
    { ...good, matchingType: 2 },
    { ...good, selector: 0, matchingType: 0 },
    { ...good, selector: 1, matchingType: 0 },
  ].map((bad): [string, Zone, string] => [
    `a record ${bad.usage} ${bad.selector} ${bad.matchingType} of ${bad.certificate.length} bytes`,
    { [NAME]: { TLSA: [bad], authenticated: true } },
    'unusable',
  ]),
  [
    'one good record among others',
    { [NAME]: { TLSA: [{ ...good, usage: 1 }, good], authenticated: true } },
    'usable 1',
  ],
];
for (const [name, names, found] of findings)
  test(`${name}: ${found}`, async () => {
    await using scope = Scope.root('test');
    await using dns = await scriptedDns({ 'mx1.acme.example': host, ...names });
    const resolver = new Resolver({ servers: [dns.server] });
    const addresses = await resolver.addresses(scope, 'mx1.acme.example');
    const finding = await daneOf(scope, resolver, 'mx1.acme.example', 25, addresses);
    assert.equal(finding.kind === 'usable' ? `usable ${finding.records.length}` : finding.kind, found);
  });
