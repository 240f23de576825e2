/** The event log and the suppression list. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';

export interface EventColumns {
  contactIds: string[];
  kinds: string[];
  attempts: number[];
  details: (string | null)[];
  rules: (string | null)[];
}

export function insertEvents(tx: Tx, workspaceId: string, campaignId: string, events: EventColumns) {
  tx.atCommit(sql`
    INSERT INTO event (workspace_id, campaign_id, contact_id, kind, attempt, detail, rule)
    SELECT ${workspaceId}, ${campaignId}, t.* FROM unnest(${events.contactIds}::uuid[], ${events.kinds}::text[],
      ${events.attempts}::int[], ${events.details}::text[], ${events.rules}::text[]) AS t`);
}

export function insertSuppressions(
  tx: Tx,
  workspaceId: string,
  rows: { emails: string[]; rules: (string | null)[]; details: (string | null)[] },
) {
  tx.atCommit(sql`
    INSERT INTO suppression (workspace_id, email, reason, rule, detail)
    SELECT ${workspaceId}, t.email, 'hard_bounce', t.rule, t.detail
    FROM unnest(${rows.emails}::text[], ${rows.rules}::text[], ${rows.details}::text[]) AS t(email, rule, detail)
    ORDER BY t.email ON CONFLICT DO NOTHING`);
}
