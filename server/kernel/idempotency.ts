/**
 * Idempotency keys: a request that is sent again under its key has one effect, and gets the first answer again.
 *
 *     claim ─▶ fresh ─▶ the effect and finish() in ONE transaction        crash: the lease runs out, the next claim is
 *       │        │                                                        fresh again, with epoch + 1
 *       │        ├─▶ park():    nobody can know yet (payments); finish() later, when somebody does
 *       │        └─▶ release(): it failed on our side; the next try is fresh at once
 *       ├─▶ replay: status, headers and body as they were written, to the byte
 *       └─▶ mismatch · in-flight · unknown
 *
 * What is one short transaction needs no owner: `keepAnswers` writes key and answer together, with the effect.
 *
 * An owner has a lease and an epoch. Every write names the epoch, and touches no row when somebody else has taken the key
 * over: then LeaseLost is thrown in the owner's transaction, and its effect is rolled back with it. What failed on our
 * side (5xx, out of time, the client left) is never stored: a stored 500 makes clients change their keys, and that is how
 * things happen twice.
 *
 * A key belongs to one workspace and one request: the fingerprint covers method, route, parameters, query, workspace,
 * version and the bytes of the body as they came. Only its hash is kept. After 72 hours a key is forgotten.
 */
import { createHash } from 'node:crypto';
import type { Database, Tx } from './database.ts';
import { LeaseLost } from './jobs.ts';
import type { KeyFence } from './queries-idempotency.ts';
import * as queries from './queries-idempotency.ts';
import type { Scope } from './scope.ts';

const LEASE_MS = 30_000;
const RENEW_MS = 10_000;
/** A weekend. */
const KEPT_HOURS = 72;
const PURGE_BATCH = 5_000;
/** Visible ASCII, without the quotes that may stand around it. */
const KEY = /^[\x21-\x7e]{16,255}$/;

/** What the owner of a key shows with each write. May be stored, to finish a parked key from elsewhere. */
export type HeldKey = KeyFence;

export interface StoredResponse {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

export type Claim =
  /** Ours to do. `recoveryPoint` is where a former owner got to, null if nowhere. */
  | { kind: 'fresh'; held: HeldKey; recoveryPoint: string | null }
  | { kind: 'replay'; response: StoredResponse }
  /** The key was used for another request. */
  | { kind: 'mismatch' }
  /** Somebody works at it. */
  | { kind: 'in-flight' }
  /** It may have happened; `resource` is the URL that will tell. */
  | { kind: 'unknown'; resource: string };

/** The key of an Idempotency-Key header, bare or as a quoted string (RFC 8941 section 3.3.3); null when it is none. */
export function readKey(header: string): string | null {
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header)?.[1];
  const key = quoted === undefined ? header : quoted.replace(/\\(["\\])/g, '$1');
  return KEY.test(key) ? key : null;
}

export interface FingerprintParts {
  method: string;
  /** The template, such as /v1/lists/:id. */
  route: string;
  params: Readonly<Record<string, unknown>>;
  query: Readonly<Record<string, unknown>>;
  workspaceId: string;
  apiVersion: string;
  /** As it came: another order of fields is another request. */
  body: Uint8Array;
}

export function fingerprintOf(parts: FingerprintParts): Buffer {
  const { method, route, params, query, workspaceId, apiVersion, body } = parts;
  const head = JSON.stringify([method, route, sorted(params), sorted(query), workspaceId, apiVersion]);
  return createHash('sha256').update(head).update('\0').update(body).digest();
}

function sorted(fields: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** One round trip, and a transaction of its own: nothing is held open while the work is done. */
export async function claim(
  database: Database,
  request: { workspaceId: string; key: string; fingerprint: Buffer },
  { leaseMs = LEASE_MS } = {},
): Promise<Claim> {
  const row = await database.withWorkspace(request.workspaceId, (tx) =>
    queries.claimKey(tx, request, leaseMs),
  );
  if (!row) return { kind: 'in-flight' };
  const { epoch, recoveryPoint, resource, status, headers, body } = row;
  if (!row.sameRequest) return { kind: 'mismatch' };
  if (row.claimed) {
    const { workspaceId, key } = request;
    return { kind: 'fresh', held: { workspaceId, key, epoch }, recoveryPoint };
  }
  if (resource !== null) return { kind: 'unknown', resource };
  if (status === null || headers === null || body === null) return { kind: 'in-flight' };
  return { kind: 'replay', response: { status, headers, body } };
}

/** Renews the lease while `work` runs; ends its scope when the key was lost to somebody else. */
export async function holdWhile<T>(
  database: Database,
  held: HeldKey,
  scope: Scope,
  work: () => Promise<T>,
  { leaseMs = LEASE_MS, renewMs = RENEW_MS } = {},
): Promise<T> {
  let renewal: Promise<void> = Promise.resolve();
  const renew = async () => {
    const ours = await database.withWorkspace(held.workspaceId, (tx) => queries.renewKey(tx, held, leaseMs));
    if (!ours) scope.cancel('another request has taken its idempotency key over');
  };
  const timer = setInterval(() => {
    // A renewal that fails takes the key from nobody: the fence of the next write decides.
    renewal = renew().catch(() => {});
  }, renewMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    await renewal;
  }
}

/** Remembers how far work of several transactions has come: for whoever takes the key over. */
export async function reach(tx: Tx, held: HeldKey, recoveryPoint: string): Promise<void> {
  assertOwned(held, await queries.setRecoveryPoint(tx, held, recoveryPoint));
}

/** Keeps the answer, in the transaction of the effect and as its last statement: what is replayed has happened. */
export async function finish(tx: Tx, held: HeldKey, response: StoredResponse): Promise<void> {
  assertOwned(held, await queries.finishKey(tx, held, response));
}

/** The outcome is not known yet: until somebody finishes the key, who asks again is sent to `resource`. */
export async function park(tx: Tx, held: HeldKey, resource: string): Promise<void> {
  assertOwned(held, await queries.parkKey(tx, held, resource));
}

/** Lets go of a key whose request failed on our side: the same request may be tried again at once. */
export async function release(database: Database, held: HeldKey): Promise<void> {
  await database.withWorkspace(held.workspaceId, (tx) => queries.releaseKey(tx, held));
}

function assertOwned({ key, epoch }: HeldKey, owned: boolean): void {
  if (!owned) throw new LeaseLost(`idempotency key ${key}, epoch ${epoch}`);
}

export interface Answered {
  key: string;
  fingerprint: Buffer;
  response: StoredResponse;
}

/** Those of the keys that somebody has or had: their requests go the way that begins with `claim`. */
export function takenKeys(tx: Tx, workspaceId: string, keys: readonly string[]): Promise<string[]> {
  return queries.takenKeys(tx, workspaceId, keys);
}

/**
 * Claims keys and finishes them in one: for effects and answers that are made in this transaction alone, so that nobody ever
 * sees a key without its answer. The last statement before the COMMIT, which fails unless all of them are new.
 */
export function keepAnswers(tx: Tx, workspaceId: string, answered: readonly Answered[]): void {
  if (answered.length > 0) queries.insertFinishedKeys(tx, workspaceId, answered);
}

/** Forgets what is older than 72 hours, a batch a transaction; for a job. Gives how many. */
export async function purgeKeys(database: Database, workspaceId: string): Promise<number> {
  for (let purged = 0; ; ) {
    const batch = await database.withWorkspace(workspaceId, (tx) =>
      queries.deleteOldKeys(tx, workspaceId, KEPT_HOURS, PURGE_BATCH),
    );
    purged += batch;
    if (batch < PURGE_BATCH) return purged;
  }
}
