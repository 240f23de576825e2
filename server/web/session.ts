/**
 * Sessions over HTTP: what a sign-in answers with, however it was made, and one's own sessions.
 *
 * A session is a cookie (cookies.ts) and never in a body: a script on a page cannot read it. What signs in, or changes how
 * somebody signs in, makes a new one. None of it takes an Idempotency-Key: no password's fingerprint and no session is kept
 * for a replay.
 */
import Type, { type Static } from 'typebox';
import type { Principal } from '../accounts/principal.ts';
import * as sessions from '../accounts/sessions.ts';
import { type Opened, proveAgain, type SignInContext, type Unproven } from '../accounts/sign-in.ts';
import { beginSession, endSession } from './cookies.ts';
import { type ApiRequest, endpoint, noContent, ok } from './endpoint.ts';
import { meOf } from './me.ts';
import { comeAgain, Problem, type ProblemCode } from './problem.ts';
import { Id, Nothing, nullable, strict, Time } from './schemas.ts';

/** Of whatever asks who somebody is. */
export const PROOF_PROBLEMS: readonly ProblemCode[] = [
  'sign-in-refused',
  'second-factor-needed',
  'too-many-requests',
  'overloaded',
];

export const Email = Type.String({ minLength: 1, maxLength: 320 });
export const PersonName = Type.String({ minLength: 1, maxLength: 200 });
export const Password = Type.String({ minLength: 1, maxLength: 1_000 });
export const Code = Type.String({
  minLength: 1,
  maxLength: 40,
  description: 'Of the authenticator, or a recovery code.',
});
export const Token = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'What stands behind # in the link.',
});

export function contextOf(request: ApiRequest): SignInContext {
  const { services, scope } = request;
  return { database: services.database, secrets: services.secrets, scope, origin: originOf(request) };
}

export function originOf({ address, headers }: ApiRequest): sessions.RequestOrigin {
  return { address, userAgent: headers['user-agent'] };
}

/** Before what a stolen session must not do. Throws a Problem. */
export async function requireProof(
  request: ApiRequest & { readonly principal: Principal },
  { password, code }: { password: string; code?: string },
): Promise<void> {
  const credentials = { password, ...(code === undefined ? {} : { code }) };
  const proof = await proveAgain(contextOf(request), request.principal, credentials);
  if (proof.kind !== 'proven') throw refusalOf(proof);
}

/** Goes on in this session. Throws a Problem when there is none. */
export function arrived(outcome: Opened | Unproven, { services }: ApiRequest) {
  if (outcome.kind !== 'signed-in') throw refusalOf(outcome);
  return signedIn(outcome, services.config);
}

export function signedIn({ token, principal }: sessions.SignedIn, config: ApiRequest['services']['config']) {
  return ok(meOf(principal), { ...beginSession(token, config) });
}

export function refusalOf(outcome: { kind: 'no-workspace' } | Unproven): Problem {
  switch (outcome.kind) {
    case 'refused':
      return new Problem('sign-in-refused', 'The address, the password or the code is wrong.');
    case 'code-needed':
      return new Problem('second-factor-needed');
    case 'no-workspace':
      return new Problem('no-workspace', 'There is no such workspace that you are in.');
    case 'too-many':
      return comeAgain('too-many-requests', 'Too many tries were wrong.', outcome.retryAfterSeconds * 1_000);
  }
}

const SessionSchema = strict(
  {
    id: Id,
    is_current: Type.Boolean({ description: 'It is the one that asks.' }),
    address: nullable(Type.String()),
    user_agent: nullable(Type.String()),
    created_at: Time,
    last_used_at: Time,
    expires_at: Time,
  },
  { $id: 'Session' },
);

export const list = endpoint({
  summary: 'One’s own sessions in this workspace, the newest first',
  scope: 'any',
  idempotency: 'none',
  problems: ['refused'],
  responses: { 200: strict({ data: Type.Array(SessionSchema) }) },
  async run({ principal, services }) {
    const rows = await sessions.listSessions(services.database, principal);
    return ok({
      data: rows.map(
        (row): Static<typeof SessionSchema> => ({
          id: row.id,
          is_current: row.id === principal.id,
          address: row.address,
          user_agent: row.userAgent,
          created_at: row.createdAt.toISOString(),
          last_used_at: row.seenAt.toISOString(),
          expires_at: row.expiresAt.toISOString(),
        }),
      ),
    });
  },
});

export const end = endpoint({
  summary: 'End a session of one’s own',
  description: 'Its next request finds it ended.',
  scope: 'any',
  idempotency: 'none',
  params: { id: Id },
  problems: ['refused'],
  responses: { 204: Nothing },
  async run(request) {
    const { principal, params, services } = request;
    await sessions.endSession(services.database, principal, params.id, originOf(request));
    return noContent();
  },
});

export const signOut = endpoint({
  summary: 'Sign out',
  description: 'Ends the session that asks, and takes its cookie away.',
  scope: 'any',
  idempotency: 'none',
  problems: ['refused'],
  responses: { 204: Nothing },
  async run(request) {
    const { principal, services } = request;
    await sessions.signOut(services.database, principal, originOf(request));
    return { ...noContent(), headers: { ...endSession(services.config) } };
  },
});
