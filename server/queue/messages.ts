/**
 * A message as people see it and act on it: found by what is known of it, told with all that happened, called back while it
 * waits, or tried at once.
 *
 * Moves are those of MESSAGE_MOVES. A message that a worker has is the worker's: it is neither called back nor tried, and
 * what comes of it is known in a moment. One that is `uncertain` may have arrived: it is sent again only for somebody who
 * has said that they accept two of it.
 */
import type { Tx } from '../kernel/database.ts';
import { recordEvents } from '../outcomes/record.ts';
import { Moves } from '../stats/counters.ts';
import type { MessageKey } from './message-ids.ts';
import { addLane, type CampaignKey } from './queries.ts';
import * as queries from './queries-messages.ts';
import { type MessageState, mayMove } from './states.ts';

/** How many messages a page of a list looks at, at most. */
const LOOKED_MAX = 5_000;
const EVENTS_MAX = 200;
const SHARD = 0;
/** Campaigns that send, or will again. */
const SENDING = new Set(['starting', 'sending', 'holding', 'finishing', 'paused']);

export interface Search extends queries.Wanted {
  /** In its normal form. */
  email: string | null;
  state: MessageState | null;
}

export interface MessagePage {
  messages: queries.FoundMessage[];
  /** Null: there are no more. A page may have fewer messages than asked for, and more may follow. */
  next: MessageKey | null;
}

/** Newest campaigns first. */
export async function searchMessages(tx: Tx, search: Search, limit: number): Promise<MessagePage> {
  const { email, state } = search;
  const rows = limit + 1;
  if (email !== null) return pageOf(await queries.messagesTo(tx, { ...search, email, rows }), limit);
  if (isRareEnd(state)) return pageOf(await queries.messagesThatEnded(tx, { ...search, state, rows }), limit);
  const looked = state === null ? rows : LOOKED_MAX;
  const seen = await queries.messagesOf(tx, { ...search, rows: looked });
  const found = seen.filter((message) => state === null || message.state === state);
  const last = seen.at(-1);
  const mayBeMore = last !== undefined && last.looked === looked;
  if (found.length > limit || !mayBeMore || state === null) return pageOf(found, limit);
  return { messages: found, next: keyOf(last) };
}

function isRareEnd(state: MessageState | null): state is queries.RareEnd {
  return (queries.RARE_ENDS as readonly (string | null)[]).includes(state);
}

function pageOf(found: queries.FoundMessage[], limit: number): MessagePage {
  const messages = found.slice(0, limit);
  const last = messages.at(-1);
  return { messages, next: found.length > limit && last ? keyOf(last) : null };
}

function keyOf({ campaignId, contactId }: MessageKey): MessageKey {
  return { campaignId, contactId };
}

export interface ToldMessage extends queries.MessageRow {
  /** In the order in which they came, the latest 200. */
  events: queries.ToldEvent[];
}

export type MessageRef = CampaignKey & MessageKey;

export async function tellMessage(tx: Tx, of: MessageRef): Promise<ToldMessage | null> {
  const message = await queries.findMessage(tx, of);
  return message ? { ...message, events: await queries.eventsOfMessage(tx, of, EVENTS_MAX) } : null;
}

export type Changed =
  | { kind: 'changed'; from: MessageState }
  | { kind: 'not-found' }
  /** One sentence. */
  | { kind: 'refused'; sentence: string };

/** Calls a message back that waits. */
export async function cancelMessage(tx: Tx, of: MessageRef): Promise<Changed> {
  const message = await lock(tx, of);
  if (!message) return { kind: 'not-found' };
  const { state, email, attempt } = message;
  if (message.dueAt === null || !mayMove(state, 'cancelled'))
    return { kind: 'refused', sentence: `${STANDS[state]} It cannot be called back.` };
  await queries.cancelMessage(tx, of);
  tell(tx, of, { kind: 'cancelled', email, attempt, detail: 'called back' });
  move(tx, of, state, 'cancelled');
  return { kind: 'changed', from: state };
}

/** Tries a message at once that waits for another try, or one again that may have arrived. */
export async function retryMessage(tx: Tx, of: MessageRef, acceptDuplicate: boolean): Promise<Changed> {
  const message = await lock(tx, of);
  if (!message) return { kind: 'not-found' };
  const { state, lane, email, attempt } = message;
  const refusal = refusalOfRetry(message, acceptDuplicate);
  if (refusal !== null) return { kind: 'refused', sentence: refusal };
  const to = state === 'uncertain' ? 'queued' : 'deferred';
  await queries.makeDue(tx, of, to);
  const detail = state === 'uncertain' ? 'sent again although it may have arrived' : 'tried at once';
  tell(tx, of, { kind: 'retried', email, attempt, detail });
  addLane(tx, of, lane, 0);
  if (to !== state) move(tx, of, state, to);
  return { kind: 'changed', from: state };
}

function refusalOfRetry(
  { state, campaignState }: queries.MessageRow,
  acceptDuplicate: boolean,
): string | null {
  if (state !== 'deferred' && state !== 'uncertain') return `${STANDS[state]} There is nothing to try again.`;
  if (!SENDING.has(campaignState))
    return `Its campaign is ${campaignState}, and sends nothing more: send it as a message of its own.`;
  if (state === 'uncertain' && !acceptDuplicate)
    return 'It may have arrived, and nobody can know: to send it again all the same, and perhaps twice, say accept_duplicate.';
  return null;
}

/** Where a message stands, for people. */
export const STANDS: Readonly<Record<MessageState, string>> = {
  queued: 'It waits to be sent.',
  deferred: 'It was put off, and waits for another try.',
  claimed: 'A worker has it and is about to send it.',
  committing: 'It is being handed over at this moment.',
  accepted: 'The recipient’s mail server took it.',
  rejected: 'The recipient’s mail server refused it for good.',
  uncertain: 'It may have arrived: the connection or the worker was lost before the mail server’s answer.',
  suppressed: 'It was not sent, because the recipient may not be written to.',
  cancelled: 'It was called back before it was sent.',
  expired: 'It was given up, because it could not be delivered in its time.',
  bounced: 'It was taken at first, and came back.',
  complained: 'It arrived, and the recipient reported it as spam.',
};

/** The campaign first, as all who add lanes; then the message. */
async function lock(tx: Tx, of: MessageRef): Promise<queries.MessageRow | undefined> {
  await queries.holdCampaignStill(tx, of);
  await queries.lockMessage(tx, of);
  return queries.findMessage(tx, of);
}

function tell(
  tx: Tx,
  { workspaceId, campaignId, contactId }: MessageRef,
  event: { kind: string; email: string; attempt: number; detail: string },
): void {
  recordEvents(tx, workspaceId, campaignId, [
    { ...event, contactId, rule: null, trouble: null, metAt: null },
  ]);
}

function move(tx: Tx, of: MessageRef, from: MessageState, to: MessageState): void {
  const moves = new Moves();
  moves.move(from, to);
  moves.write(tx, of, SHARD);
}
