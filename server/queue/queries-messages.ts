/** The SQL of single messages, as people look for them and act on them. Their queue's SQL is in queries.ts. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { MessageKey } from './message-ids.ts';
import type { CampaignKey } from './queries.ts';
import type { MessageState } from './states.ts';

export interface FoundMessage extends MessageKey {
  kind: 'campaign' | 'transactional';
  email: string;
  state: MessageState;
  attempt: number;
  /** While it waits. */
  dueAt: Date | null;
}

export interface Wanted {
  workspaceId: string;
  campaignId: string | null;
  /** When a message of its own was queued, or when a message's campaign was made. */
  from: Date | null;
  until: Date | null;
  /** Behind this one, in the order of the list; null: from its beginning. */
  after: MessageKey | null;
}

const FIRST: MessageKey = {
  campaignId: 'ffffffff-ffff-ffff-ffff-ffffffffffff',
  contactId: 'ffffffff-ffff-ffff-ffff-ffffffffffff',
};
const LAST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Messages, the newest campaigns and streams first: `rows` of them are looked at, and those in `state` are given, with the
 * last one that was looked at and how many were. So the work of a page has an end, also when few are in that state.
 *
 * Expected plan: campaign_pkey backwards, and for each campaign a range of its partition's message_pkey, backwards too; an
 * incremental sort over one campaign at a time.
 */
export function messagesOf(tx: Tx, wanted: Wanted & { state: MessageState | null; rows: number }) {
  const { workspaceId, campaignId, state, rows } = wanted;
  const after = wanted.after ?? FIRST;
  const from = wanted.from ?? new Date(0);
  return tx.query<FoundMessage & { isLast: boolean; looked: number }>(sql`
    SELECT "campaignId", "contactId", kind, email, state, attempt, "dueAt", n = looked AS "isLast", looked
    FROM (SELECT seen.*, row_number() OVER ()::integer AS n, count(*) OVER ()::integer AS looked
      FROM (
        SELECT c.id AS "campaignId", m.contact_id AS "contactId", c.kind, m.email, m.state, m.attempt, m.due_at AS "dueAt"
        FROM (SELECT id, kind FROM campaign
          WHERE workspace_id = ${workspaceId} AND id <= ${campaignId ?? after.campaignId}::uuid
            AND id >= ${campaignId ?? LAST_ID}::uuid
            AND (${wanted.until}::timestamptz IS NULL OR id < uuid_floor(${wanted.until}::timestamptz))
            AND id >= CASE kind WHEN 'campaign' THEN uuid_floor(${from}::timestamptz)
              ELSE uuid_floor(date_trunc('month', ${from}::timestamptz, 'UTC')) END
          ORDER BY id DESC) c
        CROSS JOIN LATERAL (SELECT contact_id, email, state, attempt, due_at FROM message
          WHERE workspace_id = ${workspaceId} AND campaign_id = c.id
            AND contact_id < CASE WHEN c.id = ${after.campaignId}::uuid THEN ${after.contactId}::uuid
              ELSE ${FIRST.contactId}::uuid END
            AND contact_id < CASE WHEN c.kind = 'transactional' AND ${wanted.until}::timestamptz IS NOT NULL
              THEN uuid_floor(${wanted.until}::timestamptz) ELSE ${FIRST.contactId}::uuid END
            AND contact_id >= CASE WHEN c.kind = 'transactional' THEN uuid_floor(${from}::timestamptz)
              ELSE ${LAST_ID}::uuid END
          ORDER BY contact_id DESC LIMIT ${rows}) m
        WHERE (c.id, m.contact_id) < (${after.campaignId}::uuid, ${after.contactId}::uuid)
        ORDER BY c.id DESC, m.contact_id DESC LIMIT ${rows}) seen) numbered
    WHERE ${state}::text IS NULL OR state = ${state}::text OR n = looked
    ORDER BY n`);
}

/**
 * Messages to one address, in the same order. Expected plan: the contact by its address, a probe of message_pkey for each
 * campaign, and transactional_message_email.
 */
export function messagesTo(
  tx: Tx,
  {
    workspaceId,
    campaignId,
    from,
    until,
    after,
    email,
    state,
    rows,
  }: Wanted & {
    email: string;
    state: MessageState | null;
    rows: number;
  },
) {
  const behind = after ?? FIRST;
  return tx.query<FoundMessage>(sql`
    SELECT m.campaign_id AS "campaignId", m.contact_id AS "contactId", t.kind, m.email, m.state, m.attempt,
      m.due_at AS "dueAt"
    FROM (
      SELECT 'campaign' AS kind, c.id AS campaign_id, p.id AS contact_id, c.id AS made_with FROM contact p
      JOIN campaign c ON c.workspace_id = ${workspaceId} AND c.kind = 'campaign' AND c.state <> 'draft'
      WHERE p.workspace_id = ${workspaceId} AND p.email = ${email}
      UNION ALL
      SELECT 'transactional', campaign_id, id, id FROM transactional_message
      WHERE workspace_id = ${workspaceId} AND email = ${email}) t
    CROSS JOIN LATERAL (SELECT * FROM message
      WHERE workspace_id = ${workspaceId} AND campaign_id = t.campaign_id AND contact_id = t.contact_id LIMIT 1) m
    WHERE (t.campaign_id, t.contact_id) < (${behind.campaignId}::uuid, ${behind.contactId}::uuid)
      AND (${campaignId}::uuid IS NULL OR t.campaign_id = ${campaignId}::uuid)
      AND (${from}::timestamptz IS NULL OR t.made_with >= uuid_floor(${from}::timestamptz))
      AND (${until}::timestamptz IS NULL OR t.made_with < uuid_floor(${until}::timestamptz))
      AND (${state}::text IS NULL OR m.state = ${state}::text)
    ORDER BY t.campaign_id DESC, t.contact_id DESC LIMIT ${rows}`);
}

/** Ends that few messages have: their events lead to them. As the index event_of_ending has them. */
export const RARE_ENDS = ['rejected', 'uncertain', 'suppressed', 'expired', 'bounced', 'complained'] as const;

export type RareEnd = (typeof RARE_ENDS)[number];

/**
 * Messages that ended so and still stand there, in the same order. Expected plan: event_of_ending backwards in each
 * partition, merged, from `until` to the month of `from` only (a stream has its month's messages), and a probe of
 * message_pkey for each.
 */
export function messagesThatEnded(
  tx: Tx,
  { workspaceId, campaignId, from, until, after, state, rows }: Wanted & { state: RareEnd; rows: number },
) {
  const behind = after ?? FIRST;
  // The index is partial: its words must stand in the statement.
  const told = {
    rejected: sql`'rejected'`,
    uncertain: sql`'uncertain'`,
    suppressed: sql`'suppressed'`,
    expired: sql`'expired'`,
    bounced: sql`'bounced'`,
    complained: sql`'complained'`,
  }[state];
  return tx.query<FoundMessage>(sql`
    SELECT m.campaign_id AS "campaignId", m.contact_id AS "contactId", c.kind, m.email, m.state, m.attempt,
      m.due_at AS "dueAt"
    FROM (SELECT DISTINCT campaign_id, contact_id FROM event
      WHERE workspace_id = ${workspaceId} AND kind = ${told} AND campaign_id <= ${behind.campaignId}::uuid
        AND (campaign_id, contact_id) < (${behind.campaignId}::uuid, ${behind.contactId}::uuid)
        AND campaign_id >= ${campaignId ?? LAST_ID}::uuid AND campaign_id <= ${campaignId ?? FIRST.campaignId}::uuid
        AND campaign_id >= coalesce(uuid_floor(date_trunc('month', ${from}::timestamptz, 'UTC')), ${LAST_ID}::uuid)
        AND campaign_id < coalesce(uuid_floor(${until}::timestamptz), ${FIRST.campaignId}::uuid)
      ORDER BY campaign_id DESC, contact_id DESC) e
    CROSS JOIN LATERAL (SELECT * FROM message
      WHERE workspace_id = ${workspaceId} AND campaign_id = e.campaign_id AND contact_id = e.contact_id LIMIT 1) m
    CROSS JOIN LATERAL (SELECT kind FROM campaign WHERE workspace_id = ${workspaceId} AND id = e.campaign_id LIMIT 1) c
    WHERE m.state = ${state}
      AND (${from}::timestamptz IS NULL OR CASE c.kind WHEN 'campaign' THEN e.campaign_id ELSE e.contact_id END
        >= uuid_floor(${from}::timestamptz))
      AND (${until}::timestamptz IS NULL OR CASE c.kind WHEN 'campaign' THEN e.campaign_id ELSE e.contact_id END
        < uuid_floor(${until}::timestamptz))
    ORDER BY e.campaign_id DESC, e.contact_id DESC LIMIT ${rows}`);
}

export interface MessageRow extends FoundMessage {
  lane: number;
  deferrals: number;
  fromEmail: string;
  /** Of a message of its own. */
  subject: string | null;
  queuedBy: string | null;
  queuedAt: Date | null;
  campaignState: string;
}

export async function findMessage(
  tx: Tx,
  { workspaceId, campaignId, contactId }: MessageKey & { workspaceId: string },
): Promise<MessageRow | undefined> {
  const [row] = await tx.query<MessageRow>(sql`
    SELECT m.campaign_id AS "campaignId", m.contact_id AS "contactId", c.kind, m.email, m.state, m.attempt,
      m.due_at AS "dueAt", m.lane, m.deferrals, c.from_email AS "fromEmail", c.state AS "campaignState",
      t.body ->> 'subject' AS subject, t.queued_by AS "queuedBy", t.created_at AS "queuedAt"
    FROM message m
    JOIN campaign c ON c.workspace_id = ${workspaceId} AND c.id = ${campaignId}
    LEFT JOIN LATERAL (SELECT body, queued_by, created_at FROM transactional_message
      WHERE c.kind = 'transactional' AND workspace_id = ${workspaceId} AND id = ${contactId} LIMIT 1) t ON true
    WHERE m.workspace_id = ${workspaceId} AND m.campaign_id = ${campaignId} AND m.contact_id = ${contactId}`);
  return row;
}

/** Lanes may be added, and its state stays, until the transaction ends. The first lock: campaign, messages, lanes, counters. */
export function holdCampaignStill(tx: Tx, { workspaceId, campaignId }: CampaignKey) {
  return tx.query(sql`
    SELECT 1 FROM campaign WHERE workspace_id = ${workspaceId} AND id = ${campaignId} FOR SHARE`);
}

/** Nobody moves it until the transaction ends; a claim passes it by. */
export function lockMessage(tx: Tx, { workspaceId, campaignId, contactId }: CampaignKey & MessageKey) {
  return tx.query(sql`
    SELECT 1 FROM message WHERE workspace_id = ${workspaceId} AND campaign_id = ${campaignId}
      AND contact_id = ${contactId} FOR UPDATE`);
}

export interface ToldEvent {
  at: Date;
  kind: string;
  attempt: number;
  /** Raw reply or error. */
  detail: string | null;
  mxHost: string | null;
}

/** The latest, in the order in which they came. Index: event_of_message. */
export function eventsOfMessage(
  tx: Tx,
  { workspaceId, campaignId, contactId }: CampaignKey & MessageKey,
  rows: number,
) {
  return tx.query<ToldEvent>(sql`
    SELECT at, kind, attempt, detail, "mxHost" FROM (
      SELECT at, kind, attempt, detail, mx_host AS "mxHost" FROM event
      WHERE workspace_id = ${workspaceId} AND campaign_id = ${campaignId} AND contact_id = ${contactId}
      ORDER BY at DESC LIMIT ${rows}) latest
    ORDER BY at`);
}

/** Of a message that waits and is locked. */
export function cancelMessage(tx: Tx, { workspaceId, campaignId, contactId }: CampaignKey & MessageKey) {
  return tx.query(sql`
    UPDATE message SET state = 'cancelled', due_at = NULL
    WHERE workspace_id = ${workspaceId} AND campaign_id = ${campaignId} AND contact_id = ${contactId}
      AND due_at IS NOT NULL`);
}

/**
 * Due now, with all of its time before it again. Of a message that is locked and in the hands of no worker. Deferrals say
 * which of the two it waits as, to all who move it on: what is queued has none.
 */
export function makeDue(
  tx: Tx,
  { workspaceId, campaignId, contactId }: CampaignKey & MessageKey,
  to: 'queued' | 'deferred',
) {
  return tx.query(sql`
    UPDATE message SET state = ${to}, due_at = now(), first_deferred_at = now(),
      deferrals = CASE WHEN ${to === 'queued'} THEN 0 ELSE deferrals END
    WHERE workspace_id = ${workspaceId} AND campaign_id = ${campaignId} AND contact_id = ${contactId}
      AND worker_id IS NULL`);
}
