/**
 * Transactional mail: one message, queued in the transaction of what it tells of. Both are there, or neither.
 *
 * It is a message like all others (claimed, marked, settled), in a stream's lane that no campaign's stands before, and it
 * needs nobody's subscription; an address that is suppressed gets none. Queued twice under one id it is queued once.
 */
import { type TransactionalBody, transactionalFault } from '../content/transactional.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { ensureLane, wakeLane } from '../kernel/queries.ts';
import { Moves, SHARDS } from '../stats/counters.ts';
import * as queries from './queries.ts';

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
  const { workspaceId, id = newId() } = mail;
  const body = bodyOf(mail);
  const fault = transactionalFault(body);
  if (fault !== null) throw new MailRefused(fault);
  const campaignId =
    (await queries.findStream(tx, workspaceId, mail.from.email)) ??
    (await openStream(tx, workspaceId, mail.from.email));
  const of = { workspaceId, campaignId };
  if (!(await queries.insertTransactional(tx, of, id, body))) return id;
  await queries.insertTransactionalMessage(tx, of, id, mail.to.email.trim().toLowerCase());
  const moves = new Moves();
  moves.move(null, 'queued');
  wakeLane(tx, laneOf(of), 0);
  moves.write(tx, of, 1 + Math.floor(Math.random() * (SHARDS - 1)));
  return id;
}

/** Two may come at once: both get the same. */
async function openStream(tx: Tx, workspaceId: string, fromEmail: string): Promise<string> {
  const stream = { workspaceId, campaignId: newId(), fromEmail, giveUpSeconds: GIVE_UP_SECONDS };
  const campaignId = await queries.ensureStream(tx, stream);
  await ensureLane(tx, { ...laneOf({ workspaceId, campaignId }), open: true, dueInMs: 0 });
  return campaignId;
}

function laneOf({ workspaceId, campaignId }: queries.CampaignKey) {
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
