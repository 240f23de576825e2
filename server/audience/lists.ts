/** Lists, and who is on them. */
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import * as queries from './queries.ts';
import { type SubscriptionAct, type SubscriptionStatus, statusAfter } from './states.ts';

/** Gives the id of the list with this name; safe when two callers make it at once. */
export async function findOrCreateList(tx: Tx, workspaceId: string, name: string): Promise<string> {
  const found = await queries.findList(tx, workspaceId, name);
  if (found !== undefined) return found;
  await queries.insertList(tx, workspaceId, newId(), name);
  const made = await queries.findList(tx, workspaceId, name);
  if (made === undefined) throw new Error(`list ${name} is neither there nor can it be made`);
  return made;
}

/** Does what the act does to this status (states.ts) and gives the status after it; an act without meaning changes nothing. */
export async function changeSubscription(
  tx: Tx,
  key: queries.SubscriptionKey,
  act: SubscriptionAct,
): Promise<SubscriptionStatus | 'absent'> {
  const from = await queries.lockSubscription(tx, key);
  const to = statusAfter(act, from);
  if (to === undefined) return from;
  if (from !== 'absent') await queries.updateSubscription(tx, key, to);
  else if (!(await queries.insertSubscription(tx, key, to))) return changeSubscription(tx, key, act);
  return to;
}

/** How many people of the list are in each status. */
export async function listCounts(
  tx: Tx,
  workspaceId: string,
  listId: string,
): Promise<Record<SubscriptionStatus, number>> {
  const counts = { unconfirmed: 0, subscribed: 0, unsubscribed: 0 };
  for (const row of await queries.countSubscriptions(tx, workspaceId, listId)) counts[row.status] = row.n;
  return counts;
}
