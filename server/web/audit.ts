/** The audit log: who did what in the workspace. Read only; whoever does something writes it (accounts/audit.ts). */
import { Readable } from 'node:stream';
import Type from 'typebox';
import { exportAudit, listAudit, verifyAuditLog } from '../accounts/audit.ts';
import type { AuditEntry } from '../accounts/queries-audit.ts';
import type { Database } from '../kernel/database.ts';
import type { Scope } from '../kernel/scope.ts';
import { endpoint, ok } from './endpoint.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { Id, media, nullable, oneOf, strict, Time } from './schemas.ts';

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

const WHOLE_LOG_MS_MAX = 5 * 60_000;

export const exported = endpoint({
  summary: 'The whole log, the oldest first',
  description:
    'JSON lines: entries as in the list, each with its `hash`. It is the SHA-256 of the hash before it (as bytes; of the first nothing) and of a JSON array: the workspace’s id, position, at, the actor’s kind, id and person_id, action, subject, before and after as JSON text or null, address.',
  scope: 'audit:read',
  idempotency: 'none',
  load: 'bulk',
  deadlineMs: WHOLE_LOG_MS_MAX,
  responses: { 200: media('application/x-ndjson') },
  run: async ({ services, workspaceId, scope }) =>
    ok(Readable.from(lines(services.database, workspaceId, scope), { objectMode: false }), {
      'content-type': 'application/x-ndjson',
      'content-disposition': 'attachment; filename="audit.ndjson"',
    }),
});

async function* lines(database: Database, workspaceId: string, scope: Scope): AsyncGenerator<string> {
  for await (const page of exportAudit(database, workspaceId, scope))
    yield page
      .map(({ hash, ...entry }) => `${JSON.stringify({ ...jsonOf(entry), hash: hash.toString('hex') })}\n`)
      .join('');
}

export const verification = endpoint({
  summary: 'Is the log what was written?',
  description:
    'Computes its chain again. Note `head` where whoever may write the database cannot: given as `noted` later, it also finds a log that was written anew.',
  scope: 'audit:read',
  idempotency: 'none',
  load: 'bulk',
  deadlineMs: WHOLE_LOG_MS_MAX,
  query: {
    noted: Type.Optional(
      Type.String({ pattern: '^\\d{1,15}:([0-9a-f]{64})?$', description: 'A `head` of before.' }),
    ),
  },
  responses: {
    200: strict({
      is_intact: Type.Boolean(),
      entries: nullable(Type.Integer()),
      head: nullable(Type.String({ description: 'Its length and its last hash.' })),
      position: nullable(Type.Integer({ description: 'The first entry that does not fit.' })),
      reason: nullable(Type.String()),
    }),
  },
  async run({ services, workspaceId, scope, query: { noted } }) {
    const head = noted === undefined ? undefined : headOf(noted);
    const verdict = await verifyAuditLog(services.database, workspaceId, head, scope);
    if (verdict.kind === 'tampered') {
      const { position, reason } = verdict;
      return ok({ is_intact: false, entries: null, head: null, position, reason });
    }
    const { entries, hash } = verdict.head;
    return ok({ is_intact: true, entries, head: `${entries}:${hash}`, position: null, reason: null });
  },
});

/** As the schema has accepted it. */
function headOf(text: string): { entries: number; hash: string } {
  const [entries, hash = ''] = text.split(':');
  return { entries: Number(entries), hash };
}

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
