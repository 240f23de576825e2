/** Addresses that get no mail of the workspace, whatever list they are on. */
import Type, { type Static } from 'typebox';
import { SUPPRESSION_REASONS, type SuppressionRow } from '../audience/queries-suppressions.ts';
import { addSuppressions, removeSuppressions, suppressionsPage } from '../audience/suppressions.ts';
import { Address, readAddresses } from './audience-schemas.ts';
import { endpoint, ok } from './endpoint.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { Id, nullable, oneOf, strict, Time } from './schemas.ts';

const AT_ONCE_MAX = 500;
const PREFIX_CHARS_MAX = 254;

const SuppressionSchema = strict(
  {
    email: Type.String(),
    reason: oneOf(SUPPRESSION_REASONS),
    rule: nullable(Type.String({ description: 'Of the reply table, which judged the reply.' })),
    detail: nullable(Type.String({ description: 'The reply itself, or the note of whoever added it.' })),
    campaign_id: nullable(Id),
    created_at: Time,
  },
  { $id: 'Suppression' },
);

const Addresses = Type.Array(Address, { minItems: 1, maxItems: AT_ONCE_MAX });

export const list = endpoint({
  summary: 'Suppressed addresses, in their order',
  scope: 'suppressions:read',
  idempotency: 'none',
  query: {
    ...PAGE_QUERY,
    email_prefix: Type.Optional(
      Type.String({ minLength: 1, maxLength: PREFIX_CHARS_MAX, description: 'Or a whole address.' }),
    ),
    reason: Type.Optional(oneOf(SUPPRESSION_REASONS)),
  },
  responses: { 200: pageSchema(SuppressionSchema) },
  async handle({ query, workspaceId }, tx) {
    const { limit, after } = readPage(query, Type.String());
    const prefix = query.email_prefix?.toLowerCase() ?? '';
    const of = { prefix, reason: query.reason ?? null, after, limit: limit + 1 };
    const rows = await suppressionsPage(tx, workspaceId, of);
    return ok(pageOf(rows, limit, { item: jsonOf, key: ({ email }) => email }));
  },
});

export const add = endpoint({
  summary: 'Suppress up to 500 addresses',
  description: 'With the reason `manual`. One that is suppressed already keeps the reason that it has.',
  scope: 'suppressions:write',
  idempotency: 'optional',
  body: strict({ emails: Addresses, note: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })) }),
  responses: { 200: strict({ added: Type.Integer(), already: Type.Integer() }) },
  async handle({ body, principal, address }, tx) {
    const emails = readAddresses(body.emails, '/body/emails');
    return ok(await addSuppressions(tx, principal, { emails, note: body.note ?? null, address }));
  },
});

export const remove = endpoint({
  summary: 'Let up to 500 addresses have mail again',
  description:
    'The next mail is tried. A mailbox that does not exist refuses it again and is suppressed again; too many of those harm the name of the sender. Somebody who complained should have asked for it. The reason is kept in the audit log. `missing` counts those that were not suppressed.',
  scope: 'suppressions:write',
  idempotency: 'optional',
  body: strict({ emails: Addresses, reason: Type.String({ minLength: 1, maxLength: 500 }) }),
  responses: {
    200: strict({
      removed: strict({ hard_bounce: Type.Integer(), complaint: Type.Integer(), manual: Type.Integer() }),
      missing: Type.Integer(),
    }),
  },
  async handle({ body, principal, address }, tx) {
    const emails = [...new Set(readAddresses(body.emails, '/body/emails'))];
    const removed = await removeSuppressions(tx, principal, { emails, reason: body.reason, address });
    const { hard_bounce, complaint, manual } = removed;
    return ok({ removed, missing: emails.length - hard_bounce - complaint - manual });
  },
});

function jsonOf(row: SuppressionRow): Static<typeof SuppressionSchema> {
  const { email, reason, rule, detail, campaignId, createdAt } = row;
  return { email, reason, rule, detail, campaign_id: campaignId, created_at: createdAt.toISOString() };
}
