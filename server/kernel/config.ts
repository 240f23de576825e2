/**
 * Configuration: one table of what can be set, by environment variable. `camp --help` and docs/configuration.md are
 * made from it. A value that cannot be read stops the start with one sentence.
 */
import { isIP } from 'node:net';
import { parseEndpoint } from './network.ts';

interface Setting<Value> {
  env: string;
  /** What it does, with its unit. */
  help: string;
  /** As a user would write it; undefined: not set. */
  default: string | undefined;
  read(text: string): Value;
}

/** A setting that cannot be used; the message names it and says what would do. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export const SETTINGS = {
  databaseUrl: text('DATABASE_URL', 'Postgres 15 to 18; without it Camp starts one of its own', undefined),
  smtpUrl: text('SMTP_URL', 'the relay: smtp://user:password@host:port', undefined),
  publicUrl: url(
    'CAMP_PUBLIC_URL',
    'where browsers find Camp: origin of links and pages; https makes cookies secure',
    'http://localhost:8080',
  ),
  postalAddress: text(
    'CAMP_POSTAL_ADDRESS',
    'where the sender can be reached by post; {{ postal_address }} in a template prints it',
    undefined,
  ),
  secret: text(
    'CAMP_SECRET',
    'signs links and Message-IDs, seals DKIM keys and passwords; without it the database keeps a secret',
    undefined,
  ),
  heloName: hostName('CAMP_HELO_NAME', 'name that the SMTP client says in EHLO', 'localhost'),
  spf: spfMechanisms(
    'CAMP_SPF',
    "what a sending domain's SPF record must hold, as your relay says: include:relay.example or the like",
  ),
  resolver: endpoint(
    'CAMP_RESOLVER',
    "the DNS server to ask, as IP:PORT, or system for this machine's own",
    'system',
  ),
  mxPort: integer('CAMP_MX_PORT', 'port of the mail servers that DNS names', '25', 1, 65_535),
  dane: oneOf(
    'CAMP_DANE',
    ['on', 'off'],
    'off',
    'certificates of mail servers by DNS (DANE): only with a resolver of your own that validates DNSSEC',
  ),
  connections: integer('CAMP_CONNECTIONS', 'SMTP connections of one worker to its relay', '20', 1, 1_000),
  mxConnections: integer(
    'CAMP_MX_CONNECTIONS',
    'connections of one worker to all mail servers that DNS names',
    '200',
    1,
    10_000,
  ),
  retryBaseSeconds: integer(
    'CAMP_RETRY_BASE_SECONDS',
    'first wait after a temporary failure; doubles, with jitter, up to 4 h',
    '300',
    1,
    86_400,
  ),
  preparedStatements: oneOf(
    'CAMP_PREPARED_STATEMENTS',
    ['on', 'off'],
    'off',
    'named statements: faster, and not through a pooler that does not know them',
  ),
  httpHost: text('CAMP_HTTP_HOST', 'address that `camp web` listens on; 0.0.0.0 for all', '127.0.0.1'),
  httpPort: integer('CAMP_HTTP_PORT', 'port of `camp web`', '8080', 0, 65_535),
  trustedProxies: addresses(
    'CAMP_TRUSTED_PROXIES',
    'reverse proxies whose X-Forwarded-For is believed, as addresses or networks: 10.0.0.0/8 192.0.2.1',
  ),
  addressPerSecond: integer(
    'CAMP_LIMIT_ADDRESS',
    'requests a second of one network address; beyond it 429',
    '2000',
    1,
    1_000_000,
  ),
  keyPerSecond: integer(
    'CAMP_LIMIT_KEY',
    'requests a second of one API key or session',
    '2000',
    1,
    1_000_000,
  ),
  workspacePerSecond: integer(
    'CAMP_LIMIT_WORKSPACE',
    'requests a second of one workspace',
    '5000',
    1,
    1_000_000,
  ),
  webhookNetworks: addresses(
    'CAMP_WEBHOOK_NETWORKS',
    'networks of your own that webhooks may reach, also without TLS: 10.0.0.0/8 192.0.2.1',
  ),
  billing: oneOf('BILLING', ['on', 'off'], 'off', 'workspaces buy the credits that they send with'),
  billingPrices: text(
    'BILLING_PRICES',
    'what credits cost, without tax: credits=amount, with commas between',
    '10000=10.00 EUR',
  ),
  stripeSecretKey: text('STRIPE_SECRET_KEY', 'the API key of the Stripe account that is paid', undefined),
  stripeWebhookSecret: text(
    'STRIPE_WEBHOOK_SECRET',
    'signs the events that Stripe posts to /v1/provider-events/stripe',
    undefined,
  ),
  stripeHost: text('STRIPE_HOST', "another server that speaks Stripe's API", 'api.stripe.com'),
  stripePort: integer('STRIPE_PORT', 'its port', '443', 1, 65_535),
  stripeProtocol: oneOf('STRIPE_PROTOCOL', ['https', 'http'], 'https'),
  dataDir: text('CAMP_DATA_DIR', 'folder of the built-in Postgres and the sandbox', undefined),
  logLevel: oneOf('CAMP_LOG_LEVEL', ['trace', 'debug', 'info', 'warn', 'error', 'silent'], 'info'),
} as const;

type Read<S> = S extends Setting<infer Value> ? Value : never;
export type Config = { [Name in keyof typeof SETTINGS]: Read<(typeof SETTINGS)[Name]> };

/** Reads all settings; `overrides` (flags) win over the environment, and what is empty is not set. Throws ConfigError. */
export function readConfig(
  env: Record<string, string | undefined> = process.env,
  overrides: Partial<Record<keyof Config, string | undefined>> = {},
): Config {
  const entries = Object.entries(SETTINGS).map(([name, setting]) => {
    const value = overrides[name as keyof Config] || env[setting.env] || setting.default;
    return [name, value === undefined ? undefined : setting.read(value)];
  });
  const config = Object.fromEntries(entries) as Config;
  // Links lead to where this server listens, unless somebody says where browsers find it. 0 is any free port.
  const isSaid = overrides.publicUrl || env[SETTINGS.publicUrl.env];
  return isSaid || config.httpPort === 0
    ? config
    : { ...config, publicUrl: `http://localhost:${config.httpPort}` };
}

function text<D extends string | undefined>(env: string, help: string, fallback: D) {
  return {
    env,
    help,
    default: fallback,
    read: (value: string) => value as D extends string ? string : string | undefined,
  };
}

function hostName(env: string, help: string, fallback: string): Setting<string> {
  const read = (value: string) => {
    if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(value) && !/^\[[0-9a-f.:]+\]$/i.test(value))
      throw new ConfigError(`${env} is "${value}", but must be a host name such as mail.example.com.`);
    return value;
  };
  return { env, help, default: fallback, read };
}

function integer(env: string, help: string, fallback: string, min: number, max: number): Setting<number> {
  const read = (value: string) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max)
      throw new ConfigError(`${env} is "${value}", but must be a whole number from ${min} to ${max}.`);
    return number;
  };
  return { env, help, default: fallback, read };
}

/** An address that can be dialled, or one word instead. */
function endpoint(env: string, help: string, word: string): Setting<string | undefined> {
  const read = (value: string) => {
    if (value !== word && !parseEndpoint(value))
      throw new ConfigError(
        `${env} is "${value}", but must be ${word}, or an IP address and a port such as 127.0.0.1:53 or [::1]:53.`,
      );
    return value;
  };
  return { env, help, default: undefined, read };
}

/** RFC 7208 section 4.6.1. */
function spfMechanisms(env: string, help: string): Setting<string | undefined> {
  const read = (value: string) => {
    const words = value.trim().split(/\s+/);
    if (!words.every((word) => /^(include|exists|a|mx|ip4|ip6):[!-~]+$/.test(word)))
      throw new ConfigError(
        `${env} is "${value}", but must be SPF mechanisms such as include:relay.example or ip4:192.0.2.1, with spaces between.`,
      );
    return words.join(' ');
  };
  return { env, help, default: undefined, read };
}

function addresses(env: string, help: string): Setting<string[]> {
  const read = (value: string) => {
    const words = value.split(/[\s,]+/).filter((word) => word !== '');
    const wrong = words.find((word) => !isNetwork(word));
    if (wrong !== undefined)
      throw new ConfigError(
        `${env} names "${wrong}", but must be IP addresses or networks such as 192.0.2.1 or 10.0.0.0/8, with spaces between.`,
      );
    return words;
  };
  return { env, help, default: '', read };
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  const bitsMax = version === 4 ? 32 : 128;
  return (
    version !== 0 &&
    rest.length === 0 &&
    (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= bitsMax))
  );
}

function oneOf(env: string, words: string[], fallback: string, what = ''): Setting<string> {
  const choice = words.join(', ').replace(/, (\w+)$/, ' or $1');
  const help = what === '' ? choice : `${choice}; ${what}`;
  const read = (value: string) => {
    if (!words.includes(value)) throw new ConfigError(`${env} is "${value}", but must be ${choice}.`);
    return value;
  };
  return { env, help, default: fallback, read };
}

function url(env: string, help: string, fallback: string): Setting<string> {
  const read = (value: string) => {
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.search || parsed.hash)
      throw new ConfigError(`${env} is "${value}", but must be an address such as https://mail.example.com.`);
    return value.replace(/\/+$/, '');
  };
  return { env, help, default: fallback, read };
}
