/** The suppression list, as people look at it and change it; what happened to a message adds to it in outcomes/. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';

export const SUPPRESSION_REASONS = ['hard_bounce', 'complaint', 'manual'] as const;

export type SuppressionReason = (typeof SUPPRESSION_REASONS)[number];

/** Greater than every character of an address. */
const LAST_CHARACTER = '\u{10ffff}';

export interface SuppressionRow {
  email: string;
  reason: SuppressionReason;
  /** What judged the reply that led here, and the reply; or what somebody noted. */
  rule: string | null;
  detail: string | null;
  campaignId: string | null;
  createdAt: Date;
}

const FIELDS = sql`email, reason, rule, detail, campaign_id AS "campaignId", created_at AS "createdAt"`;

/** By address. Index: suppression_pkey, or suppression_by_reason for one reason. */
export function suppressionPage(
  tx: Tx,
  workspaceId: string,
  of: { prefix: string; reason: SuppressionReason | null; after: string | null; limit: number },
) {
  const forReason = of.reason === null ? sql`` : sql`AND reason = ${of.reason}`;
  return tx.query<SuppressionRow>(sql`
    SELECT ${FIELDS} FROM suppression
    WHERE workspace_id = ${workspaceId} ${forReason} AND email >= ${of.prefix}
      AND email < ${of.prefix + LAST_CHARACTER} AND email > ${of.after ?? ''}
    ORDER BY email LIMIT ${of.limit}`);
}

export async function findSuppression(tx: Tx, workspaceId: string, email: string) {
  const [row] = await tx.query<SuppressionRow>(
    sql`SELECT ${FIELDS} FROM suppression WHERE workspace_id = ${workspaceId} AND email = ${email}`,
  );
  return row;
}

/** Those that were not suppressed before, whatever the reason. */
export async function insertSuppressions(
  tx: Tx,
  workspaceId: string,
  emails: readonly string[],
  detail: string | null,
) {
  const rows = await tx.query<{ email: string }>(sql`
    INSERT INTO suppression (workspace_id, email, reason, detail)
    SELECT ${workspaceId}, email, 'manual', ${detail} FROM unnest(${emails}::text[]) email
    ORDER BY email COLLATE "C" ON CONFLICT (workspace_id, email) DO NOTHING RETURNING email`);
  return rows.map(({ email }) => email);
}

/** Those that were suppressed, and why. */
export function deleteSuppressions(tx: Tx, workspaceId: string, emails: readonly string[]) {
  return tx.query<SuppressionRow>(sql`
    DELETE FROM suppression WHERE workspace_id = ${workspaceId} AND email = ANY (${emails}::text[])
    RETURNING ${FIELDS}`);
}
