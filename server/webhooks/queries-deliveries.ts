/** The SQL of deliveries on their way: found, claimed, settled, recovered. One function a statement. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { Attempt } from './attempt.ts';
import type { EndpointKey } from './queries.ts';

/** What is told of the last of them. */
const ATTEMPTS_KEPT = 20;

export interface DueEndpoint extends EndpointKey {
  isFailing: boolean;
}

/**
 * Endpoints for which something is due, in the order of their ids, behind `after`. Reads all workspaces: camp_system only.
 * Plan: from one endpoint of webhook_delivery_due to the next, one probe each, however much waits for it.
 */
export function dueEndpoints(tx: Tx, after: EndpointKey | null, limit: number) {
  return tx.query<DueEndpoint>(sql`
    WITH RECURSIVE first_due AS (
      (SELECT workspace_id, endpoint_id, due_at FROM webhook_delivery
        WHERE due_at IS NOT NULL AND (workspace_id, endpoint_id)
          > (coalesce(${after?.workspaceId ?? null}::uuid, '00000000-0000-0000-0000-000000000000'),
             coalesce(${after?.endpointId ?? null}::uuid, '00000000-0000-0000-0000-000000000000'))
        ORDER BY workspace_id, endpoint_id, due_at LIMIT 1)
      UNION ALL
      SELECT next.* FROM first_due CROSS JOIN LATERAL (
        SELECT workspace_id, endpoint_id, due_at FROM webhook_delivery
        WHERE due_at IS NOT NULL AND (workspace_id, endpoint_id) > (first_due.workspace_id, first_due.endpoint_id)
        ORDER BY workspace_id, endpoint_id, due_at LIMIT 1) next)
    SELECT first_due.workspace_id AS "workspaceId", first_due.endpoint_id AS "endpointId",
      e.failing_since IS NOT NULL AS "isFailing"
    FROM first_due LEFT JOIN LATERAL (SELECT failing_since FROM webhook_endpoint
      WHERE workspace_id = first_due.workspace_id AND id = first_due.endpoint_id LIMIT 1) e ON true
    WHERE due_at <= now() LIMIT ${limit}`);
}

export interface ClaimedDelivery {
  id: string;
  type: string;
  occurredAt: Date;
  data: Record<string, unknown>;
  attempt: number;
  tries: number;
}

/** Claims what is due for one endpoint, the oldest first. Index: webhook_delivery_due. */
export function claimDeliveries(tx: Tx, of: EndpointKey, workerId: string, limit: number) {
  return tx.query<ClaimedDelivery>(sql`
    WITH due AS MATERIALIZED (
      SELECT id FROM webhook_delivery
      WHERE workspace_id = ${of.workspaceId} AND endpoint_id = ${of.endpointId} AND due_at <= now()
      ORDER BY due_at, id LIMIT ${limit} FOR UPDATE SKIP LOCKED)
    UPDATE webhook_delivery d SET state = 'claimed', due_at = NULL, worker_id = ${workerId}, attempt = d.attempt + 1
    FROM due WHERE d.workspace_id = ${of.workspaceId} AND d.id = due.id
    RETURNING d.id, d.type, d.occurred_at AS "occurredAt", d.data, d.attempt, d.tries`);
}

/** What is due for an endpoint that is told nothing any more has failed; a chunk at a time. */
export function failDue(tx: Tx, of: EndpointKey, attempt: Attempt, limit: number) {
  return tx.query(sql`
    WITH due AS MATERIALIZED (
      SELECT id FROM webhook_delivery
      WHERE workspace_id = ${of.workspaceId} AND endpoint_id = ${of.endpointId} AND due_at <= now()
      ORDER BY due_at, id LIMIT ${limit} FOR UPDATE SKIP LOCKED)
    UPDATE webhook_delivery d SET state = 'failed', due_at = NULL, attempts = d.attempts || ${JSON.stringify(attempt)}::jsonb
    FROM due WHERE d.workspace_id = ${of.workspaceId} AND d.id = due.id`);
}

export interface DeliveryFence {
  workspaceId: string;
  id: string;
  workerId: string;
  attempt: number;
}

/** False: the delivery is another worker's by now. `dueInMs` null: that was the last try. */
export async function settleDelivery(
  tx: Tx,
  fence: DeliveryFence,
  { isDelivered, dueInMs, attempt }: { isDelivered: boolean; dueInMs: number | null; attempt: Attempt },
): Promise<boolean> {
  const state = isDelivered ? 'delivered' : dueInMs === null ? 'failed' : 'waiting';
  const rows = await tx.query(sql`
    UPDATE webhook_delivery SET state = ${state}, worker_id = NULL,
      due_at = now() + ${dueInMs}::float8 * interval '1 ms', tries = tries + ${isDelivered ? 0 : 1}::smallint,
      attempts = CASE WHEN jsonb_array_length(attempts) >= ${ATTEMPTS_KEPT}::integer THEN attempts - 0 ELSE attempts END
        || ${JSON.stringify(attempt)}::jsonb
    WHERE workspace_id = ${fence.workspaceId} AND id = ${fence.id}
      AND worker_id = ${fence.workerId} AND attempt = ${fence.attempt} RETURNING id`);
  return rows.length === 1;
}

/** It answered as it should. */
export function endpointWorks(tx: Tx, of: EndpointKey) {
  return tx.query(sql`UPDATE webhook_endpoint SET failing_since = NULL, failures = 0
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.endpointId} AND failures > 0`);
}

/** How often and for how long by now; undefined when it is disabled. */
export async function endpointFails(tx: Tx, of: EndpointKey) {
  const [row] = await tx.query<{ failures: number; failingMs: number }>(sql`
    UPDATE webhook_endpoint SET failing_since = coalesce(failing_since, now()), failures = failures + 1
    WHERE workspace_id = ${of.workspaceId} AND id = ${of.endpointId} AND disabled_at IS NULL
    RETURNING failures, extract(epoch FROM now() - failing_since)::float8 * 1000 AS "failingMs"`);
  return row;
}

/** A dead worker's deliveries are tried again: nobody can know whether the receiver heard them. Index: webhook_delivery_in_flight. */
export function recoverDeliveries(tx: Tx, workspaceId: string, workerId: string, except: string[]) {
  return tx.query(sql`UPDATE webhook_delivery SET state = 'waiting', worker_id = NULL, due_at = now()
    WHERE workspace_id = ${workspaceId} AND worker_id = ${workerId} AND id <> ALL (${except}::uuid[])`);
}
