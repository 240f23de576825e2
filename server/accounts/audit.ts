/**
 * The audit log: who did what in a workspace, in the transaction that did it.
 *
 * Entries are only added (a trigger refuses the rest) and chained: an entry's hash is the SHA-256 of the hash before it
 * and of all that the entry says. The workspace's row has their number and the last hash, and is the lock that gives each
 * entry its place. So whoever changes, adds, removes or reorders an entry past us leaves a hash that does not fit, or a
 * number that does not.
 *
 * What that cannot show: somebody who may write the whole database can compute the whole chain anew. Against that, note
 * the head now and then where they cannot write; `verifyAuditLog` compares it.
 *
 * An entry holds ids rather than addresses of people, and never a secret: it cannot be erased.
 */
import { createHash } from 'node:crypto';
import type { Database, Tx } from '../kernel/database.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Actor } from './principal.ts';
import * as queries from './queries-audit.ts';
import { AccountRefused } from './refused.ts';

export interface AuditedAction {
  /** A noun and what became of it: `key.created`. */
  action: string;
  /** What it was done to: `key/1a2b3c4d`. */
  subject: string;
  /** What of the subject changed, before and after. */
  before?: unknown;
  after?: unknown;
  /** Network address that the request came from. */
  address?: string | undefined;
}

/** The last statement of a transaction: the workspace's next entry waits until it ends. Throws AccountRefused. */
export async function audit(tx: Tx, actor: Actor, done: AuditedAction): Promise<void> {
  const head = await queries.lockAuditHead(tx, actor.workspaceId);
  if (!head) throw noWorkspace(actor.workspaceId);
  const { entries, hash: previous, at } = head;
  const entry: queries.AuditEntry = {
    workspaceId: actor.workspaceId,
    position: entries + 1,
    at,
    actorKind: actor.kind,
    actorId: actor.id,
    personId: actor.personId,
    action: done.action,
    subject: done.subject,
    before: jsonOf(done.before),
    after: jsonOf(done.after),
    address: done.address ?? null,
  };
  await queries.appendAuditEntry(tx, entry, hashOf(previous, entry));
}

function noWorkspace(workspaceId: string): AccountRefused {
  return new AccountRefused('not-found', `There is no workspace ${workspaceId}.`);
}

function jsonOf(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

/** JSON keeps the fields apart: no two entries have the same bytes. */
function hashOf(previous: Buffer, entry: queries.AuditEntry): Buffer {
  const fields = queries.AUDIT_FIELDS.map((field) => entry[field]);
  return createHash('sha256').update(previous).update(JSON.stringify(fields)).digest();
}

/** Newest first, those before a position; the page after begins before the last one's. */
export function listAudit(
  database: Database,
  workspaceId: string,
  { before, limit }: { before?: number; limit: number },
): Promise<queries.AuditEntry[]> {
  return database.readWorkspace(workspaceId, (tx) =>
    queries.auditPage(tx, workspaceId, before ?? null, limit),
  );
}

type AuditPage = (queries.AuditEntry & { hash: Buffer })[];

/** The whole log with its hashes, oldest first, a page at a time: no transaction waits for whoever reads. */
export async function* exportAudit(
  database: Database,
  workspaceId: string,
  scope: Scope,
): AsyncGenerator<AuditPage> {
  let last: number | null = null;
  for (;;) {
    const after: number | null = last;
    const page: AuditPage = await database.readWorkspace(
      workspaceId,
      (tx) => queries.auditPageUp(tx, workspaceId, after, ENTRIES_PER_PAGE),
      scope,
    );
    if (page.length > 0) yield page;
    if (page.length < ENTRIES_PER_PAGE) return;
    last = page.at(-1)?.position ?? null;
  }
}

/** How long a log is, and its last hash in hex: what to note elsewhere. */
export interface AuditHead {
  entries: number;
  hash: string;
}

export type AuditVerdict =
  | { kind: 'intact'; head: AuditHead }
  /** `position`: the first that does not fit. */
  | { kind: 'tampered'; position: number; reason: string };

const ENTRIES_PER_PAGE = 1_000;

/** Computes the chain again, from the first entry on. `noted`: a head that was written down elsewhere. */
export function verifyAuditLog(
  database: Database,
  workspaceId: string,
  noted?: AuditHead,
  scope?: Scope,
): Promise<AuditVerdict> {
  const work = async (tx: Tx): Promise<AuditVerdict> => {
    let previous: Buffer = Buffer.alloc(0);
    let last = 0;
    for (;;) {
      const page = await queries.auditPageUp(tx, workspaceId, last || null, ENTRIES_PER_PAGE);
      for (const { hash, ...entry } of page) {
        const position = last + 1;
        const fault = faultOf(entry, hash, { position, previous, noted });
        if (fault !== null) return { kind: 'tampered', position, reason: fault };
        previous = hash;
        last = position;
      }
      if (page.length < ENTRIES_PER_PAGE) break;
    }
    const head = await queries.auditHead(tx, workspaceId);
    if (!head) throw noWorkspace(workspaceId);
    const { entries, hash } = head;
    const isWhole = entries === last && hash.equals(previous) && last >= (noted?.entries ?? 0);
    if (!isWhole) return { kind: 'tampered', position: last + 1, reason: 'the end of the log is missing' };
    return { kind: 'intact', head: { entries, hash: hash.toString('hex') } };
  };
  return database.readWorkspace(workspaceId, work, scope);
}

function faultOf(
  entry: queries.AuditEntry,
  hash: Buffer,
  { position, previous, noted }: { position: number; previous: Buffer; noted: AuditHead | undefined },
): string | null {
  if (entry.position !== position) return 'an entry is missing';
  if (!hash.equals(hashOf(previous, entry))) return 'the entry is not what was written';
  if (noted?.entries === position && noted.hash !== hash.toString('hex'))
    return 'the log is not the one that was noted';
  return null;
}
