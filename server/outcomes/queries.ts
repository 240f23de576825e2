/** The event log and the suppression list. */
import type { Tx } from '../kernel/database.ts';
import { sql, uuids } from '../kernel/sql.ts';

export interface LikeEvents {
  kind: string;
  attempt: number;
  rule: string | null;
}

/** Events that differ only in the contact and in what was said. */
export function insertEvents(
  tx: Tx,
  of: { workspaceId: string; campaignId: string },
  { kind, attempt, rule }: LikeEvents,
  contactIds: string[],
  details: (string | null)[],
) {
  return tx.atCommit(sql`
    INSERT INTO event (workspace_id, campaign_id, kind, attempt, rule, contact_id, detail)
    SELECT ${of.workspaceId}, ${of.campaignId}, ${kind}, ${attempt}, ${rule}, t.contact_id, t.detail
    FROM unnest(${uuids(contactIds)}::uuid[], ${details}::text[]) AS t(contact_id, detail)`);
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
