/**
 * Contacts, one and in pages. Each order that a page may have is the order of one index, so a page of fifty reads about
 * fifty entries of it, wherever it stands and however many contacts there are.
 */
import type { Tx } from '../kernel/database.ts';
import { sql, uuids } from '../kernel/sql.ts';
import type { AttributeValue } from './attributes.ts';
import type { SubscriptionStatus } from './states.ts';

/** Greater than every UUIDv7: what a page of the newest begins behind. */
const AFTER_ALL = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
/** Greater than every character of an address. */
const LAST_CHARACTER = '\u{10ffff}';

export interface ContactRow {
  id: string;
  email: string;
  name: string | null;
  attributes: Record<string, AttributeValue>;
  tags: string[];
  createdAt: Date;
  updatedAt: Date;
}

const FIELDS = sql`c.id, c.email, c.name, c.attributes, c.tags, c.created_at AS "createdAt", c.updated_at AS "updatedAt"`;

export interface NewestFirst {
  /** The last contact of the page before. */
  beforeId: string | null;
  limit: number;
}

/** Index: contact_pkey. */
export function contactPage(tx: Tx, workspaceId: string, { beforeId, limit }: NewestFirst) {
  return tx.query<ContactRow>(sql`
    SELECT ${FIELDS} FROM contact c WHERE c.workspace_id = ${workspaceId} AND c.id < ${beforeId ?? AFTER_ALL}
    ORDER BY c.id DESC LIMIT ${limit}`);
}

/** Those whose address begins with `prefix`, by address. Index: contact_workspace_id_email_key. */
export function contactPageByEmail(
  tx: Tx,
  workspaceId: string,
  { prefix, after, limit }: { prefix: string; after: string | null; limit: number },
) {
  return tx.query<ContactRow>(sql`
    SELECT ${FIELDS} FROM contact c
    WHERE c.workspace_id = ${workspaceId} AND c.email >= ${prefix} AND c.email < ${prefix + LAST_CHARACTER}
      AND c.email > ${after ?? ''}
    ORDER BY c.email LIMIT ${limit}`);
}

/** Index: contact_tag_pkey. */
export function contactPageByTag(
  tx: Tx,
  workspaceId: string,
  { tag, beforeId, limit }: NewestFirst & { tag: string },
) {
  return tx.query<ContactRow>(sql`
    SELECT ${FIELDS} FROM contact_tag t
    CROSS JOIN LATERAL (SELECT * FROM contact WHERE workspace_id = ${workspaceId} AND id = t.contact_id LIMIT 1) c
    WHERE t.workspace_id = ${workspaceId} AND t.tag = ${tag} AND t.contact_id < ${beforeId ?? AFTER_ALL}
    ORDER BY t.contact_id DESC LIMIT ${limit}`);
}

export interface MemberRow extends ContactRow {
  status: SubscriptionStatus;
  changedAt: Date;
}

/**
 * Index: subscription_pkey, or subscription_by_status for one status. The whole key is compared and sorted by, so that no
 * other index has this order: along that of all contacts, a list of old ones would be found behind a million others.
 */
export function memberPage(
  tx: Tx,
  workspaceId: string,
  { listId, status, beforeId, limit }: NewestFirst & { listId: string; status: SubscriptionStatus | null },
) {
  const before = beforeId ?? AFTER_ALL;
  const place =
    status === null
      ? sql`(s.list_id, s.contact_id) < (${listId}::uuid, ${before}::uuid) AND s.list_id >= ${listId}
        ORDER BY s.list_id DESC, s.contact_id DESC`
      : sql`s.list_id = ${listId} AND (s.status, s.contact_id) < (${status}, ${before}::uuid) AND s.status >= ${status}
        ORDER BY s.status DESC, s.contact_id DESC`;
  return tx.query<MemberRow>(sql`
    SELECT ${FIELDS}, s.status, s.changed_at AS "changedAt" FROM subscription s
    CROSS JOIN LATERAL (SELECT * FROM contact WHERE workspace_id = ${workspaceId} AND id = s.contact_id LIMIT 1) c
    WHERE s.workspace_id = ${workspaceId} AND ${place} LIMIT ${limit}`);
}

export async function findContactByEmail(tx: Tx, workspaceId: string, email: string) {
  const [row] = await tx.query<ContactRow>(
    sql`SELECT ${FIELDS} FROM contact c WHERE c.workspace_id = ${workspaceId} AND c.email = ${email}`,
  );
  return row;
}

export async function findContactById(tx: Tx, workspaceId: string, id: string) {
  const [row] = await tx.query<ContactRow>(
    sql`SELECT ${FIELDS} FROM contact c WHERE c.workspace_id = ${workspaceId} AND c.id = ${id}`,
  );
  return row;
}

export interface ContactValues {
  id: string;
  email: string;
  name: string | null;
  attributes: Record<string, unknown>;
  tags: readonly string[];
}

/** Undefined: there is one of this address. */
export async function insertContact(tx: Tx, workspaceId: string, contact: ContactValues) {
  const [row] = await tx.query<ContactRow>(sql`
    INSERT INTO contact AS c (workspace_id, id, email, name, attributes, tags)
    VALUES (${workspaceId}, ${contact.id}, ${contact.email}, ${contact.name},
      ${JSON.stringify(contact.attributes)}, ${contact.tags})
    ON CONFLICT (workspace_id, email) DO NOTHING RETURNING ${FIELDS}`);
  return row;
}

/** Inserts, or fills in what is given: a missing name and missing attributes leave what is there, tags are added. */
export async function upsertContact(tx: Tx, workspaceId: string, contact: ContactValues) {
  const [row] = await tx.query<ContactRow>(sql`
    INSERT INTO contact AS c (workspace_id, id, email, name, attributes, tags)
    VALUES (${workspaceId}, ${contact.id}, ${contact.email}, ${contact.name},
      ${JSON.stringify(contact.attributes)}, ${contact.tags})
    ON CONFLICT (workspace_id, email) DO UPDATE SET
      name = coalesce(excluded.name, c.name), attributes = c.attributes || excluded.attributes,
      tags = ARRAY(SELECT DISTINCT tag COLLATE "C" FROM unnest(c.tags || excluded.tags) tag ORDER BY 1),
      updated_at = now()
    RETURNING ${FIELDS}`);
  if (!row) throw new Error('upsertContact gave no row');
  return row;
}

export interface ContactChange {
  /** Undefined leaves what is there. */
  email?: string | undefined;
  name?: string | null | undefined;
  set: Record<string, unknown>;
  unset: readonly string[];
  tags?: readonly string[] | undefined;
}

/** Undefined: there is no such contact. Throws unique_violation when another one has the address. */
export async function updateContact(tx: Tx, workspaceId: string, id: string, change: ContactChange) {
  const [row] = await tx.query<ContactRow>(sql`
    UPDATE contact c SET email = coalesce(${change.email ?? null}, email),
      name = CASE WHEN ${change.name !== undefined} THEN ${change.name ?? null} ELSE name END,
      attributes = (attributes || ${JSON.stringify(change.set)}::jsonb) - ${change.unset}::text[],
      tags = coalesce(${change.tags ?? null}::text[], tags), updated_at = now()
    WHERE c.workspace_id = ${workspaceId} AND c.id = ${id} RETURNING ${FIELDS}`);
  return row;
}

/** Those of the contacts that are there; in the order in which an import locks them, so that nobody waits in a ring. */
export async function lockContacts(tx: Tx, workspaceId: string, ids: readonly string[]) {
  const rows = await tx.query<{ id: string }>(sql`
    WITH wanted AS MATERIALIZED (
      SELECT c.id FROM unnest(${uuids(ids)}::uuid[]) wanted_id
      CROSS JOIN LATERAL (SELECT id, email FROM contact
        WHERE workspace_id = ${workspaceId} AND id = wanted_id LIMIT 1) c ORDER BY c.email)
    SELECT locked.id FROM wanted
    CROSS JOIN LATERAL (SELECT id FROM contact
      WHERE workspace_id = ${workspaceId} AND id = wanted.id LIMIT 1 FOR UPDATE) locked`);
  return rows.map(({ id }) => id);
}

/** How many it changed, and the most tags that one of them has now. */
export async function tagContacts(
  tx: Tx,
  workspaceId: string,
  ids: readonly string[],
  { add, remove }: { add: readonly string[]; remove: readonly string[] },
) {
  const wanted = sql`ARRAY(SELECT DISTINCT tag COLLATE "C" FROM unnest(tags || ${add}::text[]) tag
    WHERE tag <> ALL (${remove}::text[]) ORDER BY 1)`;
  const [row] = await tx.query<{ changed: number; most: number }>(sql`
    WITH changed AS (
      UPDATE contact SET tags = ${wanted}, updated_at = now()
      WHERE workspace_id = ${workspaceId} AND ctid = ANY (${placesOf(workspaceId, ids)}) AND tags <> ${wanted}
      RETURNING cardinality(tags) AS tags)
    SELECT count(*)::float8 AS changed, coalesce(max(tags), 0) AS most FROM changed`);
  if (!row) throw new Error('tagContacts gave no row');
  return row;
}

/** Who has left a list keeps out of the mail also when nothing else is known of them any more. */
export function suppressThoseWhoLeft(tx: Tx, workspaceId: string, ids: readonly string[], detail: string) {
  return tx.query(sql`
    INSERT INTO suppression (workspace_id, email, reason, detail)
    SELECT DISTINCT ${workspaceId}::uuid, c.email, 'manual', ${detail} FROM unnest(${uuids(ids)}::uuid[]) wanted_id
    CROSS JOIN LATERAL (SELECT email FROM contact
      WHERE workspace_id = ${workspaceId} AND id = wanted_id LIMIT 1) c
    CROSS JOIN LATERAL (SELECT status FROM subscription
      WHERE workspace_id = ${workspaceId} AND contact_id = wanted_id OFFSET 0) s
    WHERE s.status = 'unsubscribed' ORDER BY c.email ON CONFLICT (workspace_id, email) DO NOTHING`);
}

/** With their subscriptions, which are locked: a row that changed meanwhile would stand elsewhere. Index: subscription_of_contact. */
export async function deleteContacts(tx: Tx, workspaceId: string, ids: readonly string[]): Promise<void> {
  await tx.query(sql`
    DELETE FROM subscription WHERE workspace_id = ${workspaceId} AND ctid = ANY (ARRAY(
      SELECT s.ctid FROM unnest(${uuids(ids)}::uuid[]) wanted_id
      CROSS JOIN LATERAL (SELECT ctid FROM subscription
        WHERE workspace_id = ${workspaceId} AND contact_id = wanted_id OFFSET 0) s))`);
  await tx.query(
    sql`DELETE FROM contact WHERE workspace_id = ${workspaceId} AND ctid = ANY (${placesOf(workspaceId, ids)})`,
  );
}

/**
 * Where the rows of these contacts stand, locked: one probe of contact_pkey for each. By `id = ANY` the planner would, when
 * it knows nothing of the table yet, read all of it along another index.
 */
function placesOf(workspaceId: string, ids: readonly string[]) {
  return sql`ARRAY(SELECT c.ctid FROM unnest(${uuids(ids)}::uuid[]) wanted_id
    CROSS JOIN LATERAL (SELECT ctid FROM contact
      WHERE workspace_id = ${workspaceId} AND id = wanted_id LIMIT 1 FOR UPDATE) c)`;
}
