/** One case a line: what the DNS has, and what a person is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scriptedDns, type Zone } from '../../test/support/dns-server.ts';
import { Scope } from '../kernel/scope.ts';
import { Resolver } from '../smtp/dns.ts';
import {
  bounceRecord,
  type CheckedRecord,
  dkimRecord,
  dmarcRecord,
  spfRecord,
  trackingRecord,
  type Verdict,
} from './dns-records.ts';
import {
  type Asking,
  checkBounceMx,
  checkDkim,
  checkDmarc,
  checkSpf,
  checkTrackingCname,
} from './record-checks.ts';

const INSTALLATION = { publicHost: 'mail.example.com', spf: ['include:relay.example', 'ip4:192.0.2.1'] };
const RELAY: Zone = { 'relay.example': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] } };
const DOMAIN = 'news.acme.example';

type Case = [txt: string[], verdict: Verdict, advice: RegExp | null];

async function asked(zone: Zone, ask: (asking: Asking) => Promise<CheckedRecord>): Promise<CheckedRecord> {
  await using dns = await scriptedDns(zone);
  await using scope = Scope.root('test');
  return await ask({ scope, resolver: new Resolver({ servers: [dns.server], triesMs: [200] }) });
}

async function checkCases(name: string, cases: Case[], ask: (asking: Asking) => Promise<CheckedRecord>) {
  for (const [txt, verdict, advice] of cases) {
    const record = await asked({ ...RELAY, [name]: { TXT: txt } }, ask);
    assert.equal(record.verdict, verdict, txt.join());
    if (advice === null) assert.equal(record.advice, null, txt.join());
    else assert.match(record.advice ?? '', advice, txt.join());
  }
}

test('a DKIM record is good when a receiver finds our key in it, in whatever form', async () => {
  const key = {
    domain: DOMAIN,
    selector: 'camp-1',
    algorithm: 'rsa-sha256',
    publicKey: 'MIIBIjAN/B+gkq==',
    state: 'active',
    createdAt: new Date(),
    retiringAt: null,
  } as const;
  const cases: Case[] = [
    ['v=DKIM1; k=rsa; p=MIIBIjAN/B+gkq=='],
    ['p=MIIBIjAN/B+ gkq==;'],
    ['k = rsa ; P = MIIBIjAN/B+gkq== ; t=s'],
  ].map((txt) => [txt, 'ok', null]);
  cases.push(
    [['v=DKIM1; t=y:s; p=MIIBIjAN/B+gkq=='], 'ok', /only being tested: take the t=y out/],
    [['v=DKIM1; p=MIIBIjAN'], 'wrong', /not our key, or not all of it/],
    [['v=DKIM1; k=ed25519; p=MIIBIjAN/B+gkq=='], 'wrong', /type of the key/],
    [['v=DKIM1; p='], 'wrong', /revoked/],
    [['hello'], 'wrong', /not our key/],
    [['p=MIIBIjAN/B+gkq==', 'p=MIIBIjAN/B+gkq=='], 'wrong', /leave only this one/],
    [[], 'missing', /^Do publish it\.$/],
  );
  const record = dkimRecord(key, true);
  await checkCases(record.name, cases, (asking) => checkDkim(asking, record, 'Do publish it.'));
});

test('an SPF record is good when it lets all of us send, whoever else may', async () => {
  const cases: Case[] = [
    [['v=spf1 include:relay.example -all'], 'ok', null],
    [['something else', 'V=SPF1 a mx include:relay.example ~all'], 'ok', null],
    [
      ['v=spf1 ip4:192.0.2.1 ~all'],
      'wrong',
      /^The record does not let all of us send: put include:relay\.example into it, in front\.$/,
    ],
    [['v=spf1 -all include:relay.example'], 'wrong', /put include:relay\.example ip4:192\.0\.2\.1 into it/],
    [
      ['v=spf1 include:gone.example include:relay.example'],
      'wrong',
      /\(include:gone\.example leads to no SPF record\): put/,
    ],
    [
      ['v=spf1 include:relay.example include:gone.example'],
      'ok',
      /because include:gone\.example leads to no SPF record: mend it/,
    ],
    [
      ['v=spf1 include:relay.example -all', 'v=spf1 -all'],
      'wrong',
      /^2 SPF records make receivers take none/,
    ],
    [['v=spf10 include:relay.example'], 'missing', /^Publish this record/],
  ];
  const record = spfRecord(DOMAIN, INSTALLATION);
  await checkCases(DOMAIN, cases, (asking) => checkSpf(asking, record, INSTALLATION));
});

test('when nobody told Camp what sends, any SPF record will do, with a warning', async () => {
  const unknown = { ...INSTALLATION, spf: [] };
  const cases: Case[] = [
    [['v=spf1 include:relay.example -all'], 'ok', /set CAMP_SPF to what your relay asks for/],
    [['v=spf1 -all'], 'wrong', /^The record lets nobody send: put what your relay asks for into it/],
    [['v=spf1 ?all'], 'ok', /set CAMP_SPF to what your relay asks for/],
    [[], 'missing', /set CAMP_SPF to what your relay asks for/],
  ];
  await checkCases(DOMAIN, cases, (asking) => checkSpf(asking, spfRecord(DOMAIN, unknown), unknown));
});

test('a DMARC record is good when it has a policy with which our signatures are aligned', async () => {
  const record = dmarcRecord(DOMAIN);
  const own = { domain: DOMAIN, signingDomain: DOMAIN };
  const cases: Case[] = [
    [['v=DMARC1; p=none'], 'ok', null],
    [['v=DMARC1;p=Reject;adkim=s;rua=mailto:d@acme.example'], 'ok', null],
    [['verification=1', 'v=DMARC1; p=quarantine; pct=5'], 'ok', null],
    [['v=DMARC1; rua=mailto:d@acme.example'], 'wrong', /^Its p= is missing: write p=none/],
    [['v=DMARC1; p=all'], 'wrong', /^Its p= is "all"/],
    [['v=DMARC1; p=none', 'v=DMARC1; p=none'], 'wrong', /^2 DMARC records/],
    [['v=DMARC2; p=none'], 'missing', /^Publish this record/],
  ];
  await checkCases(record.name, cases, (asking) => checkDmarc(asking, record, own));
  const byParent: Case[] = [
    [['v=DMARC1; p=none; adkim=r'], 'ok', null],
    [
      ['v=DMARC1; p=none; adkim=S'],
      'wrong',
      /acme\.example signs: run `camp domain add news\.acme\.example`/,
    ],
  ];
  await checkCases(record.name, byParent, (asking) =>
    checkDmarc(asking, record, { ...own, signingDomain: 'acme.example' }),
  );
});

test('the DMARC record of the organization counts for a domain that has none, and not for one that has', async () => {
  const names = { domain: DOMAIN, signingDomain: DOMAIN };
  const organization: Zone = { '_dmarc.acme.example': { TXT: ['v=DMARC1; p=reject'] } };
  const ask = (asking: Asking) => checkDmarc(asking, dmarcRecord(DOMAIN), names);
  assert.deepEqual((await asked(organization, ask)).found, ['v=DMARC1; p=reject']);
  const other: Zone = { ...organization, [`_dmarc.${DOMAIN}`]: { TXT: ['not ours'] } };
  assert.equal((await asked(other, ask)).verdict, 'ok');
  const own = await asked({ ...organization, [`_dmarc.${DOMAIN}`]: { TXT: ['v=DMARC1'] } }, ask);
  assert.equal(own.verdict, 'wrong');
  assert.equal((await asked({ '_dmarc.example': { TXT: ['v=DMARC1; p=reject'] } }, ask)).verdict, 'missing');
});

test('MX and CNAME are good when they lead to us', async () => {
  const bounce = (zone: Zone) =>
    asked(zone, (asking) => checkBounceMx(asking, bounceRecord(DOMAIN, INSTALLATION), INSTALLATION));
  const tracking = (zone: Zone) =>
    asked(zone, (asking) => checkTrackingCname(asking, trackingRecord(DOMAIN, INSTALLATION), INSTALLATION));
  const mx = (...hosts: string[]): Zone => ({ [`bounce.${DOMAIN}`]: { MX: hosts } });
  const cname = (host: string): Zone => ({ [`track.${DOMAIN}`]: { CNAME: host } });

  assert.equal((await bounce(mx('10 other.example', '20 MAIL.example.com'))).verdict, 'ok');
  assert.equal((await tracking(cname('Mail.Example.com'))).verdict, 'ok');
  const elsewhere = [await bounce(mx('10 other.example')), await tracking(cname('other.example'))];
  assert.deepEqual(
    elsewhere.map(({ verdict, found }) => [verdict, found]),
    [
      ['wrong', ['10 other.example']],
      ['wrong', ['other.example']],
    ],
  );
  assert.deepEqual([(await bounce({})).verdict, (await tracking({})).verdict], ['missing', 'missing']);
});

test('where Camp has no name of its own yet, MX and CNAME cannot be right', async () => {
  for (const publicHost of ['localhost', '192.0.2.9']) {
    const installation = { ...INSTALLATION, publicHost };
    const zones: Zone[] = [
      {},
      { [`bounce.${DOMAIN}`]: { MX: ['10 localhost'] }, [`track.${DOMAIN}`]: { CNAME: 'x.y' } },
    ];
    for (const zone of zones)
      for (const record of [
        await asked(zone, (asking) =>
          checkBounceMx(asking, bounceRecord(DOMAIN, installation), installation),
        ),
        await asked(zone, (asking) =>
          checkTrackingCname(asking, trackingRecord(DOMAIN, installation), installation),
        ),
      ])
        assert.equal(
          record.advice,
          `${publicHost} is no name at which others reach Camp: set CAMP_PUBLIC_URL, then publish this record.`,
        );
  }
});

test('a DNS that does not answer says nothing about a record', async () => {
  const names = { domain: DOMAIN, signingDomain: DOMAIN };
  const asks: ((asking: Asking) => Promise<CheckedRecord>)[] = [
    (asking) => checkSpf(asking, spfRecord(DOMAIN, INSTALLATION), INSTALLATION),
    (asking) => checkDmarc(asking, dmarcRecord(DOMAIN), names),
    (asking) => checkBounceMx(asking, bounceRecord(DOMAIN, INSTALLATION), INSTALLATION),
    (asking) => checkTrackingCname(asking, trackingRecord(DOMAIN, INSTALLATION), INSTALLATION),
  ];
  const fails = { fails: 'SERVFAIL' } as const;
  const zone: Zone = {
    [DOMAIN]: fails,
    [`_dmarc.${DOMAIN}`]: fails,
    [`bounce.${DOMAIN}`]: fails,
    [`track.${DOMAIN}`]: fails,
  };
  for (const ask of asks) {
    const { verdict, advice, found } = await asked(zone, ask);
    assert.deepEqual([verdict, found], ['unknown', []]);
    assert.match(advice ?? '', /^The DNS did not answer \(.+\): try again later\.$/);
  }
  const withSpf = (text: string): Zone => ({ ...RELAY, [DOMAIN]: { TXT: [text] }, 'broken.example': fails });
  const [spf] = asks;
  assert.equal(
    (await asked(withSpf('v=spf1 include:broken.example include:relay.example'), spf!)).verdict,
    'unknown',
  );
  assert.equal(
    (await asked(withSpf('v=spf1 include:relay.example include:broken.example'), spf!)).verdict,
    'ok',
  );
});
