/** Signing in with a password, changing it, and choosing another when it was forgotten. Answers as session.ts says. */
import Type from 'typebox';
import { askForReset, resetPassword } from '../accounts/password-reset.ts';
import * as accounts from '../accounts/sign-in.ts';
import { endpoint } from './endpoint.ts';
import { MeSchema } from './me.ts';
import { Id, Nothing, strict } from './schemas.ts';
import {
  arrived,
  Code,
  contextOf,
  Email,
  originOf,
  Password,
  PROOF_PROBLEMS,
  refusalOf,
  signedIn,
  Token,
} from './session.ts';

export const signIn = endpoint({
  summary: 'Sign in',
  description:
    'Answers with the session’s cookie. Who has a second factor is asked for a `code` when the password is right: send all of it again. Without `workspace_id` it is the workspace that the person has been in longest.',
  scope: 'public',
  idempotency: 'none',
  body: strict({
    email: Email,
    password: Password,
    code: Type.Optional(Code),
    workspace_id: Type.Optional(Id),
  }),
  problems: [...PROOF_PROBLEMS, 'no-workspace'],
  responses: { 200: MeSchema },
  async run(request) {
    const { workspace_id, ...credentials } = request.body;
    return arrived(await accounts.signIn(contextOf(request), credentials, workspace_id), request);
  },
});

export const changePassword = endpoint({
  summary: 'Change one’s password',
  description: 'Ends all sessions of the person; this one goes on under a new cookie.',
  scope: 'any',
  idempotency: 'none',
  body: strict({ password: Password, new_password: Password, code: Type.Optional(Code) }),
  problems: PROOF_PROBLEMS,
  responses: { 200: MeSchema },
  async run(request) {
    const { new_password: replacement, ...credentials } = request.body;
    const wish = { ...credentials, replacement };
    const changed = await accounts.changePassword(contextOf(request), request.principal, wish);
    if (changed.kind !== 'changed') throw refusalOf(changed);
    return signedIn(changed, request.services.config);
  },
});

export const askReset = endpoint({
  summary: 'Ask for a link to choose a new password',
  description:
    'The answer is the same whether somebody has the address or not; the mail goes only to who does, from a sending domain of the installation’s first workspace.',
  scope: 'public',
  idempotency: 'none',
  body: strict({ email: Email }),
  responses: { 202: Nothing },
  async run(request) {
    const asked = await askForReset(request.services.database, request.body.email, originOf(request));
    if (asked.kind === 'too-many') throw refusalOf(asked);
    return { status: 202 as const, body: null };
  },
});

export const reset = endpoint({
  summary: 'Choose a new password by a link',
  description:
    'Good once, within an hour. Ends all sessions of the person, and begins one. A second factor is asked for as in signing in.',
  scope: 'public',
  idempotency: 'none',
  body: strict({ token: Token, password: Password, code: Type.Optional(Code) }),
  problems: [...PROOF_PROBLEMS, 'no-workspace'],
  responses: { 200: MeSchema },
  async run(request) {
    return arrived(await resetPassword(contextOf(request), request.body), request);
  },
});
