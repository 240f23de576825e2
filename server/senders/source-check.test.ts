import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { scriptedDns, type Zone } from '../../test/support/dns-server.ts';
import { Scope } from '../kernel/scope.ts';
import { Resolver } from '../smtp/dns.ts';
import { checkSource } from './source-check.ts';

const REVERSE_V4 = '10.2.0.192.in-addr.arpa';
const REVERSE_V6 = `0.1.${'0.'.repeat(22)}8.b.d.0.1.0.0.2.ip6.arpa`;
const heloName = 'mail-1.camp.example';

const zone: Zone = {};
const dns = await scriptedDns(zone);
const scope = Scope.root('test');
after(async () => {
  await scope[Symbol.asyncDispose]();
  await dns.close();
});

/** What the check says when the DNS holds this. */
async function check(records: Zone, address = '192.0.2.10', publicAddress: string | null = null) {
  for (const name of Object.keys(zone)) delete zone[name];
  Object.assign(zone, records);
  return checkSource(scope, new Resolver({ servers: [dns.server] }), { address, publicAddress, heloName });
}

test('an address whose reverse name is what it says in EHLO, and leads back to it, is well', async () => {
  const records = await check({
    [REVERSE_V4]: { PTR: ['Mail-1.Camp.Example'] },
    [heloName]: { A: ['192.0.2.9', '192.0.2.10'] },
  });
  assert.deepEqual(
    records.map(({ type, name, verdict, advice }) => [type, name, verdict, advice]),
    [
      ['PTR', '192.0.2.10', 'ok', null],
      ['A', heloName, 'ok', null],
    ],
  );
});

test('an IPv6 address is looked up as one, however it is written', async () => {
  const records = await check(
    { [REVERSE_V6]: { PTR: [heloName] }, [heloName]: { A: ['192.0.2.10'], AAAA: ['2001:db8:0:0::10'] } },
    '2001:DB8::10',
  );
  assert.deepEqual(
    records.map(({ type, verdict }) => [type, verdict]),
    [
      ['PTR', 'ok'],
      ['AAAA', 'ok'],
    ],
  );
});

test('behind NAT the address that others see is looked up', async () => {
  const names = { [REVERSE_V4]: { PTR: [heloName] }, [heloName]: { A: ['192.0.2.10'] } };
  const records = await check(names, '10.0.0.5', '192.0.2.10');
  assert.deepEqual(
    records.map(({ verdict }) => verdict),
    ['ok', 'ok'],
  );
});

test('an address without a reverse name, or with another, is told what to ask for', async () => {
  const [reverse, forward] = await check({ [heloName]: { A: ['192.0.2.11'] } });
  assert.ok(reverse && forward);
  assert.equal(reverse.verdict, 'missing');
  assert.match(
    reverse.advice ?? '',
    /^Ask whoever gave you 192\.0\.2\.10 to set its PTR record to mail-1\.camp\.example/,
  );
  assert.deepEqual([forward.verdict, forward.found], ['wrong', ['192.0.2.11']]);
  assert.equal(forward.advice, 'Add an A record for mail-1.camp.example: 192.0.2.10.');
  const [other] = await check({ [REVERSE_V4]: { PTR: ['host-10.provider.example'] } });
  assert.deepEqual([other?.verdict, other?.found], ['wrong', ['host-10.provider.example']]);
});

test('a DNS that does not answer says nothing against the address', async () => {
  const records = await check({ [REVERSE_V4]: { fails: 'SERVFAIL' }, [heloName]: { fails: 'REFUSED' } });
  for (const { verdict, advice } of records) {
    assert.equal(verdict, 'unknown');
    assert.match(advice ?? '', /^The DNS gave no answer \(.*(SERVFAIL|REFUSED)/);
  }
});
