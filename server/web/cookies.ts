/**
 * The session's cookie: out of reach of scripts, sent to this host only, and not with what another site makes a browser
 * send, except that its links lead here signed in (SameSite=Lax).
 *
 * Over TLS it is `__Host-camp`: a browser takes it from this host itself and over TLS only, so neither a neighbouring host
 * nor somebody on the line can put another in its place. Without TLS no browser would take that name, so it is `camp`.
 */
import { SESSION_COOKIE, SESSION_SECONDS } from '../accounts/sessions.ts';
import type { Config } from '../kernel/config.ts';

const FLOW_COOKIE = `${SESSION_COOKIE}-flow`;
const FLOW_SECONDS = 600;

type Cookies = Readonly<Record<string, string | undefined>>;
interface SetCookie {
  'set-cookie': string;
}

export function sessionOf(cookies: Cookies, config: Config): string | undefined {
  return cookies[nameOf(SESSION_COOKIE, config)];
}

export function beginSession(token: string, config: Config): SetCookie {
  return cookie(SESSION_COOKIE, token, SESSION_SECONDS, config);
}

export function endSession(config: Config): SetCookie {
  return cookie(SESSION_COOKIE, '', 0, config);
}

/** Of a sign-in that is under way at a provider. */
export function flowOf(cookies: Cookies, config: Config): string | undefined {
  return cookies[nameOf(FLOW_COOKIE, config)];
}

export function beginFlow(value: string, config: Config): SetCookie {
  return cookie(FLOW_COOKIE, value, FLOW_SECONDS, config);
}

function cookie(name: string, value: string, seconds: number, config: Config): SetCookie {
  const secure = isSecure(config) ? '; Secure' : '';
  return {
    'set-cookie': `${nameOf(name, config)}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`,
  };
}

function nameOf(name: string, config: Config): string {
  return isSecure(config) ? name : name.replace('__Host-', '');
}

function isSecure({ publicUrl }: Config): boolean {
  return publicUrl.startsWith('https:');
}
