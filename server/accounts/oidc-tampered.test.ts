/** Each step of a sign-in through a provider, forged: nobody gets in, and nothing is left of it. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { after, before, test } from 'node:test';
import { newWorkspace, type SignedInMember, signedInMember } from '../../test/support/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import {
  hmacSigner,
  type Lies,
  type OidcProvider,
  startOidcProvider,
} from '../../test/support/oidc-provider.ts';
import { Scope } from '../kernel/scope.ts';
import { loadSecrets, type Secrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { beginOidc, finishOidc, type OidcContext, type OidcReturn, type OidcSignIn } from './oidc.ts';
import { addProvider } from './oidc-providers.ts';
import { listSessions } from './sessions.ts';
import { newToken } from './tokens.ts';

let db: TestDatabase;
let secrets: Secrets;
let scope: Scope;
let provider: OidcProvider;
let member: SignedInMember;

before(async () => {
  db = await createTestDatabase();
  secrets = await loadSecrets(db.database, 'a secret');
  scope = Scope.root('test');
  provider = await startOidcProvider();
  const { issuer, clientId, clientSecret } = provider;
  await addProvider(db.database, secrets, { name: 'acme', issuer, clientId, clientSecret });
  const workspaceId = await newWorkspace(db.database);
  member = await signedInMember(db.database, workspaceId, 'owner');
  const begun = await begin(member);
  const linking = await finish({ ...begun, principal: member.principal });
  assert.deepEqual(linking, { kind: 'linked' });
});
after(async () => {
  await scope[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  await db.drop();
});

function context(): OidcContext {
  const redirectUri = 'https://camp.example/v1/sign-in/callback';
  return { database: db.database, secrets, scope, origin: {}, redirectUri };
}

/** A sign-in as far as the browser's way back. */
async function begin(by?: SignedInMember): Promise<OidcReturn> {
  const begun = await beginOidc(context(), { provider: 'acme', principal: by?.principal });
  assert.ok(begun.kind === 'begun', JSON.stringify(begun));
  return { cookie: begun.cookie, query: await provider.visit(begun.url) };
}

function finish(back: OidcReturn): Promise<OidcSignIn> {
  return finishOidc(context(), back);
}

function withQuery({ cookie, query }: OidcReturn, change: (query: URLSearchParams) => void): OidcReturn {
  const changed = new URLSearchParams(query);
  change(changed);
  return { cookie, query: changed.toString() };
}

/** The browser comes back otherwise than it was sent. */
const FORGED_RETURNS: Record<string, () => Promise<OidcReturn>> = {
  'no state': async () => withQuery(await begin(), (query) => query.delete('state')),
  'another state': async () => withQuery(await begin(), (query) => query.set('state', newToken())),
  'two states': async () => withQuery(await begin(), (query) => query.append('state', newToken())),
  'the state and code of another browser': async () => ({
    cookie: (await begin()).cookie,
    query: (await begin()).query,
  }),
  'the code of another browser': async () => {
    const code = new URLSearchParams((await begin()).query).get('code') ?? '';
    return withQuery(await begin(), (query) => query.set('code', code));
  },
  'no cookie': async () => ({ ...(await begin()), cookie: '' }),
  'a cookie that was made up': async () => ({ ...(await begin()), cookie: newToken() }),
  'a code that was made up': async () => withQuery(await begin(), (query) => query.set('code', newToken())),
  'no code': async () => withQuery(await begin(), (query) => query.delete('code')),
  'two codes': async () => withQuery(await begin(), (query) => query.append('code', newToken())),
  'another issuer': async () => withQuery(await begin(), (query) => query.set('iss', 'https://evil.example')),
  'no issuer': async () => withQuery(await begin(), (query) => query.delete('iss')),
  'an error': async () => withQuery(await begin(), (query) => query.set('error', 'access_denied')),
  'nothing at all': async () => ({ ...(await begin()), query: '' }),
  'the same a second time': async () => {
    const back = await begin();
    assert.equal((await finish(back)).kind, 'signed-in');
    return back;
  },
  'a second time after a failure': async () => {
    const back = await begin();
    await finish(withQuery(back, (query) => query.delete('state')));
    return back;
  },
  'after ten minutes': async () => {
    const back = await begin();
    await db.database.withOwner((tx) => tx.query(sql`UPDATE oidc_flow SET expires_at = now()`));
    return back;
  },
  'as somebody who adds a provider, and is not signed in any more': () => begin(member),
  'as somebody who adds a provider, and is signed in as another': async () => {
    const other = await signedInMember(db.database, member.principal.workspaceId, 'analyst');
    return { ...(await begin(other)), principal: member.principal };
  },
};

const otherKey = generateKeyPairSync('rsa', { modulusLength: 2048 });
const now = () => Math.floor(Date.now() / 1_000);
const without = (object: Record<string, unknown>, name: string) => ({ ...object, [name]: undefined });
const replacePart = (token: string, index: number, part: (old: string) => string) =>
  token
    .split('.')
    .map((old, at) => (at === index ? part(old) : old))
    .join('.');
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** The provider, or somebody in between, says something else. */
const LIES: Record<string, Lies> = {
  'another nonce': { claims: (it) => ({ ...it, nonce: newToken() }) },
  'no nonce': { claims: (it) => without(it, 'nonce') },
  'another audience': { claims: (it) => ({ ...it, aud: 'another client' }) },
  'two audiences, and not for us': { claims: (it) => ({ ...it, aud: ['camp', 'other'], azp: 'other' }) },
  'no audience': { claims: (it) => without(it, 'aud') },
  'another issuer': { claims: (it) => ({ ...it, iss: 'https://evil.example' }) },
  'an issuer with a slash more': { claims: (it) => ({ ...it, iss: `${it.iss}/` }) },
  'no issuer': { claims: (it) => without(it, 'iss') },
  'a token that has expired': { claims: (it) => ({ ...it, exp: now() - 120 }) },
  'a token that never expires': { claims: (it) => without(it, 'exp') },
  'a token of an unknown time': { claims: (it) => without(it, 'iat') },
  'a token that is not good yet': { claims: (it) => ({ ...it, nbf: now() + 3_600 }) },
  'no subject': { claims: (it) => without(it, 'sub') },
  'a subject that is no text': { claims: (it) => ({ ...it, sub: 17 }) },
  'signed by another key': { sign: (input) => sign('sha256', Buffer.from(input), otherKey.privateKey) },
  'signed by nobody': { header: { alg: 'none' }, sign: () => Buffer.alloc(0) },
  'signed with the client secret': {
    header: { alg: 'HS256' },
    sign: (input) => hmacSigner(provider.clientSecret)(input),
  },
  'signed by a key that is not published': { header: { kid: 'key-2' } },
  'signed by a key that came along': {
    header: { jwk: otherKey.publicKey.export({ format: 'jwk' }), kid: undefined },
    sign: (input) => sign('sha256', Buffer.from(input), otherKey.privateKey),
  },
  'a signature with one byte changed': {
    token: (it) => replacePart(it, 2, (old) => `${old.startsWith('A') ? 'B' : 'A'}${old.slice(1)}`),
  },
  'no signature': { token: (it) => replacePart(it, 2, () => '') },
  'claims that were written after signing': {
    token: (it) =>
      replacePart(it, 1, (old) =>
        encode({ ...JSON.parse(Buffer.from(old, 'base64url').toString()), sub: 'ada', admin: true }),
      ),
  },
  'something that is no token': { token: () => 'a.b.c' },
  'no ID token': { answer: (it) => without(it, 'id_token') },
  'no keys': { keys: () => [] },
  'metadata of another issuer': { metadata: (it) => ({ ...it, issuer: 'https://evil.example' }) },
  'metadata without a token endpoint': { metadata: (it) => without(it, 'token_endpoint') },
  'a redirect of the token endpoint': {
    respond: (response, path) =>
      path === '/token' && Boolean(response.writeHead(307, { location: 'http://127.0.0.1:9/' }).end()),
  },
  'a redirect of the keys': {
    respond: (response, path) =>
      path === '/keys' && Boolean(response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()),
  },
  'a page in place of an answer': {
    respond: (response, path) => path === '/token' && Boolean(response.end('<html>')),
  },
  'an answer without end': {
    respond: (response, path) => path === '/token' && Boolean(response.end('{"a":"'.padEnd(1_100_000, 'a'))),
  },
};

async function assertNobodyIn(back: OidcReturn): Promise<void> {
  const sessions = await listSessions(db.database, member.principal);
  const outcome = await finish(back);
  assert.equal(outcome.kind, 'failed', JSON.stringify(outcome));
  assert.deepEqual(await listSessions(db.database, member.principal), sessions);
  const identities = await db.database.withSystem((tx) => tx.query(sql`SELECT subject FROM oidc_identity`));
  assert.deepEqual(identities, [{ subject: provider.subject }]);
  assert.equal(JSON.stringify(outcome).includes(provider.clientSecret), false);
}

test('without a lie the same sign-in succeeds', async () => {
  assert.equal((await finish(await begin())).kind, 'signed-in');
});

for (const [name, forge] of Object.entries(FORGED_RETURNS))
  test(`nobody gets in when the browser comes back otherwise: ${name}`, async () => {
    await assertNobodyIn(await forge());
  });

for (const [name, lies] of Object.entries(LIES))
  test(`nobody gets in when the provider says otherwise: ${name}`, async () => {
    const back = await begin();
    provider.lies = lies;
    try {
      await assertNobodyIn(back);
    } finally {
      provider.lies = {};
    }
  });
