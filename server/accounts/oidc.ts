/**
 * Signing in through an OpenID provider: authorization code with PKCE, state and nonce (OpenID Connect Core 3.1).
 *
 * Who somebody is, is the issuer and its `sub`. The address that a provider tells is never looked at, so nobody gets into
 * an account by having its address somewhere else. An identity comes to belong to a person in two ways: they are signed
 * in and add it, when they have proven again who they are, or they accept an invitation with it (identities.ts has what
 * becomes of it). The provider's own second factor is the only one that such a sign-in asks for.
 *
 * state, nonce and verifier are made of a cookie of 256 bits that only this browser has; the database has the cookie's
 * hash, once. So an answer that comes to another browser, or for the second time, is worth nothing.
 *
 * Calls to the provider belong to the request's scope and have a deadline.
 */
import { createHmac } from 'node:crypto';
import * as openid from 'openid-client';
import { fetchWithin } from '../kernel/http.ts';
import { newId } from '../kernel/ids.ts';
import { addIdentity } from './identities.ts';
import { joinAsKnown, joinAsNew, openInvitationOf } from './invitations.ts';
import { isLoopback, type NewProvider, openProvider } from './oidc-providers.ts';
import type { Principal } from './principal.ts';
import * as queries from './queries-oidc.ts';
import { personById } from './queries-people.ts';
import { AccountRefused } from './refused.ts';
import { type Opened, openSession, type SignInContext } from './sign-in.ts';
import { hashToken, newToken } from './tokens.ts';

const FLOW_SECONDS = 600;
const CALL_LIMITS = { deadlineMs: 10_000, responseBytesMax: 1_000_000 };

export interface OidcContext extends SignInContext {
  /** Where the provider sends the browser back to; registered with the provider, letter by letter. */
  redirectUri: string;
}

export interface OidcWish {
  /** The provider's name. */
  provider: string;
  /** Whoever is signed in and adds this way to sign in; the caller has asked for their password again. */
  principal?: Principal | undefined;
  /** Of an invitation to accept. */
  invitation?: string | undefined;
}

export type OidcBegun =
  /** `cookie` lasts until the answer is there; SameSite=Lax, because it is another site that sends the browser back. */
  | { kind: 'begun'; url: string; cookie: string }
  /** `reason` is for the log. */
  | { kind: 'failed'; reason: string };

/** Where to send the browser. Throws AccountRefused, ScopeEnded. */
export async function beginOidc(context: OidcContext, wish: OidcWish): Promise<OidcBegun> {
  const { database, secrets, redirectUri } = context;
  const provider = await openProvider(database, secrets, wish.provider);
  const cookie = newToken();
  const url = await attempt(context, async () =>
    openid.buildAuthorizationUrl(await discover(context, provider), {
      redirect_uri: redirectUri,
      scope: 'openid profile',
      state: derived(cookie, 'state'),
      nonce: derived(cookie, 'nonce'),
      code_challenge: await openid.calculatePKCECodeChallenge(derived(cookie, 'verifier')),
      code_challenge_method: 'S256',
    }),
  );
  if (url.kind === 'failed') return url;
  const flow = {
    provider: provider.name,
    personId: wish.principal?.personId ?? null,
    invitationHash: wish.invitation === undefined ? null : hashToken(wish.invitation),
  };
  await database.withSystem(async (tx) => {
    await queries.deleteEndedFlows(tx);
    await queries.insertFlow(tx, hashToken(cookie), flow, FLOW_SECONDS);
  });
  return { kind: 'begun', url: url.value.href, cookie };
}

export interface OidcReturn {
  /** The cookie's value. */
  cookie: string;
  /** What stands behind `?` in the address that the browser came back to. */
  query: string;
  /** Whoever is signed in, when somebody is. */
  principal?: Principal | undefined;
}

export type OidcSignIn =
  | Opened
  /** The identity was added to whoever is signed in. */
  | { kind: 'linked' }
  /** Nobody here is known by it: sign in another way and add it, or ask for an invitation. */
  | { kind: 'unknown' }
  | { kind: 'failed'; reason: string };

/** Throws AccountRefused, ScopeEnded. */
export async function finishOidc(context: OidcContext, back: OidcReturn): Promise<OidcSignIn> {
  const { database, secrets } = context;
  const flow = await database.withSystem((tx) => queries.takeFlow(tx, hashToken(back.cookie)));
  if (!flow) return { kind: 'failed', reason: 'no sign-in is under way in this browser' };
  const provider = await openProvider(database, secrets, flow.provider);
  const identity = await attempt(context, () => identify(context, provider, back));
  if (identity.kind === 'failed') return identity;
  if (flow.personId !== null) return link(context, identity.value, flow.personId, back.principal);
  const personId = await database.withSystem((tx) => queries.personOfIdentity(tx, identity.value));
  if (flow.invitationHash !== null) return accept(context, identity.value, flow.invitationHash, personId);
  const person = personId && (await database.withSystem((tx) => personById(tx, personId)));
  return person ? openSession(context, person) : { kind: 'unknown' };
}

interface Identified extends queries.Identity {
  /** As the provider shows them; only ever shown. */
  displayName: string | undefined;
}

/** Redeems the code. Signature, issuer, audience, times, nonce and state are checked on the way. */
async function identify(context: OidcContext, provider: NewProvider, back: OidcReturn): Promise<Identified> {
  const { cookie, query } = back;
  const tokens = await openid.authorizationCodeGrant(
    await discover(context, provider),
    new URL(`?${query}`, context.redirectUri),
    {
      expectedState: derived(cookie, 'state'),
      expectedNonce: derived(cookie, 'nonce'),
      pkceCodeVerifier: derived(cookie, 'verifier'),
      idTokenExpected: true,
    },
  );
  const claims = tokens.claims();
  if (!claims) throw new Error('the provider gave no ID token');
  const { iss: issuer, sub: subject, name } = claims;
  return { issuer, subject, displayName: typeof name === 'string' ? name : undefined };
}

/** Asked anew each time: a sign-in is rare, and a provider that has changed its keys is believed at once. */
function discover({ scope }: OidcContext, { issuer, clientId, clientSecret }: NewProvider) {
  const fetch = fetchWithin(scope, CALL_LIMITS);
  const authenticate: openid.ClientAuth = (server, client, body, headers) => {
    const methods = server.token_endpoint_auth_methods_supported;
    // OpenID Connect Discovery 3: client_secret_basic is what a provider knows that names none.
    const method = methods?.includes('client_secret_post')
      ? openid.ClientSecretPost
      : openid.ClientSecretBasic;
    method(clientSecret)(server, client, body, headers);
  };
  return openid.discovery(new URL(issuer), clientId, undefined, authenticate, {
    [openid.customFetch]: (url, { method, headers, body, redirect, signal }) =>
      fetch(url, {
        method,
        headers,
        redirect,
        ...(body == null ? {} : { body }),
        ...(signal ? { signal } : {}),
      }),
    execute: [
      // The signature too, although the token comes from the provider itself over TLS.
      openid.enableNonRepudiationChecks,
      ...(isLoopback(new URL(issuer)) ? [openid.allowInsecureRequests] : []),
    ],
  });
}

type Attempt<T> = { kind: 'done'; value: T } | { kind: 'failed'; reason: string };

/** What a provider does wrong is a value; that the browser has left is not. */
async function attempt<T>({ scope }: OidcContext, work: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { kind: 'done', value: await work() };
  } catch (error) {
    scope.throwIfEnded();
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
  }
}

/** 256 bits each, none of which tells another, nor the cookie. */
function derived(cookie: string, purpose: 'state' | 'nonce' | 'verifier'): string {
  return createHmac('sha256', cookie).update(purpose).digest('base64url');
}

async function link(
  { database, origin }: OidcContext,
  identity: queries.Identity,
  personId: string,
  principal: Principal | undefined,
): Promise<OidcSignIn> {
  if (principal?.personId !== personId)
    return { kind: 'failed', reason: 'whoever began this is not signed in any more' };
  await addIdentity(database, principal, identity, origin);
  return { kind: 'linked' };
}

async function accept(
  { database, origin }: OidcContext,
  identity: Identified,
  invitationHash: Buffer,
  personId: string | undefined,
): Promise<OidcSignIn> {
  const invitation = await openInvitationOf(database, invitationHash);
  const { workspaceId, email } = invitation;
  const known = personId && (await database.withSystem((tx) => personById(tx, personId)));
  if (known) {
    if (known.email !== email)
      throw new AccountRefused(
        'not-allowed',
        `This invitation is for ${email}, and you are ${known.email} here.`,
      );
    return database.withWorkspace(workspaceId, (tx) => joinAsKnown(tx, invitation, known, origin));
  }
  if (invitation.isKnown)
    throw new AccountRefused(
      'sign-in-needed',
      `There is an account for ${email}: accept with its password, and add this way to sign in afterwards.`,
    );
  const name = identity.displayName?.trim().slice(0, 200) || email;
  const person = { id: newId(), email, name, passwordHash: null };
  return database.withWorkspace(workspaceId, async (tx) => {
    const signedIn = await joinAsNew(tx, invitation, person, origin);
    await queries.insertIdentity(tx, identity, person.id);
    return signedIn;
  });
}
