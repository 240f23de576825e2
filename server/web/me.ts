/** Who the caller is: the first thing that a client with a new key asks. */
import Type from 'typebox';
import { ROLES, SCOPES } from '../accounts/roles.ts';
import { endpoint, ok } from './endpoint.ts';
import { Id, nullable, oneOf, strict } from './schemas.ts';

export const show = endpoint({
  summary: 'Who am I?',
  description: 'What the key or the session that asks stands for.',
  scope: 'any',
  idempotency: 'none',
  responses: {
    200: strict({
      kind: oneOf(['key', 'session']),
      id: Type.String(),
      workspace_id: Id,
      person_id: nullable(Id),
      role: oneOf(ROLES),
      scopes: Type.Array(oneOf(SCOPES)),
    }),
  },
  run: async ({ principal: { kind, id, workspaceId, personId, role, scopes } }) =>
    ok({ kind, id, workspace_id: workspaceId, person_id: personId, role, scopes: [...scopes] }),
});
