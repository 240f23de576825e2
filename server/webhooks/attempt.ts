/**
 * One try to deliver: the call, and what it met. Only a 2xx is a success. Whatever happens is a value, because it is written
 * down for the endpoint's owner to read; so it says nothing of the network that they could not know.
 */
import { callHttp } from '../kernel/http.ts';
import { type Scope, ScopeEnded } from '../kernel/scope.ts';
import type { Resolver } from '../smtp/dns.ts';
import { findAddress, NoWayThere, type OwnNetworks } from './destination.ts';
import { payloadOf } from './payload.ts';
import { signatureHeaders } from './signature.ts';

const TIMEOUT_MS = 15_000;
const REPLY_BYTES_MAX = 512;
const ERROR_CHARS_MAX = 300;

export interface Attempt {
  /** RFC 3339. */
  at: string;
  ms: number;
  /** Null: there was no answer. */
  status: number | null;
  /** How its body begins. */
  reply: string | null;
  error: string | null;
}

export interface Post {
  id: string;
  url: string;
  secrets: readonly string[];
  type: string;
  occurredAt: Date;
  data: Record<string, unknown>;
}

export interface Network {
  resolver: Resolver;
  own: OwnNetworks;
}

/** Rejects only when `scope` has ended: then nothing is known of it. */
export async function attempt(scope: Scope, post: Post, network: Network): Promise<Attempt> {
  const at = new Date();
  const startedAt = performance.now();
  const met = await call(scope, post, network, at).catch((error) => {
    scope.throwIfEnded();
    return { status: null, reply: null, error: wordsOf(error) };
  });
  return { at: at.toISOString(), ms: Math.round(performance.now() - startedAt), ...met };
}

async function call(parent: Scope, post: Post, network: Network, at: Date) {
  const url = new URL(post.url);
  const scope = parent.child(`webhook ${url.host}`, { deadlineMs: TIMEOUT_MS });
  try {
    const body = payloadOf(post);
    const timestamp = Math.floor(at.getTime() / 1_000);
    const { status, body: reply } = await callHttp(scope, {
      method: 'POST',
      url,
      address: await findAddress(scope, url, network),
      headers: {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
        'user-agent': 'Camp-Webhooks/1',
        ...signatureHeaders(post.secrets, { id: post.id, timestamp, body }),
      },
      body,
      deadlineMs: TIMEOUT_MS,
      responseBytesMax: REPLY_BYTES_MAX,
      cut: true,
    });
    return { status, reply: storable(reply.toString()), error: errorOf(status) };
  } finally {
    scope.cancel('done');
  }
}

function errorOf(status: number): string | null {
  if (isSuccess(status)) return null;
  return status >= 300 && status < 400 ? 'It answered with a redirect, and those are not followed.' : null;
}

export function isSuccess(status: number | null): boolean {
  return status !== null && status >= 200 && status < 300;
}

function wordsOf(error: Error): string {
  if (error instanceof ScopeEnded) return `No whole answer within ${TIMEOUT_MS / 1_000} s.`;
  if (error instanceof NoWayThere) return error.message;
  return storable(error.message.slice(0, ERROR_CHARS_MAX));
}

/** Postgres keeps no NUL, and JSON no half of a surrogate pair. */
function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed();
}
