/**
 * Contacts. A page has one filter and the order of that filter's index, so it costs the same however many contacts there
 * are; whoever wants filters together wants a segment.
 */
import Type, { type Static } from 'typebox';
import { audit } from '../accounts/audit.ts';
import {
  type ContactDetails,
  type ContactFilter,
  changeContacts,
  contactsPage,
  createContact,
  deleteContacts,
  detailsOf,
  findContactDetails,
  updateContact,
  upsertContact,
} from '../audience/contacts.ts';
import { changeSubscriptions, holdList } from '../audience/lists.ts';
import type { ContactRow } from '../audience/queries-contacts.ts';
import { SUPPRESSION_REASONS } from '../audience/queries-suppressions.ts';
import { SUBSCRIPTION_STATUSES, type SubscriptionStatus } from '../audience/states.ts';
import type { Tx } from '../kernel/database.ts';
import {
  Address,
  AttributeChanges,
  Attributes,
  ContactName,
  checkAttributeKeys,
  readAddress,
  Tags,
} from './audience-schemas.ts';
import { created, endpoint, noContent, ok } from './endpoint.ts';
import { PAGE_QUERY, pageOf, pageSchema, readPage } from './page.ts';
import { invalid, notFound, Problem } from './problem.ts';
import { Id, Nothing, nullable, oneOf, strict, Time } from './schemas.ts';

const LISTS_AT_ONCE_MAX = 20;

const FIELDS = {
  id: Id,
  email: Type.String(),
  name: nullable(Type.String()),
  attributes: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
  tags: Type.Array(Type.String()),
  created_at: Time,
  updated_at: Time,
};

export const ContactSchema = strict(FIELDS, { $id: 'Contact' });

const ContactDetailsSchema = strict(
  {
    ...FIELDS,
    subscriptions: Type.Array(
      strict(
        { list_id: Id, list_name: Type.String(), status: oneOf(SUBSCRIPTION_STATUSES), changed_at: Time },
        { $id: 'Subscription' },
      ),
    ),
    suppression: nullable(strict({ reason: oneOf(SUPPRESSION_REASONS), created_at: Time })),
  },
  { $id: 'ContactDetails' },
);

const PREFIX_CHARS_MAX = 254;

export const list = endpoint({
  summary: 'Contacts: all, or those of one filter',
  description:
    'One filter at a time: `email`, `email_prefix`, `tag`, or `list_id` with or without `status`; for more at once there are segments. Newest first; with `email_prefix` by address.',
  scope: 'contacts:read',
  idempotency: 'none',
  query: {
    ...PAGE_QUERY,
    email: Type.Optional(Address),
    email_prefix: Type.Optional(Type.String({ minLength: 1, maxLength: PREFIX_CHARS_MAX })),
    list_id: Type.Optional(Id),
    status: Type.Optional(oneOf(SUBSCRIPTION_STATUSES, { description: 'Of the subscription to `list_id`.' })),
    tag: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  },
  responses: { 200: pageSchema(ContactSchema) },
  problems: ['not-found'],
  async handle({ query, workspaceId }, tx) {
    const filter = filterOf(query);
    const isByAddress = filter?.kind === 'prefix';
    const { limit, after } = readPage(query, isByAddress ? Type.String({ maxLength: PREFIX_CHARS_MAX }) : Id);
    const rows = await contactsPage(tx, workspaceId, filter, { after, limit: limit + 1 });
    if (!rows) throw notFound('list');
    return ok(pageOf(rows, limit, { item: jsonOf, key: ({ id, email }) => (isByAddress ? email : id) }));
  },
});

interface FilterQuery {
  email?: string;
  email_prefix?: string;
  list_id?: string;
  status?: SubscriptionStatus;
  tag?: string;
}

function filterOf(query: FilterQuery): ContactFilter | null {
  const { email, email_prefix: prefix, list_id: listId, status, tag } = query;
  const filters = Object.entries({ email, email_prefix: prefix, list_id: listId, tag });
  const [, second] = filters.filter(([, value]) => value !== undefined);
  if (second) throw invalid(`/query/${second[0]}`, 'is a second filter: ask for one, or make a segment');
  if (status !== undefined && listId === undefined)
    throw invalid('/query/status', 'is of a subscription: say which with list_id');
  if (email !== undefined) return { kind: 'email', email: readAddress(email, '/query/email') };
  if (prefix !== undefined) return { kind: 'prefix', prefix: prefix.toLowerCase() };
  if (tag !== undefined) return { kind: 'tag', tag };
  return listId === undefined ? null : { kind: 'list', listId, status: status ?? null };
}

export const create = endpoint({
  summary: 'Make a contact',
  description:
    'With `upsert=true` a contact of this address that is there already is filled in: what is not given stays, tags are added, and 200 is answered. Without, that is a conflict. `list_ids` puts them on lists as an import would: who has left one of them stays away, which the answer shows.',
  scope: 'contacts:write',
  idempotency: 'optional',
  query: { upsert: Type.Optional(Type.Boolean()) },
  body: strict({
    email: Address,
    name: Type.Optional(ContactName),
    attributes: Type.Optional(Attributes),
    tags: Type.Optional(Tags),
    list_ids: Type.Optional(Type.Array(Id, { maxItems: LISTS_AT_ONCE_MAX, uniqueItems: true })),
  }),
  responses: { 200: ContactDetailsSchema, 201: ContactDetailsSchema },
  problems: ['conflict', 'not-found', 'refused'],
  async handle({ body, query, workspaceId }, tx) {
    checkAttributeKeys(body.attributes, '/body/attributes');
    const { email, name, attributes, tags, list_ids: listIds = [] } = body;
    const wanted = { email: readAddress(email, '/body/email'), name, attributes, tags };
    const { contact, isNew } = await save(tx, workspaceId, wanted, query.upsert === true);
    for (const listId of listIds.toSorted()) {
      await holdList(tx, workspaceId, listId);
      await changeSubscriptions(tx, { workspaceId, listId, contactIds: [contact.id] }, 'add');
    }
    const details = detailsJsonOf(await detailsOf(tx, workspaceId, contact));
    return isNew ? created(`/v1/contacts/${contact.id}`, details) : ok(details);
  },
});

async function save(
  tx: Tx,
  workspaceId: string,
  wanted: Parameters<typeof createContact>[2],
  upsert: boolean,
) {
  if (upsert) {
    const saved = await upsertContact(tx, workspaceId, wanted);
    if (saved.kind === 'saved') return saved;
    throw invalid('/body/email', saved.reason);
  }
  const made = await createContact(tx, workspaceId, wanted);
  if (made.kind === 'made') return { contact: made.contact, isNew: true };
  throw new Problem('conflict', made.reason);
}

export const show = endpoint({
  summary: 'A contact, with its subscriptions',
  scope: 'contacts:read',
  idempotency: 'none',
  params: { id: Id },
  responses: { 200: ContactDetailsSchema },
  problems: ['not-found'],
  async handle({ params, workspaceId }, tx) {
    const details = await findContactDetails(tx, workspaceId, params.id);
    if (!details) throw notFound('contact');
    return ok(detailsJsonOf(details));
  },
});

export const change = endpoint({
  summary: 'Change a contact',
  description:
    'What is not given stays. A new address is a new destination: the suppression of the old one does not follow, the subscriptions do.',
  scope: 'contacts:write',
  idempotency: 'none',
  params: { id: Id },
  body: strict({
    email: Type.Optional(Address),
    name: Type.Optional(nullable(ContactName)),
    attributes: Type.Optional(AttributeChanges),
    tags: Type.Optional({ ...Tags, description: 'All that it is to have.' }),
  }),
  responses: { 200: ContactSchema },
  problems: ['conflict', 'not-found', 'refused'],
  async handle({ body, params, workspaceId }, tx) {
    checkAttributeKeys(body.attributes, '/body/attributes');
    const email = body.email === undefined ? undefined : readAddress(body.email, '/body/email');
    return ok(jsonOf(await updateContact(tx, workspaceId, params.id, { ...body, email })));
  },
});

export const remove = endpoint({
  summary: 'Erase a contact',
  description:
    'Name, attributes, tags and subscriptions go. Messages that were sent stay under their address, and so does a suppression; whoever had left a list gets one, so that no import brings them back. What still waits to be sent to them is not sent.',
  scope: 'contacts:write',
  idempotency: 'none',
  params: { id: Id },
  responses: { 204: Nothing },
  problems: ['not-found'],
  async handle({ params, principal, workspaceId, address }, tx) {
    if ((await deleteContacts(tx, workspaceId, [params.id])) === 0) throw notFound('contact');
    await audit(tx, principal, { action: 'contact.deleted', subject: `contact/${params.id}`, address });
    return noContent();
  },
});

const BULK_MAX = 500;

export const bulk = endpoint({
  summary: 'Do the same to up to 500 contacts',
  description:
    'All of it or nothing. `add_to_list` moves nobody who is on the list or has left it; `unsubscribe` without `list_id` is from every list that they are on; `delete` erases as DELETE does. Ids that are no contacts are named in `missing`.',
  scope: 'contacts:write',
  idempotency: 'optional',
  body: strict({
    contact_ids: Type.Array(Id, { minItems: 1, maxItems: BULK_MAX, uniqueItems: true }),
    action: Type.Union([
      strict({ kind: Type.Literal('tag'), add: Type.Optional(Tags), remove: Type.Optional(Tags) }),
      strict({ kind: Type.Literal('add_to_list'), list_id: Id }),
      strict({ kind: Type.Literal('unsubscribe'), list_id: Type.Optional(Id) }),
      strict({ kind: Type.Literal('delete') }),
    ]),
  }),
  responses: {
    200: strict(
      {
        changed: Type.Integer(),
        unchanged: Type.Integer(),
        kept_unsubscribed: Type.Integer({
          description: 'Of the unchanged: they had left the list, and stay away.',
        }),
        missing: Type.Array(Id),
      },
      { $id: 'BulkOutcome' },
    ),
  },
  problems: ['not-found', 'refused'],
  async handle({ body, principal, workspaceId, address }, tx) {
    const { contact_ids: ids, action } = body;
    const outcome = await changeContacts(tx, workspaceId, ids, actionOf(action));
    const { changed, unchanged, keptUnsubscribed, missing } = outcome;
    const gone = new Set(missing);
    const after = { ...action, contact_ids: ids.filter((id) => !gone.has(id)) };
    await audit(tx, principal, { action: 'contacts.changed', subject: 'contacts', after, address });
    return ok({ changed, unchanged, kept_unsubscribed: keptUnsubscribed, missing });
  },
});

type Action =
  | { kind: 'tag'; add?: string[]; remove?: string[] }
  | { kind: 'add_to_list'; list_id: string }
  | { kind: 'unsubscribe'; list_id?: string }
  | { kind: 'delete' };

function actionOf(action: Action): Parameters<typeof changeContacts>[3] {
  switch (action.kind) {
    case 'tag':
      return { kind: 'tag', add: action.add ?? [], remove: action.remove ?? [] };
    case 'add_to_list':
      return { kind: 'add_to_list', listId: action.list_id };
    case 'unsubscribe':
      return { kind: 'unsubscribe', listId: action.list_id ?? null };
    case 'delete':
      return action;
  }
}

export function jsonOf(row: ContactRow): Static<typeof ContactSchema> {
  return {
    id: row.id,
    email: row.email,
    name: row.name,
    attributes: row.attributes,
    tags: row.tags,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

function detailsJsonOf(details: ContactDetails): Static<typeof ContactDetailsSchema> {
  const { subscriptions, suppression } = details;
  return {
    ...jsonOf(details),
    subscriptions: subscriptions.map(({ listId, listName, status, changedAt }) => ({
      list_id: listId,
      list_name: listName,
      status,
      changed_at: changedAt.toISOString(),
    })),
    suppression: suppression && {
      reason: suppression.reason,
      created_at: suppression.createdAt.toISOString(),
    },
  };
}
