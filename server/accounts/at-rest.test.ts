/** Whoever has a copy of the database has nothing that opens anything. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Secret, TOTP } from 'otpauth';
import { newWorkspace, signedInMember } from '../../test/support/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { startOidcProvider } from '../../test/support/oidc-provider.ts';
import type { Tx } from '../kernel/database.ts';
import { Scope } from '../kernel/scope.ts';
import { loadSecrets, type Secrets } from '../kernel/secrets.ts';
import { Sql, sql } from '../kernel/sql.ts';
import { createFirstOwner, makeFirstRunLink } from './first-run.ts';
import { invite } from './invitations.ts';
import { createKey } from './keys.ts';
import { beginOidc } from './oidc.ts';
import { addProvider } from './oidc-providers.ts';
import { resetHandlers } from './password-reset.ts';
import { principalOfKey, principalOfSession } from './principal.ts';
import { beginSecondFactor, enableSecondFactor } from './second-factor.ts';
import { signIn } from './sign-in.ts';

const PASSWORD = 'mauve otter sings';

let db: TestDatabase;
let secrets: Secrets;
let scope: Scope;

before(async () => {
  db = await createTestDatabase();
  secrets = await loadSecrets(db.database, 'a secret that is not in the database');
  scope = Scope.root('test');
});
after(async () => {
  await scope[Symbol.asyncDispose]();
  await db.drop();
});

/** All that is shown once, or typed, or told to us in confidence; by what it is. */
async function makeOneOfEach(): Promise<Record<string, string>> {
  const { database } = db;
  const firstRun = (await makeFirstRunLink(database)) ?? '';
  const origin = { address: '192.0.2.1' };
  const first = { email: 'ada@example.com', name: 'Ada', password: PASSWORD };
  const owner = await createFirstOwner(database, { ...first, token: firstRun }, origin);
  const { principal } = owner;
  const { secret } = await beginSecondFactor(database, secrets, principal);
  const code = new TOTP({ secret: Secret.fromBase32(secret) }).generate();
  const { token, recoveryCodes } = await enableSecondFactor(database, secrets, principal, { code, origin });
  const other = await signedInMember(database, principal.workspaceId, 'admin');
  const pending = await beginSecondFactor(database, secrets, other.principal);
  const { key } = await createKey(database, principal, { name: 'Shop', role: 'owner' }, origin);
  const invited = await invite(database, principal, { email: 'bob@example.com', role: 'owner' }, origin);
  await using provider = await startOidcProvider();
  const { issuer, clientId, clientSecret } = provider;
  await addProvider(database, secrets, { name: 'acme', issuer, clientId, clientSecret });
  const begun = await beginOidc(
    { database, secrets, scope, origin, redirectUri: 'https://camp.example/back' },
    { provider: 'acme', invitation: invited.token },
  );
  assert.ok(begun.kind === 'begun');
  const { searchParams } = new URL(begun.url);
  const reset = await resetToken(first.email);
  const wrong = { email: 'ada@example.com', password: 'a typing mistake of mine' };
  await signIn({ database, secrets, scope, origin }, wrong);
  return {
    'first link, used': firstRun,
    password: PASSWORD,
    'mistyped password': wrong.password,
    'session that has ended': owner.token,
    session: token,
    'session of another': other.token,
    'second factor': secret,
    'second factor that is pending': pending.secret,
    ...Object.fromEntries(recoveryCodes.map((recovery, n) => [`recovery code ${n}`, recovery])),
    'API key': key,
    invitation: invited.token,
    'link for a new password': reset,
    'client secret': clientSecret,
    'cookie of a provider': begun.cookie,
    state: searchParams.get('state') ?? '',
    nonce: searchParams.get('nonce') ?? '',
  };
}

/** Of the link in a letter that is not kept here. */
async function resetToken(email: string): Promise<string> {
  const { database } = db;
  let token = '';
  const linkOf = (made: string) => {
    token = made;
    return '';
  };
  const handlers = resetHandlers({ post: async () => true, linkOf });
  const job = { scope, database, workspaceId: '', key: null, args: { email }, failures: 0 };
  const outcome = await handlers['password.reset']?.({ ...job, fence: async () => {} });
  assert.deepEqual(outcome, { kind: 'done' });
  return token;
}

/** Every row of every table, each as the role and the workspace that may read it. */
async function dump(): Promise<string> {
  const workspaces = await db.database.withSystem((tx) =>
    tx.query<{ id: string }>(sql`SELECT workspace_id AS id FROM workspace`),
  );
  const parts = [await db.database.withSystem(readable)];
  for (const { id } of workspaces) parts.push(await db.database.withWorkspace(id, readable));
  return parts.join('\n');
}

async function readable(tx: Tx): Promise<string> {
  const columns = await tx.query<{ table: string; columns: string }>(sql`
    SELECT c.relname AS table, string_agg(quote_ident(a.attname), ', ') AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND has_column_privilege(c.oid, a.attnum, 'SELECT')
    GROUP BY c.relname ORDER BY c.relname`);
  const parts: string[] = [];
  for (const { table, columns: names } of columns) {
    const rows = await tx.query<{ row: string }>(
      new Sql(`SELECT row_to_json(t)::text AS row FROM (SELECT ${names} FROM ${table}) t`, []),
    );
    parts.push(...rows.map(({ row }) => `${table}: ${row}`));
  }
  return parts.join('\n');
}

test('a dump of all tables has no password, key, token or code in it, in any spelling', async () => {
  const shown = await makeOneOfEach();
  const text = await dump();
  for (const table of [
    'person',
    'session',
    'api_key',
    'invitation',
    'recovery_code',
    'oidc_flow',
    'audit_entry',
    'password_reset',
  ])
    assert.ok(text.includes(`${table}: {`), `${table} is in the dump`);
  assert.ok(text.includes('$argon2id$'));
  const found: string[] = [];
  for (const [name, secret] of Object.entries(shown)) {
    assert.ok(secret.length >= 16, name);
    const bytes = Buffer.from(secret);
    const spellings = [
      ...[secret, secret.toLowerCase(), secret.replaceAll('-', '')],
      ...[bytes.toString('hex'), bytes.toString('base64'), Buffer.from(secret, 'base64url').toString('hex')],
      ...(name.startsWith('second') ? [Buffer.from(Secret.fromBase32(secret).bytes).toString('hex')] : []),
    ];
    if (spellings.some((spelling) => text.includes(spelling))) found.push(name);
    // What would open it as well: the part of a key behind its id.
    if (name === 'API key' && text.includes(secret.slice(-32))) found.push('end of the key');
  }
  assert.deepEqual(found, []);
  const hash = createHash('sha256')
    .update(shown['API key'] ?? '')
    .digest('hex');
  assert.ok(text.includes(hash), 'the dump has what was looked for, were it there');
});

test('what the dump does have opens nothing', async () => {
  const workspaceId = await newWorkspace(db.database);
  const { token } = await signedInMember(db.database, workspaceId, 'owner');
  assert.ok(await principalOfSession(db.database, token));
  const words = new Set((await dump()).match(/[\w$+/=.-]{8,}/g));
  const keys = [...words].filter((word) => word.startsWith('camp_'));
  assert.deepEqual(keys, []);
  for (const word of words) {
    const bytes = Buffer.from(word, 'hex');
    for (const presented of [word, bytes.toString('base64url'), bytes.toString('base64')]) {
      if (presented.length !== 43) continue;
      assert.equal(await principalOfSession(db.database, presented), null);
      assert.equal(
        await principalOfKey(db.database, `camp_live_${presented.slice(0, 8)}_${presented.slice(8, 40)}`),
        null,
      );
    }
  }
});
