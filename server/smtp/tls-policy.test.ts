import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DaneFinding, daneDemands } from './dane.ts';
import type { StsPolicy } from './mta-sts-policy.ts';
import { type HostTls, hostTls, type Protection, suffices, type TlsPolicy } from './tls-policy.ts';

const sts: StsPolicy = { mode: 'enforce', mx: ['*.acme.example'], maxAgeSeconds: 86_400 };
const records = [{ usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32) }];
const findings: { readonly [Kind in DaneFinding['kind']]: DaneFinding } = {
  insecure: { kind: 'insecure' },
  none: { kind: 'none' },
  usable: { kind: 'usable', records },
  unusable: { kind: 'unusable' },
  failed: { kind: 'failed', error: 'SERVFAIL' },
};

const plain: TlsPolicy = { dane: false, sts: null, required: false };
const policies = {
  none: plain,
  'a provider with TLS': { ...plain, required: true },
  'MTA-STS that names the host': { ...plain, sts },
  'MTA-STS that names other hosts': { ...plain, sts: { ...sts, mx: ['*.other.example'] } },
} satisfies Record<string, TlsPolicy>;

type Row = Record<keyof typeof policies, HostTls['kind']>;

/** What each demand of DANE, from left to right, makes of each other policy. */
const rows: Record<(typeof daneDemands)[DaneFinding['kind']], Row> = {
  nothing: {
    none: 'opportunistic',
    'a provider with TLS': 'required',
    'MTA-STS that names the host': 'verified',
    'MTA-STS that names other hosts': 'avoid',
  },
  encryption: {
    none: 'required',
    'a provider with TLS': 'required',
    'MTA-STS that names the host': 'verified',
    'MTA-STS that names other hosts': 'avoid',
  },
  'a certificate that matches': {
    none: 'dane',
    'a provider with TLS': 'dane',
    'MTA-STS that names the host': 'dane',
    'MTA-STS that names other hosts': 'dane',
  },
  'another host or another time': {
    none: 'avoid',
    'a provider with TLS': 'avoid',
    'MTA-STS that names the host': 'avoid',
    'MTA-STS that names other hosts': 'avoid',
  },
};

for (const finding of Object.values(findings))
  test(`${finding.kind} TLSA records of a host ask for ${daneDemands[finding.kind]}, whatever else is known`, () => {
    const found = Object.entries(policies).map(([name, policy]) => [
      name,
      hostTls(policy, 'mx1.acme.example', finding).kind,
    ]);
    assert.deepEqual(Object.fromEntries(found), rows[daneDemands[finding.kind]]);
  });

test('a connection carries mail of another domain when it is as safe as that domain asks', () => {
  const levels = ['clear', 'encrypted', 'verified', 'dane'] as const;
  const opened = (level: Protection['level'], policy = plain): Protection => ({
    host: 'mx1.acme.example',
    policy,
    level,
  });
  const enough = (policy: TlsPolicy) => levels.filter((level) => suffices(opened(level), policy));
  assert.deepEqual(enough(plain), ['clear', 'encrypted', 'verified', 'dane']);
  assert.deepEqual(enough(policies['a provider with TLS']), ['encrypted', 'verified', 'dane']);
  assert.deepEqual(enough(policies['MTA-STS that names the host']), ['verified']);
  assert.deepEqual(enough(policies['MTA-STS that names other hosts']), []);
  const dane = { ...plain, dane: true };
  assert.deepEqual(enough(dane), ['dane'], 'nobody asked for the TLSA records of this host');
  assert.equal(suffices(opened('clear', dane), dane), true, 'it has none');
  assert.equal(suffices(opened('dane', dane), { ...dane, sts }), true, 'DANE goes before MTA-STS');
});
