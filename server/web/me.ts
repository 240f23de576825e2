/** Who the caller is: the first thing that a client with a new key asks. */
import Type, { type Static } from 'typebox';
import { accountOf } from '../accounts/people.ts';
import type { Principal } from '../accounts/principal.ts';
import { ROLES, SCOPES } from '../accounts/roles.ts';
import { endpoint, ok } from './endpoint.ts';
import { Id, nullable, oneOf, strict } from './schemas.ts';

export const MeSchema = strict(
  {
    kind: oneOf(['key', 'session']),
    id: Type.String(),
    workspace_id: Id,
    person_id: nullable(Id),
    role: oneOf(ROLES),
    scopes: Type.Array(oneOf(SCOPES)),
  },
  { $id: 'Me' },
);

export const show = endpoint({
  summary: 'Who am I?',
  description: 'What the key or the session that asks stands for.',
  scope: 'any',
  idempotency: 'none',
  responses: { 200: MeSchema },
  run: async ({ principal }) => ok(meOf(principal)),
});

export const account = endpoint({
  summary: 'The account of whoever is signed in',
  description: 'The person’s own, in all workspaces. An API key has none.',
  scope: 'any',
  idempotency: 'none',
  problems: ['refused'],
  responses: {
    200: strict(
      {
        email: Type.String(),
        name: Type.String(),
        has_password: Type.Boolean(),
        has_second_factor: Type.Boolean(),
        recovery_codes_left: Type.Integer(),
      },
      { $id: 'Account' },
    ),
  },
  async run({ principal, services }) {
    const person = await accountOf(services.database, principal);
    return ok({
      email: person.email,
      name: person.name,
      has_password: person.hasPassword,
      has_second_factor: person.hasSecondFactor,
      recovery_codes_left: person.recoveryCodesLeft,
    });
  },
});

export function meOf({ kind, id, workspaceId, personId, role, scopes }: Principal): Static<typeof MeSchema> {
  return { kind, id, workspace_id: workspaceId, person_id: personId, role, scopes: [...scopes] };
}
