/**
 * Configuration: one table of what can be set, by environment variable. `camp --help` and docs/configuration.md are
 * made from it. A value that cannot be read stops the start with one sentence.
 */

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
  publicUrl: url('CAMP_PUBLIC_URL', 'origin of tracked links and unsubscribe pages', 'http://localhost:8080'),
  secret: text(
    'CAMP_SECRET',
    'signs links and Message-IDs; without it the database keeps a secret',
    undefined,
  ),
  heloName: text('CAMP_HELO_NAME', 'name that the SMTP client says in EHLO', 'localhost'),
  connections: integer('CAMP_CONNECTIONS', 'SMTP connections of one worker', '20', 1, 1_000),
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
  return Object.fromEntries(entries) as Config;
}

function text<D extends string | undefined>(env: string, help: string, fallback: D) {
  return {
    env,
    help,
    default: fallback,
    read: (value: string) => value as D extends string ? string : string | undefined,
  };
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
