/**
 * How an endpoint is served. The order is the contract (what an earlier step refuses costs no later step anything, and
 * leaves the idempotency key free):
 *
 *   admit, before the body is read:   keeping up? → limit of the address → who → limits of key and workspace → may they
 *   answer, when the body is there:   its type and size → JSON → schema → idempotency key → handle or run → send
 *
 * Where an endpoint takes requests together, those with a key that is new are answered in one transaction (together.ts); all
 * others go this way.
 *
 * A request has a Scope: it ends when the client leaves and at the endpoint's deadline, and the transactions of the request
 * belong to it.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../accounts/principal.ts';
import type { Tx } from '../kernel/database.ts';
import { fingerprintOf } from '../kernel/idempotency.ts';
import type { Scope } from '../kernel/scope.ts';
import { type Rendered, render } from './answer.ts';
import { assertMay, authorize } from './auth.ts';
import { bodyOf } from './body.ts';
import type { Answer, Endpoint, Method, Route } from './endpoint.ts';
import { answerOnce, keyOf } from './idempotent.ts';
import { limitAddress, limitPrincipal } from './limits.ts';
import { comeAgain } from './problem.ts';
import { Asked, type Caller } from './request.ts';
import type { Services } from './services.ts';
import { Together } from './together.ts';
import { type EndpointValidator, validatorOf } from './validate.ts';

const API_VERSION = 'v1';
/** What a handler that does not look at its scope gets on top. */
const GRACE_MS = 500;
const RETRY_MS = 2_000;

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by `admit`. */
    caller: Caller;
  }
}

export interface Surroundings {
  services: Services;
  /** The parent of every request's scope. */
  requests: Scope;
  /** Whether an answer that is not what the endpoint promises is a mistake; else nobody looks. */
  checkAnswers: boolean;
}

export function mount(app: FastifyInstance, route: Route, surroundings: Surroundings): void {
  const { method, path, endpoint } = route;
  const validator = validatorOf(endpoint);
  const check = surroundings.checkAnswers ? (given: Answer) => assertPromised(validator, given) : () => {};
  const together = endpoint.together ? new Together(endpoint.together, surroundings.requests, check) : null;
  const served = { route, validator, check, together };
  app.route({
    method,
    url: path,
    bodyLimit: endpoint.bodyBytesMax,
    handlerTimeout: endpoint.deadlineMs + GRACE_MS,
    onRequest: async (request, reply) => {
      const scope = surroundings.requests.child(path, { deadlineMs: endpoint.deadlineMs });
      reply.raw.once('close', () => scope.cancel('the client has gone'));
      request.caller = { scope, principal: null };
      request.caller.principal = await admit(endpoint, request, surroundings.services);
    },
    handler: async (request, reply) => send(reply, await answer(served, request, surroundings.services)),
  });
}

async function admit(
  endpoint: Endpoint,
  request: FastifyRequest,
  services: Services,
): Promise<Principal | null> {
  if (endpoint.load === 'probe') return null;
  if (services.serving.ended) throw comeAgain('draining', 'Another process will answer.', RETRY_MS);
  if (services.load.isTooMuchFor(endpoint.load)) {
    services.metrics.shed.inc({ class: endpoint.load });
    throw comeAgain('overloaded', 'This is our trouble and not yours.', RETRY_MS);
  }
  await limitAddress(services, request.ip);
  const principal = await authorize(endpoint, request, services);
  if (!principal) return null;
  await limitPrincipal(services, principal);
  assertMay(principal, endpoint);
  return principal;
}

interface Served {
  route: Route;
  validator: EndpointValidator;
  check(given: Answer): void;
  together: Together | null;
}

async function answer(
  { route: { method, path, endpoint }, validator, check, together }: Served,
  request: FastifyRequest,
  services: Services,
): Promise<Rendered> {
  const body = bodyOf(endpoint, request);
  const parts = validator.check({ params: request.params, query: request.query, body: body.value });
  const asked = new Asked({ request, services, ...parts, upload: body.upload });
  const attempt = () => perform(endpoint, method, asked, check);
  const key = keyOf(endpoint, asked.headers);
  if (key === null) return render(await attempt());
  const fingerprint = fingerprintOf({
    method,
    route: path,
    params: Object(parts.params),
    query: Object(parts.query),
    workspaceId: asked.workspaceId,
    apiVersion: API_VERSION,
    body: body.fingerprinted,
  });
  const answered = await together?.answer({ request: asked, key, fingerprint });
  if (answered) return answered;
  return answerOnce(asked, { key, fingerprint }, (once) => {
    asked.once = once;
    return attempt();
  });
}

/** The effect. Of `handle`, the answer under a key is kept in the same transaction. */
async function perform(
  { run, handle }: Endpoint,
  method: Method,
  asked: Asked,
  check: (given: Answer) => void,
): Promise<Answer> {
  if (run) {
    const given = await run(asked);
    check(given);
    return given;
  }
  const { workspaceId, scope } = asked;
  const { database } = asked.services;
  const work = async (tx: Tx) => {
    const given = await handle(asked, tx);
    check(given);
    await asked.once?.finish(tx, given);
    return given;
  };
  return method === 'GET'
    ? database.readWorkspace(workspaceId, work, scope)
    : database.withWorkspace(workspaceId, work, scope);
}

function assertPromised(validator: EndpointValidator, given: Answer): void {
  const fault = validator.faultOf(given);
  if (fault !== undefined) throw new Error(`the answer is not what its endpoint promises: ${fault}`);
}

export function send(reply: FastifyReply, { status, headers, body }: Rendered): FastifyReply {
  return reply.code(status).headers(headers).send(body);
}
