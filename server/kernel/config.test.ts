import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, readConfig } from './config.ts';

function refusal(env: Record<string, string>): string {
  try {
    readConfig(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  return assert.fail(`${JSON.stringify(env)} was accepted`);
}

test('links lead to the port of the web server, unless somebody says where browsers find it', () => {
  assert.equal(readConfig({ CAMP_HTTP_PORT: '8191' }).publicUrl, 'http://localhost:8191');
  const said = { CAMP_HTTP_PORT: '8191', CAMP_PUBLIC_URL: 'https://mail.acme.example' };
  assert.equal(readConfig(said).publicUrl, 'https://mail.acme.example');
});

test('Camp starts without any setting', () => {
  assert.deepEqual(readConfig({}), {
    databaseUrl: undefined,
    smtpUrl: undefined,
    publicUrl: 'http://localhost:8080',
    postalAddress: undefined,
    secret: undefined,
    heloName: 'localhost',
    spf: undefined,
    resolver: undefined,
    mxPort: 25,
    dane: 'off',
    connections: 20,
    mxConnections: 200,
    retryBaseSeconds: 300,
    dataDir: undefined,
    preparedStatements: 'off',
    httpHost: '127.0.0.1',
    httpPort: 8080,
    trustedProxies: [],
    addressPerSecond: 2_000,
    keyPerSecond: 2_000,
    workspacePerSecond: 5_000,
    webhookNetworks: [],
    billing: 'off',
    billingPrices: '10000=10.00 EUR',
    stripeSecretKey: undefined,
    stripeWebhookSecret: undefined,
    stripeHost: 'api.stripe.com',
    stripePort: 443,
    stripeProtocol: 'https',
    logLevel: 'info',
  });
});

test('what the environment says is what counts, in its own type', () => {
  const config = readConfig({
    DATABASE_URL: 'postgres://db/camp',
    CAMP_CONNECTIONS: '1000',
    CAMP_PUBLIC_URL: 'https://mail.example.com/camp//',
    CAMP_LOG_LEVEL: 'debug',
    HOME: '/root',
  });
  assert.equal(config.databaseUrl, 'postgres://db/camp');
  assert.equal(config.connections, 1_000);
  assert.equal(config.publicUrl, 'https://mail.example.com/camp', 'a link gets one slash, not three');
  assert.equal(config.logLevel, 'debug');
});

test('a flag wins over the environment, and a flag that was not given does not', () => {
  const env = { CAMP_CONNECTIONS: '5', SMTP_URL: 'smtp://env' };
  const config = readConfig(env, { connections: '7', smtpUrl: undefined });
  assert.deepEqual([config.connections, config.smtpUrl], [7, 'smtp://env']);
});

test('a variable that is set to nothing, as compose files do, is not set', () => {
  const empty = { DATABASE_URL: '', CAMP_CONNECTIONS: '', CAMP_PUBLIC_URL: '', CAMP_LOG_LEVEL: '' };
  assert.deepEqual(readConfig(empty), readConfig({}));
  const flags = readConfig({ DATABASE_URL: 'postgres://db/camp' }, { databaseUrl: '', dataDir: '' });
  assert.deepEqual([flags.databaseUrl, flags.dataDir], ['postgres://db/camp', undefined]);
});

test('a number that cannot be meant stops the start with a sentence that names the variable and the bounds', () => {
  for (const value of ['0', '1001', '-5', '2.5', '1e2', 'many', ' 5', '99999999999999999999'])
    assert.equal(
      refusal({ CAMP_CONNECTIONS: value }),
      `CAMP_CONNECTIONS is "${value}", but must be a whole number from 1 to 1000.`,
    );
});

test('a resolver is an IP address with its port, or the word system', () => {
  for (const value of ['system', '127.0.0.1:5300', '[2001:db8::1]:53'])
    assert.equal(readConfig({ CAMP_RESOLVER: value }).resolver, value);
  for (const value of ['127.0.0.1', 'dns.example:53', '127.0.0.1:0', 'System'])
    assert.equal(
      refusal({ CAMP_RESOLVER: value }),
      `CAMP_RESOLVER is "${value}", but must be system, or an IP address and a port such as 127.0.0.1:53 or [::1]:53.`,
    );
});

test('proxies are addresses or networks, with spaces or commas between', () => {
  const trusted = (text: string) => readConfig({ CAMP_TRUSTED_PROXIES: text }).trustedProxies;
  assert.deepEqual(trusted('10.0.0.0/8, 192.0.2.1  2001:db8::/32'), [
    '10.0.0.0/8',
    '192.0.2.1',
    '2001:db8::/32',
  ]);
  for (const wrong of ['proxy.example.com', '10.0.0.0/33', '10.0.0.0/8/8', '::1/129', '*'])
    assert.match(refusal({ CAMP_TRUSTED_PROXIES: wrong }), /^CAMP_TRUSTED_PROXIES names "/);
});

test('what an SPF record must hold is mechanisms between spaces', () => {
  const mechanisms = 'include:relay.example ip4:192.0.2.0/24';
  assert.equal(readConfig({ CAMP_SPF: ' include:relay.example   ip4:192.0.2.0/24' }).spf, mechanisms);
  for (const value of ['relay.example', 'v=spf1 include:relay.example -all', 'include:relay.example ~all'])
    assert.equal(
      refusal({ CAMP_SPF: value }),
      `CAMP_SPF is "${value}", but must be SPF mechanisms such as include:relay.example or ip4:192.0.2.1, with spaces between.`,
    );
});

test('an address of links that no mail program could open stops the start with a sentence', () => {
  for (const value of ['mail.example.com', 'ftp://mail.example.com', 'https://', 'https://a.example/?page=1'])
    assert.equal(
      refusal({ CAMP_PUBLIC_URL: value }),
      `CAMP_PUBLIC_URL is "${value}", but must be an address such as https://mail.example.com.`,
    );
});

test('a log level that does not exist stops the start with a sentence that lists them', () => {
  assert.equal(
    refusal({ CAMP_LOG_LEVEL: 'verbose' }),
    'CAMP_LOG_LEVEL is "verbose", but must be trace, debug, info, warn, error or silent.',
  );
});
