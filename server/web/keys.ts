/**
 * API keys. A key is in the answer that makes it and nowhere else: no answer that holds a secret is kept for a replay, so
 * these take no Idempotency-Key. Who lost the answer revokes the key and makes another.
 */
import Type, { type Static } from 'typebox';
import { createKey, listKeys, revokeKey } from '../accounts/keys.ts';
import type { KeyRow } from '../accounts/queries-keys.ts';
import { ROLES, SCOPES } from '../accounts/roles.ts';
import { created, endpoint, noContent, ok } from './endpoint.ts';
import { Id, Nothing, nullable, oneOf, strict, Time } from './schemas.ts';
import { readTime } from './time.ts';

const KeyId = Type.String({
  minLength: 1,
  maxLength: 32,
  description: 'The part of the key that may be shown.',
});

const KeySchema = strict(
  {
    id: KeyId,
    name: Type.String(),
    role: oneOf(ROLES),
    scopes: nullable(Type.Array(oneOf(SCOPES), { description: 'Null: all that the role has.' })),
    created_by: nullable(Id),
    created_at: Time,
    expires_at: nullable(Time),
    last_used_at: nullable(Time),
    revoked_at: nullable(Time),
  },
  { $id: 'Key' },
);

export const list = endpoint({
  summary: 'All API keys, with those that were revoked',
  scope: 'keys:read',
  idempotency: 'none',
  responses: { 200: strict({ data: Type.Array(KeySchema) }) },
  async run({ services, workspaceId }) {
    const rows = await listKeys(services.database, workspaceId);
    return ok({ data: rows.map(jsonOf) });
  },
});

export const create = endpoint({
  summary: 'Make an API key',
  description: 'The key is shown this once. It may not do more than whoever makes it.',
  scope: 'keys:write',
  idempotency: 'none',
  body: strict({
    name: Type.String({ minLength: 1, maxLength: 100 }),
    role: oneOf(ROLES),
    scopes: Type.Optional(
      Type.Array(oneOf(SCOPES), { uniqueItems: true, description: 'Only these of the role’s.' }),
    ),
    expires_at: Type.Optional(Time),
  }),
  responses: { 201: strict({ id: KeyId, key: Type.String({ description: 'camp_live_…' }) }) },
  async run({ body, principal, services, address }) {
    const { name, role, scopes, expires_at } = body;
    const expiresAt = expires_at === undefined ? undefined : readTime(expires_at, '/body/expires_at');
    const key = await createKey(services.database, principal, { name, role, scopes, expiresAt }, { address });
    return created(`/v1/keys/${key.id}`, key);
  },
});

export const revoke = endpoint({
  summary: 'Revoke an API key',
  description: 'From the next request on it opens nothing.',
  scope: 'keys:write',
  idempotency: 'none',
  params: { id: KeyId },
  responses: { 204: Nothing },
  async run({ params, principal, services, address }) {
    await revokeKey(services.database, principal, params.id, { address });
    return noContent();
  },
});

function jsonOf(row: KeyRow): Static<typeof KeySchema> {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    scopes: row.scopes,
    created_by: row.createdBy,
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt?.toISOString() ?? null,
    last_used_at: row.lastUsedAt?.toISOString() ?? null,
    revoked_at: row.revokedAt?.toISOString() ?? null,
  };
}
