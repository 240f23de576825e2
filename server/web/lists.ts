/** Lists, with the number of people in each status, which is kept and never counted. */
import Type, { type Static } from 'typebox';
import { audit } from '../accounts/audit.ts';
import { createList, deleteList, membersPage, renameList } from '../audience/lists.ts';
import type { MemberRow } from '../audience/queries-contacts.ts';
import { findListById, type ListRow, listPage } from '../audience/queries-lists.ts';
import { SUBSCRIPTION_STATUSES } from '../audience/states.ts';
import { ListName } from './audience-schemas.ts';
import { ContactSchema, jsonOf as contactJsonOf } from './contacts.ts';
import { created, endpoint, noContent, ok } from './endpoint.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { notFound } from './problem.ts';
import { Id, Nothing, oneOf, strict, Time } from './schemas.ts';

/** Of a million people: the deletion of each subscription is part of it. */
const DELETE_MS_MAX = 60_000;

const ListSchema = strict(
  {
    id: Id,
    name: Type.String(),
    counts: strict(
      { unconfirmed: Type.Integer(), subscribed: Type.Integer(), unsubscribed: Type.Integer() },
      { description: 'People in each status, exact at the moment of the answer.' },
    ),
    created_at: Time,
  },
  { $id: 'List' },
);

export const list = endpoint({
  summary: 'Lists, by name',
  scope: 'contacts:read',
  idempotency: 'none',
  query: PAGE_QUERY,
  responses: { 200: pageSchema(ListSchema) },
  async handle({ query, workspaceId }, tx) {
    const { limit, after } = readPage(query, Type.String());
    const rows = await listPage(tx, workspaceId, after, limit + 1);
    return ok(pageOf(rows, limit, { item: jsonOf, key: ({ name }) => name }));
  },
});

export const create = endpoint({
  summary: 'Make a list',
  scope: 'contacts:write',
  idempotency: 'optional',
  body: strict({ name: ListName }),
  responses: { 201: ListSchema },
  problems: ['conflict'],
  async handle({ body, principal, workspaceId, address }, tx) {
    const row = await createList(tx, workspaceId, body.name);
    const done = { action: 'list.created', subject: `list/${row.id}`, after: { name: row.name } };
    await audit(tx, principal, { ...done, address });
    return created(`/v1/lists/${row.id}`, jsonOf(row));
  },
});

export const show = endpoint({
  summary: 'A list',
  scope: 'contacts:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: ListSchema },
  problems: ['not-found'],
  async handle({ params, workspaceId }, tx) {
    const row = await findListById(tx, workspaceId, params.id);
    if (!row) throw notFound('list');
    return ok(jsonOf(row));
  },
});

export const change = endpoint({
  summary: 'Rename a list',
  scope: 'contacts:write',
  idempotency: 'none',
  params: { id: Id },
  body: strict({ name: ListName }),
  responses: { 200: ListSchema },
  problems: ['conflict', 'not-found'],
  async handle({ body, params, principal, workspaceId, address }, tx) {
    const { before, list: row } = await renameList(tx, workspaceId, params.id, body.name);
    const names = { before: { name: before }, after: { name: row.name } };
    await audit(tx, principal, { action: 'list.renamed', subject: `list/${row.id}`, ...names, address });
    return ok(jsonOf(row));
  },
});

export const remove = endpoint({
  summary: 'Delete a list',
  description:
    'The contacts stay, who was on the list and who had left it is forgotten. A list that a campaign goes to or leaves out, drafts too, or that a segment asks for, cannot be deleted. An import into it ends.',
  scope: 'contacts:write',
  idempotency: 'none',
  params: { id: Id },
  responses: { 204: Nothing },
  problems: ['conflict', 'not-found'],
  deadlineMs: DELETE_MS_MAX,
  async handle({ params, principal, workspaceId, address }, tx) {
    const name = await deleteList(tx, workspaceId, params.id);
    const done = { action: 'list.deleted', subject: `list/${params.id}`, before: { name } };
    await audit(tx, principal, { ...done, address });
    return noContent();
  },
});

export const members = endpoint({
  summary: 'Who is on a list, or has left it; the newest contacts first',
  scope: 'contacts:read',
  idempotency: 'none',
  params: { id: Id },
  query: { ...PAGE_QUERY, status: Type.Optional(oneOf(SUBSCRIPTION_STATUSES)) },
  responses: {
    200: pageSchema(
      strict(
        { contact: ContactSchema, status: oneOf(SUBSCRIPTION_STATUSES), changed_at: Time },
        { $id: 'ListMember' },
      ),
    ),
  },
  problems: ['not-found'],
  async handle({ params, query, workspaceId }, tx) {
    const { limit, after } = readPage(query, Id);
    const of = { listId: params.id, status: query.status ?? null, beforeId: after, limit: limit + 1 };
    const rows = await membersPage(tx, workspaceId, of);
    if (!rows) throw notFound('list');
    const item = (row: MemberRow) => ({
      contact: contactJsonOf(row),
      status: row.status,
      changed_at: row.changedAt.toISOString(),
    });
    return ok(pageOf(rows, limit, { item, key: ({ id }) => id }));
  },
});

function jsonOf(row: ListRow): Static<typeof ListSchema> {
  const { id, name, unconfirmed, subscribed, unsubscribed, createdAt } = row;
  return { id, name, counts: { unconfirmed, subscribed, unsubscribed }, created_at: createdAt.toISOString() };
}
