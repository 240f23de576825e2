import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ScriptedDns, scriptedDns } from '../../test/support/dns-server.ts';
import { Scope } from '../kernel/scope.ts';
import { Resolver } from '../smtp/dns.ts';
import { findAddress, NoWayThere, OwnNetworks, readUrl, UrlRefused } from './destination.ts';

const NOBODYS = new OwnNetworks([]);

/** Ways to write an address that is not on the public internet, or that carries one. */
const HOSTS = `
  127.0.0.1 127.1 127.0.1 127.255.255.254 0177.0.0.1 0177.0.0.01 0x7f.0.0.1 0x7f.1 0x7F.0.1 2130706433 017700000001
  0x7f000001 0x7F000001 127.0.0.1. 127.1. 0x7f.1. 127.00000.00000.1 127.0x0.0.1 127.000.000.001 %31%32%37.0.0.1 1%32%37.1
  ①②⑦.⓪.⓪.① １２７.０.０.１ 127。0。0。1 127．0．0．1
  0.0.0.0 0 0x0 00 0.0 0.1.2.3 255.255.255.255 0xffffffff 4294967295 037777777777 240.0.0.1 250.1.2.3
  10.0.0.1 10.1 0xa.1 012.1 167772161 10.255.255.255 172.16.0.1 172.31.255.254 0xac.16.0.1 2886729729
  192.168.0.1 192.168.1 192.168.257 0xc0.168.1 0300.0250.0.1 3232235521 0xc0a80001 169.254.169.254 169.254.43518
  0xa9.254.169.254 0251.0376.0251.0376 2852039166 0xa9fea9fe 169.254.1 100.64.0.1 100.127.255.254 100.100.100.200
  1681915905 192.0.0.1 192.0.0.170 192.0.2.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.7 192.88.99.1
  224.0.0.1 224.0.0.251 239.255.255.250 0xe0.1
  [::1] [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::0:1] [0::1] [::] [0:0::0] [::0.0.0.1]
  [::127.0.0.1] [::7f00:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:7F00:0001] [0:0:0:0:0:ffff:127.0.0.1]
  [::ffff:0:127.0.0.1] [::ffff:0:7f00:1] [::ffff:10.0.0.1] [::ffff:a9fe:a9fe] [::ffff:169.254.169.254]
  [::ffff:8.8.8.8] [::ffff:808:808] [::8.8.8.8]
  [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::a9fe:a9fe] [64:ff9b::8.8.8.8] [64:ff9b:1::10.0.0.1] [64:ff9b:1:fffe::a00:1]
  [2002:7f00:1::] [2002:7f00:0001::1] [2002:a9fe:a9fe::] [2002:0a00:0001::] [2002:c0a8:101::1]
  [2001::1] [2001:0:7f00:1::] [2001:0000:4136:e378:8000:63bf:3fff:fdd2] [2001:10::1] [2001:20::1] [2001:2::1]
  [2001:db8::1] [2001:0db8:0:0::1] [3fff::1] [3fff:fff::1] [100::1] [100:0:0:1::1] [5f00::1]
  [fc00::1] [fd00::1] [fd00:ec2::254] [fdff:ffff::1] [fe80::1] [febf::1] [fec0::1] [ff02::1] [ff0e::1] [FE80::A9FE:A9FE]
`
  .trim()
  .split(/\s+/);

const ZONE = {
  'public.example': { A: ['8.8.8.8'], AAAA: ['2606:4700::1111'] },
  'private.example': { A: ['10.0.0.1'] },
  'mixed.example': { A: ['8.8.8.8', '127.0.0.1'] },
  'both.example': { A: ['8.8.8.8'], AAAA: ['::1'] },
  'mapped.example': { AAAA: ['::ffff:10.0.0.1'] },
  'metadata.example': { A: ['169.254.169.254'] },
  'nat64.example': { AAAA: ['64:ff9b::a9fe:a9fe'] },
  'alias.example': { CNAME: 'private.example' },
  'empty.example': { TXT: ['nothing'] },
  'broken.example': { fails: 'SERVFAIL' as const },
  'own.example': { A: ['10.9.8.7'] },
};

let dns: ScriptedDns;
let resolver: Resolver;

before(async () => {
  dns = await scriptedDns(ZONE);
  resolver = new Resolver({ servers: [dns.server], triesMs: [300] });
});
after(() => dns.close());

async function addressOf(url: string, own = NOBODYS): Promise<string> {
  await using scope = Scope.root('test');
  return await findAddress(scope, new URL(url), { resolver, own });
}

test(`${HOSTS.length} ways to write an address that is not on the public internet are refused, at once and when it is called`, async () => {
  assert.ok(HOSTS.length > 100, String(HOSTS.length));
  const asked = dns.queries.length;
  for (const host of HOSTS)
    for (const port of ['', ':443', ':8443']) {
      const url = `https://${host}${port}/hook`;
      assert.throws(() => readUrl(url, NOBODYS), UrlRefused, url);
      if (URL.canParse(url)) await assert.rejects(addressOf(url), NoWayThere, url);
    }
  assert.equal(dns.queries.length, asked, 'nobody is asked about an address');
});

test('an address on the public internet is taken, and is what will be connected to', async () => {
  for (const [url, address] of [
    ['https://1.1.1.1/hook', '1.1.1.1'],
    ['https://0x8.8.8.8/hook', '8.8.8.8'],
    ['https://[2606:4700::1111]:8443/hook?a=1', '2606:4700::1111'],
    ['https://public.example/hook', '8.8.8.8'],
  ] as const) {
    assert.equal(await addressOf(readUrl(url, NOBODYS)), address);
  }
});

test('a name that has one address that is not public leads nowhere, whatever the others are', async () => {
  for (const name of ['private', 'mixed', 'both', 'mapped', 'metadata', 'nat64', 'alias'])
    await assert.rejects(addressOf(`https://${name}.example/`), /not on the public internet/, name);
  await assert.rejects(addressOf('https://empty.example/'), /empty\.example has no address/);
  await assert.rejects(addressOf('https://nowhere.example/'), /nowhere\.example has no address/);
  await assert.rejects(addressOf('https://broken.example/'), /The DNS gave no answer about broken\.example/);
});

test('what is no address of an endpoint is refused in a sentence', () => {
  for (const [url, sentence] of [
    ['hook', /is no URL such as/],
    ['http://public.example/', /must begin with https/],
    ['ftp://public.example/', /must begin with https/],
    ['file:///etc/passwd', /must begin with https/],
    ['gopher://public.example/', /must begin with https/],
    ['https://me:secret@public.example/', /no user name and no password/],
    ['https://public.example/#part', /no fragment/],
    [`https://public.example/${'a'.repeat(2_000)}`, /is no URL such as/],
  ] as const)
    assert.throws(() => readUrl(url, NOBODYS), sentence, url);
});

test('networks that the operator allows may be reached, also without TLS, and they alone', async () => {
  const own = new OwnNetworks(['10.9.0.0/16', '127.0.0.1', 'fd00::/8']);
  assert.equal(await addressOf(readUrl('http://127.0.0.1:8080/', own), own), '127.0.0.1');
  assert.equal(await addressOf(readUrl('https://[fd12::1]/', own), own), 'fd12::1');
  assert.equal(await addressOf(readUrl('http://own.example/', own), own), '10.9.8.7');
  assert.throws(() => readUrl('http://127.0.0.2/', own), UrlRefused);
  assert.throws(() => readUrl('http://8.8.8.8/', own), UrlRefused);
  await assert.rejects(addressOf(readUrl('http://public.example/', own), own), NoWayThere);
  await assert.rejects(addressOf(readUrl('https://private.example/', own), own), NoWayThere);
});
