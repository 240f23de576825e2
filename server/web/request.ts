/** A request as a handler sees it. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import type { Principal } from '../accounts/principal.ts';
import type { Scope } from '../kernel/scope.ts';
import type { ApiRequest } from './endpoint.ts';
import type { Once } from './idempotent.ts';
import type { Services } from './services.ts';

export interface Caller {
  scope: Scope;
  /** Null: the endpoint is public. */
  principal: Principal | null;
}

interface Parts {
  request: FastifyRequest;
  services: Services;
  params: unknown;
  query: unknown;
  body: unknown;
  upload: Readable | null;
}

export class Asked implements ApiRequest {
  readonly services: Services;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  once: Once | null = null;
  readonly #request: FastifyRequest;
  readonly #upload: Readable | null;

  constructor({ request, services, params, query, body, upload }: Parts) {
    this.services = services;
    this.params = params;
    this.query = query;
    this.body = body;
    this.#request = request;
    this.#upload = upload;
  }

  get id(): string {
    return this.#request.id;
  }

  get headers(): IncomingHttpHeaders {
    return this.#request.headers;
  }

  get cookies(): Readonly<Record<string, string | undefined>> {
    return this.#request.cookies;
  }

  get address(): string {
    return this.#request.ip;
  }

  get scope(): Scope {
    return this.#request.caller.scope;
  }

  get principal(): Principal {
    const { principal } = this.#request.caller;
    if (!principal) throw new Error('nobody is asked who they are at a public endpoint');
    return principal;
  }

  get workspaceId(): string {
    return this.principal.workspaceId;
  }

  get upload(): Readable {
    if (!this.#upload) throw new Error('only an endpoint with `upload` has one');
    return this.#upload;
  }
}
