/**
 * Suppressions by hand. An address that is suppressed gets no mail of this workspace, whatever list it is on; a message
 * that waits for it is not sent.
 *
 * Taking one away lets the next mail go out. It forgives nothing: the events that led there stay, so a mailbox that is
 * still dead is suppressed again by its first refusal, and one that had soft troubles by the next of them. That is asked
 * for with a reason, which stands in the audit log beside what was known.
 */
import { createHash } from 'node:crypto';
import { type AuditedAction, audit } from '../accounts/audit.ts';
import type { Actor } from '../accounts/principal.ts';
import type { Tx } from '../kernel/database.ts';
import { planForChunks } from './queries.ts';
import {
  deleteSuppressions,
  insertSuppressions,
  type SuppressionReason,
  type SuppressionRow,
  suppressionPage,
} from './queries-suppressions.ts';

interface ByHand {
  /** As normaliseEmail gives them. */
  emails: readonly string[];
  address?: string | undefined;
}

/** In the order of the addresses; `after`: the last one of the page before. */
export async function suppressionsPage(
  tx: Tx,
  workspaceId: string,
  of: Parameters<typeof suppressionPage>[2],
): Promise<SuppressionRow[]> {
  await planForChunks(tx);
  return suppressionPage(tx, workspaceId, of);
}

/** How many were not suppressed before; the others keep the reason that they had. */
export async function addSuppressions(
  tx: Tx,
  actor: Actor,
  { emails, note, address }: ByHand & { note: string | null },
): Promise<{ added: number; already: number }> {
  const wanted = [...new Set(emails)];
  const added = await insertSuppressions(tx, actor.workspaceId, wanted, note);
  if (added.length > 0) {
    const after = { count: added.length, note, addresses: added.map(hashOf) };
    await log(tx, actor, { action: 'suppressions.added', after, address });
  }
  return { added: added.length, already: wanted.length - added.length };
}

/** How many were suppressed, by what they were for. */
export async function removeSuppressions(
  tx: Tx,
  actor: Actor,
  { emails, reason, address }: ByHand & { reason: string },
): Promise<Record<SuppressionReason, number>> {
  const removed = await deleteSuppressions(tx, actor.workspaceId, [...new Set(emails)]);
  const count = { hard_bounce: 0, complaint: 0, manual: 0 };
  for (const row of removed) count[row.reason] += 1;
  if (removed.length > 0) {
    const before = removed.map(({ email, reason, rule }) => ({ address: hashOf(email), reason, rule }));
    await log(tx, actor, { action: 'suppressions.removed', before, after: { reason }, address });
  }
  return count;
}

function log(tx: Tx, actor: Actor, done: Omit<AuditedAction, 'subject'>): Promise<void> {
  return audit(tx, actor, { subject: 'suppressions', ...done });
}

/** The log cannot be erased, so it has no addresses; who knows an address finds it there: SHA-256, the first 16 hex digits. */
function hashOf(email: string): string {
  return createHash('sha256').update(email).digest('hex').slice(0, 16);
}
