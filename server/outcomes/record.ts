/**
 * What happened, written in the transaction of the state that it explains: the event log, and the suppression of an
 * address that its own mail server called wrong.
 */
import type { Tx } from '../kernel/database.ts';
import * as queries from './queries.ts';

/** A reply may be 64 KB of anything; the log keeps what a person reads. */
const DETAIL_CHARS_MAX = 500;

export interface MessageEvent {
  contactId: string;
  email: string;
  kind: string;
  attempt: number;
  /** Raw reply or error. */
  detail: string | null;
  /** The rule that classified it. */
  rule: string | null;
  /** The address itself is at fault: no more mail to it from this workspace. */
  suppress: boolean;
}

export function recordEvents(tx: Tx, workspaceId: string, campaignId: string, events: MessageEvent[]): void {
  const groups = Map.groupBy(events, ({ kind, attempt, rule }) => `${kind} ${attempt} ${rule}`);
  for (const group of groups.values()) {
    const contactIds = group.map((event) => event.contactId);
    const details = group.map((event) => clean(event.detail));
    if (group[0]) queries.insertEvents(tx, { workspaceId, campaignId }, group[0], contactIds, details);
  }
  const suppressed = events.filter((event) => event.suppress);
  if (suppressed.length === 0) return;
  queries.insertSuppressions(tx, workspaceId, {
    emails: suppressed.map((event) => event.email),
    rules: suppressed.map((event) => event.rule),
    details: suppressed.map((event) => clean(event.detail)),
  });
}

function clean(detail: string | null): string | null {
  return detail === null ? null : detail.replaceAll('\0', '').slice(0, DETAIL_CHARS_MAX);
}
