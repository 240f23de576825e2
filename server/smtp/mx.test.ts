import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ScriptedDns, scriptedDns } from '../../test/support/dns-server.ts';
import { openScopeNames, Scope } from '../kernel/scope.ts';
import { Resolver } from './dns.ts';
import { type MailHosts, mailHostsOf } from './mx.ts';

const ROUNDS = 60;

let dns: ScriptedDns;
let resolver: Resolver;
let scope: Scope;

before(async () => {
  dns = await scriptedDns({
    'acme.example': { MX: ['20 mx3.acme.example', '10 mx2.acme.example', '10 MX1.acme.example'] },
    'acme.test': { MX: ['5 mx1.acme.example', '6 mx2.acme.example', '7 mx3.acme.example'] },
    'lone.example': { MX: ['10 mx.lone.example'], ttl: 120, authenticated: true },
    'twice.example': { MX: ['20 mx.twice.example', '10 mx.twice.example', '15 b.twice.example'] },
    'null.example': { MX: ['0 .'] },
    'half-null.example': { MX: ['0 .', '10 mx.half-null.example'] },
    'literal.example': { MX: ['10 192.0.2.1'], A: ['192.0.2.1'] },
    'half-literal.example': { MX: ['10 192.0.2.1', '20 mx.half-literal.example'] },
    'odd.example': {
      MX: ['10 mx odd.example', '10 mx|odd.example'],
      A: ['192.0.2.1'],
    },
    'alias.example': { CNAME: 'acme.example' },
    'old.example': { A: ['192.0.2.7'], AAAA: ['2001:db8::7'], authenticated: true, ttl: 90 },
    'new.example': { AAAA: ['2001:db8::7'], authenticated: ['MX'], ttl: 30 },
    'half-signed.example': { A: ['192.0.2.7'], authenticated: ['A', 'AAAA'] },
    'web.example': { TXT: ['v=spf1 -all'] },
    'broken.example': { fails: 'SERVFAIL' },
    'broken-host.example': { fails: { A: 'SERVFAIL', AAAA: 'SERVFAIL' } },
  });
  resolver = new Resolver({ servers: [dns.server] });
  scope = Scope.root('test');
});

after(async () => {
  scope.cancel();
  await dns.close();
  assert.deepEqual(openScopeNames(), []);
});

async function find(domain: string): Promise<MailHosts> {
  return mailHostsOf(scope, resolver, domain);
}

async function hostsOf(domain: string): Promise<readonly string[]> {
  const found = await find(domain);
  return found.kind === 'hosts' ? found.hosts : assert.fail(JSON.stringify(found));
}

async function siteOf(domain: string): Promise<string> {
  const found = await find(domain);
  return found.kind === 'hosts' ? found.site : assert.fail(JSON.stringify(found));
}

async function reasonOf(domain: string): Promise<string> {
  const found = await find(domain);
  return found.kind === 'none' ? found.reason : assert.fail(JSON.stringify(found));
}

test('the hosts of a domain come in the order of their preference, and equals in any order', async () => {
  const orders = new Set<string>();
  for (let round = 0; round < ROUNDS; round += 1) orders.add((await hostsOf('acme.example')).join(' '));
  assert.deepEqual([...orders].sort(), [
    'mx1.acme.example mx2.acme.example mx3.acme.example',
    'mx2.acme.example mx1.acme.example mx3.acme.example',
  ]);
});

test('a host that is named twice is tried once, at its better preference', async () => {
  assert.deepEqual(await hostsOf('twice.example'), ['mx.twice.example', 'b.twice.example']);
});

test('what DNS said about a domain comes along: whether it was validated, and for how long it holds', async () => {
  assert.deepEqual(await find('lone.example'), {
    kind: 'hosts',
    hosts: ['mx.lone.example'],
    site: 'mx.lone.example',
    authenticated: true,
    ttlSeconds: 120,
  });
});

test('domains with the same hosts are one site, whatever the order; other hosts are another', async () => {
  const site = await siteOf('acme.example');
  assert.match(site, /^mx1\.acme\.example\+[0-9a-f]{8}$/);
  assert.equal(await siteOf('acme.test'), site);
  assert.equal(await siteOf('alias.example'), site);
  assert.notEqual((await siteOf('twice.example')).split('+')[1], site.split('+')[1]);
});

test('a domain with a null MX takes no mail, unless another record says otherwise', async () => {
  assert.deepEqual(await find('null.example'), {
    kind: 'none',
    reason: 'null-mx',
    detail: 'null.example says that it takes no mail (null MX)',
  });
  assert.deepEqual(await hostsOf('half-null.example'), ['mx.half-null.example']);
});

test('a domain without MX takes mail at its own address', async () => {
  assert.deepEqual(await find('Old.Example.'), {
    kind: 'hosts',
    hosts: ['old.example'],
    site: 'old.example',
    authenticated: true,
    ttlSeconds: 60,
  });
  const found = await find('new.example');
  assert.ok(found.kind === 'hosts');
  assert.deepEqual([found.hosts, found.ttlSeconds], [['new.example'], 30]);
});

test('the own address of a domain counts as validated when both answers were: no MX, and the address', async () => {
  for (const domain of ['new.example', 'half-signed.example']) {
    const found = await find(domain);
    assert.equal(found.kind === 'hosts' && found.authenticated, false, domain);
  }
});

test('an MX record that names no host is passed over, and the address of the domain does not take its place', async () => {
  assert.deepEqual(await hostsOf('half-literal.example'), ['mx.half-literal.example']);
  assert.equal(await reasonOf('literal.example'), 'no-mail-host');
  assert.equal(await reasonOf('odd.example'), 'no-mail-host');
});

test('a domain that does not exist, or has nothing that takes mail, is told from one that fails for now', async () => {
  assert.equal(await reasonOf('nowhere.example'), 'no-such-domain');
  assert.equal(await reasonOf('web.example'), 'no-mail-host');
  assert.equal((await find('broken.example')).kind, 'failed');
  assert.equal((await find('broken-host.example')).kind, 'failed');
});

test('a domain that no DNS could hold is none, and nobody is asked', async () => {
  const asked = dns.queries.length;
  for (const domain of ['', '.', 'a..example', `${'a'.repeat(64)}.example`, '[192.0.2.1]', 'a b.example'])
    assert.equal(await reasonOf(domain), 'no-such-domain', domain);
  assert.equal(await reasonOf(`${'abcdefg.'.repeat(31)}example`), 'no-such-domain');
  assert.equal(dns.queries.length, asked);
});
