import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type DNSResolver, spf } from 'mailauth';
import { scriptedDns, type Zone } from '../../test/support/dns-server.ts';
import { Scope } from '../kernel/scope.ts';
import { Resolver } from '../smtp/dns.ts';
import { allows, readSpf, type SpfPolicy } from './spf.ts';

const DOMAIN = 'acme.example';

async function policyOf(record: string, zone: Zone = {}): Promise<SpfPolicy> {
  await using dns = await scriptedDns(zone);
  await using scope = Scope.root('test');
  return await readSpf(scope, new Resolver({ servers: [dns.server] }), DOMAIN, record);
}

test('a mechanism that stands in the record, or in one that it includes, lets us send', async () => {
  const zone: Zone = {
    '_spf.acme.example': { TXT: ['not spf', 'v=spf1 include:relay.example ip6:2001:db8::/48 -all'] },
    'relay.example': { TXT: [['v=spf1 ip4:192.0.2.', '0/24 ?all']] },
  };
  const { terms, fault } = await policyOf(
    'V=SPF1 exp=why.%{d} +a:mail.acme.example Include:_spf.ACME.example ~all',
    zone,
  );
  assert.equal(fault, null);
  for (const mechanism of [
    'include:_spf.acme.example',
    'include:Relay.example',
    'a:mail.acme.example',
    'ip4:192.0.2.77',
    'ip4:192.0.2.128/25',
    'ip6:2001:db8::10',
  ])
    assert.ok(allows(terms, mechanism), mechanism);
  for (const mechanism of [
    'include:other.example',
    'a:other.example',
    'ip4:192.0.3.1',
    'ip4:192.0.0.0/16',
    'ip4:192.0.2.0/23',
    'ip6:2001:db9::1',
  ])
    assert.ok(!allows(terms, mechanism), mechanism);
});

test('what comes after all, or is not said to pass, lets nobody send', async () => {
  const record = 'v=spf1 ?include:soft.example -ip4:192.0.2.7 ip4:192.0.2.0/24 ~all include:late.example';
  const { terms } = await policyOf(record, {
    'soft.example': { TXT: ['v=spf1 ip4:198.51.100.1 -all'] },
  });
  assert.deepEqual(
    [
      'include:soft.example',
      'ip4:198.51.100.1',
      'ip4:192.0.2.7',
      'include:late.example',
      'ip4:192.0.2.8',
    ].map((mechanism) => allows(terms, mechanism)),
    [false, false, false, false, true],
  );
});

test('a record that receivers do not read to its end is told, with what makes them stop', async () => {
  const many = Array.from({ length: 11 }, (_, index) => `exists:${index}.example`).join(' ');
  const loop: Zone = { 'a.example': { TXT: ['v=spf1 include:a.example ip4:192.0.2.1 -all'] } };
  const two: Zone = { 'a.example': { TXT: ['v=spf1 -all', 'v=spf1 ~all'] } };
  const cases: [record: string, zone: Zone, fault: string | null][] = [
    [`v=spf1 ${many} -all`, {}, 'it needs more than 10 DNS lookups'],
    [`v=spf1 ${many.replace('exists:0.example ', '')} ip4:192.0.2.1 -all`, {}, null],
    ['v=spf1 include:a.example -all', loop, 'it needs more than 10 DNS lookups'],
    ['v=spf1 include:a.example -all', {}, 'include:a.example leads to no SPF record'],
    ['v=spf1 redirect=a.example', two, 'redirect=a.example leads to more than one SPF record'],
    ['v=spf1 ipv4:192.0.2.1 -all', {}, '"ipv4:192.0.2.1" is no SPF term'],
    ['v=spf1 ip4:192.0.2 -all', {}, '"ip4:192.0.2" is no SPF term'],
    ['v=spf1 ip4:192.0.2.0/33 -all', {}, '"ip4:192.0.2.0/33" is no SPF term'],
    ['v=spf1 a//129 -all', {}, '"a//129" is no SPF term'],
    ['v=spf1 include -all', {}, '"include" is no SPF term'],
    ['v=spf1 include:%{d}.example -all', {}, null],
  ];
  for (const [record, zone, fault] of cases) {
    const policy = await policyOf(record, zone);
    assert.equal(policy.fault, fault, record);
    assert.equal(allows(policy.terms, 'ip4:192.0.2.1'), record.includes(' ip4:192.0.2.1 '), record);
  }
});

test('while the DNS fails, nothing is known of what it would have said, and no more is asked', async () => {
  const zone: Zone = { 'relay.example': { fails: 'REFUSED' } };
  for (const term of [
    'include:relay.example',
    'a:relay.example',
    'mx:relay.example',
    'redirect=relay.example',
  ]) {
    const { dnsError, fault } = await policyOf(`v=spf1 ip4:192.0.2.1 ${term}`, zone);
    assert.notEqual(dnsError, null, term);
    assert.equal(fault, null);
  }
  await using dns = await scriptedDns(zone);
  await using scope = Scope.root('test');
  const resolver = new Resolver({ servers: [dns.server] });
  await readSpf(scope, resolver, DOMAIN, 'v=spf1 include:relay.example include:later.example');
  assert.deepEqual([...new Set(dns.queries)], ['udp TXT relay.example']);
});

/** Some addresses that are matched by some of the networks. */
const ADDRESSES = ['192.0.2.1', '192.0.2.130', '198.51.100.9', '2001:db8::1', '2001:db8:1::1'];
const NAMES = ['acme.example', 'one.example', 'two.example', 'three.example'];
const name = fc.constantFrom(...NAMES);
const mechanism = fc.oneof(
  fc
    .tuple(fc.constantFrom(...ADDRESSES), fc.constantFrom(8, 25, 32, 64, 128))
    .map(([address, bits]) =>
      address.includes(':') ? `ip6:${address}/${bits}` : `ip4:${address}/${Math.min(bits, 32)}`,
    ),
  name.map((target) => `include:${target}`),
  fc
    .tuple(fc.constantFrom('a', 'mx'), name, fc.constantFrom('', '/24', '//48', '/8//32'))
    .map(([kind, target, cidr]) => `${kind}:${target}${cidr}`),
  fc.constantFrom('a', 'mx', 'mx/24', 'all'),
);
const record = fc
  .tuple(
    fc.array(
      fc.tuple(fc.constantFrom('', '', '', '+', '-', '?', '~'), mechanism).map((parts) => parts.join('')),
      { maxLength: 4 },
    ),
    fc.option(name, { nil: undefined }),
  )
  .map(([terms, target]) => ['v=spf1', ...terms, ...(target ? [`redirect=${target}`] : [])].join(' '));

test('Camp finds that an address may send when a receiver would, and never when it would not', async () => {
  const property = fc.asyncProperty(fc.array(record, { minLength: 4, maxLength: 4 }), async (records) => {
    const zone: Zone = {};
    NAMES.forEach((domain, index) => {
      const address = ADDRESSES[index] ?? '';
      const own = address.includes(':') ? { AAAA: [address] } : { A: [address] };
      zone[domain] = { TXT: [records[index] ?? ''], MX: [`10 ${NAMES[(index + 1) % 4]}`], ...own };
    });
    const { terms, fault } = await policyOf(records[0] ?? '', zone);
    for (const address of ADDRESSES) {
      const { status } = await spf({
        ip: address,
        sender: `news@${DOMAIN}`,
        helo: DOMAIN,
        resolver: lookIn(zone),
      });
      const ours = allows(terms, `${address.includes(':') ? 'ip6' : 'ip4'}:${address}`);
      // What stands behind a fault may still let somebody send whose mail never makes a receiver look that far.
      if (ours || fault === null)
        assert.equal(ours, status.result === 'pass', `${address}: ${JSON.stringify(zone)}`);
    }
  });
  await fc.assert(property, { numRuns: 300 });
});

/** The zone, as Node's resolver gives it; the type that mailauth declares has no room for MX. */
function lookIn(zone: Zone): DNSResolver {
  return async (domain, type) => {
    const at = zone[domain];
    if (type === 'TXT' && at?.TXT) return at.TXT.map((text) => [text].flat());
    if (type === 'MX' && at?.MX) return at.MX.map(mailHost) as unknown as string[];
    if (type === 'A' && at?.A) return at.A;
    if (type === 'AAAA' && at?.AAAA) return at.AAAA;
    throw Object.assign(new Error('no such record'), { code: at ? 'ENODATA' : 'ENOTFOUND' });
  };
}

function mailHost(text: string): { priority: number; exchange: string } {
  const [preference, exchange = ''] = text.split(' ');
  return { priority: Number(preference), exchange };
}
