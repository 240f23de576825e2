/** MTA-STS from its two sources: real DNS, a real web server with a certificate. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { RequestListener, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { after, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { scriptedDns, type Zone } from '../../test/support/dns-server.ts';
import { Scope } from '../kernel/scope.ts';
import { Resolver } from './dns.ts';
import { MtaSts, type MtaStsOptions } from './mta-sts.ts';
import type { StsPolicy } from './mta-sts-policy.ts';
import { tlsPolicyOf } from './tls-policy.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const file = (name: string) =>
  readFileSync(new URL(`../../test/support/certificates/${name}`, import.meta.url), 'utf8');
const systemCertificates = getCACertificates('default');
setDefaultCACertificates([...systemCertificates, file('authority.crt')]);
after(() => setDefaultCACertificates(systemCertificates));

const policy = (maxAgeSeconds = 604_800, mode = 'enforce') =>
  `version: STSv1\r\nmode: ${mode}\r\nmx: *.acme.example\r\nmax_age: ${maxAgeSeconds}\r\n`;
const read = (maxAgeSeconds = 604_800, mode: StsPolicy['mode'] = 'enforce'): StsPolicy => ({
  mode,
  mx: ['*.acme.example'],
  maxAgeSeconds,
});

interface Domain {
  zone: Zone;
  /** What the web server does. */
  web: RequestListener;
  /** What it was asked. */
  asked: string[];
  now: number;
  scope: Scope;
  policyOf(sts: MtaSts, domain?: string): Promise<StsPolicy | null>;
  sts(options?: Partial<MtaStsOptions>): MtaSts;
}

const serves =
  (text: string, type = 'text/plain', status = 200) =>
  (response: ServerResponse) =>
    response
      .writeHead(status, { 'content-type': type, location: 'https://mta-sts.acme.example/other' })
      .end(text);

/** acme.example with the record `id` and a web server that does what `answer` says. */
async function withDomain(
  answer: (response: ServerResponse) => unknown,
  run: (domain: Domain) => Promise<void>,
  certificate = file('acme.crt'),
): Promise<void> {
  const asked: string[] = [];
  const server = createServer({ key: file('acme.key'), cert: certificate }, (request, response) => {
    asked.push(`${request.method} ${request.headers.host}${request.url}`);
    domain.web(request, response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const zone: Zone = {
    '_mta-sts.acme.example': { TXT: ['v=STSv1; id=1;'] },
    'mta-sts.acme.example': { A: ['127.0.0.1'] },
  };
  await using dns = await scriptedDns(zone);
  await using scope = Scope.root('test');
  // A new one each time: nothing but the policy is remembered.
  const resolver = () => new Resolver({ servers: [dns.server] });
  const domain: Domain = {
    zone,
    asked,
    scope,
    now: 1_000,
    web: (_request, response) => answer(response),
    policyOf: (sts, name = 'acme.example') => sts.policyOf(scope, name),
    sts: (options) =>
      new MtaSts(scope, {
        resolver: {
          txt: (scope, name) => resolver().txt(scope, name),
          addresses: (scope, name) => resolver().addresses(scope, name),
        },
        port: address.port,
        now: () => domain.now,
        ...options,
      }),
  };
  try {
    await run(domain);
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

test('a policy is fetched once, however many messages wait for it, and kept', () =>
  withDomain(serves(policy()), async (domain) => {
    const sts = domain.sts();
    const both = await Promise.all([domain.policyOf(sts), domain.policyOf(sts)]);
    assert.deepEqual(both, [read(), read()]);
    assert.deepEqual(await domain.policyOf(sts), read());
    assert.deepEqual(domain.asked, ['GET mta-sts.acme.example/.well-known/mta-sts.txt']);
  }));

test('a domain without a record is not asked for a policy', () =>
  withDomain(serves(policy()), async (domain) => {
    assert.equal(await domain.policyOf(domain.sts(), 'other.example'), null);
    delete domain.zone['_mta-sts.acme.example'];
    assert.equal(await domain.policyOf(domain.sts()), null);
    assert.deepEqual(domain.asked, []);
  }));

const large = policy() + 'more: of it\r\n'.repeat(6_000);
const unfit: Record<string, (response: ServerResponse) => unknown> = {
  'is not there': serves('no', 'text/plain', 404),
  'is somewhere else': serves(policy(), 'text/plain', 302),
  'is a web page': serves(policy(), 'text/html'),
  'is too long': serves(large),
  'makes no sense': serves('mode: enforce'),
  'breaks off': (response) =>
    response.writeHead(200, { 'content-type': 'text/plain' }).write(policy(), () => response.destroy()),
};
for (const [name, answer] of Object.entries(unfit))
  test(`a policy that ${name} is none`, () =>
    withDomain(answer, async (domain) => {
      assert.equal(await domain.policyOf(domain.sts()), null);
      assert.equal(domain.asked.length, 1);
    }));

test('a policy from a web server that nobody vouches for is none', () =>
  withDomain(
    serves(policy()),
    async (domain) => {
      assert.equal(await domain.policyOf(domain.sts()), null);
      assert.deepEqual(domain.asked, []);
    },
    file('expired.crt'),
  ));

test('a policy of another name than its web server has a certificate for is none', () =>
  withDomain(serves(policy()), async (domain) => {
    domain.zone['_mta-sts.other.example'] = { TXT: ['v=STSv1; id=1;'] };
    domain.zone['mta-sts.other.example'] = { A: ['127.0.0.1'] };
    assert.equal(await domain.policyOf(domain.sts(), 'other.example'), null);
    assert.deepEqual(domain.asked, []);
  }));

test('the web server is found at its second address', () =>
  withDomain(serves(policy()), async (domain) => {
    domain.zone['mta-sts.acme.example'] = { A: ['127.0.0.9', '127.0.0.1'] };
    assert.deepEqual(await domain.policyOf(domain.sts()), read());
  }));

test('a policy in force survives the loss of its record and of its web server, until it expires', () =>
  withDomain(serves(policy(3 * 86_400)), async (domain) => {
    const sts = domain.sts();
    assert.deepEqual(await domain.policyOf(sts), read(3 * 86_400));
    domain.web = (_request, response) => response.destroy();
    domain.now += DAY_MS;
    assert.deepEqual(await domain.policyOf(sts), read(3 * 86_400), 'the daily fetch failed');
    assert.equal(domain.asked.length, 2);
    delete domain.zone['_mta-sts.acme.example'];
    domain.now += 2 * DAY_MS - 1;
    assert.deepEqual(await domain.policyOf(sts), read(3 * 86_400), 'there is no record any more');
    domain.now += 1;
    assert.equal(await domain.policyOf(sts), null);
  }));

test('a new id brings the new policy at once, and every policy is fetched anew within a day', () =>
  withDomain(serves(policy()), async (domain) => {
    const sts = domain.sts();
    await domain.policyOf(sts);
    domain.web = (_request, response) => serves(policy(604_800, 'testing'))(response);
    assert.equal((await domain.policyOf(sts))?.mode, 'enforce');
    domain.zone['_mta-sts.acme.example'] = { TXT: ['v=STSv1; id=2;'] };
    assert.equal((await domain.policyOf(sts))?.mode, 'testing');
    domain.now += DAY_MS - 1;
    await domain.policyOf(sts);
    assert.equal(domain.asked.length, 2);
    domain.now += 1;
    await domain.policyOf(sts);
    assert.equal(domain.asked.length, 3);
  }));

test('a fetch that failed is tried again after five minutes', () =>
  withDomain(serves('no', 'text/plain', 500), async (domain) => {
    const sts = domain.sts();
    assert.equal(await domain.policyOf(sts), null);
    domain.web = (_request, response) => serves(policy())(response);
    domain.now += 5 * MINUTE_MS - 1;
    assert.equal(await domain.policyOf(sts), null);
    domain.now += 1;
    assert.deepEqual(await domain.policyOf(sts), read());
  }));

test('a policy of no age holds for the message that asked', () =>
  withDomain(serves(policy(0)), async (domain) => {
    const sts = domain.sts();
    assert.deepEqual(await domain.policyOf(sts), read(0));
    assert.deepEqual(await domain.policyOf(sts), read(0));
    assert.equal(domain.asked.length, 2);
  }));

test('the domain that was fetched longest ago is forgotten first', () =>
  withDomain(serves(policy()), async (domain) => {
    domain.zone['_mta-sts.other.example'] = { TXT: ['v=STSv1; id=1;'] };
    const sts = domain.sts({ domainsMax: 1 });
    await domain.policyOf(sts);
    await domain.policyOf(sts, 'other.example');
    await domain.policyOf(sts);
    assert.equal(domain.asked.length, 2);
  }));

test('a web server that does not answer is given up when its time is up', () =>
  withDomain(serves(''), async (domain) => {
    domain.web = () => {};
    assert.equal(await domain.policyOf(domain.sts({ fetchMs: 50 })), null);
  }));

test('who stops a worker does not wait for a policy', () =>
  withDomain(serves(''), async (domain) => {
    domain.web = () => domain.scope.cancel('SIGTERM');
    await assert.rejects(domain.policyOf(domain.sts()), { name: 'ScopeEnded', kind: 'cancelled' });
  }));

for (const [mode, inForce] of [
  ['enforce', true],
  ['testing', false],
  ['none', false],
] as const)
  test(`a policy in mode ${mode} is ${inForce ? '' : 'not '}in force for the domain's mail`, () =>
    withDomain(serves(policy(86_400, mode)), async (domain) => {
      const facts = { domain: 'acme.example', authenticated: false, provider: null };
      const found = await tlsPolicyOf(domain.scope, domain.sts(), facts);
      assert.deepEqual(found, { dane: false, sts: inForce ? read(86_400) : null, required: false });
    }));

test('what is known of the MX records and of the provider is part of the policy', () =>
  withDomain(serves(''), async (domain) => {
    const provider = { tls: 'required' } as const;
    const facts = { domain: 'other.example', authenticated: true, provider };
    const found = await tlsPolicyOf(domain.scope, domain.sts(), facts);
    assert.deepEqual(found, { dane: true, sts: null, required: true });
  }));
