/** The workspace that the caller is in, and the others of the person who is signed in. */
import Type, { type Static } from 'typebox';
import type { WorkspaceRow } from '../accounts/queries.ts';
import { ROLES } from '../accounts/roles.ts';
import { switchWorkspace } from '../accounts/sessions.ts';
import { createWorkspace, listWorkspaces, readWorkspace, renameWorkspace } from '../accounts/workspaces.ts';
import { idOf } from '../kernel/ids.ts';
import { created, endpoint, ok } from './endpoint.ts';
import { MeSchema } from './me.ts';
import { Id, oneOf, strict, Time } from './schemas.ts';
import { originOf, signedIn } from './session.ts';

const WorkspaceName = Type.String({ minLength: 1, maxLength: 200 });

const WorkspaceSchema = strict({ id: Id, name: Type.String(), created_at: Time }, { $id: 'Workspace' });

export const show = endpoint({
  summary: 'This workspace',
  scope: 'any',
  idempotency: 'none',
  responses: { 200: WorkspaceSchema },
  run: async ({ services, workspaceId }) => ok(jsonOf(await readWorkspace(services.database, workspaceId))),
});

export const change = endpoint({
  summary: 'Rename this workspace',
  scope: 'workspace:write',
  idempotency: 'none',
  body: strict({ name: WorkspaceName }),
  responses: { 200: WorkspaceSchema },
  async run(request) {
    const { services, principal, body } = request;
    return ok(jsonOf(await renameWorkspace(services.database, principal, body, originOf(request))));
  },
});

export const list = endpoint({
  summary: 'The workspaces that the person who is signed in is in, the oldest membership first',
  scope: 'any',
  idempotency: 'none',
  problems: ['refused'],
  responses: {
    200: strict({ data: Type.Array(strict({ id: Id, name: Type.String(), role: oneOf(ROLES) })) }),
  },
  async run({ services, principal }) {
    const all = await listWorkspaces(services.database, principal);
    return ok({ data: all.map(({ workspaceId: id, name, role }) => ({ id, name, role })) });
  },
});

export const create = endpoint({
  summary: 'Make another workspace',
  description: 'It belongs to the owner who makes it; go there with `switch`.',
  scope: 'workspace:write',
  idempotency: 'optional',
  body: strict({ name: WorkspaceName }),
  responses: { 201: strict({ id: Id }) },
  async run(request) {
    const { services, principal, body, once, workspaceId } = request;
    // Its transaction is not one of this workspace, so the key cannot be finished in it: a second try finds what the first made.
    const wish = once ? { ...body, id: idOf('workspace', workspaceId, once.held.key) } : body;
    const id = await createWorkspace(services.database, principal, wish, originOf(request));
    return created(`/v1/workspaces/${id}/switch`, { id });
  },
});

export const enter = endpoint({
  summary: 'Go on in another workspace',
  description: 'This session ends, and goes on there under a new cookie.',
  scope: 'any',
  idempotency: 'none',
  params: { id: Id },
  problems: ['refused'],
  responses: { 200: MeSchema },
  async run(request) {
    const { services, principal, params } = request;
    const there = await switchWorkspace(services.database, principal, params.id, originOf(request));
    return signedIn(there, services.config);
  },
});

function jsonOf({ id, name, createdAt }: WorkspaceRow): Static<typeof WorkspaceSchema> {
  return { id, name, created_at: createdAt.toISOString() };
}
