/**
 * Freeze: the audience of a campaign, or the share of it that its stage takes in, becomes messages, a chunk at a time.
 *
 * Before: launch made the campaign. After: the queue claims the rows. The position (which stage, which step, after which
 * contact) is columns of the campaign and moves in the transaction that inserts the rows it describes, so a crash between
 * two chunks neither skips nor repeats anybody; the key of `message` makes a second row for one contact impossible, also
 * when the contact is on two of the lists. Rows never pass through Node.
 *
 * The steps are the campaign's lists, one after the other, and then its segments, all in one walk through the contacts. In
 * the audience is whoever is
 *   - subscribed to one of its lists, or in one of its segments, subscribed to some list of the workspace and not
 *     unsubscribed from one of the campaign's lists: nobody without a subscription gets a campaign, and who has left a
 *     list is not brought back by a segment;
 *   - and is not subscribed to an excluded list and not in an excluded segment.
 * What the segments say, and the instant that "the last 30 days" count from, are written down with the first chunk: every
 * chunk and every stage asks the same, whatever is done to a segment meanwhile. The claim asks for the subscription again.
 */
import type { Tx } from '../kernel/database.ts';
import { conditionsFault, goneFault, rulesOfAudience } from './audience-rules.ts';
import { missingLists } from './lists.ts';
import * as queries from './queries.ts';
import type { FreezePage, FreezePosition, FrozenRules } from './queries-freeze.ts';
import * as freezing from './queries-freeze.ts';
import { AudienceRefused } from './refused.ts';
import { namedIn } from './segment-rules.ts';
import { missingSegments } from './segments.ts';

export interface FrozenChunk {
  /** Messages inserted that wait to be sent. */
  frozen: number;
  /** Messages inserted for addresses that get no mail of this workspace. */
  suppressed: number;
  /** The whole stage has become messages. */
  done: boolean;
}

/**
 * Freezes at most `chunkRows` subscriptions or contacts inside the caller's transaction, which locks the campaign's row:
 * nobody can pause or cancel it meanwhile, so a chunk should take well under a second. `done` chunks are safe to repeat.
 */
export async function freezeChunk(
  tx: Tx,
  workspaceId: string,
  campaignId: string,
  chunkRows: number,
): Promise<FrozenChunk> {
  const position = await freezing.lockFreezePosition(tx, workspaceId, campaignId);
  if (!position) throw new Error(`no campaign ${campaignId} in workspace ${workspaceId}`);
  const steps = stepsOf(position);
  if (position.stepsDone >= steps) return { frozen: 0, suppressed: 0, done: true };
  const { at, rules } = await questionsOf(tx, workspaceId, campaignId, position);
  await queries.planForChunks(tx);
  const { read, frozen, suppressed } = await freezing.freezePage(tx, {
    ...position,
    workspaceId,
    campaignId,
    from: sourceOf(position, rules),
    excludedRules: rules.excluded,
    at,
    chunkRows,
  });
  const stepEnded = read < chunkRows;
  const isLastStep = position.stepsDone + 1 >= steps;
  if (stepEnded) await freezing.finishFrozenStep(tx, workspaceId, campaignId, isLastStep);
  return { frozen, suppressed, done: stepEnded && isLastStep };
}

function stepsOf({ listIds, segmentIds }: FreezePosition): number {
  return listIds.length + (segmentIds.length > 0 ? 1 : 0);
}

function sourceOf({ listIds, stepsDone }: FreezePosition, rules: FrozenRules): FreezePage['from'] {
  const listId = listIds[stepsDone];
  return listId === undefined ? { rules: rules.included, listIds } : { listId };
}

/** As the first chunk finds them, and writes them down. Throws AudienceRefused when a segment or its list is not there. */
async function questionsOf(
  tx: Tx,
  workspaceId: string,
  campaignId: string,
  { beganAt, rules, segmentIds, excludedSegmentIds }: FreezePosition,
): Promise<{ at: Date; rules: FrozenRules }> {
  if (beganAt && rules) return { at: beganAt, rules };
  const asked = await rulesOfAudience(tx, workspaceId, { segmentIds, excludedSegmentIds });
  const found = { included: asked.segments, excluded: asked.excludedSegments };
  const { listIds } = namedIn([...found.included, ...found.excluded]);
  const missing = await missingLists(tx, workspaceId, listIds);
  if (missing.length > 0) throw new AudienceRefused('not-found', `There is no list ${missing.join(', ')}.`);
  return { at: await freezing.beginFreeze(tx, workspaceId, campaignId, found), rules: found };
}

/** Why the audience of a campaign cannot be frozen, in a sentence; undefined: it can. */
export async function audienceFault(
  tx: Tx,
  workspaceId: string,
  campaignId: string,
): Promise<string | undefined> {
  const position = await freezing.lockFreezePosition(tx, workspaceId, campaignId);
  if (!position) return undefined;
  const { listIds, excludedListIds, segmentIds, excludedSegmentIds, beganAt } = position;
  const lists = await missingLists(tx, workspaceId, [...listIds, ...excludedListIds]);
  // What the segments said is written down when it begins.
  if (lists.length > 0 || beganAt) return goneFault('list', lists);
  const segments = await missingSegments(tx, workspaceId, [...segmentIds, ...excludedSegmentIds]);
  return goneFault('segment', segments) ?? conditionsFault(tx, workspaceId, position);
}
