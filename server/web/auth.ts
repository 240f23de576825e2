/**
 * Who asks: an API key (`Authorization: Bearer …`) or a session's cookie, and what they may.
 *
 * A cookie comes by itself with whatever another site makes a browser send, so a change that is asked for with a cookie
 * has to show that it comes from our own pages: the browser says so (Sec-Fetch-Site, or Origin), and a header is there that
 * no form can set. A key needs none of that.
 */
import type { FastifyRequest } from 'fastify';
import { type Principal, principalOfSession } from '../accounts/principal.ts';
import { sessionOf } from './cookies.ts';
import type { ApiRequest, Endpoint } from './endpoint.ts';
import { Problem } from './problem.ts';
import type { Services } from './services.ts';

const SAFE_METHODS = new Set(['GET', 'HEAD']);
const SCRIPT_HEADER = 'x-camp-request';

/** Throws a Problem unless the request comes from somebody who may call the endpoint; null where anybody may. */
export async function authorize(
  endpoint: Endpoint,
  request: FastifyRequest,
  services: Services,
): Promise<Principal | null> {
  if (endpoint.scope === 'public') return null;
  const principal = await authenticate(request, services, { isUse: !endpoint.passive });
  if (principal.kind === 'session' && !SAFE_METHODS.has(request.method))
    assertOwnPages(request, services.config.publicUrl);
  return principal;
}

export function assertMay(principal: Principal, { scope }: Endpoint): void {
  if (scope === 'any' || scope === 'public' || principal.scopes.includes(scope)) return;
  throw new Problem(
    'missing-scope',
    `This needs the scope ${scope}, which your ${principal.kind} does not have.`,
  );
}

/** Whether that is a use of the session, which keeps it from ending idle, the caller says. Throws a Problem. */
export async function authenticate(
  request: Pick<ApiRequest, 'headers' | 'cookies'>,
  services: Services,
  { isUse }: { isUse: boolean },
): Promise<Principal> {
  const { authorization } = request.headers;
  const { config, database, metrics } = services;
  if (authorization !== undefined) {
    const key = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
    const principal = key === undefined ? null : await services.keyHolders.ask(key);
    if (principal) return principal;
    metrics.authFailures.inc({ kind: 'key' });
    throw unauthenticated('The API key is not valid: it may be mistyped, revoked or expired.');
  }
  const token = sessionOf(request.cookies, config);
  if (token === undefined) throw unauthenticated('Send an API key: Authorization: Bearer camp_live_…');
  const principal = await principalOfSession(database, token, { isUse });
  if (principal) return principal;
  metrics.authFailures.inc({ kind: 'session' });
  throw unauthenticated('The session has ended: sign in again.');
}

function unauthenticated(detail: string): Problem {
  return new Problem('unauthenticated', detail, { headers: { 'www-authenticate': 'Bearer' } });
}

function assertOwnPages({ headers }: FastifyRequest, publicUrl: string): void {
  const { origin, host } = headers;
  const site = headers['sec-fetch-site'];
  const isOwnOrigin =
    origin === undefined
      ? site === 'same-origin'
      : origin === new URL(publicUrl).origin || (URL.canParse(origin) && new URL(origin).host === host);
  if (!isOwnOrigin || (site !== undefined && site !== 'same-origin'))
    throw new Problem(
      'cross-site',
      'Neither Origin nor Sec-Fetch-Site says that it comes from Camp’s own pages.',
    );
  if (headers[SCRIPT_HEADER] === undefined)
    throw new Problem('cross-site', 'The header X-Camp-Request is missing.');
}
