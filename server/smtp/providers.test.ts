import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits, providerOf, providers } from './providers.ts';

/** What DNS really says: a recipient's domain and its MX hosts. */
const REAL: Record<string, { domain: string; hosts: string[] }[]> = {
  google: [
    { domain: 'gmail.com', hosts: ['gmail-smtp-in.l.google.com', 'alt1.gmail-smtp-in.l.google.com'] },
    { domain: 'school.example', hosts: ['aspmx.l.google.com', 'aspmx2.googlemail.com'] },
    { domain: 'startup.example', hosts: ['smtp.google.com'] },
  ],
  outlook: [{ domain: 'hotmail.com', hosts: ['hotmail-com.olc.protection.outlook.com'] }],
  office365: [
    { domain: 'acme.example', hosts: ['acme-example.mail.protection.outlook.com'] },
    { domain: 'secure.example', hosts: ['secure-example.o-v1.mx.microsoft'] },
  ],
  yahoo: [
    {
      domain: 'yahoo.com',
      hosts: ['mta5.am0.yahoodns.net', 'mta6.am0.yahoodns.net', 'mta7.am0.yahoodns.net'],
    },
    { domain: 'aol.com', hosts: ['mx-aol.mail.gm0.yahoodns.net'] },
    { domain: 'comcast.net', hosts: ['mx-comcast.mail.am0.yahoodns.net'] },
  ],
  apple: [{ domain: 'icloud.com', hosts: ['mx01.mail.icloud.com', 'mx02.mail.icloud.com'] }],
  comcast: [{ domain: 'comcast.net', hosts: ['mx1h1.comcast.net', 'mx2h1.comcast.net'] }],
  mimecast: [
    { domain: 'us.example', hosts: ['us-smtp-inbound-1.mimecast.com', 'us-smtp-inbound-2.mimecast.com'] },
    { domain: 'za.example', hosts: ['za-smtp-inbound-1.mimecast.co.za'] },
    { domain: 'je.example', hosts: ['je-smtp-inbound-1.mimecast-offshore.com'] },
  ],
  gmx: [
    { domain: 'gmx.de', hosts: ['mx00.emig.gmx.net', 'mx01.emig.gmx.net'] },
    { domain: 'web.de', hosts: ['mx-ha02.web.de', 'mx-ha03.web.de'] },
  ],
  orange: [{ domain: 'wanadoo.fr', hosts: ['smtp-in.orange.fr'] }],
  qq: [{ domain: 'qq.com', hosts: ['mx1.qq.com', 'mx2.qq.com', 'mx3.qq.com'] }],
  netease: [{ domain: '163.com', hosts: ['163mx01.mxmail.netease.com'] }],
  'yahoo-japan': [{ domain: 'yahoo.co.jp', hosts: ['mx1.mail.yahoo.co.jp', 'mx2.mail.yahoo.co.jp'] }],
  barracuda: [
    { domain: 'firm.example', hosts: ['d1.ess.barracudanetworks.com', 'd2.ess.barracudanetworks.com'] },
  ],
  netvigator: [{ domain: 'netvigator.com', hosts: ['bizmx1.netvigator.com'] }],
  kpn: [{ domain: 'kpnmail.nl', hosts: ['mx1.kpnmail.nl'] }],
  proofpoint: [
    { domain: 'bank.example', hosts: ['mxa-00112233.gslb.pphosted.com', 'mxb-00112233.gslb.pphosted.com'] },
    { domain: 'shop.example', hosts: ['mx1-us1.ppe-hosted.com', 'mx2-us1.ppe-hosted.com'] },
  ],
  godaddy: [{ domain: 'baker.example', hosts: ['smtp.secureserver.net', 'mailstore1.secureserver.net'] }],
  rackspace: [{ domain: 'lawyer.example', hosts: ['mx1.emailsrvr.com', 'mx2.emailsrvr.com'] }],
  zoho: [{ domain: 'zohomail.com', hosts: ['mx.zoho.com', 'mx2.zoho.com'] }],
  'mail.ru': [{ domain: 'mail.ru', hosts: ['mxs.mail.ru'] }],
  yandex: [{ domain: 'agency.example', hosts: ['mx.yandex.net'] }],
  't-online': [{ domain: 't-online.de', hosts: ['mx00.t-online.de', 'mx01.t-online.de'] }],
  proton: [{ domain: 'proton.me', hosts: ['mail.protonmail.ch', 'mailsec.protonmail.ch'] }],
};

for (const { name, suffixes = [], domains = [] } of providers) {
  test(`a domain at ${name} is known by its mail hosts as DNS names them`, () => {
    const real = REAL[name] ?? [];
    for (const { domain, hosts } of real) assert.equal(providerOf(domain, hosts)?.name, name, domain);
    const hosts = real.flatMap((each) => each.hosts);
    for (const suffix of suffixes)
      assert.ok(
        hosts.some((host) => host.endsWith(suffix)),
        `${suffix} has no example`,
      );
    for (const own of domains)
      assert.ok(
        real.some(({ domain }) => domain === own),
        `${own} has no example`,
      );
    assert.ok(suffixes.length + domains.length > 0, 'nothing could ever match');
  });
}

test('every suffix and every domain of the table can be reached: none stands in the shadow of another provider', () => {
  for (const { name, suffixes = [], domains = [] } of providers) {
    for (const suffix of suffixes) assert.equal(providerOf('a.example', [`mx${suffix}`])?.name, name, suffix);
    for (const domain of domains) assert.equal(providerOf(domain, [`mx.${domain}`])?.name, name, domain);
  }
});

test('a trailing dot or capitals hide no provider', () => {
  assert.equal(providerOf('gmail.com.', ['GMAIL-SMTP-IN.L.Google.COM.'])?.name, 'google');
  assert.equal(providerOf('Yahoo.CO.JP.', ['mx1.mail.yahoo.co.jp'])?.name, 'yahoo-japan');
});

test('a domain with one host of its own beside the provider is not lumped in with it', () => {
  assert.equal(providerOf('acme.example', ['aspmx.l.google.com', 'mx.acme.example']), null);
  assert.equal(providerOf('acme.example', ['aspmx.l.google.com', 'mx1.qq.com']), null);
});

test('a name that only looks like a provider is none', () => {
  for (const host of [
    'notgoogle.com',
    'mx.notgoogle.com',
    'google.com.evil.example',
    'google.com',
    'mxgoogle.com',
  ])
    assert.equal(providerOf('acme.example', [host]), null, host);
  for (const suffix of providers.flatMap(({ suffixes = [] }) => suffixes))
    assert.equal(providerOf('acme.example', [`mx.not${suffix.replace(/^\./, '')}`]), null, suffix);
  assert.equal(providerOf('notcomcast.net', ['mx.notcomcast.net']), null);
  assert.equal(providerOf('mail.comcast.net', ['mx.mail.comcast.net']), null);
});

test('a domain without mail hosts belongs to nobody', () => {
  assert.equal(providerOf('acme.example', []), null);
});

test('each provider has one name, and limits that let something through', () => {
  const names = providers.map(({ name }) => name);
  assert.deepEqual(names, [...new Set(names)]);
  const all = providers.flatMap(({ site, overall }) => (overall ? [site, overall] : [site]));
  for (const { connections, messagesPerConnection, messagesPerSecond, messagesPerDay } of [
    defaultLimits,
    ...all,
  ])
    for (const limit of [connections, messagesPerConnection, messagesPerSecond, messagesPerDay])
      assert.ok(limit === null || limit >= 1);
});

test("Google's and Microsoft's caps hold over all their sites, and Mimecast's regions each have their own", () => {
  const capOf = (wanted: string) =>
    providers.find(({ name }) => name === wanted)?.overall?.connections ?? null;
  assert.deepEqual([capOf('google'), capOf('outlook'), capOf('office365')], [5, 5, 5]);
  assert.equal(capOf('mimecast'), null);
});
