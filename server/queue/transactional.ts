/**
 * Transactional mail: messages of their own, queued in the transaction of what they tell of. Both are there, or neither.
 *
 * They are messages like all others (claimed, marked, settled), in a stream's lane that no campaign's stands before, and
 * they need nobody's subscription; an address that is suppressed gets none. Queued twice under one id it is queued once.
 *
 * Before: the API (web/messages.ts) queues what comes at the same time in one go; Camp's own mails come singly. After: the
 * stream's lane is awake, and the next claim takes them.
 */
import {
  type TransactionalBody,
  type TransactionalFault,
  transactionalFault,
} from '../content/transactional.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { ensureLane, wakeLane } from '../kernel/queries.ts';
import { Moves, SHARDS } from '../stats/counters.ts';
import type { MessageKey } from './message-ids.ts';
import type { CampaignKey } from './queries.ts';
import * as queries from './queries-transactional.ts';

export interface TransactionalMail {
  workspaceId: string;
  /** A UUIDv7 of the caller's, so that queuing again does nothing. */
  id?: string;
  from: { name?: string | null; email: string };
  to: { name?: string | null; email: string };
  replyTo?: string;
  subject: string;
  text?: string;
  html?: string;
  attachments?: { filename: string; contentType: string; content: Buffer }[];
  /** The key or session that asked for it; Camp itself when it is left out. */
  queuedBy?: string;
  /** Tried for at least so long, as is all that goes out from its address in its month. Of mail that comes singly. */
  giveUpSeconds?: number;
}

/** A mail that could never be sent. One sentence for whoever asked. */
export class MailRefused extends Error {
  override readonly name = 'MailRefused';
}

/** Tried for so long: who waits for a password waits no longer. */
const GIVE_UP_SECONDS = 4 * 3_600;
const UNSORTED_LANE = 0;

/** In the caller's transaction; gives the message's id. Throws MailRefused. */
export async function enqueueTransactional(tx: Tx, mail: TransactionalMail): Promise<string> {
  const row = rowOf(mail);
  const { workspaceId, from } = mail;
  const [campaignId = ''] = (await streamsOf(tx, workspaceId, [from.email])).values();
  const of = { workspaceId, campaignId };
  if (mail.giveUpSeconds !== undefined) await queries.lengthenGiveUp(tx, of, mail.giveUpSeconds);
  if (await queries.insertTransactionalOnce(tx, of, row)) queueRows(tx, of, [row]);
  return row.id;
}

/**
 * Of one workspace, in the caller's transaction, all or none; gives their keys in the same order. `streams`: of their From
 * addresses. Throws MailRefused.
 */
export function enqueueAll(
  tx: Tx,
  mails: readonly Omit<TransactionalMail, 'id'>[],
  streams: ReadonlyMap<string, string>,
): MessageKey[] {
  const rows = mails.map((mail) => ({ mail, row: rowOf(mail), campaignId: streamOf(mail, streams) }));
  // One order of locks for all.
  for (const campaignId of [...new Set(streams.values())].sort()) {
    const ofStream = rows.filter((one) => one.campaignId === campaignId);
    const [first] = ofStream;
    if (!first) continue;
    const of = { workspaceId: first.mail.workspaceId, campaignId };
    const inserted = ofStream.map(({ row }) => row);
    queries.insertTransactional(tx, of, inserted);
    queueRows(tx, of, inserted);
  }
  return rows.map(({ row, campaignId }) => ({ campaignId, contactId: row.id }));
}

function streamOf({ from }: { from: { email: string } }, streams: ReadonlyMap<string, string>): string {
  const campaignId = streams.get(from.email);
  if (campaignId === undefined) throw new Error(`the stream of ${from.email} was not asked for`);
  return campaignId;
}

/** The streams of From addresses and this month, made where they are not there yet. */
export async function streamsOf(
  tx: Tx,
  workspaceId: string,
  fromEmails: readonly string[],
): Promise<Map<string, string>> {
  const found = await queries.findStreams(tx, workspaceId, fromEmails);
  const streams = new Map(found.map(({ fromEmail, campaignId }) => [fromEmail, campaignId]));
  for (const fromEmail of [...fromEmails].sort())
    if (!streams.has(fromEmail)) streams.set(fromEmail, await openStream(tx, workspaceId, fromEmail));
  return streams;
}

/** Why no mail can be made of it, and where in it; null: it can. */
export function mailFault(mail: TransactionalMail): TransactionalFault | null {
  // What an attachment holds is not asked, and may be large.
  const attachments = mail.attachments?.map((one) => ({ ...one, content: Buffer.alloc(0) })) ?? [];
  return transactionalFault(bodyOf({ ...mail, attachments }), mail.to.email);
}

function rowOf(mail: TransactionalMail): queries.TransactionalRow {
  const fault = mailFault(mail);
  if (fault !== null) throw new MailRefused(fault.sentence);
  const { id = newId(), to, queuedBy = null } = mail;
  return { id, email: to.email.trim().toLowerCase(), queuedBy, body: JSON.stringify(bodyOf(mail)) };
}

/** Two may come at once: both get the same. */
async function openStream(tx: Tx, workspaceId: string, fromEmail: string): Promise<string> {
  const stream = { workspaceId, campaignId: newId(), fromEmail, giveUpSeconds: GIVE_UP_SECONDS };
  const campaignId = await queries.ensureStream(tx, stream);
  await ensureLane(tx, { ...laneOf({ workspaceId, campaignId }), open: true, dueInMs: 0 });
  return campaignId;
}

function queueRows(tx: Tx, of: CampaignKey, rows: queries.TransactionalRow[]): void {
  queries.insertTransactionalMessages(tx, of, rows);
  const moves = new Moves();
  moves.move(null, 'queued', rows.length);
  wakeLane(tx, laneOf(of), 0);
  moves.write(tx, of, 1 + Math.floor(Math.random() * (SHARDS - 1)));
}

function laneOf({ workspaceId, campaignId }: CampaignKey) {
  return { workspaceId, queue: 'message' as const, key: campaignId, number: UNSORTED_LANE };
}

function bodyOf({
  from,
  to,
  replyTo,
  subject,
  text,
  html,
  attachments = [],
}: TransactionalMail): TransactionalBody {
  return {
    from: { name: from.name ?? null, email: from.email },
    toName: to.name ?? null,
    replyTo: replyTo ?? null,
    subject,
    text: text ?? null,
    html: html ?? null,
    attachments: attachments.map(({ content, ...rest }) => ({ ...rest, base64: content.toString('base64') })),
  };
}
