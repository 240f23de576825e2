/**
 * The sandbox provider's HTTP side: the endpoints of Stripe's API that Camp uses, with Stripe's idempotency (v1): a key
 * belongs to its parameters, a second request meets 409 while the first is worked on, and afterwards gets the stored
 * answer, a stored 500 included. Faults strike between the commit and the answer, where no client can tell which it was.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Answer, invalid, PaymentObjects } from './objects.ts';
import {
  type FaultyVerb,
  PAYMENT_FAULTS,
  type PaymentBehaviour,
  type PaymentFault,
  type PaymentTruth,
} from './report.ts';
import type { WebhookSender } from './webhooks.ts';

const REQUEST_BYTES_MAX = 65_536;
const DRIP_MS = 100;
const LATE_MS = 300;

interface StoredKey {
  request: string;
  /** Undefined while it is worked on. */
  answer?: Answer;
}

interface Endpoint {
  method: string;
  path: RegExp;
  /** What a fault may strike. */
  verb?: FaultyVerb;
  act(objects: PaymentObjects, id: string, fields: URLSearchParams): Answer;
}

const ENDPOINTS: Endpoint[] = [
  {
    method: 'POST',
    path: /^\/v1\/payment_intents$/,
    verb: 'create',
    act: (objects, _id, fields) => objects.create(fields),
  },
  {
    method: 'POST',
    path: /^\/v1\/payment_intents\/(\w+)\/confirm$/,
    verb: 'confirm',
    act: (objects, id, fields) => objects.confirm(id, fields),
  },
  { method: 'GET', path: /^\/v1\/payment_intents\/(\w+)$/, act: (objects, id) => objects.retrieve(id) },
  {
    method: 'GET',
    path: /^\/v1\/payment_intents$/,
    act: (objects, _id, query) => objects.list(query),
  },
  {
    method: 'POST',
    path: /^\/v1\/payment_intents\/(\w+)\/cancel$/,
    verb: 'cancel',
    act: (objects, id) => objects.cancel(id),
  },
  { method: 'GET', path: /^\/v1\/refunds$/, act: (objects, _id, query) => objects.listRefunds(query) },
  { method: 'GET', path: /^\/v1\/disputes$/, act: (objects, _id, query) => objects.listDisputes(query) },
  {
    method: 'POST',
    path: /^\/v1\/refunds$/,
    verb: 'refund',
    act: (objects, _id, fields) => objects.refund(fields),
  },
];

export class PaymentServer {
  readonly server: Server;
  readonly behaviour: PaymentBehaviour = {
    fault: null,
    verbs: ['create', 'confirm', 'refund'],
    webhookUrl: null,
    webhooks: 'once',
  };
  readonly #objects: PaymentObjects;
  readonly #webhooks: WebhookSender;
  readonly #keys = new Map<string, StoredKey>();
  readonly #struck = new Set<string>();
  readonly #faults: Partial<Record<PaymentFault, number>> = {};

  constructor(webhooks: WebhookSender) {
    this.#webhooks = webhooks;
    this.#objects = new PaymentObjects((event) => webhooks.send(event, this.behaviour));
    this.server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  truth(): PaymentTruth {
    return {
      charges: this.#objects.charges(),
      refunds: this.#objects.refunds(),
      webhooksDelivered: this.#webhooks.delivered,
      faults: { ...this.#faults },
    };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://sandbox');
    const text = await bodyOf(request);
    if (!request.headers.authorization?.startsWith('Bearer sk_')) return reply(response, UNAUTHORIZED);
    const endpoint = ENDPOINTS.find(
      ({ method, path }) => method === request.method && path.test(url.pathname),
    );
    if (!endpoint)
      return reply(response, invalid('', `Unrecognized request URL (${request.method}: ${url.pathname})`));
    const [, id = ''] = endpoint.path.exec(url.pathname) ?? [];
    const fields = endpoint.verb ? new URLSearchParams(text) : url.searchParams;
    const key = request.headers['idempotency-key'];
    if (!endpoint.verb || typeof key !== 'string')
      return reply(response, endpoint.act(this.#objects, id, fields));
    await this.#serveKeyed({ endpoint, id, fields, key, request: `${url.pathname}\n${text}` }, response);
  }

  async #serveKeyed(asked: Keyed, response: ServerResponse): Promise<void> {
    const stored = this.#keys.get(asked.key);
    if (stored && stored.request !== asked.request) return reply(response, MISMATCH);
    if (stored?.answer) return reply(response, stored.answer, { 'idempotent-replayed': 'true' });
    if (stored) return reply(response, KEY_IN_USE);
    const fault = this.#strike(asked);
    if (fault === 'lock') return reply(response, LOCK_TIMEOUT);
    const kept: StoredKey = { request: asked.request };
    this.#keys.set(asked.key, kept);
    const commit = () => {
      kept.answer = asked.endpoint.act(this.#objects, asked.id, asked.fields);
      // A request that was not valid has begun nothing, and its key stays free.
      if (kept.answer.status === 400) this.#keys.delete(asked.key);
      return kept.answer;
    };
    if (fault === 'hang-before-commit') return this.#hang(asked, response, commit);
    const answer = commit();
    if (fault === null) return reply(response, answer);
    if (fault === 'error-after-commit') kept.answer = INTERNAL_ERROR;
    return answerBadly(response, fault, answer);
  }

  /** Once for each verb and what it is about. */
  #strike({ endpoint, id, fields }: Keyed): PaymentFault | null {
    const { fault, verbs } = this.behaviour;
    const about = `${endpoint.verb} ${id || fields.get('metadata[payment_id]')}`;
    if (fault === null || this.#struck.has(about) || !verbs.some((verb) => verb === endpoint.verb))
      return null;
    this.#struck.add(about);
    const [first] = PAYMENT_FAULTS;
    const struck =
      fault === 'any' ? (PAYMENT_FAULTS[this.#struck.size % PAYMENT_FAULTS.length] ?? first) : fault;
    this.#faults[struck] = (this.#faults[struck] ?? 0) + 1;
    return struck;
  }

  #hang({ key }: Keyed, response: ServerResponse, commit: () => Answer): void {
    const isLate = this.#struck.size % 2 === 0;
    response.once('close', () => {
      if (isLate) setTimeout(commit, LATE_MS);
      else this.#keys.delete(key);
    });
  }
}

interface Keyed {
  endpoint: Endpoint;
  id: string;
  fields: URLSearchParams;
  key: string;
  /** What the key belongs to. */
  request: string;
}

function answerBadly(response: ServerResponse, fault: PaymentFault, answer: Answer): void {
  if (fault === 'cut-after-commit') response.destroy();
  else if (fault === 'error-after-commit') reply(response, INTERNAL_ERROR);
  else if (fault === 'slow-drip') drip(response, answer);
}

function drip(response: ServerResponse, { status, body }: Answer): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length });
  let sent = 0;
  const timer = setInterval(() => {
    response.write(bytes.subarray(sent, sent + 1));
    sent += 1;
    if (sent === bytes.length) response.end();
  }, DRIP_MS);
  response.once('close', () => clearInterval(timer));
}

function reply(
  response: ServerResponse,
  { status, body }: Answer,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', 'request-id': 'req_sandbox', ...headers });
  response.end(JSON.stringify(body));
}

function failure(status: number, type: string, code: string, message: string): Answer {
  return { status, body: { error: { type, code, message } } };
}

const UNAUTHORIZED = failure(401, 'invalid_request_error', 'api_key_invalid', 'Invalid API Key provided');
const MISMATCH = failure(
  400,
  'idempotency_error',
  'idempotency_error',
  'Keys for idempotent requests can only be used with the same parameters they were first used with.',
);
const KEY_IN_USE = failure(
  409,
  'idempotency_error',
  'idempotency_key_in_use',
  'There is currently another in-progress request using this Idempotent Key.',
);
const LOCK_TIMEOUT = failure(
  409,
  'invalid_request_error',
  'lock_timeout',
  'This object cannot be accessed right now because another API request is currently accessing it.',
);
const INTERNAL_ERROR = failure(500, 'api_error', 'internal_error', 'An unknown error occurred.');

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > REQUEST_BYTES_MAX) throw new Error('the request is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
