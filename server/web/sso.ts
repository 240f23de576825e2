/**
 * Signing in through an OpenID provider, and which providers there are.
 *
 * It begins with a POST, which answers where to send the browser and gives it a cookie; the provider sends the browser back
 * to the callback, which knows it by that cookie, and goes on to a page. The code in the callback's address is worth nothing
 * without the cookie, and nothing after.
 *
 * Providers are the installation's: whoever they vouch for is believed in all workspaces.
 */
import Type from 'typebox';
import * as identities from '../accounts/identities.ts';
import { beginOidc, finishOidc, type OidcContext, type OidcWish } from '../accounts/oidc.ts';
import { addProvider, listProviders, removeProvider } from '../accounts/oidc-providers.ts';
import { principalOfSession } from '../accounts/principal.ts';
import { beginFlow, beginSession, flowOf, sessionOf } from './cookies.ts';
import { type ApiRequest, endpoint, noContent, ok } from './endpoint.ts';
import { Problem } from './problem.ts';
import { Nothing, nullable, strict, Time } from './schemas.ts';
import {
  Code,
  contextOf,
  originOf,
  Password,
  PROOF_PROBLEMS,
  refusalOf,
  requireProof,
  Token,
} from './session.ts';

/** Where a browser goes on that a provider has sent back. */
const NEXT_PAGE = '/docs';

const ProviderName = Type.String({
  pattern: '^[a-z][a-z0-9-]{0,30}$',
  description: 'A word, such as google.',
});
const ToProvider = strict({ url: Type.String({ description: 'Where to send the browser now.' }) });

export const providers = endpoint({
  summary: 'What one may sign in with, beside a password',
  scope: 'public',
  idempotency: 'none',
  responses: { 200: strict({ data: Type.Array(strict({ name: ProviderName })) }) },
  async run({ services }) {
    const all = await listProviders(services.database);
    return ok({ data: all.map(({ name }) => ({ name })) });
  },
});

export const begin = endpoint({
  summary: 'Sign in, or accept an invitation, through a provider',
  scope: 'public',
  idempotency: 'none',
  body: strict({ provider: ProviderName, invitation: Type.Optional(Token) }),
  problems: ['not-found'],
  responses: { 200: ToProvider },
  run: (request) => sendAway(request, request.body),
});

const PROOF = { password: Password, code: Type.Optional(Code) };

export const link = endpoint({
  summary: 'Add a provider to one’s ways to sign in',
  description: 'Asks for the password again. The provider’s sign-in stands for password and second factor.',
  scope: 'any',
  idempotency: 'none',
  body: strict({ provider: ProviderName, ...PROOF }),
  problems: ['not-found', ...PROOF_PROBLEMS],
  responses: { 200: ToProvider },
  async run(request) {
    const { principal, body } = request;
    await requireProof(request, body);
    return sendAway(request, { provider: body.provider, principal });
  },
});

const identity = {
  issuer: Type.String({ minLength: 1, maxLength: 1_000 }),
  subject: Type.String({ minLength: 1, maxLength: 1_000, description: 'Who one is there.' }),
};

export const listOwn = endpoint({
  summary: 'One’s own ways to sign in through providers',
  scope: 'any',
  idempotency: 'none',
  problems: ['refused'],
  responses: {
    200: strict({
      data: Type.Array(
        strict(
          {
            provider: nullable(
              Type.String({ description: 'Null: trusted no more, so that nobody signs in with it.' }),
            ),
            ...identity,
            added_at: Time,
          },
          { $id: 'SsoIdentity' },
        ),
      ),
    }),
  },
  async run({ principal, services }) {
    const all = await identities.listIdentities(services.database, principal);
    return ok({
      data: all.map(({ createdAt, ...rest }) => ({ ...rest, added_at: createdAt.toISOString() })),
    });
  },
});

export const removeOwn = endpoint({
  summary: 'Take one of one’s ways to sign in away',
  description:
    'Asks for the password again. Ends all sessions of the person; this one goes on under a new cookie.',
  scope: 'any',
  idempotency: 'none',
  body: strict({ ...identity, ...PROOF }),
  problems: ['not-found', ...PROOF_PROBLEMS],
  responses: { 204: Nothing },
  async run(request) {
    const { principal, services, body } = request;
    await requireProof(request, body);
    const { issuer, subject } = body;
    const gone = { issuer, subject };
    const token = await identities.removeIdentity(services.database, principal, gone, originOf(request));
    return { ...noContent(), headers: { ...beginSession(token, services.config) } };
  },
});

async function sendAway(request: ApiRequest, wish: OidcWish) {
  const begun = await beginOidc(oidcContextOf(request), wish);
  const { log, config } = request.services;
  if (begun.kind === 'begun') return ok({ url: begun.url }, { ...beginFlow(begun.cookie, config) });
  log.warn({ event: 'oidc_failed', request: request.id, provider: wish.provider, reason: begun.reason });
  throw new Problem(
    'refused',
    'The provider does not answer as it should: try again, or sign in another way.',
  );
}

export const callback = endpoint({
  summary: 'Where a provider sends the browser back to',
  description: 'Register this address with the provider. Goes on to a page, signed in.',
  scope: 'public',
  idempotency: 'none',
  hasOpenQuery: true,
  problems: ['sign-in-refused', 'no-workspace', 'not-found', 'conflict', 'refused', 'missing-scope'],
  responses: { 303: Nothing },
  async run(request) {
    const { services, cookies, query } = request;
    const { config, database } = services;
    const session = sessionOf(cookies, config);
    const principal = session === undefined ? null : await principalOfSession(database, session);
    const back = {
      cookie: flowOf(cookies, config) ?? '',
      query: textOf(query),
      ...(principal ? { principal } : {}),
    };
    const outcome = await finishOidc(oidcContextOf(request), back);
    switch (outcome.kind) {
      case 'signed-in':
        return goOn({ ...beginSession(outcome.token, config) });
      case 'linked':
        return goOn({});
      case 'no-workspace':
        throw refusalOf(outcome);
      case 'unknown':
        throw new Problem(
          'sign-in-refused',
          'Nobody here is known by this account of the provider: sign in another way and add it, or ask for an invitation.',
        );
      case 'failed':
        services.log.warn({ event: 'oidc_failed', request: request.id, reason: outcome.reason });
        throw new Problem('sign-in-refused', 'The sign-in was not finished: begin it again.');
    }
  },
});

function goOn(cookie: Record<string, string>) {
  return { status: 303 as const, headers: { location: NEXT_PAGE, ...cookie }, body: null };
}

function oidcContextOf(request: ApiRequest): OidcContext {
  const redirectUri = `${request.services.config.publicUrl}/v1/sign-in/sso/callback`;
  return { ...contextOf(request), redirectUri };
}

/** As it came: a parameter that came twice is the provider's to explain. */
function textOf(query: unknown): string {
  const pairs = Object.entries(Object(query)).flatMap(([name, value]) =>
    [value].flat().map((one) => [name, String(one)]),
  );
  return new URLSearchParams(pairs).toString();
}

const ProviderSchema = strict(
  { name: ProviderName, issuer: Type.String(), client_id: Type.String() },
  { $id: 'SsoProvider' },
);

export const list = endpoint({
  summary: 'The providers, without their secrets',
  scope: 'installation:read',
  idempotency: 'none',
  responses: { 200: strict({ data: Type.Array(ProviderSchema) }) },
  async run({ services }) {
    const all = await listProviders(services.database);
    return ok({ data: all.map(({ name, issuer, clientId }) => ({ name, issuer, client_id: clientId })) });
  },
});

export const put = endpoint({
  summary: 'Trust a provider, or change its client',
  description: 'People of all workspaces may sign in with it.',
  scope: 'installation:write',
  idempotency: 'none',
  params: { name: ProviderName },
  body: strict({
    issuer: Type.String({ minLength: 1, maxLength: 1_000 }),
    client_id: Type.String({ minLength: 1, maxLength: 1_000 }),
    client_secret: Type.String({ minLength: 1, maxLength: 1_000 }),
  }),
  responses: { 200: ProviderSchema },
  async run({ principal, services, params: { name }, body, address }) {
    const { issuer, client_id, client_secret } = body;
    const provider = { name, issuer, clientId: client_id, clientSecret: client_secret };
    await addProvider(services.database, services.secrets, provider, { actor: principal, address });
    return ok({ name, issuer, client_id });
  },
});

export const remove = endpoint({
  summary: 'Trust a provider no more',
  description: 'Nobody signs in with it any more; who did stays a member.',
  scope: 'installation:write',
  idempotency: 'none',
  params: { name: ProviderName },
  responses: { 204: Nothing },
  async run({ principal, services, params, address }) {
    await removeProvider(services.database, params.name, { actor: principal, address });
    return noContent();
  },
});
