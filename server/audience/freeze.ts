/**
 * Freeze: the audience of a campaign, or the share of it that its stage takes in, becomes messages, a chunk at a time.
 *
 * Before: launch made the campaign. After: the queue claims the rows. The position (which stage, which list, after which
 * contact) is columns of the campaign and moves in the transaction that inserts the rows it describes, so a crash between
 * two chunks neither skips nor repeats anybody; the key of `message` makes a second row for one contact impossible, also
 * when the contact is on two of the lists. Rows never pass through Node.
 */
import type { Tx } from '../kernel/database.ts';
import * as queries from './queries.ts';

export interface FrozenChunk {
  /** Messages inserted that wait to be sent. */
  frozen: number;
  /** Messages inserted for addresses that get no mail of this workspace. */
  suppressed: number;
  /** The whole stage has become messages. */
  done: boolean;
}

/**
 * Freezes at most `chunkRows` subscriptions inside the caller's transaction, which locks the campaign's row: nobody
 * can pause or cancel it meanwhile, so a chunk should take well under a second. `done` chunks are safe to repeat.
 */
export async function freezeChunk(
  tx: Tx,
  workspaceId: string,
  campaignId: string,
  chunkRows: number,
): Promise<FrozenChunk> {
  const position = await queries.lockFreezePosition(tx, workspaceId, campaignId);
  if (!position) throw new Error(`no campaign ${campaignId} in workspace ${workspaceId}`);
  const { listId, isLastList } = position;
  if (listId === null) return { frozen: 0, suppressed: 0, done: true };
  await queries.planForChunks(tx);
  const page = { ...position, workspaceId, campaignId, listId, chunkRows };
  const { read, frozen, suppressed } = await queries.freezeSubscriptions(tx, page);
  const listEnded = read < chunkRows;
  if (listEnded) await queries.finishFrozenList(tx, workspaceId, campaignId, isLastList);
  return { frozen, suppressed, done: listEnded && isLastList };
}
