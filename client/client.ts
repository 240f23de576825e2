/**
 * A client of Camp's HTTP API, for browsers and for Node: no dependencies, typed by operations.ts.
 *
 *     const camp = createClient({ url: 'https://camp.example', key: process.env.CAMP_KEY });
 *     const { body } = await camp.ask('getLists', { query: { limit: 20 } });
 *
 * What may be repeated is repeated: GET, PUT and DELETE, and every request under an Idempotency-Key, when the network, the
 * server (5xx) or a limit (429) failed it, after as long as the server asks for. A refusal throws a CampProblem.
 *
 * A key that lives only as long as the page does not protect from a page that is closed while it pays. Who gives an
 * `intent` ("pay invoice 18") and a store has the key kept before the first request leaves, and finds it again until the
 * answer is there.
 */
import { OPERATIONS, type Operations, type Problem } from './operations.ts';

const TRIES = 4;
const FIRST_WAIT_MS = 300;
/** A server that asks for more is not waited for. */
const WAIT_MS_MAX = 30_000;

export interface ClientOptions {
  /** Where Camp is, such as https://camp.example; '' in a page of Camp's own. */
  url: string;
  /** An API key. A page sends its session's cookie instead. */
  key?: string;
  /** Where keys of intents are kept; localStorage is one. */
  store?: KeyStore;
  fetch?: typeof fetch;
}

export interface KeyStore {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
  removeItem(name: string): void;
}

/** A body that is no JSON, with its media type. Only one that can be read twice is sent twice. */
export class Upload {
  readonly type: string;
  readonly data: Blob | string;

  constructor(type: string, data: Blob | string) {
    this.type = type;
    this.data = data;
  }
}

export type OperationId = keyof Operations;
export type Answer<Id extends OperationId> = Operations[Id]['answer'] & {
  headers: Headers;
  isReplay: boolean;
};

export interface AskOptions {
  /** Sent as it is, for requests that may be repeated; made anew for each call without it. */
  idempotencyKey?: string;
  /** What the request is for, in words of the caller's: the same intent has the same key until it is answered. */
  intent?: string;
  /** The version that a change is based on. */
  ifMatch?: string;
  signal?: AbortSignal;
}

/** What an operation needs; `params`, `query` and `body` only where it has any that is required. */
export type Asked<Id extends OperationId> = Part<'params', Id> &
  Part<'query', Id> &
  Part<'body', Id> &
  AskOptions;

type Part<Name extends 'params' | 'query' | 'body', Id extends OperationId> =
  Record<never, never> extends Operations[Id][Name]
    ? { [Key in Name]?: Operations[Id][Name] }
    : Operations[Id][Name] extends undefined
      ? unknown
      : { [Key in Name]: Operations[Id][Name] };

export interface Client {
  /** Throws a CampProblem when it is refused, what `fetch` throws when no answer came, and the signal's reason. */
  ask<Id extends OperationId>(
    id: Id,
    ...asked: Record<never, never> extends Asked<Id> ? [Asked<Id>?] : [Asked<Id>]
  ): Promise<Answer<Id>>;
}

/** A refusal of the API (RFC 9457); `code` is stable. */
export class CampProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.name = 'CampProblem';
    this.status = problem.status;
    this.code = problem.code;
    this.problem = problem;
  }
}

interface Request extends AskOptions {
  params?: Record<string, unknown>;
  query?: Record<string, unknown>;
  body?: unknown;
}

export function createClient(options: ClientOptions): Client {
  return {
    async ask(id, ...[asked]) {
      const request: Request = asked ?? {};
      const key = keyOf(id, request, options);
      const response = await insist(id, request, key, options);
      if (response.status < 400) {
        const answer = await read(response);
        if (response.status !== 202) forget(request, options);
        return answer as never;
      }
      const problem = await problemOf(response);
      if (isDefinitive(problem, response.headers)) forget(request, options);
      throw new CampProblem(problem);
    },
  };
}

/** Null: the operation takes none. */
function keyOf(
  id: OperationId,
  { idempotencyKey, intent }: Request,
  { store }: ClientOptions,
): string | null {
  if (!OPERATIONS[id].isKeyed) return null;
  if (intent === undefined || !store) return idempotencyKey ?? crypto.randomUUID();
  const name = nameOf(intent);
  const kept = store.getItem(name) ?? idempotencyKey ?? crypto.randomUUID();
  store.setItem(name, kept);
  return kept;
}

/** It is answered: the same intent, should it come again, is another one. */
function forget({ intent }: Request, { store }: ClientOptions): void {
  if (intent !== undefined) store?.removeItem(nameOf(intent));
}

function nameOf(intent: string): string {
  return `camp idempotency key: ${intent}`;
}

async function insist(
  id: OperationId,
  request: Request,
  key: string | null,
  options: ClientOptions,
): Promise<Response> {
  const mayRepeat = key !== null || !['POST', 'PATCH'].includes(OPERATIONS[id].method);
  for (let tries = 1; ; tries += 1) {
    const response = await send(id, request, key, options).catch((error: unknown) => {
      if (!mayRepeat || tries === TRIES || request.signal?.aborted) throw error;
      return null;
    });
    const waitMs = response ? waitMsOf(response, tries) : backoffMs(tries);
    if (response && (!mayRepeat || tries === TRIES || waitMs === null)) return response;
    await response?.body?.cancel();
    await wait(waitMs ?? 0, request.signal);
  }
}

function send(
  id: OperationId,
  { params = {}, query = {}, body, ifMatch, signal }: Request,
  key: string | null,
  { url, key: apiKey, fetch: ask = fetch }: ClientOptions,
): Promise<Response> {
  const { method, path } = OPERATIONS[id];
  const given = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => [value].flat().map((one) => [name, String(one)]));
  const search = new URLSearchParams(given).toString();
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params[name])));
  const upload = body instanceof Upload ? body : undefined;
  const headers: Record<string, string> = {
    // Another site's page cannot send it, so a cookie with it is meant.
    ...(apiKey === undefined ? { 'x-camp-request': '1' } : { authorization: `Bearer ${apiKey}` }),
    ...(body === undefined ? {} : { 'content-type': upload?.type ?? 'application/json' }),
    ...(key === null ? {} : { 'idempotency-key': key }),
    ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
  };
  return ask(url.replace(/\/$/, '') + filled + (search && `?${search}`), {
    method,
    headers,
    credentials: 'same-origin',
    ...(body === undefined ? {} : { body: upload?.data ?? JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  });
}

/** Null: it is an answer. */
function waitMsOf(response: Response, tries: number): number | null {
  const { status, headers } = response;
  const isInFlight = status === 409 && headers.has('retry-after');
  if (status < 500 && status !== 429 && !isInFlight) return null;
  const askedMs = retryAfterMs(headers.get('retry-after') ?? '0');
  if (askedMs > WAIT_MS_MAX) return null;
  return Math.max(askedMs, backoffMs(tries));
}

/** Seconds, or a date (RFC 9110 section 10.2.3). */
function retryAfterMs(text: string): number {
  const seconds = Number(text);
  return Number.isNaN(seconds) ? Math.max(0, Date.parse(text) - Date.now()) || 0 : seconds * 1_000;
}

/** Doubles, with full jitter. */
function backoffMs(tries: number): number {
  return Math.random() * FIRST_WAIT_MS * 2 ** tries;
}

/** The server keeps it for the key, so another try needs another key. What says that the key itself is wrong is no answer. */
function isDefinitive({ status, code }: Problem, headers: Headers): boolean {
  const isKept = [402, 404, 409, 410, 412, 422].includes(status) && !headers.has('retry-after');
  return isKept && !code.startsWith('idempotency-key') && code !== 'out-of-credits';
}

async function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
  signal?.throwIfAborted();
}

async function read(response: Response): Promise<unknown> {
  const { status, headers } = response;
  const type = headers.get('content-type') ?? '';
  const isReplay = headers.get('idempotent-replayed') === 'true';
  if (status === 204 || headers.get('content-length') === '0')
    return { status, headers, isReplay, body: null };
  const body = type.startsWith('application/json') ? await response.json() : response;
  return { status, headers, isReplay, body };
}

/** What stands before Camp answers in other forms. */
async function problemOf(response: Response): Promise<Problem> {
  const { status, headers } = response;
  if (headers.get('content-type')?.startsWith('application/problem+json'))
    return response.json() as Promise<Problem>;
  await response.body?.cancel();
  const title = `${response.url} answered ${status}`;
  return { type: 'about:blank', title, status, code: 'no-problem', request_id: '' };
}
