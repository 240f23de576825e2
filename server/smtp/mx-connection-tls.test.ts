/** TLS with mail hosts: as it comes, required, by MTA-STS, by DANE; handshakes that break, certificates that are wrong. */
import assert from 'node:assert/strict';
import { hash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, afterEach, beforeEach, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { TlsaData } from 'dns-packet';
import { scriptedDns, type Zone } from '../../test/support/dns-server.ts';
import { Scope } from '../kernel/scope.ts';
import { Resolver } from './dns.ts';
import { HostMemory } from './host-memory.ts';
import { type MxFailed, type MxOpen, openMxConnection } from './mx-connection.ts';
import { type Script, scriptedHosts, secured } from './scripted-hosts.ts';
import type { SmtpTimeouts } from './timeouts.ts';
import type { TlsPolicy } from './tls-policy.ts';

const [FIRST, SECOND] = ['127.0.0.2', '127.0.0.4'] as const;
const DAY_MS = 86_400_000;

const file = (name: string) =>
  readFileSync(new URL(`../../test/support/certificates/${name}`, import.meta.url), 'utf8');
const key = file('acme.key');
const good = { key, cert: file('acme.crt') };
const selfSigned = {
  cert: readFileSync(new URL('testdata/relay.crt', import.meta.url)),
  key: readFileSync(new URL('testdata/relay.key', import.meta.url)),
};

const systemCertificates = getCACertificates('default');
setDefaultCACertificates([...systemCertificates, file('authority.crt')]);
after(() => setDefaultCACertificates(systemCertificates));

const inTls =
  (options: object = selfSigned): Script =>
  async (peer) => {
    await peer.open('STARTTLS');
    const inside = await secured(peer, options);
    const ehlo = await inside
      .hear()
      .catch(() => assert.equal(inside.said, '', 'who does not trust us is silent'));
    if (ehlo) inside.say('250-mx', '250 PIPELINING');
    await inside.closed();
  };
const inClear: Script = async (peer) => {
  await peer.open('STARTTLS', 'PIPELINING');
  await peer.closed();
  assert.ok(!peer.said.includes('STARTTLS'));
};
const withoutTls: Script = async (peer) => {
  await peer.open('PIPELINING');
  await peer.closed();
};
const busy: Script = async (peer) => {
  peer.say('421 busy');
  await peer.closed();
};

let scope: Scope;
let memory: HostMemory;
let now: number;
beforeEach(() => {
  scope = Scope.root('test');
  now = 1_000;
  memory = new HostMemory({ now: () => now });
});
afterEach(() => scope[Symbol.asyncDispose]());

const asItComes: TlsPolicy = { dane: false, sts: null, required: false };
const required: TlsPolicy = { ...asItComes, required: true };
const sts = (...mx: string[]): TlsPolicy => ({
  ...asItComes,
  sts: { mode: 'enforce', mx, maxAgeSeconds: 86_400 },
});
const dane: TlsPolicy = { ...asItComes, dane: true };

const zone: Zone = {
  'mx1.acme.example': { A: [FIRST], authenticated: true },
  'mx2.acme.example': { A: [SECOND], authenticated: true },
};

async function meet(
  tls: TlsPolicy,
  scripts: Record<string, readonly Script[]>,
  tlsa: (port: number) => Zone = () => ({}),
  timeouts: Partial<SmtpTimeouts> = {},
): Promise<{ opened: MxOpen | MxFailed; met: readonly string[]; outcome: string }> {
  await using mail = await scriptedHosts(scripts);
  await using dns = await scriptedDns({ ...zone, ...tlsa(mail.port) });
  const opened = await openMxConnection(scope, {
    hosts: ['mx1.acme.example', 'mx2.acme.example'],
    resolver: new Resolver({ servers: [dns.server] }),
    port: mail.port,
    heloName: 'camp.test',
    tls,
    memory,
    timeouts,
  });
  if (opened.kind === 'open') opened.connection.close();
  await mail.played();
  const outcome =
    opened.kind === 'open'
      ? `${opened.host} ${opened.level}`
      : `${opened.host} ${opened.phase} ${opened.reply?.code ?? opened.error}`;
  return { opened, met: mail.met, outcome };
}

test('TLS is used where it is offered, whatever the certificate, and not where it is not', async () => {
  const { opened, outcome } = await meet(asItComes, { [FIRST]: [inTls()] });
  assert.equal(outcome, 'mx1.acme.example encrypted');
  assert.ok(opened.kind === 'open' && opened.connection.offers.pipelining, 'the offers are those inside TLS');
  assert.equal((await meet(asItComes, { [FIRST]: [withoutTls] })).outcome, 'mx1.acme.example clear');
});

const asksStarttls: Script = async (peer) => {
  await peer.open('STARTTLS');
  await peer.hear('STARTTLS\r\n');
};
const breaks: Record<string, Script> = {
  'closes instead of an answer to STARTTLS': async (peer) => {
    await asksStarttls(peer);
    peer.socket.destroy();
  },
  'closes before the handshake': async (peer) => {
    await asksStarttls(peer);
    peer.socket.end('220 go\r\n');
    await peer.closed();
  },
  'closes in the middle of the handshake': async (peer) => {
    await asksStarttls(peer);
    peer.say('220 go');
    await once(peer.socket, 'data');
    peer.socket.resetAndDestroy();
  },
  'answers the handshake with something else': async (peer) => {
    await asksStarttls(peer);
    peer.say('220 go');
    await once(peer.socket, 'data');
    peer.say('500 5.5.1 what?');
    await peer.closed();
  },
  'refuses our part of the handshake': inTls({ ...selfSigned, requestCert: true, rejectUnauthorized: true }),
};

for (const [name, script] of Object.entries(breaks)) {
  test(`a host that ${name} gets its mail in clear, for three days without another try`, async () => {
    const first = await meet(asItComes, { [FIRST]: [script, inClear] });
    assert.deepEqual([first.outcome, first.met], ['mx1.acme.example clear', [FIRST, FIRST]]);
    now += 3 * DAY_MS - 1;
    const second = await meet(asItComes, { [FIRST]: [inClear] });
    assert.deepEqual([second.outcome, second.met], ['mx1.acme.example clear', [FIRST]]);
    now += 1;
    assert.equal((await meet(asItComes, { [FIRST]: [inTls()] })).outcome, 'mx1.acme.example encrypted');
  });

  test(`a host that ${name} gets nothing in clear when TLS is required`, async () => {
    memory.noteTlsBroken('mx1.acme.example');
    const { outcome, met } = await meet(required, { [FIRST]: [script], [SECOND]: [inTls()] });
    assert.deepEqual([outcome, met], ['mx2.acme.example encrypted', [FIRST, SECOND]]);
  });
}

test('a host that never ends the handshake is left in time, and gets its mail in clear', async () => {
  const never: Script = async (peer) => {
    await asksStarttls(peer);
    peer.say('220 go');
    await peer.closed();
  };
  const { outcome } = await meet(asItComes, { [FIRST]: [never, inClear] }, undefined, { starttls: 50 });
  assert.equal(outcome, 'mx1.acme.example clear');
  assert.equal(memory.isTlsBroken('mx1.acme.example'), true);
});

test('a network that breaks with and without TLS is not taken for broken TLS', async () => {
  const cut = breaks['closes before the handshake'] ?? assert.fail();
  const { outcome } = await meet(asItComes, { [FIRST]: [cut, busy], [SECOND]: [busy] });
  assert.equal(outcome, 'mx1.acme.example greeting 421');
  assert.equal(memory.isTlsBroken('mx1.acme.example'), false);
});

test('a provider that is known to have TLS and offers none gets nothing', async () => {
  const { outcome } = await meet(required, { [FIRST]: [withoutTls], [SECOND]: [withoutTls] });
  assert.match(outcome, /^mx1\.acme\.example starttls the server offers no STARTTLS.*its provider/);
});

test('MTA-STS: only hosts that the policy names are used, and only with a certificate to trust', async () => {
  const named = await meet(sts('mx2.acme.example'), { [FIRST]: [inTls(good)], [SECOND]: [inTls(good)] });
  assert.deepEqual([named.outcome, named.met], ['mx2.acme.example verified', [SECOND]]);
  assert.equal(memory.of('mx1.acme.example').lastFailure, null, 'a policy says nothing against a host');
  const trusted = await meet(sts('*.acme.example'), { [FIRST]: [inTls()], [SECOND]: [inTls(good)] });
  assert.deepEqual([trusted.outcome, trusted.met], ['mx2.acme.example verified', [FIRST, SECOND]]);
});

test('MTA-STS: when no host is left the reason is told, and it is no refusal', async () => {
  const untrusted = await meet(sts('*.acme.example'), { [FIRST]: [inTls()], [SECOND]: [withoutTls] });
  assert.match(untrusted.outcome, /^mx1\S+ starttls .*self-signed.*the MTA-STS policy of the domain asks/);
  const expired = await meet(sts('mx2.acme.example'), {
    [SECOND]: [inTls({ key, cert: file('expired.crt') })],
  });
  assert.match(expired.outcome, /^mx2\S+ starttls .*expired/);
  const misnamed = await meet(sts('*.other.example'), { [FIRST]: [inTls(good)], [SECOND]: [inTls(good)] });
  assert.match(misnamed.outcome, /^mx1\S+ starttls .*is not used: the MTA-STS policy of the domain does not/);
  assert.deepEqual(misnamed.met, []);
});

const keyOf = (pem: string) => new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
const record = (data: Buffer, usage = 3): TlsaData => ({
  usage,
  selector: 1,
  matchingType: 1,
  certificate: hash('sha256', data, 'buffer'),
});
const onFirst =
  (...TLSA: TlsaData[]) =>
  (port: number): Zone => ({
    [`_${port}._tcp.mx1.acme.example`]: { TLSA, authenticated: true },
  });

test('DANE: a certificate that its TLSA record describes is good, whoever signed it', async () => {
  const own = record(keyOf(selfSigned.cert.toString()));
  assert.equal((await meet(dane, { [FIRST]: [inTls()] }, onFirst(own))).outcome, 'mx1.acme.example dane');
});

test('DANE: another certificate is not taken, however good', async () => {
  const other = record(Buffer.from('another key'));
  const { outcome, met } = await meet(dane, { [FIRST]: [inTls(good)], [SECOND]: [busy] }, onFirst(other));
  assert.match(outcome, /^mx2\S+ greeting 421/);
  assert.deepEqual(met, [FIRST, SECOND]);
  const failure = memory.of('mx1.acme.example').lastFailure?.failure.error;
  assert.match(failure ?? '', /matches none of its 1 TLSA records .*\(its TLSA records/);
});

test('DANE: a host whose TLSA records cannot be learned is left for another time', async () => {
  const bogus = (port: number): Zone => ({ [`_${port}._tcp.mx1.acme.example`]: { fails: 'SERVFAIL' } });
  const { outcome, met } = await meet(dane, { [FIRST]: [inTls()], [SECOND]: [inTls()] }, bogus);
  assert.deepEqual([outcome, met], ['mx2.acme.example encrypted', [SECOND]]);
});

test('DANE: records that nobody can use still ask for TLS', async () => {
  const authority = record(Buffer.from('a key'), 1);
  const clear = await meet(dane, { [FIRST]: [withoutTls], [SECOND]: [inTls()] }, onFirst(authority));
  assert.deepEqual([clear.outcome, clear.met], ['mx2.acme.example encrypted', [FIRST, SECOND]]);
  const any = await meet(dane, { [FIRST]: [inTls()] }, onFirst(authority));
  assert.equal(any.outcome, 'mx1.acme.example encrypted');
});

test('DANE: records count only when everything that leads to them was validated', async () => {
  const wrong = record(Buffer.from('another key'));
  assert.equal(
    (await meet(asItComes, { [FIRST]: [inTls()] }, onFirst(wrong))).outcome,
    'mx1.acme.example encrypted',
  );
  const unsignedHost = (port: number): Zone => ({
    ...onFirst(wrong)(port),
    'mx1.acme.example': { A: [FIRST] },
  });
  assert.equal(
    (await meet(dane, { [FIRST]: [inTls()] }, unsignedHost)).outcome,
    'mx1.acme.example encrypted',
  );
  const unsignedRecord = (port: number): Zone => ({ [`_${port}._tcp.mx1.acme.example`]: { TLSA: [wrong] } });
  assert.equal(
    (await meet(dane, { [FIRST]: [inTls()] }, unsignedRecord)).outcome,
    'mx1.acme.example encrypted',
  );
});
