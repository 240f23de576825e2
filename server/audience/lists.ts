/**
 * Lists, and who is on them. A subscription changes by an act of states.ts and in no other way, for one contact or for many.
 *
 * A list has counters (list_count) that move with its subscriptions, so that looking at a list costs the same whatever its
 * length. Who changes subscriptions by hand holds the list, so that it is not deleted under them.
 */
import type { Tx } from '../kernel/database.ts';
import { isUniqueViolation } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import * as queries from './queries.ts';
import { type MemberRow, memberPage } from './queries-contacts.ts';
import * as listQueries from './queries-lists.ts';
import { AudienceRefused } from './refused.ts';
import {
  SUBSCRIPTION_ACTS,
  SUBSCRIPTION_STATUSES,
  type SubscriptionAct,
  type SubscriptionStatus,
  statusAfter,
} from './states.ts';

/** Gives the id of the list with this name; safe when two callers make it at once. */
export async function findOrCreateList(tx: Tx, workspaceId: string, name: string): Promise<string> {
  const found = await queries.findList(tx, workspaceId, name);
  if (found !== undefined) return found;
  await queries.insertList(tx, workspaceId, newId(), name);
  const made = await queries.findList(tx, workspaceId, name);
  if (made === undefined) throw new Error(`list ${name} is neither there nor can it be made`);
  return made;
}

/** Throws AudienceRefused when there is one of this name. */
export async function createList(tx: Tx, workspaceId: string, name: string): Promise<listQueries.ListRow> {
  const id = newId();
  if (!(await queries.insertList(tx, workspaceId, id, name))) throw nameTaken(name);
  return foundList(await listQueries.findListById(tx, workspaceId, id));
}

/** Throws AudienceRefused when there is no such list, or another one of this name. */
export async function renameList(
  tx: Tx,
  workspaceId: string,
  id: string,
  name: string,
): Promise<{ before: string; list: listQueries.ListRow }> {
  const before = foundList(await listQueries.lockList(tx, workspaceId, id));
  try {
    await listQueries.renameList(tx, workspaceId, id, name);
  } catch (error) {
    throw isUniqueViolation(error) ? nameTaken(name) : error;
  }
  return { before, list: foundList(await listQueries.findListById(tx, workspaceId, id)) };
}

function nameTaken(name: string): AudienceRefused {
  return new AudienceRefused('conflict', `There is a list called ${name} already.`);
}

function foundList<T>(found: T | undefined): T {
  if (found === undefined) throw new AudienceRefused('not-found', 'There is no list with this id.');
  return found;
}

/**
 * The list and who is on it go, the contacts stay; gives the list's name. Throws AudienceRefused when there is no such
 * list, or a campaign or a segment needs it: without an exclusion more people would get mail. An import that is under way
 * ends.
 */
export async function deleteList(tx: Tx, workspaceId: string, id: string): Promise<string> {
  const name = foundList(await listQueries.lockList(tx, workspaceId, id));
  await assertNotNeeded(tx, workspaceId, id);
  await listQueries.failImportsOfList(tx, workspaceId, id, 'Its list was deleted.');
  await listQueries.deleteList(tx, workspaceId, id);
  return name;
}

/** Of a list that is locked: whoever begins to need it holds it before. */
async function assertNotNeeded(tx: Tx, workspaceId: string, id: string): Promise<void> {
  const campaign = await listQueries.campaignThatNeedsList(tx, workspaceId, id);
  if (campaign !== undefined)
    throw new AudienceRefused(
      'conflict',
      `The campaign ${campaign} uses this list: cancel it, or choose another list for it.`,
    );
  const segment = await listQueries.segmentThatNeedsList(tx, workspaceId, id);
  if (segment !== undefined)
    throw new AudienceRefused(
      'conflict',
      `The segment "${segment}" asks for this list: change its rules, or delete it.`,
    );
}

/** Which of these are not there; the others stay until the transaction ends. For whoever makes an audience of them. */
export async function missingLists(tx: Tx, workspaceId: string, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const found = new Set(await listQueries.holdLists(tx, workspaceId, ids));
  return ids.filter((id) => !found.has(id));
}

/** Throws AudienceRefused when there is no such list. Keeps it until the transaction ends. */
export async function holdList(tx: Tx, workspaceId: string, id: string): Promise<void> {
  if (!(await listQueries.holdList(tx, workspaceId, id)))
    throw new AudienceRefused('not-found', 'There is no list with this id.');
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

/** The same for many contacts of one list; gives those whose status it changed. */
export async function changeSubscriptions(
  tx: Tx,
  of: listQueries.ManySubscriptions,
  act: SubscriptionAct,
): Promise<string[]> {
  const moves: { readonly [from in SubscriptionStatus | 'absent']?: SubscriptionStatus } =
    SUBSCRIPTION_ACTS[act];
  const added = moves.absent ? await listQueries.insertSubscriptions(tx, of, moves.absent) : [];
  const from = SUBSCRIPTION_STATUSES.filter((status) => moves[status] !== undefined);
  const others = new Set(of.contactIds).difference(new Set(added));
  if (from.length === 0 || others.size === 0) return added;
  const to = from.flatMap((status) => moves[status] ?? []);
  const moved = await listQueries.moveSubscriptions(tx, { ...of, contactIds: [...others] }, { from, to });
  return [...added, ...moved];
}

/** Who is on the list, or has left it; null: there is no such list. */
export async function membersPage(
  tx: Tx,
  workspaceId: string,
  of: Parameters<typeof memberPage>[2],
): Promise<MemberRow[] | null> {
  if (!(await listQueries.findListById(tx, workspaceId, of.listId))) return null;
  await queries.planForChunks(tx);
  return memberPage(tx, workspaceId, of);
}

/** How many people of the list are in each status. */
export async function listCounts(
  tx: Tx,
  workspaceId: string,
  listId: string,
): Promise<Record<SubscriptionStatus, number>> {
  const list = await listQueries.findListById(tx, workspaceId, listId);
  const { unconfirmed, subscribed, unsubscribed } = list ?? {
    unconfirmed: 0,
    subscribed: 0,
    unsubscribed: 0,
  };
  return { unconfirmed, subscribed, unsubscribed };
}
