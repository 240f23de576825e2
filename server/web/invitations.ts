/**
 * Invitations: by a link that is good once, within a week. It is mailed when the workspace has a domain to send from, and is
 * in the answer to whoever invites, this once; so that answer is not kept for a replay. To invite again takes the place of
 * what was before.
 */
import Type, { type Static } from 'typebox';
import {
  acceptInvitation,
  invite,
  listInvitations,
  openInvitation,
  revokeInvitation,
} from '../accounts/invitations.ts';
import { ROLES } from '../accounts/roles.ts';
import { created, endpoint, noContent, ok } from './endpoint.ts';
import { mailingOf } from './mailing.ts';
import { MeSchema } from './me.ts';
import { Id, Nothing, nullable, oneOf, strict, Time } from './schemas.ts';
import {
  arrived,
  Code,
  contextOf,
  Email,
  originOf,
  Password,
  PersonName,
  PROOF_PROBLEMS,
  Token,
} from './session.ts';

const InvitationSchema = strict(
  {
    id: Id,
    email: Type.String(),
    role: oneOf(ROLES),
    invited_by: nullable(Id),
    created_at: Time,
    expires_at: Time,
  },
  { $id: 'Invitation' },
);

export const list = endpoint({
  summary: 'The invitations that may still be accepted, the newest first',
  scope: 'members:read',
  idempotency: 'none',
  responses: { 200: strict({ data: Type.Array(InvitationSchema) }) },
  async run({ services, workspaceId }) {
    const rows = await listInvitations(services.database, workspaceId);
    return ok({
      data: rows.map(
        (row): Static<typeof InvitationSchema> => ({
          id: row.id,
          email: row.email,
          role: row.role,
          invited_by: row.invitedBy,
          created_at: row.createdAt.toISOString(),
          expires_at: row.expiresAt.toISOString(),
        }),
      ),
    });
  },
});

export const create = endpoint({
  summary: 'Invite somebody',
  description:
    'An invitation of the same address that is open ends. It is mailed, and then nobody but the invited sees its link; where no domain signs yet, `link` is in the answer, once.',
  scope: 'members:write',
  idempotency: 'none',
  body: strict({ email: Email, role: oneOf(ROLES) }),
  problems: ['conflict'],
  responses: {
    201: strict({ id: Id, link: nullable(Type.String()), expires_at: Time, is_mailed: Type.Boolean() }),
  },
  async run(request) {
    const { services, principal, body } = request;
    const mailing = mailingOf(services.config, 'invitation');
    const invited = await invite(services.database, principal, body, originOf(request), mailing);
    return created(`/v1/invitations/${invited.id}`, {
      id: invited.id,
      // Whoever has the link makes the account: a mailed one proves the address, and one that is shown cannot.
      link: invited.isMailed ? null : mailing.linkOf(invited.token),
      expires_at: invited.expiresAt.toISOString(),
      is_mailed: invited.isMailed,
    });
  },
});

export const revoke = endpoint({
  summary: 'Revoke an invitation',
  description: 'Its link opens nothing any more.',
  scope: 'members:write',
  idempotency: 'none',
  params: { id: Id },
  responses: { 204: Nothing },
  async run(request) {
    const { services, principal, params } = request;
    await revokeInvitation(services.database, principal, params.id, originOf(request));
    return noContent();
  },
});

export const open = endpoint({
  summary: 'What a link invites to',
  description: 'Changes nothing; a POST, so that the token stands in no URL.',
  scope: 'public',
  idempotency: 'none',
  body: strict({ token: Token }),
  responses: {
    200: strict({
      workspace: Type.String(),
      email: Type.String(),
      role: oneOf(ROLES),
      is_known: Type.Boolean({
        description: 'There is an account of this address: accept with its password.',
      }),
    }),
  },
  async run({ services, body }) {
    const { workspace, email, role, isKnown } = await openInvitation(services.database, body.token);
    return ok({ workspace, email, role, is_known: isKnown });
  },
});

export const accept = endpoint({
  summary: 'Accept an invitation, and be signed in',
  description:
    'Somebody new chooses a name and a password; who has an account proves it with its password, and a `code` if it has a second factor. Through a provider: see /v1/sign-in/sso.',
  scope: 'public',
  idempotency: 'none',
  body: strict({
    token: Token,
    password: Password,
    name: Type.Optional(PersonName),
    code: Type.Optional(Code),
  }),
  problems: [...PROOF_PROBLEMS, 'no-workspace'],
  responses: { 200: MeSchema },
  async run(request) {
    return arrived(await acceptInvitation(contextOf(request), request.body), request);
  },
});
