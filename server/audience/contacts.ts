/** Contacts: one address of one workspace is one contact. */
import { isUniqueViolation, type Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { ATTRIBUTES_MAX, type AttributeValue, TAGS_MAX } from './attributes.ts';
import { normaliseEmail } from './email.ts';
import { changeSubscription, changeSubscriptions, holdList, membersPage } from './lists.ts';
import { planForChunks } from './queries.ts';
import * as queries from './queries-contacts.ts';
import {
  countLeft,
  listsOf,
  lockSubscriptionsOf,
  type SubscriptionRow,
  subscriptionsOf,
} from './queries-lists.ts';
import { findSuppression, type SuppressionRow } from './queries-suppressions.ts';
import { AudienceRefused } from './refused.ts';
import type { SubscriptionAct, SubscriptionStatus } from './states.ts';

export interface NewContact {
  email: string;
  name?: string | undefined;
  attributes?: Record<string, unknown> | undefined;
  tags?: readonly string[] | undefined;
}

export type UpsertOutcome =
  | { kind: 'saved'; id: string; email: string; contact: queries.ContactRow; isNew: boolean }
  | { kind: 'invalid'; reason: string };

/** Makes the contact, or fills in what is given: a missing name and missing attributes leave what is there, tags are added. */
export async function upsertContact(
  tx: Tx,
  workspaceId: string,
  contact: NewContact,
): Promise<UpsertOutcome> {
  const values = valuesOf(contact);
  if (values.kind === 'invalid') return values;
  const row = assertWithinLimits(await queries.upsertContact(tx, workspaceId, values));
  return { kind: 'saved', id: row.id, email: row.email, contact: row, isNew: row.id === values.id };
}

/** Makes the contact; when there is one of this address, it stays as it is. */
export async function createContact(
  tx: Tx,
  workspaceId: string,
  contact: NewContact,
): Promise<{ kind: 'made'; contact: queries.ContactRow } | { kind: 'exists' | 'invalid'; reason: string }> {
  const values = valuesOf(contact);
  if (values.kind === 'invalid') return values;
  const row = await queries.insertContact(tx, workspaceId, values);
  if (row) return { kind: 'made', contact: assertWithinLimits(row) };
  return { kind: 'exists', reason: `There is a contact with the address ${values.email} already.` };
}

type Values = ({ kind: 'values' } & queries.ContactValues) | { kind: 'invalid'; reason: string };

function valuesOf({ email, name, attributes, tags = [] }: NewContact): Values {
  const address = normaliseEmail(email);
  if (address.kind === 'invalid') return address;
  return {
    kind: 'values',
    id: newId(),
    email: address.email,
    name: name ?? null,
    attributes: attributes ?? {},
    tags: [...new Set(tags)].sort(),
  };
}

function assertWithinLimits(contact: queries.ContactRow): queries.ContactRow {
  if (Object.keys(contact.attributes).length > ATTRIBUTES_MAX)
    throw new AudienceRefused('refused', `A contact has at most ${ATTRIBUTES_MAX} attributes: remove some.`);
  if (contact.tags.length > TAGS_MAX) throw tooManyTags();
  return contact;
}

function tooManyTags(): AudienceRefused {
  return new AudienceRefused('refused', `A contact has at most ${TAGS_MAX} tags: remove some.`);
}

/** Which contacts a page is of; null: all. */
export type ContactFilter =
  | { kind: 'email'; email: string }
  /** By address; the others are newest first. */
  | { kind: 'prefix'; prefix: string }
  | { kind: 'tag'; tag: string }
  | { kind: 'list'; listId: string; status: SubscriptionStatus | null };

/**
 * `after`: the id, or with a prefix the address, of the last contact of the page before. Null: there is no list with the
 * filter's id.
 */
export async function contactsPage(
  tx: Tx,
  workspaceId: string,
  filter: ContactFilter | null,
  { after, limit }: { after: string | null; limit: number },
): Promise<queries.ContactRow[] | null> {
  await planForChunks(tx);
  const page = { beforeId: after, limit };
  switch (filter?.kind) {
    case undefined:
      return queries.contactPage(tx, workspaceId, page);
    case 'email': {
      const found = await queries.findContactByEmail(tx, workspaceId, filter.email);
      return found ? [found] : [];
    }
    case 'prefix':
      return queries.contactPageByEmail(tx, workspaceId, { prefix: filter.prefix, after, limit });
    case 'tag':
      return queries.contactPageByTag(tx, workspaceId, { ...page, tag: filter.tag });
    case 'list':
      return membersPage(tx, workspaceId, { ...page, ...filter });
  }
}

export interface ContactDetails extends queries.ContactRow {
  subscriptions: SubscriptionRow[];
  suppression: SuppressionRow | null;
}

export async function findContactDetails(
  tx: Tx,
  workspaceId: string,
  id: string,
): Promise<ContactDetails | undefined> {
  const contact = await queries.findContactById(tx, workspaceId, id);
  return contact && detailsOf(tx, workspaceId, contact);
}

/** Of one who was just read. */
export async function detailsOf(
  tx: Tx,
  workspaceId: string,
  contact: queries.ContactRow,
): Promise<ContactDetails> {
  return {
    ...contact,
    subscriptions: await subscriptionsOf(tx, workspaceId, contact.id),
    suppression: (await findSuppression(tx, workspaceId, contact.email)) ?? null,
  };
}

export interface ContactPatch {
  /** As normaliseEmail gives it. */
  email?: string | undefined;
  name?: string | null | undefined;
  /** Null takes the attribute away. */
  attributes?: Readonly<Record<string, AttributeValue | null>> | undefined;
  /** All of them; the others are taken away. */
  tags?: readonly string[] | undefined;
}

/** Throws AudienceRefused when there is no such contact, or another one has the address. */
export async function updateContact(
  tx: Tx,
  workspaceId: string,
  id: string,
  { email, name, attributes = {}, tags }: ContactPatch,
): Promise<queries.ContactRow> {
  const entries = Object.entries(attributes);
  const change = {
    email,
    name,
    set: Object.fromEntries(entries.filter(([, value]) => value !== null)),
    unset: entries.filter(([, value]) => value === null).map(([key]) => key),
    tags: tags && [...new Set(tags)].sort(),
  };
  try {
    const row = await queries.updateContact(tx, workspaceId, id, change);
    if (!row) throw noContact();
    return assertWithinLimits(row);
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new AudienceRefused('conflict', `Another contact has the address ${email}.`);
  }
}

function noContact(): AudienceRefused {
  return new AudienceRefused('not-found', 'There is no contact with this id.');
}

/** Gives the status after the act. Throws AudienceRefused when there is no such contact or list. */
export async function subscribeContact(
  tx: Tx,
  key: { workspaceId: string; contactId: string; listId: string },
  act: SubscriptionAct,
): Promise<SubscriptionStatus | 'absent'> {
  const { workspaceId, contactId, listId } = key;
  const [found] = await queries.lockContacts(tx, workspaceId, [contactId]);
  if (found === undefined) throw noContact();
  await holdList(tx, workspaceId, listId);
  return changeSubscription(tx, key, act);
}

const LEFT_BEFORE = 'had left a list before the contact was deleted';

/**
 * Erases the contacts, gives how many there were. What stays: their messages and what became of them, under the address
 * and without a person (the books of what was sent), and a suppression; who had left a list gets one, because the
 * subscription that says so goes too, and an import of an old file would bring them back. A message that still waits is
 * not sent.
 */
export async function deleteContacts(tx: Tx, workspaceId: string, ids: readonly string[]): Promise<number> {
  await planForChunks(tx);
  const found = await queries.lockContacts(tx, workspaceId, ids);
  await lockSubscriptionsOf(tx, workspaceId, found);
  await queries.suppressThoseWhoLeft(tx, workspaceId, found, LEFT_BEFORE);
  await queries.deleteContacts(tx, workspaceId, found);
  return found.length;
}

export type BulkAction =
  | { kind: 'tag'; add: readonly string[]; remove: readonly string[] }
  | { kind: 'add_to_list'; listId: string }
  /** Null: all lists that they are on. */
  | { kind: 'unsubscribe'; listId: string | null }
  | { kind: 'delete' };

export interface BulkOutcome {
  changed: number;
  unchanged: number;
  /** Of the unchanged: they had left the list, and were to be added to it. */
  keptUnsubscribed: number;
  missing: string[];
}

/** The same for many contacts; ids that are none are said and stop nothing. Throws AudienceRefused. */
export async function changeContacts(
  tx: Tx,
  workspaceId: string,
  ids: readonly string[],
  action: BulkAction,
): Promise<BulkOutcome> {
  await planForChunks(tx);
  const found = await queries.lockContacts(tx, workspaceId, ids);
  const { changed, keptUnsubscribed = 0 } = await change(tx, workspaceId, found, action);
  const missing = [...new Set(ids).difference(new Set(found))];
  return { changed, unchanged: found.length - changed, keptUnsubscribed, missing };
}

async function change(
  tx: Tx,
  workspaceId: string,
  ids: readonly string[],
  action: BulkAction,
): Promise<{ changed: number; keptUnsubscribed?: number }> {
  switch (action.kind) {
    case 'tag': {
      const { changed, most } = await queries.tagContacts(tx, workspaceId, ids, action);
      if (most > TAGS_MAX) throw tooManyTags();
      return { changed };
    }
    case 'add_to_list': {
      await holdList(tx, workspaceId, action.listId);
      const of = { workspaceId, listId: action.listId, contactIds: ids };
      const changed = await changeSubscriptions(tx, of, 'add');
      return { changed: changed.length, keptUnsubscribed: await countLeft(tx, of) };
    }
    case 'unsubscribe':
      return { changed: await unsubscribe(tx, workspaceId, ids, action.listId) };
    case 'delete':
      return { changed: await deleteContacts(tx, workspaceId, ids) };
  }
}

async function unsubscribe(
  tx: Tx,
  workspaceId: string,
  ids: readonly string[],
  listId: string | null,
): Promise<number> {
  if (listId !== null) await holdList(tx, workspaceId, listId);
  const changed = new Set<string>();
  const lists = listId === null ? await listsOf(tx, workspaceId, ids) : [{ listId, contactIds: ids }];
  for (const list of lists)
    for (const id of await changeSubscriptions(tx, { workspaceId, ...list }, 'unsubscribe')) changed.add(id);
  return changed.size;
}
