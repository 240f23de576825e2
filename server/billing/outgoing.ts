/**
 * Messages of their own, as somebody asks for them: queued when there are credits, the sender may send, and the recipient is
 * not suppressed. The API and the command line come this way; what Camp itself mails needs none of it.
 */
import type { SenderCheck } from '../campaigns/sender-check.ts';
import type { Config } from '../kernel/config.ts';
import type { Tx } from '../kernel/database.ts';
import type { MessageKey } from '../queue/message-ids.ts';
import { suppressedAmong } from '../queue/queries-transactional.ts';
import { enqueueAll, streamsOf, type TransactionalMail } from '../queue/transactional.ts';
import { creditsAllow } from './credits.ts';

export type Queued =
  | { kind: 'queued'; to: string; key: MessageKey }
  /** `reason`: hard_bounce, complaint or manual. */
  | { kind: 'suppressed'; to: string; reason: string }
  /** One sentence. */
  | { kind: 'sender-refused'; sentence: string }
  | { kind: 'out-of-credits' };

interface Around {
  config: Pick<Config, 'billing'>;
  senders: SenderCheck;
  workspaceId: string;
}

/** What becomes of each, in the same order; in the caller's transaction. Throws MailRefused. */
export async function queueMails(
  tx: Tx,
  { config, senders, workspaceId }: Around,
  mails: readonly TransactionalMail[],
): Promise<Queued[]> {
  if (mails.length === 0) return [];
  const faults = new Map<string, string | null>();
  for (const email of new Set(mails.map(({ from }) => from.email)))
    faults.set(email, await senders.faultOf(tx, workspaceId, email));
  const good = [...faults].flatMap(([email, fault]) => (fault === null ? [email] : []));
  const [hasCredits, suppressed, streams] = await Promise.all([
    creditsAllow(tx, config, workspaceId),
    suppressedAmong(
      tx,
      workspaceId,
      mails.map(({ to }) => to.email),
    ),
    streamsOf(tx, workspaceId, good),
  ]);
  const reasons = new Map(suppressed.map(({ email, reason }) => [email, reason]));
  const judged = mails.map((mail): Queued | TransactionalMail => {
    const { from, to } = mail;
    if (!hasCredits) return { kind: 'out-of-credits' };
    const sentence = faults.get(from.email) ?? null;
    if (sentence !== null) return { kind: 'sender-refused', sentence };
    const reason = reasons.get(to.email);
    return reason === undefined ? mail : { kind: 'suppressed', to: to.email, reason };
  });
  return queueGood(tx, judged, streams);
}

function queueGood(
  tx: Tx,
  judged: readonly (Queued | TransactionalMail)[],
  streams: ReadonlyMap<string, string>,
): Queued[] {
  const mails = judged.flatMap((one) => ('kind' in one ? [] : [one]));
  const keys = enqueueAll(tx, mails, streams).values();
  return judged.map((one) => {
    if ('kind' in one) return one;
    const { value: key } = keys.next();
    if (!key) throw new Error('a message was queued without a key');
    return { kind: 'queued', to: one.to.email, key };
  });
}

/** For people. */
export function suppressionSentence({ to, reason }: { to: string; reason: string }): string {
  const said = {
    hard_bounce: 'its mail server said that it does not exist',
    complaint: 'it reported mail as spam',
  }[reason];
  return `${to} is on the suppression list: ${said ?? 'somebody put it there'}. Nothing is sent to it until it is taken off.`;
}
