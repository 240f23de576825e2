/**
 * The SQL of segments: their rows, and whom their rules describe.
 *
 * Plan: members are read in the order of contact_pkey, so a page begins where the one before ended and nothing is sorted;
 * counts pass through the contacts once. Each question to another table is an index probe (queries-rules.ts).
 */
import type { Tx } from '../kernel/database.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import { excludedSql, mailable } from './queries-freeze.ts';
import { type RuleContext, ruleSql, valueSql } from './queries-rules.ts';
import type { Condition } from './segment-conditions.ts';
import type { Group } from './segment-rules.ts';

export interface SegmentRow {
  id: string;
  name: string;
  rules: Group;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

const COLUMNS = sql`id, name, rules, version, created_at AS "createdAt", updated_at AS "updatedAt"`;

/** By name. Index: segment_workspace_id_name_key. */
export function segmentPage(tx: Tx, workspaceId: string, after: string | null, limit: number) {
  return tx.query<SegmentRow>(sql`
    SELECT ${COLUMNS} FROM segment WHERE workspace_id = ${workspaceId} AND name > ${after ?? ''}
    ORDER BY name LIMIT ${limit}`);
}

export async function findSegment(tx: Tx, workspaceId: string, id: string): Promise<SegmentRow | undefined> {
  const [row] = await tx.query<SegmentRow>(
    sql`SELECT ${COLUMNS} FROM segment WHERE workspace_id = ${workspaceId} AND id = ${id}`,
  );
  return row;
}

export async function findSegmentByName(tx: Tx, workspaceId: string, name: string) {
  const [row] = await tx.query<SegmentRow>(
    sql`SELECT ${COLUMNS} FROM segment WHERE workspace_id = ${workspaceId} AND name = ${name}`,
  );
  return row;
}

/** Nobody else changes or deletes it until the transaction ends. */
export async function lockSegment(tx: Tx, workspaceId: string, id: string): Promise<SegmentRow | undefined> {
  const [row] = await tx.query<SegmentRow>(
    sql`SELECT ${COLUMNS} FROM segment WHERE workspace_id = ${workspaceId} AND id = ${id} FOR UPDATE`,
  );
  return row;
}

export function findRules(tx: Tx, workspaceId: string, ids: readonly string[]) {
  return tx.query<{ id: string; rules: Group }>(
    sql`SELECT id, rules FROM segment WHERE workspace_id = ${workspaceId} AND id = ANY (${ids}::uuid[])`,
  );
}

/** Those that are there; they stay until the transaction ends. */
export function holdSegments(tx: Tx, workspaceId: string, ids: readonly string[]) {
  return tx.query<{ id: string }>(sql`
    SELECT id FROM segment WHERE workspace_id = ${workspaceId} AND id = ANY (${ids}::uuid[]) FOR KEY SHARE`);
}

/** Undefined: there is one of this name. */
export async function insertSegment(
  tx: Tx,
  workspaceId: string,
  segment: Pick<SegmentRow, 'id' | 'name' | 'rules'>,
) {
  const [row] = await tx.query<SegmentRow>(sql`
    INSERT INTO segment (workspace_id, id, name, rules)
    VALUES (${workspaceId}, ${segment.id}, ${segment.name}, ${JSON.stringify(segment.rules)})
    ON CONFLICT (workspace_id, name) DO NOTHING RETURNING ${COLUMNS}`);
  return row;
}

/** Throws unique_violation when another one has the name. */
export async function updateSegment(
  tx: Tx,
  workspaceId: string,
  segment: Pick<SegmentRow, 'id' | 'name' | 'rules'>,
) {
  const [row] = await tx.query<SegmentRow>(sql`
    UPDATE segment SET name = ${segment.name}, rules = ${JSON.stringify(segment.rules)}, version = version + 1,
      updated_at = now()
    WHERE workspace_id = ${workspaceId} AND id = ${segment.id}
    RETURNING ${COLUMNS}`);
  if (!row) throw new Error('updateSegment gave no row');
  return row;
}

export function deleteSegment(tx: Tx, workspaceId: string, id: string) {
  return tx.query(sql`DELETE FROM segment WHERE workspace_id = ${workspaceId} AND id = ${id}`);
}

/** A campaign that will ask for the segment when its freeze begins. */
export async function campaignThatNeeds(
  tx: Tx,
  workspaceId: string,
  id: string,
): Promise<string | undefined> {
  const [row] = await tx.query<{ name: string }>(sql`
    SELECT name FROM campaign WHERE workspace_id = ${workspaceId} AND freeze_began_at IS NULL
      AND state IN ('draft', 'scheduled', 'starting', 'paused')
      AND ${id} = ANY (segment_ids || excluded_segment_ids) LIMIT 1`);
  return row?.name;
}

export interface Named {
  id: string;
  name: string;
}

export function listNames(tx: Tx, workspaceId: string, ids: readonly string[]) {
  return tx.query<Named>(
    sql`SELECT id, name FROM list WHERE workspace_id = ${workspaceId} AND id = ANY (${ids}::uuid[])`,
  );
}

export function campaignNames(tx: Tx, workspaceId: string, ids: readonly string[]) {
  return tx.query<Named>(
    sql`SELECT id, name FROM campaign WHERE workspace_id = ${workspaceId} AND id = ANY (${ids}::uuid[])`,
  );
}

/** The database's clock, as precisely as a Date says it: what the rules of this transaction count from. */
export async function instant(tx: Tx): Promise<Date> {
  const [row] = await tx.query<{ at: Date }>(sql`SELECT date_trunc('milliseconds', now()) AS at`);
  if (!row) throw new Error('instant gave no row');
  return row.at;
}

export async function countMembers(tx: Tx, rules: Group, context: RuleContext): Promise<number> {
  const [row] = await tx.query<{ n: number }>(sql`
    SELECT count(*)::float8 AS n FROM contact c
    WHERE c.workspace_id = ${context.workspaceId} AND ${ruleSql(rules, context)}`);
  return row?.n ?? 0;
}

export interface MemberRow {
  id: string;
  email: string;
  name: string | null;
}

/** After `planForChunks`. */
export function memberPage(
  tx: Tx,
  rules: Group,
  context: RuleContext,
  { afterId, limit }: { afterId: string; limit: number },
) {
  return tx.query<MemberRow>(sql`
    SELECT c.id, c.email, c.name FROM contact c
    WHERE c.workspace_id = ${context.workspaceId} AND c.id > ${afterId} AND ${ruleSql(rules, context)}
    ORDER BY c.id LIMIT ${limit}`);
}

/** After `planForChunks`. */
export function newestMembers(tx: Tx, rules: Group, context: RuleContext, limit: number) {
  return tx.query<MemberRow>(sql`
    SELECT c.id, c.email, c.name FROM contact c
    WHERE c.workspace_id = ${context.workspaceId} AND ${ruleSql(rules, context)} ORDER BY c.id DESC LIMIT ${limit}`);
}

export interface ExplainedRow extends MemberRow {
  isMember: boolean;
  /** In the order of the conditions. */
  held: boolean[];
  values: unknown[];
}

/** What the same SQL that finds the members says of one contact, condition by condition. */
export async function explainContact(
  tx: Tx,
  rules: Group,
  conditions: readonly Condition[],
  context: RuleContext,
  contactId: string,
): Promise<ExplainedRow | undefined> {
  const [row] = await tx.query<ExplainedRow>(sql`
    SELECT c.id, c.email, c.name, ${ruleSql(rules, context)} AS "isMember",
      jsonb_build_array(${listed(conditions.map((condition) => ruleSql(condition, context)))}) AS held,
      jsonb_build_array(${listed(conditions.map((condition) => valueSql(condition, context)))}) AS values
    FROM contact c WHERE c.workspace_id = ${context.workspaceId} AND c.id = ${contactId}`);
  return row;
}

function listed(parts: readonly Sql[]): Sql {
  return parts.reduce((before, next) => sql`${before}, ${next}`);
}

export interface AudienceQuestion {
  listIds: readonly string[];
  segments: readonly Group[];
  excludedListIds: readonly string[];
  excludedSegments: readonly Group[];
}

export interface AudienceEstimate {
  /** Those of each list and of each segment, added up. */
  matched: number;
  /** Of them, people whom another list or segment had brought already. */
  duplicates: number;
  /** Of the people, those whom an excluded list or segment takes out. */
  excluded: number;
  /** Of the rest, those whose address gets no mail of this workspace. */
  suppressed: number;
  /** Those who would get it. matched = duplicates + excluded + suppressed + recipients. */
  recipients: number;
}

/** The freeze's own rules, in one pass. */
export async function countAudience(
  tx: Tx,
  { workspaceId, at }: RuleContext,
  asked: AudienceQuestion,
): Promise<AudienceEstimate> {
  const { listIds, excludedListIds, excludedSegments } = asked;
  const isExcluded =
    excludedSql({ workspaceId, at, excludedListIds, excludedRules: excludedSegments }) ?? sql`false`;
  const described = asked.segments.map(
    (rules) => sql`UNION ALL SELECT c.id FROM contact c WHERE c.workspace_id = ${workspaceId}
      AND ${ruleSql(rules, { workspaceId, at })} AND ${mailable(workspaceId, listIds)}`,
  );
  const [row] = await tx.query<AudienceEstimate>(sql`
    WITH person AS MATERIALIZED (
      SELECT contact_id, count(*) AS n FROM (
        SELECT contact_id FROM subscription WHERE workspace_id = ${workspaceId}
          AND list_id = ANY (${listIds}::uuid[]) AND status = 'subscribed'
        ${described.reduce((before, next) => sql`${before} ${next}`, sql``)}) source
      GROUP BY contact_id),
    judged AS (
      SELECT n, ${isExcluded} AS excluded, u.email IS NOT NULL AS suppressed
      FROM person JOIN contact c ON c.workspace_id = ${workspaceId} AND c.id = person.contact_id
      LEFT JOIN suppression u ON u.workspace_id = ${workspaceId} AND u.email = c.email)
    SELECT coalesce(sum(n), 0)::float8 AS matched, (coalesce(sum(n), 0) - count(*))::float8 AS duplicates,
      count(*) FILTER (WHERE excluded)::float8 AS excluded,
      count(*) FILTER (WHERE NOT excluded AND suppressed)::float8 AS suppressed,
      count(*) FILTER (WHERE NOT excluded AND NOT suppressed)::float8 AS recipients
    FROM judged`);
  if (!row) throw new Error('countAudience gave no row');
  return row;
}
