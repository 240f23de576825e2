/** Who belongs to the workspace, and in what role. Nobody gives or takes away what they do not have themselves. */
import Type, { type Static } from 'typebox';
import { changeRole, disableMember, enableMember, listMembers } from '../accounts/members.ts';
import { ROLES } from '../accounts/roles.ts';
import { endpoint, noContent, ok } from './endpoint.ts';
import { Id, Nothing, nullable, oneOf, strict, Time } from './schemas.ts';
import { originOf } from './session.ts';

const MemberSchema = strict(
  {
    id: Id,
    email: Type.String(),
    name: Type.String(),
    role: oneOf(ROLES),
    joined_at: Time,
    removed_at: nullable(Time),
  },
  { $id: 'Member' },
);

export const list = endpoint({
  summary: 'All members, with those that were removed',
  scope: 'members:read',
  idempotency: 'none',
  responses: { 200: strict({ data: Type.Array(MemberSchema) }) },
  async run({ services, workspaceId }) {
    const rows = await listMembers(services.database, workspaceId);
    return ok({
      data: rows.map(
        (row): Static<typeof MemberSchema> => ({
          id: row.personId,
          email: row.email,
          name: row.name,
          role: row.role,
          joined_at: row.createdAt.toISOString(),
          removed_at: row.disabledAt?.toISOString() ?? null,
        }),
      ),
    });
  },
});

export const change = endpoint({
  summary: 'Give a member another role',
  description: 'Ends their sessions in the workspace.',
  scope: 'members:write',
  idempotency: 'none',
  params: { id: Id },
  body: strict({ role: oneOf(ROLES) }),
  problems: ['conflict'],
  responses: { 204: Nothing },
  async run(request) {
    const { services, principal, params, body } = request;
    const wish = { personId: params.id, role: body.role };
    await changeRole(services.database, principal, wish, originOf(request));
    return noContent();
  },
});

export const remove = endpoint({
  summary: 'Remove a member',
  description:
    'From the next request on they are out. What they did stays, and so do the API keys they made.',
  scope: 'members:write',
  idempotency: 'none',
  params: { id: Id },
  problems: ['conflict'],
  responses: { 204: Nothing },
  async run(request) {
    const { services, principal, params } = request;
    await disableMember(services.database, principal, params.id, originOf(request));
    return noContent();
  },
});

export const restore = endpoint({
  summary: 'Take a member back who was removed',
  description: 'In the role that they had.',
  scope: 'members:write',
  idempotency: 'optional',
  params: { id: Id },
  responses: { 204: Nothing },
  async run(request) {
    const { services, principal, params } = request;
    await enableMember(services.database, principal, params.id, originOf(request));
    return noContent();
  },
});
