/** The queue's SQL: one function a statement. Every statement names one workspace, and where it can one campaign. */
import type { Tx } from '../kernel/database.ts';
import { insertIntoOutbox } from '../kernel/queries-outbox.ts';
import { sql, uuids } from '../kernel/sql.ts';

export interface CampaignKey {
  workspaceId: string;
  campaignId: string;
}

export interface ClaimedRow {
  contactId: string;
  email: string;
  name: string | null;
  attributes: Record<string, unknown> | null;
  attempt: number;
  deferrals: number;
  /** Of the whole claim: where the next scan may start. Text, because a Date is made for every row. */
  latestDueAt: string;
  suppressedBy: string | null;
  secondsLeft: number;
}

/**
 * Claims due messages of one lane in the order in which they became due.
 *
 * Lock: FOR UPDATE SKIP LOCKED, so that workers never wait for one another. The CTE is materialized: a join may run its
 * inner side twice, and a LIMIT that runs twice claims twice. Expected plan: Index Scan on message_claim without a
 * sort, then primary-key lookups. Rows are looked up by = ANY and LATERAL … LIMIT 1 instead of joins: a campaign starts
 * on tables whose statistics still say that they are empty, and a join would then be planned the wrong way round.
 * `from` lets the scan start behind the rows that earlier claims took and vacuum has not removed; it is a hint, and a
 * claim that came up short starts over from the beginning. Whether the recipient may still be written to is decided
 * here, in the snapshot of the claim; who came by a segment stays while subscribed to anything (audience/freeze.ts).
 */
export function claimMessages(
  tx: Tx,
  of: CampaignKey & { lane: number; workerId: string; limit: number; from: string | null },
) {
  return tx.query<ClaimedRow>(sql`
    WITH due AS MATERIALIZED (
      SELECT contact_id, due_at FROM message
      WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId} AND lane = ${of.lane}
        AND due_at >= coalesce(${of.from}::timestamptz, '-infinity') AND due_at <= now()
      ORDER BY due_at, contact_id LIMIT ${of.limit} FOR UPDATE SKIP LOCKED),
    claimed AS (
      UPDATE message SET state = 'claimed', worker_id = ${of.workerId}, due_at = NULL, attempt = attempt + 1
      WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId}
        AND contact_id = ANY (ARRAY(SELECT contact_id FROM due))
      RETURNING contact_id, email, attempt, deferrals, first_deferred_at)
    SELECT m.contact_id AS "contactId", m.email, c.name, coalesce(t.body, c.attributes) AS attributes, m.attempt, m.deferrals,
      (SELECT max(due_at)::text FROM due) AS "latestDueAt",
      CASE
        WHEN u.reason IS NOT NULL THEN 'on the suppression list: ' || u.reason
        WHEN t.id IS NOT NULL THEN NULL
        WHEN c.id IS NULL THEN 'the contact was deleted'
        WHEN s.contact_id IS NULL AND by_segment.contact_id IS NULL THEN 'no longer subscribed'
      END AS "suppressedBy",
      extract(epoch FROM coalesce(m.first_deferred_at, t.created_at, now()) - now())::float8 + p.give_up_seconds AS "secondsLeft"
    FROM claimed m
    JOIN campaign p ON p.workspace_id = ${of.workspaceId} AND p.id = ${of.campaignId}
    LEFT JOIN LATERAL (SELECT id, name, attributes FROM contact
      WHERE workspace_id = ${of.workspaceId} AND id = m.contact_id LIMIT 1) c ON true
    LEFT JOIN LATERAL (SELECT reason FROM suppression
      WHERE workspace_id = ${of.workspaceId} AND email = m.email LIMIT 1) u ON true
    LEFT JOIN LATERAL (SELECT contact_id FROM subscription
      WHERE workspace_id = ${of.workspaceId} AND list_id = ANY (p.list_ids) AND contact_id = m.contact_id
        AND status = 'subscribed' LIMIT 1) s ON true
    LEFT JOIN LATERAL (SELECT contact_id FROM subscription any_list
      WHERE s.contact_id IS NULL AND cardinality(p.segment_ids) > 0
        AND workspace_id = ${of.workspaceId} AND contact_id = m.contact_id AND status = 'subscribed'
        AND NOT EXISTS (SELECT FROM subscription gone WHERE gone.workspace_id = ${of.workspaceId}
          AND gone.list_id = ANY (p.list_ids) AND gone.contact_id = m.contact_id AND gone.status = 'unsubscribed')
      LIMIT 1) by_segment ON true
    LEFT JOIN LATERAL (SELECT id, body, created_at FROM transactional_message
      WHERE p.kind = 'transactional' AND workspace_id = ${of.workspaceId} AND id = m.contact_id LIMIT 1) t ON true`);
}

/** Read under the lane's lock: see kernel/lanes.ts. */
export async function earliestDueMessage(tx: Tx, of: CampaignKey & { lane: number }): Promise<Date | null> {
  const [row] = await tx.query<{ due_at: Date | null }>(sql`
    SELECT due_at FROM message
    WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId} AND lane = ${of.lane}
      AND due_at IS NOT NULL
    ORDER BY due_at LIMIT 1`);
  return row?.due_at ?? null;
}

/** Whose rows a write may touch. */
export interface Fence extends CampaignKey {
  workerId: string;
  attempt: number;
}

/**
 * claimed → committing: the mark before the dot. Gives the contacts that may be sent; the others are not this worker's
 * any more, or their campaign does not send now, so that a pause bites here even for rows that were claimed before it.
 *
 * A batch is written by = ANY and one attempt a statement, not by a join with unnest: on tables whose statistics are
 * young the planner takes a join for tiny and its work grows with the square of the batch. IS NOT DISTINCT FROM keeps
 * it on the primary key: the index of rows in flight would read all of a worker's.
 */
export async function markCommitting(tx: Tx, of: Fence, contactIds: string[]): Promise<string[]> {
  const [written] = await tx.query<Written>(sql`
    WITH written AS (UPDATE message SET state = 'committing'
    WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId}
      AND contact_id = ANY (${uuids(contactIds)}::uuid[])
      AND worker_id IS NOT DISTINCT FROM ${of.workerId}::uuid AND attempt = ${of.attempt} AND state = 'claimed'
      AND EXISTS (SELECT FROM campaign c WHERE c.workspace_id = ${of.workspaceId} AND c.id = ${of.campaignId}
        AND c.state IN ('sending', 'holding', 'finishing'))
    RETURNING contact_id)
    ${summary(contactIds.length)}`);
  return written?.some ?? contactIds;
}

interface Written {
  /** The contacts whose rows were written; null: all of them. */
  some: string[] | null;
}

/** Almost always everything was written: then one row says so, and no list of contacts comes back. */
function summary(wanted: number) {
  return sql`SELECT CASE WHEN count(*) < ${wanted}::int THEN coalesce(array_agg(contact_id::text), '{}') END AS some
    FROM written`;
}

/** After a commit whose answer was lost: which of these marks are there already. */
export async function alreadyCommitting(tx: Tx, of: Fence, contactIds: string[]): Promise<string[]> {
  const marked = await tx.query<{ contact_id: string }>(sql`
    SELECT contact_id FROM message
    WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId}
      AND contact_id = ANY (${uuids(contactIds)}::uuid[])
      AND worker_id IS NOT DISTINCT FROM ${of.workerId}::uuid AND attempt = ${of.attempt} AND state = 'committing'`);
  return marked.map((row) => row.contact_id);
}

export interface Settlement {
  from: string;
  to: string;
  /** null: the state is not one that waits. */
  dueInMs: number | null;
  /** True when the attempt spent a try. */
  spent: boolean;
  /** The lane where it waits from now on; null: its own. */
  toLane: number | null;
}

/** Writes one result of many messages, fenced also by the state that the worker believes in; gives what was written. */
export async function settleMessages(
  tx: Tx,
  of: Fence,
  { from, to, dueInMs, spent, toLane }: Settlement,
  contactIds: string[],
): Promise<string[]> {
  const [written] = await tx.query<Written>(sql`
    WITH written AS (UPDATE message SET state = ${to}, worker_id = NULL, deferrals = deferrals + ${spent ? 1 : 0}::smallint,
      first_deferred_at = CASE WHEN ${spent} THEN coalesce(first_deferred_at, now()) ELSE first_deferred_at END,
      due_at = now() + ${dueInMs}::float8 * interval '1 ms', lane = coalesce(${toLane}::integer, lane)
    WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId}
      AND contact_id = ANY (${uuids(contactIds)}::uuid[])
      AND worker_id IS NOT DISTINCT FROM ${of.workerId}::uuid AND attempt = ${of.attempt} AND state = ${from}
    RETURNING contact_id)
    ${summary(contactIds.length)}`);
  return written?.some ?? contactIds;
}

/** After a commit whose answer was lost: which of these results are there already. */
export async function alreadySettled(tx: Tx, of: Fence, to: string, contactIds: string[]): Promise<string[]> {
  const settled = await tx.query<{ contact_id: string }>(sql`
    SELECT contact_id FROM message
    WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId}
      AND contact_id = ANY (${uuids(contactIds)}::uuid[])
      AND worker_id IS NULL AND attempt = ${of.attempt} AND state = ${to}`);
  return settled.map((row) => row.contact_id);
}

export interface RecoveredRow {
  campaignId: string;
  contactId: string;
  lane: number;
  email: string;
  attempt: number;
  state: 'queued' | 'deferred' | 'uncertain';
}

/**
 * A dead worker's messages: `claimed` cannot have been sent and waits again; `committing` may have been, and nobody can
 * know. Index: message_in_flight.
 */
export function recoverMessages(tx: Tx, workspaceId: string, deadWorkerId: string) {
  return tx.query<RecoveredRow>(sql`
    UPDATE message SET worker_id = NULL,
      state = CASE WHEN state = 'committing' THEN 'uncertain' WHEN deferrals > 0 THEN 'deferred' ELSE 'queued' END,
      due_at = CASE WHEN state = 'claimed' THEN now() END
    WHERE workspace_id = ${workspaceId} AND worker_id = ${deadWorkerId}
    RETURNING campaign_id AS "campaignId", contact_id AS "contactId", lane, email, attempt, state`);
}

/** Cancels messages that wait, a chunk at a time, in the order of the claim index: no chunk reads what an earlier one did. */
export function cancelWaiting(tx: Tx, of: CampaignKey, limit: number) {
  return tx.query<{ deferrals: number }>(sql`
    WITH waiting AS MATERIALIZED (
      SELECT contact_id FROM message
      WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId} AND due_at IS NOT NULL
      ORDER BY lane, due_at, contact_id LIMIT ${limit} FOR UPDATE SKIP LOCKED)
    UPDATE message SET state = 'cancelled', due_at = NULL
    WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId}
      AND contact_id = ANY (ARRAY(SELECT contact_id FROM waiting))
    RETURNING deferrals`);
}

/** Whether any message waits or is owned by a worker: two probes of two partial indexes. */
export async function hasUnfinished(tx: Tx, of: CampaignKey): Promise<boolean> {
  const [row] = await tx.query<{ unfinished: boolean }>(sql`
    SELECT EXISTS (SELECT FROM message WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId}
        AND due_at IS NOT NULL)
      OR EXISTS (SELECT FROM message WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId}
        AND worker_id IS NOT NULL) AS unfinished`);
  return row?.unfinished ?? true;
}

export interface CampaignContentRow {
  templateName: string;
  templateBody: string;
  fromName: string | null;
  fromEmail: string;
  replyTo: string | null;
  giveUpSeconds: number;
  kind: 'campaign' | 'transactional';
  postalAddress: string | null;
}

export async function campaignContent(tx: Tx, of: CampaignKey): Promise<CampaignContentRow | undefined> {
  const [row] = await tx.query<CampaignContentRow>(sql`
    SELECT template_name AS "templateName", template_body AS "templateBody", from_name AS "fromName",
      from_email AS "fromEmail", reply_to AS "replyTo", give_up_seconds AS "giveUpSeconds",
      postal_address AS "postalAddress", kind
    FROM campaign WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId}`);
  return row;
}

/** The campaign cannot go on as it is, and a person has to look: it is paused with the reason. */
export function holdCampaign(tx: Tx, of: CampaignKey, reason: string) {
  return tx.query(sql`
    WITH held AS (
      UPDATE campaign SET state = 'paused', failure = ${reason}, state_changed_at = now()
      WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} AND kind = 'campaign'
        AND state IN ('sending', 'holding', 'finishing')
      RETURNING id, name, audience),
    announced AS (${insertIntoOutbox(of.workspaceId, {
      type: sql`'campaign.paused'`,
      data: sql`jsonb_build_object('campaign_id', held.id, 'name', held.name, 'audience', held.audience)`,
      from: sql`held`,
    })})
    SELECT id FROM held`);
}

export interface OwnedRow {
  workspaceId: string;
  campaignId: string;
  contactId: string;
  lane: number;
  email: string;
  attempt: number;
  deferrals: number;
}

/** What this worker has claimed and not marked, as the database knows it. Index: message_in_flight. */
export function claimedBy(tx: Tx, workspaceId: string, workerId: string) {
  return tx.query<OwnedRow>(sql`
    SELECT workspace_id AS "workspaceId", campaign_id AS "campaignId", contact_id AS "contactId", lane, email,
      attempt, deferrals
    FROM message WHERE workspace_id = ${workspaceId} AND worker_id = ${workerId} AND state = 'claimed'`);
}

/**
 * Before lanes are added to a campaign that is sending: a pause waits until they are there, and one that came before is
 * seen by the statements that follow. Its own statement, and before any lane is locked: the order is campaign, then lanes.
 */
export function holdStill(tx: Tx, of: CampaignKey): void {
  tx.atCommit(sql`
    SELECT id FROM campaign WHERE workspace_id = ${of.workspaceId} AND id = ${of.campaignId} FOR SHARE`);
}

/** A lane as open as the campaign's first one; after `holdStill`. */
export function addLane(tx: Tx, of: CampaignKey, number: number, dueInMs: number): void {
  tx.atCommit(sql`
    INSERT INTO lane (workspace_id, queue, key, number, open, next_due_at)
    SELECT workspace_id, queue, key, ${number}::integer, open, now() + ${dueInMs} * interval '1 ms'
    FROM lane WHERE workspace_id = ${of.workspaceId} AND queue = 'message' AND key = ${of.campaignId} AND number = 0
    ON CONFLICT (workspace_id, queue, key, number)
    DO UPDATE SET next_due_at = least(lane.next_due_at, excluded.next_due_at)`);
}

export interface RouteTroubleRow {
  workspaceId: string;
  name: string;
  failures: number;
  /** 0 or less: the pause is over, and the route may be probed. */
  pausedMs: number;
}

/** Routes in trouble, of all workspaces: camp_system only. */
export function routesInTrouble(tx: Tx) {
  return tx.query<RouteTroubleRow>(sql`
    SELECT workspace_id AS "workspaceId", name, failures,
      coalesce(extract(epoch FROM paused_until - now()), 0)::float8 * 1000 AS "pausedMs"
    FROM route WHERE failures > 0`);
}

/**
 * A route in trouble pauses for a jittered, growing while. Only one failure counts per pause: the others of the same
 * moment say nothing new.
 */
export function pauseRoute(
  tx: Tx,
  workspaceId: string,
  name: string,
  pause: { reason: string; baseMs: number; capMs: number },
) {
  return tx.query<{ failures: number; pausedMs: number }>(sql`
    INSERT INTO route AS r (workspace_id, name, failures, reason, paused_until)
    VALUES (${workspaceId}, ${name}, 1, ${pause.reason},
      now() + interval '1 ms' * (0.1 + 0.9 * random()) * ${pause.baseMs}::float8)
    ON CONFLICT (workspace_id, name) DO UPDATE SET failures = r.failures + 1, reason = ${pause.reason},
      paused_until = now() + interval '1 ms' * (0.1 + 0.9 * random())
        * least(${pause.capMs}::float8, ${pause.baseMs}::float8 * 2 ^ least(r.failures, 30))
      WHERE r.paused_until IS NULL OR r.paused_until <= now()
    RETURNING failures, extract(epoch FROM paused_until - now())::float8 * 1000 AS "pausedMs"`);
}

export function clearRoute(tx: Tx, workspaceId: string, name: string) {
  return tx.query(sql`UPDATE route SET failures = 0, paused_until = NULL, reason = NULL
    WHERE workspace_id = ${workspaceId} AND name = ${name} AND failures > 0`);
}

/** Gives the destination of that name a number, once. */
export async function ensureDestination(tx: Tx, name: string): Promise<number> {
  const [row] = await tx.query<{ id: number }>(sql`
    INSERT INTO destination (name) VALUES (${name}) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id`);
  if (!row) throw new Error('ensureDestination gave no row');
  return row.id;
}

export async function destinationName(tx: Tx, id: number): Promise<string | undefined> {
  const [row] = await tx.query<{ name: string }>(sql`SELECT name FROM destination WHERE id = ${id}`);
  return row?.name;
}

/** For the next freeze. */
export function rememberMailDomain(tx: Tx, domain: string, destinationId: number) {
  return tx.query(sql`
    INSERT INTO mail_domain (domain, destination_id) VALUES (${domain}, ${destinationId})
    ON CONFLICT (domain) DO UPDATE SET destination_id = excluded.destination_id, resolved_at = now()`);
}
