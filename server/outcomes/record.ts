/**
 * What happened, written in the transaction of the state that it explains: the event log, and the suppression of an
 * address that its own mail server called wrong, once or often enough (trouble.ts).
 *
 * A refusal keeps what is needed to judge it again (rerun.ts): the raw reply, where it was met, and the rule that judged
 * it. An acceptance costs nothing of this; that it ended an address's soft troubles is looked up when the next one comes.
 */
import type { Tx } from '../kernel/database.ts';
import type { Phase } from '../smtp/classification.ts';
import { REPLY_TEXT_CHARS_MAX } from '../smtp/replies.ts';
import { readReply } from '../smtp/reply.ts';
import { replyTemplate, templateHash } from '../smtp/reply-template.ts';
import * as queries from './queries.ts';
import { SUPPRESS_AFTER, TROUBLE_DAYS_MAX, type Trouble } from './trouble.ts';

/** A reply may be 64 KB of anything; the log keeps what the reply table looks at, and the codes before it. */
const DETAIL_CHARS_MAX = REPLY_TEXT_CHARS_MAX + 24;

/** Where a reply was met; `mxHost` is null for a relay. */
export interface MetAt {
  phase: Phase;
  mxHost: string | null;
}

export interface MessageEvent {
  contactId: string;
  email: string;
  kind: string;
  attempt: number;
  /** Raw reply or error. */
  detail: string | null;
  /** The rule that classified it. */
  rule: string | null;
  /** What is said of the address. */
  trouble: Trouble | null;
  /** When `detail` is a refusal; null for everything else. */
  metAt: MetAt | null;
}

export function recordEvents(tx: Tx, workspaceId: string, campaignId: string, events: MessageEvent[]): void {
  const of = { workspaceId, campaignId };
  const plain = events.filter((event) => !isTelling(event));
  const groups = Map.groupBy(plain, ({ kind, attempt, rule }) => `${kind} ${attempt} ${rule}`);
  for (const group of groups.values()) {
    const contactIds = group.map((event) => event.contactId);
    const details = group.map((event) => clean(event.detail));
    if (group[0]) queries.insertEvents(tx, of, group[0], contactIds, details);
  }
  const refusals = events.filter(isTelling).map(refusalOf);
  if (refusals.length > 0) queries.insertRefusals(tx, of, refusals);
  suppress(tx, of, refusals);
}

function isTelling({ metAt, trouble }: MessageEvent): boolean {
  return metAt !== null || trouble !== null;
}

function refusalOf(event: MessageEvent): queries.Refusal {
  const detail = clean(event.detail);
  const reply = event.metAt && detail !== null ? readReply(detail) : null;
  return {
    ...event,
    detail,
    phase: event.metAt?.phase ?? null,
    mxHost: event.metAt?.mxHost ?? null,
    template: reply && templateHash(replyTemplate(reply)),
  };
}

function suppress(tx: Tx, of: queries.CampaignKey, refusals: queries.Refusal[]): void {
  const dead = refusals.filter(({ trouble }) => trouble === 'dead');
  if (dead.length > 0) queries.insertSuppressions(tx, of, dead);
  const perhaps = refusals.flatMap((refusal) =>
    refusal.trouble === null || refusal.trouble === 'dead'
      ? []
      : [{ ...refusal, ...SUPPRESS_AFTER[refusal.trouble] }],
  );
  if (perhaps.length > 0) queries.suppressRepeated(tx, of, perhaps, TROUBLE_DAYS_MAX);
}

function clean(detail: string | null): string | null {
  return detail === null ? null : detail.replaceAll('\0', '').slice(0, DETAIL_CHARS_MAX);
}
