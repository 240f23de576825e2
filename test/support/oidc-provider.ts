/**
 * A small OpenID provider on loopback: discovery, keys, the page that sends a browser back with a code, and the endpoint
 * that gives an ID token for it. It checks its client as a real one does, and lies when a test says so.
 */
import { createHash, createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

type Json = Record<string, unknown>;

/** What is said otherwise than it should be. */
export interface Lies {
  metadata?: (metadata: Json) => Json;
  keys?: (keys: Json[]) => Json[];
  claims?: (claims: Json) => Json;
  header?: Json;
  /** Signs with something else. */
  sign?: (input: string) => Buffer;
  /** Of the compact ID token. */
  token?: (token: string) => string;
  /** Of the token endpoint. */
  answer?: (answer: Json) => Json;
  respond?: (response: ServerResponse, path: string) => boolean;
}

export interface OidcProvider extends AsyncDisposable {
  issuer: string;
  clientId: string;
  clientSecret: string;
  /** Who signs in next. */
  subject: string;
  /** Beside those that OpenID asks for. */
  claims: Json;
  lies: Lies;
  key: KeyObject;
  /** Paths that were asked for. */
  asked: string[];
  /** What a browser that was sent to `url` comes back with: what stands behind `?`. */
  visit(url: string): Promise<string>;
}

interface Granted {
  challenge: string | null;
  nonce: string | null;
  redirectUri: string;
  subject: string;
}

const KEY_ID = 'key-1';

export async function startOidcProvider(): Promise<OidcProvider> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const server = createServer((request, response) => void handle(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const granted = new Map<string, Granted>();
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider: OidcProvider = {
    issuer,
    clientId: 'camp',
    clientSecret: 'a secret: of 100%+ special letters',
    subject: 'ada',
    claims: {},
    lies: {},
    key: privateKey,
    asked: [],
    async visit(url) {
      const { status, headers } = await fetch(url, { redirect: 'manual' });
      if (status !== 302) throw new Error(`the provider answered ${status}`);
      return new URL(headers.get('location') ?? '').search.slice(1);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', issuer);
    provider.asked.push(url.pathname);
    if (provider.lies.respond?.(response, url.pathname)) return;
    const respond = (status: number, body: Json) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (url.pathname === '/.well-known/openid-configuration') return void respond(200, metadataOf(provider));
    if (url.pathname === '/keys') {
      const key = { ...publicKey.export({ format: 'jwk' }), kid: KEY_ID, alg: 'RS256', use: 'sig' };
      return void respond(200, { keys: provider.lies.keys?.([key]) ?? [key] });
    }
    if (url.pathname === '/authorize') return authorize(url.searchParams, response);
    const form = new URLSearchParams(await text(request));
    const refusal = refusalOf(provider, request, form, granted);
    if (refusal !== null) return void respond(400, refusal);
    const grant = granted.get(form.get('code') ?? '');
    granted.delete(form.get('code') ?? '');
    const answer = { access_token: randomUUID(), token_type: 'Bearer', id_token: idToken(provider, grant) };
    respond(200, provider.lies.answer?.(answer) ?? answer);
  }

  function authorize(query: URLSearchParams, response: ServerResponse): void {
    const code = randomUUID();
    const redirectUri = query.get('redirect_uri') ?? '';
    const [challenge, nonce] = [query.get('code_challenge'), query.get('nonce')];
    granted.set(code, { challenge, nonce, redirectUri, subject: provider.subject });
    const back = new URL(redirectUri);
    back.search = new URLSearchParams({ code, state: query.get('state') ?? '', iss: issuer }).toString();
    response.writeHead(302, { location: back.href }).end();
  }
  return provider;
}

function metadataOf({ issuer, lies }: OidcProvider): Json {
  const metadata = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/keys`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  };
  return lies.metadata?.(metadata) ?? metadata;
}

/** RFC 6749 section 5.2 and RFC 7636 section 4.6. */
function refusalOf(
  provider: OidcProvider,
  { headers }: IncomingMessage,
  form: URLSearchParams,
  granted: Map<string, Granted>,
): Json | null {
  const encode = (word: string) => new URLSearchParams({ '': word }).toString().slice(1);
  const basic = `${encode(provider.clientId)}:${encode(provider.clientSecret)}`;
  const isClient =
    form.get('client_secret') === null
      ? headers.authorization === `Basic ${Buffer.from(basic).toString('base64')}`
      : form.get('client_id') === provider.clientId && form.get('client_secret') === provider.clientSecret;
  if (!isClient) return { error: 'invalid_client' };
  const grant = granted.get(form.get('code') ?? '');
  const challenge = createHash('sha256')
    .update(form.get('code_verifier') ?? '')
    .digest('base64url');
  if (grant?.challenge !== challenge || grant.redirectUri !== form.get('redirect_uri'))
    return { error: 'invalid_grant' };
  return null;
}

function idToken(provider: OidcProvider, grant: Granted | undefined): string {
  const { issuer: iss, clientId: aud, lies } = provider;
  const iat = Math.floor(Date.now() / 1_000);
  const claims = {
    iss,
    aud,
    sub: grant?.subject,
    iat,
    exp: iat + 300,
    nonce: grant?.nonce,
    ...provider.claims,
  };
  const encode = (value: Json) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const header = { alg: 'RS256', kid: KEY_ID, typ: 'JWT', ...lies.header };
  const input = `${encode(header)}.${encode(lies.claims?.(claims) ?? claims)}`;
  const signature = lies.sign?.(input) ?? sign('sha256', Buffer.from(input), provider.key);
  const token = `${input}.${signature.toString('base64url')}`;
  return lies.token?.(token) ?? token;
}

export function hmacSigner(secret: string): (input: string) => Buffer {
  return (input) => createHmac('sha256', secret).update(input).digest();
}
