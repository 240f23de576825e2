/** The SQL of endpoints, and of their deliveries as people see them. One function a statement. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { Attempt } from './attempt.ts';

export interface EndpointKey {
  workspaceId: string;
  endpointId: string;
}

export interface KeptSecret {
  /** Of its sealing. */
  id: string;
  sealed: string;
  /** RFC 3339; null: it is the present one. */
  until: string | null;
}

export interface EndpointRow {
  id: string;
  url: string;
  description: string;
  events: string[];
  createdAt: Date;
  failingSince: Date | null;
  failures: number;
  disabledAt: Date | null;
  disabledFor: 'asked' | 'gone' | 'failing' | null;
  secrets: KeptSecret[];
}

const COLUMNS = sql`id, url, description, events, created_at AS "createdAt", failing_since AS "failingSince", failures,
  disabled_at AS "disabledAt", disabled_for AS "disabledFor", secrets`;

export interface NewEndpointRow extends EndpointKey {
  url: string;
  description: string;
  events: readonly string[];
  secrets: KeptSecret[];
}

export function insertEndpoint(tx: Tx, row: NewEndpointRow) {
  return tx.query(sql`
    INSERT INTO webhook_endpoint (workspace_id, id, url, description, events, secrets)
    VALUES (${row.workspaceId}, ${row.endpointId}, ${row.url}, ${row.description}, ${row.events},
      ${JSON.stringify(row.secrets)})`);
}

/** Others who ask for the same workspace's wait until the transaction ends. */
export function lockEndpoints(tx: Tx, workspaceId: string) {
  return tx.query(
    sql`SELECT pg_advisory_xact_lock(hashtextextended(${`webhook_endpoint ${workspaceId}`}, 0))`,
  );
}

/** Oldest first. There are few: ENDPOINTS_MAX in endpoints.ts. */
export function allEndpoints(tx: Tx, workspaceId: string) {
  return tx.query<EndpointRow>(sql`
    SELECT ${COLUMNS} FROM webhook_endpoint
    WHERE workspace_id = ${workspaceId} AND deleted_at IS NULL ORDER BY id`);
}

export async function findEndpoint(tx: Tx, of: EndpointKey): Promise<EndpointRow | undefined> {
  const [row] = await tx.query<EndpointRow>(sql`
    SELECT ${COLUMNS} FROM webhook_endpoint
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.endpointId} AND deleted_at IS NULL`);
  return row;
}

/** As findEndpoint; others that would change it wait until the transaction ends. */
export async function lockEndpoint(tx: Tx, of: EndpointKey): Promise<EndpointRow | undefined> {
  const [row] = await tx.query<EndpointRow>(sql`
    SELECT ${COLUMNS} FROM webhook_endpoint
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.endpointId} AND deleted_at IS NULL FOR UPDATE`);
  return row;
}

export function updateEndpoint(
  tx: Tx,
  of: EndpointKey,
  { url, description, events }: Pick<EndpointRow, 'url' | 'description' | 'events'>,
) {
  return tx.query(sql`
    UPDATE webhook_endpoint SET url = ${url}, description = ${description}, events = ${events}
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.endpointId}`);
}

export function setSecrets(tx: Tx, of: EndpointKey, secrets: KeptSecret[]) {
  return tx.query(sql`UPDATE webhook_endpoint SET secrets = ${JSON.stringify(secrets)}
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.endpointId}`);
}

/** What was wrong with it is forgotten. */
export function enableEndpoint(tx: Tx, of: EndpointKey) {
  return tx.query(sql`
    UPDATE webhook_endpoint SET disabled_at = NULL, disabled_for = NULL, failing_since = NULL, failures = 0
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.endpointId} AND disabled_at IS NOT NULL`);
}

/** False: it was disabled already. */
export async function disableEndpoint(
  tx: Tx,
  of: EndpointKey,
  why: 'asked' | 'gone' | 'failing',
): Promise<boolean> {
  const rows = await tx.query(sql`
    UPDATE webhook_endpoint SET disabled_at = now(), disabled_for = ${why}
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.endpointId} AND disabled_at IS NULL RETURNING id`);
  return rows.length === 1;
}

/** Its row stays for its deliveries, and wants and knows nothing any more. */
export function deleteEndpoint(tx: Tx, of: EndpointKey) {
  return tx.query(sql`
    UPDATE webhook_endpoint SET deleted_at = now(), url = '', disabled_at = coalesce(disabled_at, now()),
      disabled_for = coalesce(disabled_for, 'asked'), events = '{}', secrets = '[]'
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.endpointId}`);
}

export interface DeliveryRow {
  id: string;
  type: string;
  /** When it happened, in microseconds: a Date is coarser than Postgres' time. */
  position: number;
  occurredAt: Date;
  state: 'waiting' | 'claimed' | 'delivered' | 'failed';
  dueAt: Date | null;
  attempts: Attempt[];
}

const DELIVERY_COLUMNS = sql`id, type, (extract(epoch FROM occurred_at) * 1000000)::float8 AS position, occurred_at AS "occurredAt", state, due_at AS "dueAt",
  attempts`;

export interface DeliveryPage {
  failedOnly: boolean;
  after: { position: number; id: string } | null;
  limit: number;
}

/** The newest first. Index: webhook_delivery_of_endpoint, of the failed alone webhook_delivery_failed. */
export function deliveryPage(tx: Tx, of: EndpointKey, { failedOnly, after, limit }: DeliveryPage) {
  return tx.query<DeliveryRow>(sql`
    SELECT ${DELIVERY_COLUMNS} FROM webhook_delivery
    WHERE workspace_id = ${of.workspaceId} AND endpoint_id = ${of.endpointId} ${failedOnly ? sql`AND state = 'failed'` : sql``}
      AND (occurred_at, id) < (coalesce('epoch'::timestamptz + ${after?.position ?? null}::bigint * interval '1 microsecond', 'infinity'),
        coalesce(${after?.id ?? null}::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    ORDER BY occurred_at DESC, id DESC LIMIT ${limit}`);
}

export interface DeliveryKey extends EndpointKey {
  deliveryId: string;
}

export async function findDelivery(tx: Tx, of: DeliveryKey): Promise<DeliveryRow | undefined> {
  const [row] = await tx.query<DeliveryRow>(sql`
    SELECT ${DELIVERY_COLUMNS} FROM webhook_delivery
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.deliveryId} AND endpoint_id = ${of.endpointId}`);
  return row;
}

/** To one endpoint, whatever it wants. */
export function insertDelivery(tx: Tx, of: DeliveryKey, type: string, data: Record<string, unknown>) {
  return tx.query(sql`
    INSERT INTO webhook_delivery (workspace_id, id, endpoint_id, type, data)
    VALUES (${of.workspaceId}, ${of.deliveryId}, ${of.endpointId}, ${type}, ${JSON.stringify(data)})`);
}

/** Again from the first step on, under the same id. False: it is on its way. */
export async function replayDelivery(tx: Tx, of: DeliveryKey): Promise<boolean> {
  const rows = await tx.query(sql`
    UPDATE webhook_delivery SET state = 'waiting', due_at = now(), tries = 0
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.deliveryId} AND endpoint_id = ${of.endpointId}
      AND state IN ('delivered', 'failed') RETURNING id`);
  return rows.length === 1;
}

/** What failed of what happened since then, the oldest first; gives how many. Index: webhook_delivery_failed. */
export async function replayFailed(tx: Tx, of: EndpointKey, since: Date, limit: number): Promise<number> {
  const [row] = await tx.query<{ n: number }>(sql`
    WITH failed AS MATERIALIZED (
      SELECT id FROM webhook_delivery
      WHERE workspace_id = ${of.workspaceId} AND endpoint_id = ${of.endpointId} AND state = 'failed'
        AND occurred_at >= ${since}
      ORDER BY occurred_at, id LIMIT ${limit} FOR UPDATE),
    replayed AS (
      UPDATE webhook_delivery d SET state = 'waiting', due_at = now(), tries = 0
      FROM failed WHERE d.workspace_id = ${of.workspaceId} AND d.id = failed.id RETURNING d.id)
    SELECT count(*)::integer AS n FROM replayed`);
  return row?.n ?? 0;
}

/** With those that were deleted. */
export async function everyEndpointId(tx: Tx, workspaceId: string): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    sql`SELECT id FROM webhook_endpoint WHERE workspace_id = ${workspaceId}`,
  );
  return rows.map(({ id }) => id);
}

/** What ended long ago; a chunk, and how many. Index: webhook_delivery_of_endpoint. */
export async function deleteOldDeliveries(
  tx: Tx,
  of: EndpointKey,
  days: number,
  limit: number,
): Promise<number> {
  const rows = await tx.query(sql`
    WITH old AS MATERIALIZED (
      SELECT id FROM webhook_delivery
      WHERE workspace_id = ${of.workspaceId} AND endpoint_id = ${of.endpointId}
        AND occurred_at < now() - ${days}::integer * interval '1 day' AND state IN ('delivered', 'failed')
      ORDER BY occurred_at, id LIMIT ${limit} FOR UPDATE SKIP LOCKED)
    DELETE FROM webhook_delivery d USING old WHERE d.workspace_id = ${of.workspaceId} AND d.id = old.id RETURNING d.id`);
  return rows.length;
}

/** Deleted endpoints of which nothing is left. */
export function forgetDeletedEndpoints(tx: Tx, workspaceId: string) {
  return tx.query(sql`
    DELETE FROM webhook_endpoint e
    WHERE workspace_id = ${workspaceId} AND deleted_at IS NOT NULL AND NOT EXISTS (
      SELECT FROM webhook_delivery WHERE workspace_id = ${workspaceId} AND endpoint_id = e.id)`);
}
