/**
 * What the segments of a campaign's audience say, all together. A segment may have changed or gone since the campaign was
 * made, so this is asked when the draft is made, by every look at its audience, and before the freeze.
 */
import type { Tx } from '../kernel/database.ts';
import { findRules } from './queries-segments.ts';
import { AudienceRefused } from './refused.ts';
import { conditionsOf, type Group } from './segment-rules.ts';

/** Postgres takes 65,535 parameters in a statement; a condition has up to about ten, and an exclusion is asked twice. */
export const AUDIENCE_CONDITIONS_MAX = 500;

export interface AudienceSegments {
  segmentIds: readonly string[];
  excludedSegmentIds: readonly string[];
}

export interface AudienceRules {
  segments: Group[];
  excludedSegments: Group[];
}

/** Throws AudienceRefused when one is not there any more, or when they say too much. */
export async function rulesOfAudience(
  tx: Tx,
  workspaceId: string,
  { segmentIds, excludedSegmentIds }: AudienceSegments,
): Promise<AudienceRules> {
  const ids = [...segmentIds, ...excludedSegmentIds];
  const found = new Map(await foundRules(tx, workspaceId, ids));
  const fault =
    goneFault(
      'segment',
      ids.filter((id) => !found.has(id)),
    ) ?? conditionsFaultOf(ids, found);
  if (fault !== undefined) throw new AudienceRefused('refused', fault);
  const rulesOf = (asked: readonly string[]) => asked.flatMap((id) => found.get(id) ?? []);
  return { segments: rulesOf(segmentIds), excludedSegments: rulesOf(excludedSegmentIds) };
}

/** Why they say too much, in a sentence; undefined: they do not. */
export async function conditionsFault(
  tx: Tx,
  workspaceId: string,
  { segmentIds, excludedSegmentIds }: AudienceSegments,
): Promise<string | undefined> {
  const ids = [...segmentIds, ...excludedSegmentIds];
  return conditionsFaultOf(ids, new Map(await foundRules(tx, workspaceId, ids)));
}

/** Undefined: of none. */
export function goneFault(what: 'list' | 'segment', ids: readonly string[]): string | undefined {
  if (ids.length === 0) return undefined;
  return `There is no ${what} ${ids.join(', ')} any more: choose another audience, and send it again.`;
}

async function foundRules(
  tx: Tx,
  workspaceId: string,
  ids: readonly string[],
): Promise<(readonly [string, Group])[]> {
  if (ids.length === 0) return [];
  return (await findRules(tx, workspaceId, ids)).map(({ id, rules }) => [id, rules] as const);
}

function conditionsFaultOf(ids: readonly string[], rules: ReadonlyMap<string, Group>): string | undefined {
  const conditions = ids
    .map((id) => rules.get(id))
    .reduce((sum, group) => sum + (group ? conditionsOf(group).length : 0), 0);
  if (conditions <= AUDIENCE_CONDITIONS_MAX) return undefined;
  return `The segments of the audience have ${conditions} conditions together, and ${AUDIENCE_CONDITIONS_MAX} is the most: choose fewer segments, or simpler ones.`;
}
