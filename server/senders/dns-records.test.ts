import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bounceRecord, dkimRecord, dmarcRecord, spfRecord, trackingRecord } from './dns-records.ts';
import type { KeyRow } from './queries.ts';

const INSTALLATION = { publicHost: 'mail.example.com', spf: ['include:relay.example', 'ip4:192.0.2.1'] };

function keyOf(algorithm: KeyRow['algorithm'], publicKey: string): KeyRow {
  return {
    domain: 'acme.example',
    selector: 'camp-1',
    algorithm,
    publicKey,
    state: 'active',
    createdAt: new Date(),
    retiringAt: null,
  };
}

test('a key of RSA, longer than a DNS string, stands in a zone file as strings that receivers join', () => {
  const publicKey = 'A'.repeat(392);
  const { name, expected, zone } = dkimRecord(keyOf('rsa-sha256', publicKey), true);
  assert.equal(name, 'camp-1._domainkey.acme.example');
  assert.equal(expected, `v=DKIM1; k=rsa; p=${publicKey}`);
  const [, first = '', second = ''] =
    /^camp-1\._domainkey\.acme\.example\. 3600 IN TXT "([^"]+)" "([^"]+)"$/.exec(zone) ?? [];
  assert.equal(first.length, 255);
  assert.equal(first + second, expected);
});

test('every other record is one line, as a zone file has it', () => {
  const zones = [
    dkimRecord(keyOf('ed25519-sha256', 'abc='), false),
    spfRecord('news.acme.example', INSTALLATION),
    dmarcRecord('acme.example'),
    bounceRecord('acme.example', INSTALLATION),
    trackingRecord('acme.example', INSTALLATION),
  ].map(({ zone }) => zone);
  assert.deepEqual(zones, [
    'camp-1._domainkey.acme.example. 3600 IN TXT "v=DKIM1; k=ed25519; p=abc="',
    'news.acme.example. 3600 IN TXT "v=spf1 include:relay.example ip4:192.0.2.1 ~all"',
    '_dmarc.acme.example. 3600 IN TXT "v=DMARC1; p=none"',
    'bounce.acme.example. 3600 IN MX 10 mail.example.com.',
    'track.acme.example. 3600 IN CNAME mail.example.com.',
  ]);
});

test('an SPF record of which Camp knows nothing to say lets nobody send, and forbids nobody', () => {
  assert.equal(spfRecord('acme.example', { ...INSTALLATION, spf: [] }).expected, 'v=spf1 ?all');
});
