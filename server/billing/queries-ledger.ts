/** The ledger's SQL: credits booked, what accounts hold, and how much of the sending was booked. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';

/** False: that source was booked before. */
export async function insertTransaction(
  tx: Tx,
  { workspaceId, id, kind, source }: { workspaceId: string; id: string; kind: string; source: string },
): Promise<boolean> {
  const rows = await tx.query(sql`
    INSERT INTO ledger_transaction (workspace_id, id, kind, source) VALUES (${workspaceId}, ${id}, ${kind}, ${source})
    ON CONFLICT (workspace_id, kind, source) DO NOTHING RETURNING id`);
  return rows.length === 1;
}

export function insertPostings(
  tx: Tx,
  of: { workspaceId: string; id: string },
  postings: readonly { account: string; credits: bigint }[],
) {
  return tx.query(sql`
    INSERT INTO ledger_posting (workspace_id, transaction_id, account, credits)
    SELECT ${of.workspaceId}, ${of.id}, t.account, t.credits
    FROM unnest(${postings.map(({ account }) => account)}::text[], ${postings.map(({ credits }) => credits)}::bigint[])
      AS t(account, credits)`);
}

export async function balanceOf(tx: Tx, workspaceId: string, account: string): Promise<bigint> {
  const [row] = await tx.query<{ credits: string }>(
    sql`SELECT credits FROM credit_balance WHERE workspace_id = ${workspaceId} AND account = ${account}`,
  );
  return BigInt(row?.credits ?? 0);
}

export interface UnbookedSpending {
  campaignId: string;
  /** Of all time, and of those what was booked. */
  accepted: bigint;
  booked: bigint;
}

/**
 * Campaigns, and streams of single messages, of which more was accepted than booked. A message that was accepted stays so
 * for this: a bounce that comes later is counted beside. Index: campaign_count_pkey for each campaign that may still count.
 */
export async function unbookedSpending(
  tx: Tx,
  workspaceId: string,
  { days, freeFrom }: { days: number; freeFrom: string | null },
): Promise<UnbookedSpending[]> {
  const rows = await tx.query<{ campaignId: string; accepted: string; booked: string }>(sql`
    SELECT campaign.id AS "campaignId", counted.accepted::bigint AS accepted, coalesce(spend.accepted, 0) AS booked
    FROM campaign
    CROSS JOIN LATERAL (SELECT coalesce(sum(n), 0) AS accepted FROM campaign_count c
      WHERE c.workspace_id = ${workspaceId} AND c.campaign_id = campaign.id
        AND c.state IN ('accepted', 'bounced', 'complained')) counted
    LEFT JOIN credit_spend spend ON spend.workspace_id = ${workspaceId} AND spend.campaign_id = campaign.id
    WHERE campaign.workspace_id = ${workspaceId} AND campaign.state <> 'draft'
      AND (campaign.finished_at IS NULL OR campaign.finished_at > now() - ${days} * interval '1 day')
      AND NOT coalesce(campaign.kind = 'transactional' AND campaign.from_email = ${freeFrom}, false)
      AND counted.accepted > coalesce(spend.accepted, 0)
    ORDER BY campaign.id`);
  return rows.map(({ campaignId, accepted, booked }) => ({
    campaignId,
    accepted: BigInt(accepted),
    booked: BigInt(booked),
  }));
}

export function setSpendingBooked(tx: Tx, workspaceId: string, campaignId: string, accepted: bigint) {
  return tx.query(sql`
    INSERT INTO credit_spend (workspace_id, campaign_id, accepted) VALUES (${workspaceId}, ${campaignId}, ${accepted})
    ON CONFLICT (workspace_id, campaign_id) DO UPDATE SET accepted = excluded.accepted`);
}

export function insertInvoiceCredits(tx: Tx, workspaceId: string, invoiceId: string, credits: bigint) {
  return tx.query(sql`INSERT INTO invoice_credits (workspace_id, invoice_id, credits)
    VALUES (${workspaceId}, ${invoiceId}, ${credits})`);
}

export async function invoiceCredits(tx: Tx, workspaceId: string, invoiceId: string): Promise<bigint> {
  const [row] = await tx.query<{ credits: string }>(
    sql`SELECT credits FROM invoice_credits WHERE workspace_id = ${workspaceId} AND invoice_id = ${invoiceId}`,
  );
  return BigInt(row?.credits ?? 0);
}
