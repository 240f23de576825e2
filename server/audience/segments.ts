/**
 * Segments: people who are described rather than listed. Made, changed and deleted; counted, sampled, paged and explained.
 *
 * Rules are read by segment-rules.ts, and become SQL in queries-rules.ts. There is one meaning of them: members, counts, the
 * freeze and "why is this person in?" all ask the same SQL.
 */
import { isUniqueViolation, type Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { missingLists } from './lists.ts';
import { planForChunks } from './queries.ts';
import * as queries from './queries-segments.ts';
import { AudienceRefused } from './refused.ts';
import type { Condition } from './segment-conditions.ts';
import { conditionsOf, type Group, namedIn, readRules, UnknownInRules } from './segment-rules.ts';
import { type Names, sentenceOf, sentenceOfRules } from './segment-sentence.ts';

export type Segment = queries.SegmentRow;
export type Member = queries.MemberRow;

const SAMPLE_PEOPLE = 10;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** Throws SegmentRefused for rules that mean nothing, AudienceRefused when there is one of this name. */
export async function createSegment(
  tx: Tx,
  workspaceId: string,
  segment: { name: string; rules: unknown },
): Promise<Segment> {
  const rules = await checkedRules(tx, workspaceId, segment.rules);
  const row = await queries.insertSegment(tx, workspaceId, { id: newId(), name: segment.name, rules });
  if (!row) throw nameTaken(segment.name);
  return row;
}

/** As it is, which nobody else changes until the transaction ends. Throws AudienceRefused. */
export async function lockSegment(tx: Tx, workspaceId: string, id: string): Promise<Segment> {
  return (await queries.lockSegment(tx, workspaceId, id)) ?? refuseUnknown();
}

/** Of a segment that is locked. Throws as createSegment does. */
export async function updateSegment(
  tx: Tx,
  workspaceId: string,
  segment: Segment,
  change: { name?: string; rules?: unknown },
): Promise<Segment> {
  const { id } = segment;
  const name = change.name ?? segment.name;
  const rules =
    change.rules === undefined ? segment.rules : await checkedRules(tx, workspaceId, change.rules);
  try {
    return await queries.updateSegment(tx, workspaceId, { id, name, rules });
  } catch (error) {
    throw isUniqueViolation(error) ? nameTaken(name) : error;
  }
}

/** Refused while a campaign would ask for it: without its exclusion the campaign would reach more people. */
export async function deleteSegment(tx: Tx, workspaceId: string, id: string): Promise<Segment> {
  const segment = await lockSegment(tx, workspaceId, id);
  const campaign = await queries.campaignThatNeeds(tx, workspaceId, id);
  if (campaign !== undefined)
    throw new AudienceRefused(
      'conflict',
      `The segment "${segment.name}" is in the audience of the campaign "${campaign}", which has not begun: change that campaign first.`,
    );
  await queries.deleteSegment(tx, workspaceId, id);
  return segment;
}

/** Throws AudienceRefused. */
export async function findSegment(tx: Tx, workspaceId: string, id: string): Promise<Segment> {
  return (await queries.findSegment(tx, workspaceId, id)) ?? refuseUnknown();
}

export async function findSegmentByName(tx: Tx, workspaceId: string, name: string): Promise<Segment> {
  const found = await queries.findSegmentByName(tx, workspaceId, name);
  if (!found) throw new AudienceRefused('not-found', `There is no segment "${name}" in this workspace.`);
  return found;
}

export function listSegments(
  tx: Tx,
  workspaceId: string,
  { after = null, limit }: { after?: string | null; limit: number },
): Promise<Segment[]> {
  return queries.segmentPage(tx, workspaceId, after, limit);
}

/** Which of these are not there; the others stay until the transaction ends. For whoever makes an audience of them. */
export async function missingSegments(
  tx: Tx,
  workspaceId: string,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const found = new Set((await queries.holdSegments(tx, workspaceId, ids)).map(({ id }) => id));
  return ids.filter((id) => !found.has(id));
}

function refuseUnknown(): never {
  throw new AudienceRefused('not-found', 'There is no segment with this id.');
}

function nameTaken(name: string): AudienceRefused {
  return new AudienceRefused('conflict', `There is a segment "${name}" already: choose another name.`);
}

/** What is read, and names only lists and campaigns of this workspace; the lists stay until the transaction ends. */
export async function checkedRules(tx: Tx, workspaceId: string, given: unknown): Promise<Group> {
  const rules = readRules(given);
  await missingLists(tx, workspaceId, namedIn([rules]).listIds);
  const names = await namesIn(tx, workspaceId, [rules]);
  for (const { condition, pointer } of conditionsOf(rules)) {
    if (condition.field === 'list' && !names.has(condition.list_id))
      throw new UnknownInRules(`${pointer}/list_id`, 'names a list that is not there');
    if (condition.field !== 'engagement' || condition.campaign_id === undefined) continue;
    if (!names.has(condition.campaign_id))
      throw new UnknownInRules(`${pointer}/campaign_id`, 'names a campaign that is not there');
  }
  return rules;
}

/** The rules of each in plain English. */
export async function sentencesOf(tx: Tx, workspaceId: string, rules: readonly Group[]): Promise<string[]> {
  const names = await namesIn(tx, workspaceId, rules);
  return rules.map((group) => sentenceOfRules(group, names));
}

async function namesIn(tx: Tx, workspaceId: string, rules: readonly Group[]): Promise<Names> {
  const { listIds, campaignIds } = namedIn(rules);
  const lists = listIds.length > 0 ? await queries.listNames(tx, workspaceId, listIds) : [];
  const campaigns = campaignIds.length > 0 ? await queries.campaignNames(tx, workspaceId, campaignIds) : [];
  return new Map([...lists, ...campaigns].map(({ id, name }) => [id, name]));
}

export interface Counted {
  count: number;
  /** What the count is true of, and its relative dates count from. */
  asOf: Date;
}

/** Exact. Passes through all contacts: to be asked under a deadline. */
export async function countMembers(tx: Tx, workspaceId: string, rules: Group): Promise<Counted> {
  await planForChunks(tx);
  const at = await queries.instant(tx);
  return { count: await queries.countMembers(tx, rules, { workspaceId, at }), asOf: at };
}

/** The ten newest. */
export async function sampleMembers(tx: Tx, workspaceId: string, rules: Group): Promise<Member[]> {
  await planForChunks(tx);
  const at = await queries.instant(tx);
  return queries.newestMembers(tx, rules, { workspaceId, at }, SAMPLE_PEOPLE);
}

/** In the order of their ids, those after one. */
export async function membersOf(
  tx: Tx,
  workspaceId: string,
  rules: Group,
  { after, limit }: { after: string | null; limit: number },
): Promise<Member[]> {
  await planForChunks(tx);
  const at = await queries.instant(tx);
  return queries.memberPage(tx, rules, { workspaceId, at }, { afterId: after ?? BEFORE_ALL, limit });
}

export interface Explanation {
  contact: Member;
  isMember: boolean;
  asOf: Date;
  /** All rules in one sentence. */
  sentence: string;
  conditions: ExplainedCondition[];
}

export interface ExplainedCondition {
  /** Of the condition in the rules (RFC 6901). */
  pointer: string;
  sentence: string;
  /** Whether what the sentence says is so. */
  held: boolean;
  /** What the contact has there, as JSON; null: nothing. */
  value: unknown;
}

/** Why a contact is in or is not. Undefined: there is no such contact. */
export async function explainMember(
  tx: Tx,
  workspaceId: string,
  rules: Group,
  contactId: string,
): Promise<Explanation | undefined> {
  const placed = conditionsOf(rules);
  const conditions: Condition[] = placed.map(({ condition }) => condition);
  const at = await queries.instant(tx);
  const row = await queries.explainContact(tx, rules, conditions, { workspaceId, at }, contactId);
  if (!row) return undefined;
  const names = await namesIn(tx, workspaceId, [rules]);
  const { id, email, name, isMember, held, values } = row;
  return {
    contact: { id, email, name },
    isMember,
    asOf: at,
    sentence: sentenceOfRules(rules, names),
    conditions: placed.map(({ condition, pointer, negated }, index) => ({
      pointer,
      sentence: sentenceOf(condition, names, negated),
      held: held[index] !== negated,
      value: values[index] ?? null,
    })),
  };
}
