/**
 * The web server: Fastify with the routes of routes.ts. What is here holds for every request, also for one that no route
 * takes: its id, its headers, its errors as problems, its counts, and the limits on headers and time.
 *
 * A stop drains: no new connection, 503 to what still arrives, an end for streams, and the answers that are under way are
 * finished; what is not by then is cut.
 */
import { METHODS, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import cookie from '@fastify/cookie';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { principalOfKey } from '../accounts/principal.ts';
import { openBilling } from '../billing/billing.ts';
import { SenderCheck } from '../campaigns/sender-check.ts';
import { TemplateThread } from '../campaigns/template-thread.ts';
import type { Config } from '../kernel/config.ts';
import type { Database } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import { RateLimits } from '../kernel/rate-limits.ts';
import { Scope } from '../kernel/scope.ts';
import { loadSecrets } from '../kernel/secrets.ts';
import { createResolver } from '../smtp/resolver.ts';
import { answerOf, render } from './answer.ts';
import { readBodies } from './body.ts';
import { Coalesced } from './coalesce.ts';
import type { Method, Route } from './endpoint.ts';
import { problemOf } from './errors.ts';
import { LiveHub, type LiveTiming } from './live-hub.ts';
import { Load } from './load.ts';
import { Metrics } from './metrics.ts';
import { openApiOf } from './openapi.ts';
import { respond } from './payments.ts';
import { bodyTooLarge, Problem, type ProblemCode } from './problem.ts';
import { BILLING_ROUTES, ROUTES } from './routes.ts';
import { mount, send } from './serve.ts';
import type { Services } from './services.ts';

const HEADER_BYTES_MAX = 16_384;
const HEADERS_MS_MAX = 10_000;
/** The longest upload; every endpoint has a deadline of its own. */
const REQUEST_MS_MAX = 30 * 60_000;
const LOOK_FOR_SLOW_MS = 2_000;
const PARAM_LENGTH_MAX = 500;
const DRAIN_MS_MAX = 20_000;
const CUT_AFTER_MS = 1_000;
const CLOSE_IDLE_EVERY_MS = 100;
/** The client went before it had its answer: no status of HTTP, but one that logs know. */
const CLIENT_GONE = 499;

export interface WebOptions {
  config: Config;
  database: Database;
  /** The same with `pipeline`, where there is one. */
  pipelined?: Database;
  log: Log;
  routes?: readonly Route[];
  /** For tests: an answer that is not what its endpoint promises is a mistake. */
  checkAnswers?: boolean;
  /** False: nothing is refused because the machine is busy, which is no business of most tests. */
  sheds?: boolean;
  /** For how long a stop waits for the answers that are under way. */
  drainMs?: number;
  /** For tests: how often the live streams are looked after. */
  live?: LiveTiming;
}

export interface Web {
  /** Where it listens, such as http://127.0.0.1:8080. */
  url: string;
  services: Services;
  /** Drains. */
  stop(): Promise<void>;
}

/** Rejects with the system's error (EADDRINUSE, EACCES) when it cannot listen. */
export async function startWeb({
  config,
  database,
  pipelined = database,
  log,
  routes: always = ROUTES,
  checkAnswers = false,
  sheds = true,
  drainMs = DRAIN_MS_MAX,
  live,
}: WebOptions): Promise<Web> {
  const billing = await openBilling(config, { database, log, respond });
  const secrets = await loadSecrets(database, config.secret);
  const routes = billing ? [...always, ...BILLING_ROUTES] : always;
  const serving = Scope.root('serving');
  const requests = Scope.root('requests');
  const load = new Load({ waitMs: () => Math.max(database.waitMs(), pipelined.waitMs()) }, { sheds });
  const metrics = new Metrics(load);
  const limits = new RateLimits(database);
  const openApi = openApiOf(routes, config.publicUrl);
  const keyHolders = new Coalesced((key) => principalOfKey(database, key));
  const services = {
    config,
    database,
    pipelined,
    secrets,
    senders: new SenderCheck(config, secrets),
    get resolver() {
      return createResolver(config);
    },
    templates: new TemplateThread(),
    log,
    keyHolders,
    limits,
    load,
    live: new LiveHub({ database, log, serving, ...(live ? { timing: live } : {}) }),
    metrics,
    openApi,
    billing,
    serving,
  };
  const app = await createApp(services);
  for (const route of routes) mount(app, route, { services, requests, checkAnswers });
  for (const [path, methods] of methodsOf(routes)) refuseOthers(app, path, methods);
  const stop = async () => {
    await drain(app, { serving, requests, load, drainMs });
    services.templates.stop();
  };
  try {
    const url = await app.listen({ host: config.httpHost, port: config.httpPort });
    load.start();
    return { url, services, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function createApp(services: Services): Promise<FastifyInstance> {
  const { config } = services;
  const app = fastify({
    genReqId: newId,
    trustProxy: config.trustedProxies.length > 0 ? config.trustedProxies : false,
    requestTimeout: REQUEST_MS_MAX,
    return503OnClosing: false,
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_MS_MAX,
      connectionsCheckingInterval: LOOK_FOR_SLOW_MS,
    },
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
    frameworkErrors: (error, request, reply) => {
      setHeaders(request, reply, config);
      sendProblem(error, request, reply, services);
    },
    clientErrorHandler: refuseConnection,
  });
  await app.register(cookie);
  for (const method of ALL_METHODS) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
  readBodies(app);
  app.addHook('onRequest', async (request, reply) => {
    setHeaders(request, reply, config);
    count(request, reply, services);
  });
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, services));
  app.setNotFoundHandler(() => {
    throw new Problem('not-found', 'There is no such URL.');
  });
  return app;
}

function setHeaders(request: FastifyRequest, reply: FastifyReply, { publicUrl }: Config): void {
  reply.headers({
    'x-request-id': request.id,
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    ...(publicUrl.startsWith('https:') ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  });
}

function count(request: FastifyRequest, { raw }: FastifyReply, { metrics }: Services): void {
  const startedAt = performance.now();
  metrics.inFlight.inc();
  raw.once('close', () => {
    metrics.inFlight.dec();
    const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
    const status = raw.writableFinished ? raw.statusCode : CLIENT_GONE;
    metrics.answered(route, request.method, status, performance.now() - startedAt);
  });
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply, { log }: Services): void {
  const problem = ofRequest(error, request) ?? problemOf(error);
  if (problem.code === 'internal')
    log.error({
      event: 'request_failed',
      request: request.id,
      route: request.routeOptions.url,
      ...wordsOf(error),
    });
  // What it goes on sending would be read to its end.
  if (hasBody(request) && !request.raw.complete) reply.header('connection', 'close');
  send(reply, render(answerOf(problem, request.id)));
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** What only the request tells of an error of Fastify's. */
function ofRequest(error: unknown, request: FastifyRequest): Problem | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return bodyTooLarge(request.routeOptions.bodyLimit ?? 0);
  const isLate = code === 'FST_ERR_HANDLER_TIMEOUT' && hasBody(request) && !request.raw.complete;
  return isLate ? new Problem('request-timeout') : undefined;
}

/** Without what Postgres adds, which quotes rows. */
function wordsOf(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: String(error) };
  return { error: error.message, stack: error.stack, ...('code' in error ? { code: error.code } : {}) };
}

/** What Node's parser refuses is no request yet: it gets its problem on the bare socket. */
function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  const codes: Record<string, ProblemCode> = {
    HPE_HEADER_OVERFLOW: 'headers-too-large',
    ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  };
  const { status, headers, body } = render(
    answerOf(new Problem(codes[error.code ?? ''] ?? 'malformed-request'), newId()),
  );
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}connection: close\r\n\r\n${body}`,
  );
}

function methodsOf(routes: readonly Route[]): Map<string, Method[]> {
  const methods = new Map<string, Method[]>();
  for (const { path, method } of routes) methods.set(path, [...(methods.get(path) ?? []), method]);
  return methods;
}

/** All that Node's parser takes; CONNECT is no request for a URL. */
const ALL_METHODS = METHODS.filter((method) => method !== 'CONNECT');

/** Every URL answers every method: with 405 and Allow, where it has no endpoint. */
function refuseOthers(app: FastifyInstance, url: string, methods: readonly string[]): void {
  const allowed = methods.includes('GET') ? [...methods, 'HEAD'] : methods;
  app.route({
    method: ALL_METHODS.filter((method) => !allowed.includes(method)),
    url,
    onRequest: async () => {
      throw new Problem('method-not-allowed', undefined, { headers: { allow: allowed.join(', ') } });
    },
    handler: async () => {},
  });
}

async function drain(
  app: FastifyInstance,
  { serving, requests, load, drainMs }: { serving: Scope; requests: Scope; load: Load; drainMs: number },
): Promise<void> {
  serving.cancel('draining');
  // A connection that was busy when the stop came is idle when it has its answer.
  const idle = setInterval(() => app.server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
  const end = setTimeout(() => requests.cancel('drained'), drainMs);
  const cut = setTimeout(() => app.server.closeAllConnections(), drainMs + CUT_AFTER_MS);
  await app.close();
  clearInterval(idle);
  clearTimeout(end);
  clearTimeout(cut);
  requests.cancel('drained');
  load.stop();
}
