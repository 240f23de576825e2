/** What Postgres, or the way to it, says, as a sentence. The URL's password never appears. */
import { isDatabaseAway } from '../kernel/database.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';

interface Place {
  /** `host:port`. */
  server: string;
  host: string;
  user: string;
  database: string;
}

/** By SQLSTATE or by the socket's code. */
const BY_CODE: Record<string, (place: Place, message: string) => string> = {
  ENOTFOUND: ({ host }) => `The host ${host} of DATABASE_URL is not known: correct its name.`,
  EAI_AGAIN: ({ host }) =>
    `The host ${host} of DATABASE_URL cannot be looked up: the name server does not answer.`,
  ECONNREFUSED: ({ server }) =>
    `No database answers at ${server}: start Postgres there, or correct DATABASE_URL.`,
  ETIMEDOUT: noAnswer,
  EHOSTUNREACH: noAnswer,
  ENETUNREACH: noAnswer,
  ECONNRESET: ({ server }) => `${server} closed the connection: is it a Postgres? Correct DATABASE_URL.`,
  '28P01': refusedLogin,
  '28000': refusedLogin,
  '3D000': ({ server, database, user }) =>
    `Postgres at ${server} has no database ${database}: make it (\`createdb -O ${user} ${database}\`), or correct DATABASE_URL.`,
  '53300': ({ server }) =>
    `Postgres at ${server} has no connection left: raise max_connections, or use a pooler.`,
  '53100': ({ server }) => `The disk of Postgres at ${server} is full: make room there.`,
  '57P03': ({ server }) => `Postgres at ${server} is starting or stopping: try again in a moment.`,
  '57P01': ({ server }) => `Postgres at ${server} was stopped.`,
  '57P02': ({ server }) => `Postgres at ${server} crashed and is recovering: try again in a moment.`,
  '57014': ({ server }) =>
    `Postgres at ${server} took longer than a minute for one statement: is it overloaded?`,
  '25006': ({ server }) =>
    `Postgres at ${server} is read-only, a standby: DATABASE_URL must name the primary.`,
  '42501': ({ server, user }, message) =>
    `The user ${user} of Postgres at ${server} lacks a right (${message}): let it own the database, or run \`camp doctor\`.`,
};

const BUILT_IN_GONE = 'The built-in Postgres has ended. Start Camp again.';

/** Errors of the driver that have no code. */
const BY_MESSAGE: [pattern: RegExp, sentence: (place: Place) => string][] = [
  [/timeout exceeded when trying to connect|timeout expired|due to connection timeout/, noAnswer],
  [
    /Connection terminated|server closed the connection/,
    ({ server }) => `${server} ended the connection: Postgres was stopped, or it is not a Postgres.`,
  ],
  [
    /client password must be a string|no password/,
    ({ server, user }) => `Postgres at ${server} wants a password for ${user}: put it into DATABASE_URL.`,
  ],
  [
    /does not support SSL/,
    ({ server }) =>
      `Postgres at ${server} offers no TLS: set it up there, or drop sslmode from DATABASE_URL.`,
  ],
  [
    /self-signed certificate|certificate|SSL alert/,
    ({ server }) => `The certificate of Postgres at ${server} is not trusted: see sslmode and sslrootcert.`,
  ],
];

/** Undefined: not the database's error, or a mistake in our own statement. */
export function explainDatabaseError(
  error: unknown,
  databaseUrl: string | undefined,
): { sentence: string; exitCode: ExitCode } | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? String(error.code) : '';
  if (databaseUrl === undefined && isDatabaseAway(error))
    return { sentence: BUILT_IN_GONE, exitCode: EXIT.unavailable };
  const place = placeOf(databaseUrl);
  const sentence =
    (Object.hasOwn(BY_CODE, code) ? BY_CODE[code]?.(place, error.message) : undefined) ??
    BY_MESSAGE.find(([pattern]) => pattern.test(error.message))?.[1](place);
  return sentence === undefined ? undefined : { sentence, exitCode: EXIT.unavailable };
}

function noAnswer({ server }: Place): string {
  return `No answer from ${server} within 10 s: is a firewall in between? Correct DATABASE_URL, or open the way.`;
}

function refusedLogin({ server, user }: Place): string {
  return `Postgres at ${server} refuses to let ${user} in: correct the user or the password in DATABASE_URL.`;
}

function placeOf(databaseUrl: string | undefined): Place {
  const url = URL.parse(databaseUrl ?? 'postgres://localhost/');
  const host = url?.hostname || url?.searchParams.get('host') || 'localhost';
  const user = decode(url?.username) || process.env.PGUSER || 'this user';
  return {
    host,
    server: `${host}:${url?.port || 5432}`,
    user,
    database: decode(url?.pathname.slice(1)) || user,
  };
}

function decode(text = ''): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
