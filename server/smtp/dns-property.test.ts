import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { type ScriptedDns, scriptedDns, type Zone, type ZoneName } from '../../test/support/dns-server.ts';
import { openScopeNames, Scope } from '../kernel/scope.ts';
import { type DnsAnswer, type Mx, Resolver } from './dns.ts';
import { mailHostsOf } from './mx.ts';

const RUNS = 100;
const RUNS_THAT_WAIT = 50;
const NAMES = ['a.test', 'b.test', 'c.test', 'mx.a.test', 'mx.b.test'] as const;
const IMPATIENT_MS = [5];
const PATIENT_MS = [10_000];

let zone: Zone;
let datagrams: (answer: Buffer) => Buffer[];
let dns: ScriptedDns;
let scope: Scope;

before(async () => {
  zone = {};
  dns = await scriptedDns(zone, { datagrams: (answer) => datagrams(answer) });
  scope = Scope.root('test');
});

after(async () => {
  scope.cancel();
  await dns.close();
  assert.deepEqual(openScopeNames(), []);
});

const name = fc.constantFrom(...NAMES);
const mx = fc.tuple(fc.constantFrom(0, 10, 10, 20), fc.oneof(name, fc.constantFrom('.', '192.0.2.1')));
const records: fc.Arbitrary<ZoneName> = fc.record(
  {
    A: fc.uniqueArray(fc.ipV4(), { maxLength: 2 }),
    AAAA: fc.constantFrom([], ['2001:db8::1']),
    MX: fc.uniqueArray(
      mx.map(([preference, exchange]) => `${preference} ${exchange}`),
      { maxLength: 3 },
    ),
  },
  { requiredKeys: [] },
);
const zones: fc.Arbitrary<Zone> = fc.dictionary(
  name,
  fc.oneof(
    records,
    name.map((CNAME) => ({ CNAME })),
  ),
);

/** The model: what stands at the end of the aliases; null when nothing has that name. */
function end(names: Zone, from: string, hops = 0): ZoneName | null {
  const at = names[from];
  if (at?.CNAME && hops < NAMES.length) return end(names, at.CNAME, hops + 1);
  return at ?? (NAMES.some((other) => other in names && other.endsWith(`.${from}`)) ? {} : null);
}

function expected<R>(found: readonly R[] | undefined, exists: boolean) {
  return found?.length ? { kind: 'found', records: found } : { kind: 'none', nxdomain: !exists };
}

function mxOf(text: string): Mx {
  const [preference, exchange] = text.split(' ');
  return { preference: Number(preference), exchange: exchange === '.' ? '' : (exchange ?? '') };
}

function said<R>(answer: DnsAnswer<R>) {
  if (answer.kind === 'found') return { kind: 'found', records: answer.records };
  return answer.kind === 'none' ? { kind: 'none', nxdomain: answer.nxdomain } : answer;
}

/** The hosts that a domain's mail may go to, or why there is none. */
function mailModel(names: Zone, domain: string): string {
  const at = end(names, domain);
  if (!at) return 'no-such-domain';
  const exchanges = (at.MX ?? []).map((text) => mxOf(text).exchange);
  const usable = exchanges.filter((exchange) => exchange !== '' && !isIP(exchange));
  if (usable.length > 0) return [...new Set(usable)].sort().join(' ');
  if (exchanges.length > 0) return exchanges.includes('') ? 'null-mx' : 'no-mail-host';
  return at.A?.length || at.AAAA?.length ? domain : 'no-mail-host';
}

test('whatever stands in a zone is found, and what does not stand in it is not', async () => {
  datagrams = (answer) => [answer];
  await fc.assert(
    fc.asyncProperty(zones, name, async (names, asked) => {
      for (const old of Object.keys(zone)) delete zone[old];
      Object.assign(zone, names);
      const resolver = new Resolver({ servers: [dns.server], triesMs: PATIENT_MS });
      const at = end(names, asked);
      const addresses = [...(at?.A ?? []), ...(at?.AAAA ?? [])];
      assert.deepEqual(said(await resolver.addresses(scope, asked)), expected(addresses, at !== null));
      assert.deepEqual(said(await resolver.mx(scope, asked)), expected(at?.MX?.map(mxOf), at !== null));
      const mail = await mailHostsOf(scope, resolver, asked);
      const hosts =
        mail.kind === 'hosts' ? mail.hosts.toSorted().join(' ') : mail.kind === 'none' && mail.reason;
      assert.equal(hosts, mailModel(names, asked));
    }),
    { numRuns: RUNS },
  );
});

test('no garbage in front of an answer keeps it from being heard', async () => {
  Object.assign(zone, { 'good.test': { A: ['192.0.2.1'] } });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 5 }), async (garbage) => {
      datagrams = (answer) => [...garbage.map((bytes) => Buffer.from(bytes)), answer];
      const resolver = new Resolver({ servers: [dns.server], triesMs: PATIENT_MS });
      assert.deepEqual(said(await resolver.addresses(scope, 'good.test')), {
        kind: 'found',
        records: ['192.0.2.1'],
      });
    }),
    { numRuns: RUNS },
  );
});

test('no answer, however damaged, ends the process or keeps anybody waiting', async () => {
  const damage = fc.array(fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), byte: fc.nat(255) }), {
    minLength: 1,
    maxLength: 4,
  });
  const length = fc.double({ min: 0.3, max: 1, noNaN: true });
  Object.assign(zone, {
    'good.test': { MX: ['10 mx.good.test', '20 b.test'], TXT: [['one', 'two']], A: ['192.0.2.1'] },
  });
  await fc.assert(
    fc.asyncProperty(damage, length, async (changes, share) => {
      datagrams = (answer) => {
        for (const { at, byte } of changes) answer[Math.floor(at * (answer.length - 1))] = byte;
        return [answer.subarray(0, Math.ceil(share * answer.length))];
      };
      const resolver = new Resolver({ servers: [dns.server], triesMs: IMPATIENT_MS });
      const addresses = await resolver.addresses(scope, 'good.test');
      if (addresses.kind === 'found') assert.ok(addresses.records.every((address) => isIP(address)));
      const hosts = await resolver.mx(scope, 'good.test');
      if (hosts.kind === 'found')
        assert.ok(hosts.records.every(({ exchange }) => /^[a-z0-9._-]*$/.test(exchange)));
      assert.ok(['found', 'none', 'failed'].includes((await resolver.txt(scope, 'good.test')).kind));
    }),
    { numRuns: RUNS_THAT_WAIT },
  );
});
