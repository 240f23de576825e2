/** The SQL of the freeze: where it stands, what its segments say, and the next people who become messages. */
import type { Tx } from '../kernel/database.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import { anyRuleSql } from './queries-rules.ts';
import type { Group } from './segment-rules.ts';

/** What the segments of a campaign said when its freeze began. */
export interface FrozenRules {
  included: Group[];
  excluded: Group[];
}

export interface FreezePosition {
  listIds: string[];
  segmentIds: string[];
  excludedListIds: string[];
  excludedSegmentIds: string[];
  /** Of the steps (each list, and then the segments all at once), how many are done. */
  stepsDone: number;
  afterContactId: string;
  /** How much of the audience is to be frozen by the end of this stage. */
  stagePercent: number;
  /** When the campaign is sent at the recipient's own time: when that is for those whose timezone is not known. */
  localDueAt: Date | null;
  /** Null, both: nothing is frozen yet. */
  beganAt: Date | null;
  rules: FrozenRules | null;
}

/** Where the freeze of a campaign stands; its row stays locked until the transaction ends. */
export async function lockFreezePosition(tx: Tx, workspaceId: string, campaignId: string) {
  const [row] = await tx.query<FreezePosition>(sql`
    SELECT list_ids AS "listIds", segment_ids AS "segmentIds", excluded_list_ids AS "excludedListIds",
      excluded_segment_ids AS "excludedSegmentIds", frozen_list_count AS "stepsDone",
      frozen_contact_id AS "afterContactId", stages[stage + 1] AS "stagePercent",
      local_at AT TIME ZONE timezone AS "localDueAt", freeze_began_at AS "beganAt", frozen_rules AS rules
    FROM campaign WHERE workspace_id = ${workspaceId} AND id = ${campaignId} FOR UPDATE`);
  return row;
}

/** In the transaction of the first chunk. */
export async function beginFreeze(
  tx: Tx,
  workspaceId: string,
  campaignId: string,
  rules: FrozenRules,
): Promise<Date> {
  const [row] = await tx.query<{ at: Date }>(sql`
    UPDATE campaign SET frozen_rules = ${JSON.stringify(rules)}, freeze_began_at = date_trunc('milliseconds', now())
    WHERE workspace_id = ${workspaceId} AND id = ${campaignId} RETURNING freeze_began_at AS at`);
  if (!row) throw new Error('beginFreeze gave no row');
  return row.at;
}

export interface FreezePage {
  workspaceId: string;
  campaignId: string;
  /** Who is in: the people of one list, or those whom any of these rules describes. */
  from: { listId: string } | { rules: readonly Group[]; listIds: readonly string[] };
  excludedListIds: readonly string[];
  excludedRules: readonly Group[];
  /** What the rules' relative dates count from. */
  at: Date;
  afterContactId: string;
  chunkRows: number;
  stagePercent: number;
  localDueAt: Date | null;
}

/**
 * Turns those of the next `chunkRows` subscriptions of one list, or of the next `chunkRows` contacts, who are in the
 * audience into messages, and moves the campaign's position past all that were read.
 *
 * Plan: one range of subscription_pkey or contact_pkey from the position on, for each row one probe of contact_pkey, of
 * suppression_pkey and of mail_domain_pkey (which sorts as the database does, and not byte by byte as addresses), and one
 * for each question of a rule; so a chunk costs the same wherever it stands. Rows are read whatever their status is and
 * whether or not a rule holds, so that a list full of people who left is walked in bounded steps too. `read` < chunkRows:
 * the list, or the contacts, have ended.
 *
 * Who is in a stage is a matter of chance, and another one in each campaign: what the id and the campaign's hash to. A
 * later stage takes everybody in again whom it may take; the key of `message` leaves out those who have theirs, and who
 * came onto the list since is not forgotten.
 */
export async function freezePage(tx: Tx, page: FreezePage) {
  const dueAt = page.localDueAt === null ? sql`now()` : localDueAt(page, page.localDueAt);
  const [row] = await tx.query<{ read: number; frozen: number; suppressed: number }>(sql`
    WITH page AS MATERIALIZED (${pageOf(page)}),
    inserted AS (
      INSERT INTO message (workspace_id, campaign_id, contact_id, email, lane, state, due_at)
      SELECT ${page.workspaceId}, ${page.campaignId}, page.contact_id, c.email, coalesce(known.lane, 0),
        CASE WHEN suppressed.yes THEN 'suppressed' ELSE 'queued' END,
        CASE WHEN suppressed.yes THEN NULL ELSE ${dueAt} END
      FROM page
      CROSS JOIN LATERAL (SELECT id, email, name, attributes, tags, created_at FROM contact
        WHERE workspace_id = ${page.workspaceId} AND id = page.contact_id LIMIT 1) c
      LEFT JOIN LATERAL (SELECT true AS yes FROM suppression
        WHERE workspace_id = ${page.workspaceId} AND email = c.email LIMIT 1) suppressed ON true
      LEFT JOIN LATERAL (SELECT destination_id AS lane FROM mail_domain
        WHERE domain = split_part(c.email COLLATE "default", '@', 2) LIMIT 1) known ON true
      WHERE page.is_wanted
        AND (uuid_hash_extended(page.contact_id, uuid_hash_extended(${page.campaignId}, 0)) & 1048575)
          < ${page.stagePercent}::float8 / 100 * 1048576
        ${describedOf(page)} ${notExcluded(page)}
      ON CONFLICT (workspace_id, campaign_id, contact_id) DO NOTHING
      RETURNING state, lane, due_at),
    lanes AS (
      INSERT INTO lane (workspace_id, queue, key, number, open, next_due_at)
      SELECT ${page.workspaceId}, 'message', ${page.campaignId}, inserted.lane,
        (SELECT open FROM lane first WHERE first.workspace_id = ${page.workspaceId} AND first.queue = 'message'
          AND first.key = ${page.campaignId} AND first.number = 0),
        min(due_at)
      FROM inserted WHERE due_at IS NOT NULL GROUP BY inserted.lane ORDER BY inserted.lane
      ON CONFLICT (workspace_id, queue, key, number)
      DO UPDATE SET next_due_at = least(lane.next_due_at, excluded.next_due_at)),
    counted AS (
      SELECT (SELECT count(*) FROM page) AS read,
        count(*) FILTER (WHERE state = 'queued') AS frozen,
        count(*) FILTER (WHERE state = 'suppressed') AS suppressed
      FROM inserted),
    moved AS (
      UPDATE campaign SET audience = audience + counted.frozen + counted.suppressed,
        frozen_contact_id = coalesce((SELECT contact_id FROM page ORDER BY contact_id DESC LIMIT 1), frozen_contact_id)
      FROM counted WHERE workspace_id = ${page.workspaceId} AND id = ${page.campaignId})
    SELECT read::float8, frozen::float8, suppressed::float8 FROM counted`);
  if (!row) throw new Error('freezePage gave no row');
  return row;
}

function pageOf({ workspaceId, from, afterContactId, chunkRows }: FreezePage): Sql {
  if ('listId' in from)
    return sql`SELECT contact_id, status = 'subscribed' AS is_wanted FROM subscription
      WHERE workspace_id = ${workspaceId}
        AND (list_id, contact_id) > (${from.listId}, ${afterContactId}) AND list_id <= ${from.listId}
      ORDER BY list_id, contact_id LIMIT ${chunkRows}`;
  return sql`SELECT id AS contact_id, true AS is_wanted FROM contact
    WHERE workspace_id = ${workspaceId} AND id > ${afterContactId} ORDER BY id LIMIT ${chunkRows}`;
}

function describedOf({ workspaceId, from, at }: FreezePage): Sql {
  if ('listId' in from) return sql``;
  return sql`AND ${anyRuleSql(from.rules, { workspaceId, at })} AND ${mailable(workspaceId, from.listIds)}`;
}

/**
 * Whether the contact `c`, whom a segment describes, may be written to: they are subscribed to something in this workspace,
 * and have not left a list that the campaign itself goes to. Indexes: subscription_of_contact, subscription_pkey.
 */
export function mailable(workspaceId: string, listIds: readonly string[]): Sql {
  const isSubscribed = sql`coalesce((SELECT true FROM subscription
    WHERE workspace_id = ${workspaceId} AND contact_id = c.id AND status = 'subscribed' LIMIT 1), false)`;
  if (listIds.length === 0) return isSubscribed;
  return sql`${isSubscribed} AND (SELECT true FROM subscription
    WHERE workspace_id = ${workspaceId} AND list_id = ANY (${listIds}::uuid[]) AND contact_id = c.id
      AND status = 'unsubscribed' LIMIT 1) IS NULL`;
}

function notExcluded({ workspaceId, at, excludedListIds, excludedRules }: FreezePage): Sql {
  const isExcluded = excludedSql({ workspaceId, at, excludedListIds, excludedRules });
  return isExcluded ? sql`AND NOT ${isExcluded}` : sql``;
}

type Exclusions = Pick<FreezePage, 'workspaceId' | 'at' | 'excludedListIds' | 'excludedRules'>;

/** Whether the contact `c` is subscribed to an excluded list, or in an excluded segment; null: nobody is excluded. */
export function excludedSql({ workspaceId, at, excludedListIds, excludedRules }: Exclusions): Sql | null {
  if (excludedListIds.length + excludedRules.length === 0) return null;
  return sql`(${anyRuleSql(excludedRules, { workspaceId, at })} OR coalesce((SELECT true FROM subscription
    WHERE workspace_id = ${workspaceId} AND list_id = ANY (${excludedListIds}::uuid[]) AND contact_id = c.id
      AND status = 'subscribed' LIMIT 1), false))`;
}

/** By the attribute `timezone` of a contact; a name that Postgres does not know has no row (campaign_timezone). */
function localDueAt(of: { workspaceId: string; campaignId: string }, otherwise: Date): Sql {
  return sql`coalesce((SELECT due_at FROM campaign_timezone
    WHERE workspace_id = ${of.workspaceId} AND campaign_id = ${of.campaignId}
      AND name = lower(btrim(c.attributes->>'timezone'))), ${otherwise}::timestamptz)`;
}

/** The current step has ended: on to the next one, or the stage is complete, and with the last one the audience. */
export function finishFrozenStep(tx: Tx, workspaceId: string, campaignId: string, isLastStep: boolean) {
  return tx.query(sql`
    UPDATE campaign SET frozen_list_count = frozen_list_count + 1,
      frozen_contact_id = '00000000-0000-0000-0000-000000000000',
      frozen_at = CASE WHEN ${isLastStep} AND stage + 1 >= cardinality(stages) THEN now() END
    WHERE workspace_id = ${workspaceId} AND id = ${campaignId}`);
}
