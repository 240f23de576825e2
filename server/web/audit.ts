/** The audit log: who did what in the workspace. Read only; whoever does something writes it (accounts/audit.ts). */
import Type from 'typebox';
import { listAudit } from '../accounts/audit.ts';
import type { AuditEntry } from '../accounts/queries-audit.ts';
import { endpoint, ok } from './endpoint.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { Id, nullable, oneOf, strict, Time } from './schemas.ts';

const EntrySchema = strict(
  {
    position: Type.Integer({ minimum: 1, description: '1, 2, 3, … without a gap.' }),
    at: Time,
    actor: strict({
      kind: oneOf(['key', 'session', 'operator']),
      id: Type.String(),
      person_id: nullable(Id),
    }),
    action: Type.String({ description: 'What was done: key.created' }),
    subject: Type.String({ description: 'What it was done to: key/1a2b3c4d' }),
    before: Type.Unknown({ description: 'What of the subject changed; null where nothing was.' }),
    after: Type.Unknown(),
    address: nullable(Type.String({ description: 'Network address that the request came from.' })),
  },
  { $id: 'AuditEntry' },
);

export const list = endpoint({
  summary: 'What was done, the newest first',
  scope: 'audit:read',
  idempotency: 'none',
  query: PAGE_QUERY,
  responses: { 200: pageSchema(EntrySchema) },
  async run({ query, services, workspaceId }) {
    const { limit, after } = readPage(query, Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }));
    const rows = await listAudit(services.database, workspaceId, {
      limit: limit + 1,
      ...(after === null ? {} : { before: after }),
    });
    return ok(pageOf(rows, limit, { item: jsonOf, key: ({ position }) => position }));
  },
});

function jsonOf(entry: AuditEntry) {
  const { position, at, actorKind, actorId, personId, action, subject, before, after, address } = entry;
  return {
    position,
    at,
    actor: { kind: actorKind, id: actorId, person_id: personId },
    action,
    subject,
    before: before === null ? null : JSON.parse(before),
    after: after === null ? null : JSON.parse(after),
    address,
  };
}
