/**
 * A request under an Idempotency-Key: done once, and answered the same however often it is sent.
 *
 * Who asks, how often, how large and whether it fits the schema was asked before: what those refuse leaves the key free.
 * Here the key is claimed; for `handle` the effect, the answer and the key's end commit together; a refusal that is
 * definitive is kept as well; and whatever is our own fault lets the key go. kernel/idempotency.ts has the contract.
 */
import { randomInt } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Tx } from '../kernel/database.ts';
import {
  type Claim,
  claim,
  finish,
  type HeldKey,
  holdWhile,
  park,
  reach,
  readKey,
  release,
  type StoredResponse,
} from '../kernel/idempotency.ts';
import { answerOf, type Rendered, render } from './answer.ts';
import type { Answer, ApiRequest, Endpoint } from './endpoint.ts';
import { problemOf } from './errors.ts';
import { comeAgain, Problem } from './problem.ts';

const IN_FLIGHT_RETRY_MS = 1_000;
const LOOK_AGAIN_MS = 200;
/** Below every endpoint's deadline: who waited in vain hears 409, and not 503. */
const WAIT_SECONDS_MAX = 20;
/** A refusal with one of these is an answer; another 4xx says that the request was none. */
const DEFINITIVE = new Set([402, 404, 409, 410, 412, 422]);
const KEPT_HEADERS = ['content-type', 'location', 'etag', 'link'];

/** The key of a header; null when there is none and none is needed. */
export function keyOf({ idempotency }: Endpoint, headers: IncomingHttpHeaders): string | null {
  if (idempotency === 'none') return null;
  const header = headers['idempotency-key'];
  const describedBy = { headers: { link: '</docs#idempotency>; rel="describedby"' } };
  if (header === undefined) {
    if (idempotency === 'optional') return null;
    throw new Problem('idempotency-key-missing', undefined, describedBy);
  }
  const key = readKey(String(header));
  if (key === null) throw new Problem('idempotency-key-invalid', undefined, describedBy);
  return key;
}

/** `attempt` makes the effect; called by whoever holds the key, and by nobody else. */
export async function answerOnce(
  request: ApiRequest,
  { key, fingerprint }: { key: string; fingerprint: Buffer },
  attempt: (once: Once) => Promise<Answer>,
): Promise<Rendered> {
  const { scope, services } = request;
  const claimed = await claimOrWait(request, { key, fingerprint });
  services.metrics.idempotency.inc({ result: claimed.kind });
  switch (claimed.kind) {
    case 'replay':
      return { ...claimed.response, headers: { ...claimed.response.headers, 'idempotent-replayed': 'true' } };
    case 'mismatch':
      throw new Problem('idempotency-key-reused');
    case 'in-flight':
      throw comeAgain('idempotency-key-in-use', 'Its answer is not there yet.', IN_FLIGHT_RETRY_MS);
    case 'unknown':
      return render({
        status: 202,
        headers: { location: claimed.resource },
        body: { resource: claimed.resource },
      });
    case 'fresh': {
      const once = new Once(claimed.held, fingerprint, claimed.recoveryPoint);
      return holdWhile(services.database, once.held, scope, () => settle(request, once, attempt));
    }
  }
}

/** What `run` may do with the key that its request holds. */
export class Once {
  readonly held: HeldKey;
  readonly fingerprint: Buffer;
  /** Where a former try got to, as it was given to `reach`; null if nowhere. */
  readonly recoveryPoint: string | null;
  #end: StoredResponse | 'parked' | undefined;

  constructor(held: HeldKey, fingerprint: Buffer, recoveryPoint: string | null) {
    this.held = held;
    this.fingerprint = fingerprint;
    this.recoveryPoint = recoveryPoint;
  }

  get end(): StoredResponse | 'parked' | undefined {
    return this.#end;
  }

  /** Remembers how far it has come, for whoever takes the key over. Throws LeaseLost when somebody has. */
  reach(tx: Tx, recoveryPoint: string): Promise<void> {
    return reach(tx, this.held, recoveryPoint);
  }

  /** Keeps the answer, as the last statement of the effect's transaction; it is what will be sent. */
  async finish(tx: Tx, answer: Answer): Promise<void> {
    const response = kept(answer);
    await finish(tx, this.held, response);
    this.#end = response;
  }

  /** Nobody can know yet whether it happened: `resource` is the path that will tell. Return 202 with it afterwards. */
  async park(tx: Tx, resource: string): Promise<void> {
    await park(tx, this.held, resource);
    this.#end = 'parked';
  }
}

async function settle(
  request: ApiRequest,
  once: Once,
  attempt: (once: Once) => Promise<Answer>,
): Promise<Rendered> {
  const answer = await attempt(once).catch((error) => refusalOf(request, once, error));
  if (once.end === 'parked') return render(answer);
  return once.end ?? (await finishAlone(request, once, answer));
}

/** A refusal that is an answer, or was kept as one; all else lets the key go, and is thrown on. */
async function refusalOf({ id, services }: ApiRequest, once: Once, error: unknown): Promise<Answer> {
  const { database } = services;
  if (once.end !== undefined) {
    // Whether the transaction that finished the key was committed, only the row knows.
    const { held, fingerprint } = once;
    const found = await claim(database, { ...held, fingerprint }).catch(() => null);
    if (found?.kind === 'replay') return found.response;
  }
  const problem = problemOf(error);
  if (once.end === undefined && isDefinitive(problem)) return answerOf(problem, id);
  // While the database is away the lease runs out by itself.
  await release(database, once.held).catch(() => {});
  throw error;
}

/** Who is told to come again has no answer yet, and nor has who may send it when there are credits. */
export function isDefinitive({ status, code, headers }: Problem): boolean {
  if (code === 'out-of-credits') return false;
  return DEFINITIVE.has(status) && !code.startsWith('idempotency-key') && !('retry-after' in headers);
}

async function finishAlone(
  { services, workspaceId }: ApiRequest,
  once: Once,
  answer: Answer,
): Promise<StoredResponse> {
  const response = kept(answer);
  await services.database.withWorkspace(workspaceId, (tx) => finish(tx, once.held, response));
  return response;
}

/** An answer as it is kept. Nothing else is sent in the first place, so a replay is no different. */
export function kept(answer: Answer): StoredResponse {
  const { status, headers, body } = render(answer);
  if (!Buffer.isBuffer(body)) throw new Error('a stream cannot be kept for a replay');
  const entries = Object.entries(headers).filter(([name]) => KEPT_HEADERS.includes(name));
  return { status, headers: Object.fromEntries(entries), body };
}

/** With `Prefer: wait=10` (RFC 7240 section 4.3) a request waits for the one under way, and holds no connection meanwhile. */
async function claimOrWait(
  { services, workspaceId, headers, scope }: ApiRequest,
  asked: { key: string; fingerprint: Buffer },
): Promise<Claim> {
  const seconds = Number(/(?:^|[,;\s])wait=(\d{1,3})\b/i.exec(String(headers.prefer ?? ''))?.[1] ?? 0);
  const until = performance.now() + Math.min(seconds, WAIT_SECONDS_MAX) * 1_000;
  for (;;) {
    const claimed = await claim(services.database, { workspaceId, ...asked });
    if (claimed.kind !== 'in-flight' || performance.now() >= until) return claimed;
    await scope.sleep(LOOK_AGAIN_MS + randomInt(LOOK_AGAIN_MS));
  }
}
