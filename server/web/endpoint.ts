/**
 * An endpoint as data: what it is for, who may call it, what goes in and comes out, and the function that does it.
 * Its URL stands in routes.ts; serve.ts runs it; openapi.ts describes it from the same schemas.
 *
 * `handle(request, tx)` runs in one transaction of the caller's workspace (for GET a snapshot that reads only), and with an
 * Idempotency-Key the stored answer commits in that same transaction. `run(request)` makes its own transactions, for what
 * cannot be one: uploads, streams, payments. It may finish the key in the transaction that matters (`request.once`).
 *
 * Both return an Answer or throw a Problem. A refusal that is thrown rolls everything back.
 *
 * `together(requests, tx)` is `handle` for what comes often: many requests of one workspace in one transaction, each with its
 * own key and answer (together.ts). A refusal takes its request's place, and what is thrown fails nobody else.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import Type, { type Static, type TObject, type TProperties, type TSchema } from 'typebox';
import type { Principal } from '../accounts/principal.ts';
import type { Scope as Permission } from '../accounts/roles.ts';
import type { Tx } from '../kernel/database.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Once } from './idempotent.ts';
import { Problem, type ProblemCode } from './problem.ts';
import { strict } from './schemas.ts';
import type { Services } from './services.ts';

/** What goes first when a process does not keep up: bulk before interactive before intake. A probe is never refused. */
export type LoadClass = 'bulk' | 'interactive' | 'intake' | 'probe';

/** By status. What is no JSON is `media(…)`, an empty body `Nothing`. */
export type Responses = Readonly<Record<number, TSchema>>;

export interface Answer {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body: unknown;
}

/** The answers that `responses` allows. */
export type AnswerOf<R extends Responses> = {
  [Status in keyof R & number]: {
    status: Status;
    headers?: Readonly<Record<string, string>>;
    body: Static<R[Status]>;
  };
}[keyof R & number];

export interface ApiRequest<P = unknown, Q = unknown, B = unknown> {
  readonly id: string;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** The body as it comes, of an endpoint with `upload`. */
  readonly upload: Readable;
  readonly headers: IncomingHttpHeaders;
  readonly cookies: Readonly<Record<string, string | undefined>>;
  /** Of the client; of a trusted proxy's client when there is one. */
  readonly address: string;
  /** Who asks. Throws when the endpoint is public. */
  readonly principal: Principal;
  readonly workspaceId: string;
  /** Ends when the client leaves, and at the endpoint's deadline. What the request causes belongs to it. */
  readonly scope: Scope;
  /** The idempotency key that the request holds; null when it has none. */
  readonly once: Once | null;
  readonly services: Services;
}

interface Definition<P extends TProperties, Q extends TProperties, B extends TSchema, R extends Responses> {
  /** One line, as a heading. */
  summary: string;
  description?: string;
  /** What the caller's key or role must allow; any: to be signed in; public: nothing. */
  scope: Permission | 'any' | 'public';
  /** Of methods that are not idempotent by themselves. */
  idempotency: 'none' | 'optional' | 'required';
  params?: P;
  query?: Q;
  /** The query may have more than that: of addresses that somebody else makes up. */
  hasOpenQuery?: boolean;
  body?: B;
  /** Media types of a body that is not read into memory. */
  upload?: readonly string[];
  responses: R;
  /** Problems of its own, beside those that any request may meet. */
  problems?: readonly ProblemCode[];
  bodyBytesMax?: number;
  deadlineMs?: number;
  load?: LoadClass;
  /** A page asks for it by itself, with nobody at it: that does not keep a session from ending idle. */
  passive?: boolean;
}

interface Handled<P extends TProperties, Q extends TProperties, B extends TSchema, R extends Responses> {
  handle(request: ApiRequest<Fields<P>, Fields<Q>, Static<B>>, tx: Tx): Promise<AnswerOf<R>>;
}

interface Run<P extends TProperties, Q extends TProperties, B extends TSchema, R extends Responses> {
  run(request: ApiRequest<Fields<P>, Fields<Q>, Static<B>>): Promise<AnswerOf<R>>;
}

interface Together<P extends TProperties, Q extends TProperties, B extends TSchema, R extends Responses> {
  together(
    requests: readonly ApiRequest<Fields<P>, Fields<Q>, Static<B>>[],
    tx: Tx,
  ): Promise<(AnswerOf<R> | Problem)[]>;
}

type Fields<P extends TProperties> = Static<TObject<P>>;

const BODY_BYTES_MAX = 1_000_000;
const DEADLINE_MS = 30_000;

/** What serve.ts and openapi.ts know of an endpoint. */
export type Endpoint = Description & (InTransaction | Runs);

interface InTransaction {
  readonly handle: (request: ApiRequest, tx: Tx) => Promise<Answer>;
  readonly together: TogetherHandler | undefined;
  readonly run: undefined;
}

interface Runs {
  readonly handle: undefined;
  readonly together: undefined;
  readonly run: (request: ApiRequest) => Promise<Answer>;
}

/** An answer or a refusal for each, in the same order. */
export type TogetherHandler = (requests: readonly ApiRequest[], tx: Tx) => Promise<(Answer | Problem)[]>;

interface Description {
  readonly summary: string;
  readonly description: string | undefined;
  readonly scope: Permission | 'any' | 'public';
  readonly idempotency: 'none' | 'optional' | 'required';
  readonly params: TObject;
  readonly query: TObject;
  readonly body: TSchema | undefined;
  readonly upload: readonly string[] | undefined;
  readonly responses: Responses;
  readonly problems: readonly ProblemCode[];
  readonly bodyBytesMax: number;
  readonly deadlineMs: number;
  readonly load: LoadClass;
  readonly passive: boolean;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Route {
  method: Method;
  /** As Fastify writes it: /v1/lists/:id. */
  path: string;
  endpoint: Endpoint;
}

export function endpoint<
  const R extends Responses,
  const P extends TProperties = Record<never, never>,
  const Q extends TProperties = Record<never, never>,
  const B extends TSchema = TSchema,
>(
  definition: Definition<P, Q, B, R> & (Handled<P, Q, B, R> | Run<P, Q, B, R> | Together<P, Q, B, R>),
): Endpoint {
  return {
    description: undefined,
    body: undefined,
    upload: undefined,
    problems: [],
    bodyBytesMax: BODY_BYTES_MAX,
    deadlineMs: DEADLINE_MS,
    load: 'interactive',
    passive: false,
    run: undefined,
    together: undefined,
    handle: 'together' in definition ? alone(definition.together as TogetherHandler) : undefined,
    ...definition,
    params: strict(definition.params ?? {}),
    query: definition.hasOpenQuery ? Type.Object(definition.query ?? {}) : strict(definition.query ?? {}),
    // serve.ts calls it with what the definition's schemas have accepted, and with nothing else.
  } as Endpoint;
}

function alone(together: TogetherHandler) {
  return async (request: ApiRequest, tx: Tx): Promise<Answer> => {
    const [given] = await together([request], tx);
    if (!given) throw new Error('a request was given no answer');
    if (given instanceof Problem) throw given;
    return given;
  };
}

type Headers = Readonly<Record<string, string>>;

export function ok<T>(body: T, headers: Headers = {}): { status: 200; headers: Headers; body: T } {
  return { status: 200, headers, body };
}

/** `location`: the path of what was made. */
export function created<T>(
  location: string,
  body: T,
): { status: 201; headers: { location: string }; body: T } {
  return { status: 201, headers: { location }, body };
}

/** It will be done; `location` is the path of what tells how far it is. */
export function accepted<T>(
  location: string,
  body: T,
): { status: 202; headers: { location: string }; body: T } {
  return { status: 202, headers: { location }, body };
}

export function noContent(): { status: 204; body: null } {
  return { status: 204, body: null };
}
