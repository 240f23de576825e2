/**
 * The outbox: what happened, written down for whoever asked to be told, in the transaction in which it happened. So it is
 * told at least once or visibly not at all; where nobody asked, nothing is written.
 *
 * Before: whoever makes the event, on any rung of the ladder. After: webhooks/deliveries.ts takes the rows and posts them.
 * The types are named in webhooks/event-types.ts; `data` is JSON with names in snake_case, small, and holds ids.
 */
import { type Sql, sql } from './sql.ts';

/**
 * A piece of the statement that writes what happened: a row for each of `from` and each endpoint that wants its `type`.
 * Expected plan: the workspace's endpoints (there are few) around `from`; with none, `from` is not read.
 */
export function insertIntoOutbox(
  workspaceId: string,
  { type, data, from }: { type: Sql; data: Sql; from: Sql },
): Sql {
  return sql`
    INSERT INTO webhook_delivery (workspace_id, endpoint_id, type, data)
    SELECT endpoint.workspace_id, endpoint.id, ${type}, ${data}
    FROM webhook_endpoint endpoint CROSS JOIN ${from}
    WHERE endpoint.workspace_id = ${workspaceId} AND endpoint.disabled_at IS NULL AND ${type} = ANY (endpoint.events)`;
}
