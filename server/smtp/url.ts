/**
 * An SMTP URL, as in SMTP_URL, read into the options of a relay:
 *
 *   smtp://[user:password@]host[:port]   port 25, or 587 with credentials
 *   smtps://[user:password@]host[:port]  TLS from the first byte, port 465
 *   ?tls=opportunistic|required|none     smtp:// only. Default: opportunistic; required when a password would travel
 *                                        to another machine
 *   &auth=plain|login|xoauth2            default: PLAIN or LOGIN, as offered; with xoauth2 the password is the token
 *   &verify=yes|no                       whether the certificate is checked. Default: yes, except for opportunistic
 */
import type { AuthMechanism, Credentials } from './auth.ts';

export interface RelayOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: 'none' | 'opportunistic' | 'required' | 'implicit';
  readonly verify: boolean;
  readonly credentials: Credentials | null;
  /** Whoever chose it may not reach into the network of the installation. */
  readonly publicOnly?: true;
}

/** One sentence that says what is wrong with the URL; it never contains the URL, which may hold a password. */
export class SmtpUrlError extends Error {
  override readonly name = 'SmtpUrlError';
}

const parameters = {
  tls: ['opportunistic', 'required', 'none'],
  auth: ['plain', 'login', 'xoauth2'],
  verify: ['yes', 'no'],
} as const;

export function parseSmtpUrl(text: string): RelayOptions {
  const url = URL.parse(text);
  if (!url)
    throw new SmtpUrlError(
      'The SMTP URL is not a URL: it must look like smtp://user:password@host:587, with special characters in the user name and the password percent-encoded.',
    );
  if (url.protocol !== 'smtp:' && url.protocol !== 'smtps:')
    throw new SmtpUrlError('The SMTP URL must begin with smtp:// or smtps://.');
  if (!url.hostname) throw new SmtpUrlError('The SMTP URL names no host.');
  if (!['', '/'].includes(url.pathname) || url.hash)
    throw new SmtpUrlError('The SMTP URL must end after the port, or go on with ?tls=, auth= or verify=.');
  const chosen = chosenParameters(url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const credentials = credentialsOf(url, chosen.auth);
  const tls = tlsOf(url, chosen.tls, credentials !== null && !isLoopback(host));
  return {
    host,
    port: Number(url.port) || (tls === 'implicit' ? 465 : credentials ? 587 : 25),
    tls,
    verify: chosen.verify ? chosen.verify === 'yes' : tls === 'required' || tls === 'implicit',
    credentials,
  };
}

type Chosen = { [Name in keyof typeof parameters]?: (typeof parameters)[Name][number] };

function chosenParameters(url: URL): Chosen {
  const chosen: Record<string, string> = {};
  for (const [name, value] of url.searchParams) {
    const values: readonly string[] | undefined = Object.hasOwn(parameters, name)
      ? parameters[name as keyof typeof parameters]
      : undefined;
    if (!values)
      throw new SmtpUrlError('The SMTP URL has an unknown parameter: only tls, auth and verify exist.');
    if (!values.includes(value))
      throw new SmtpUrlError(`The SMTP URL's parameter ${name} must be one of: ${values.join(', ')}.`);
    chosen[name] = value;
  }
  return chosen;
}

function credentialsOf(url: URL, mechanism: AuthMechanism | undefined): Credentials | null {
  if (!url.username && !url.password) {
    if (mechanism) throw new SmtpUrlError('The SMTP URL asks for auth but has no user name and password.');
    return null;
  }
  try {
    const user = decodeURIComponent(url.username);
    return { user, password: decodeURIComponent(url.password), mechanism: mechanism ?? null };
  } catch {
    throw new SmtpUrlError(
      "The SMTP URL's user name or password has a % that is not percent-encoded as %25.",
    );
  }
}

function tlsOf(url: URL, chosen: Chosen['tls'], passwordTravels: boolean): RelayOptions['tls'] {
  if (url.protocol === 'smtp:') return chosen ?? (passwordTravels ? 'required' : 'opportunistic');
  if (chosen && chosen !== 'required')
    throw new SmtpUrlError(
      `The SMTP URL contradicts itself: smtps:// is always TLS, so tls=${chosen} cannot be.`,
    );
  return 'implicit';
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.startsWith('127.') || host === '::1';
}
