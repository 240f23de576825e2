/** `camp key` and its neighbours as a person or a script runs them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { camp, type Ended } from '../../test/support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { addProvider } from '../accounts/oidc-providers.ts';
import { principalOfKey } from '../accounts/principal.ts';
import { SCOPES } from '../accounts/roles.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../kernel/ids.ts';
import { loadSecrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { EXIT } from './exit-codes.ts';

let db: TestDatabase;
before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

const run = (...args: string[]): Promise<Ended> => camp(args, { DATABASE_URL: db.url });

async function keyOf(text: unknown) {
  return typeof text === 'string' ? principalOfKey(db.database, text) : null;
}

test('a script makes a key, uses it, sees it in the list and revokes it', async () => {
  const made = await run('key', 'create', '--role', 'owner', '--json');
  assert.equal(made.code, EXIT.ok, made.stderr);
  const { id, key } = made.json as { id: string; key: string };
  assert.deepEqual(made.json, { id, key, role: 'owner', scopes: null, expires_at: null });
  const principal = await keyOf(key);
  assert.deepEqual([principal?.workspaceId, principal?.scopes], [DEFAULT_WORKSPACE_ID, SCOPES]);
  const listed = await run('key', 'list', '--json');
  const [row] = listed.json.keys as Record<string, unknown>[];
  assert.deepEqual([row?.id, row?.role, typeof row?.last_used_at], [id, 'owner', 'string']);
  assert.equal((listed.stdout + listed.stderr).includes(key.slice(-32)), false);
  const revoked = await run('key', 'revoke', key, '--json');
  assert.deepEqual(revoked.json, { id, revoked: true });
  assert.equal(await keyOf(key), null);
  assert.match((await run('key', 'list')).stdout, new RegExp(`camp_live_${id}_… .* revoked`));
});

test('a key may have some scopes of its role and an end', async () => {
  const scopes = ['--scope', 'messages:send', '--scope', 'stats:read'];
  const made = await run('key', 'create', '--role', 'marketer', ...scopes, '--expires-in', '30d', '--json');
  assert.deepEqual((await keyOf(made.json.key))?.scopes, ['messages:send', 'stats:read']);
  const left = new Date(String(made.json.expires_at)).getTime() - Date.now();
  assert.ok(left > 29.9 * 86_400_000 && left <= 30 * 86_400_000);
});

test('what cannot be is said in one sentence', async () => {
  const cases: [args: string[], said: RegExp][] = [
    [['create', '--role', 'emperor'], /^--role is "emperor", but must be one of: owner, admin, /],
    [['create', '--role', 'analyst', '--scope', 'keys:write'], /^The role analyst has no scope keys:write: /],
    [['create', '--role', 'owner', '--workspace', newId()], /^There is no workspace [0-9a-f-]+\.$/],
    [['revoke', 'abcdefgh'], /^There is no key abcdefgh that is in use\.$/],
  ];
  for (const [args, said] of cases) {
    const { code, stderr } = await run('key', ...args);
    assert.equal(code, EXIT.usage, args.join(' '));
    assert.match(stderr.trimEnd(), said);
  }
});

test('the audit log is verified, against a head that was noted too, and tampering is a failure', async () => {
  const intact = await run('audit', 'verify', '--json');
  assert.deepEqual([intact.code, intact.json.intact], [EXIT.ok, true]);
  const head = String(intact.json.head);
  await run('key', 'create', '--role', 'analyst');
  const later = await run('audit', 'verify', '--noted', head, '--json');
  assert.equal(later.json.entries, Number(intact.json.entries) + 1);
  const wrong = await run(
    'audit',
    'verify',
    '--noted',
    head.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
  );
  assert.equal(wrong.code, EXIT.failed);
  assert.match(
    wrong.stdout,
    /^The audit log was tampered with: at entry \d+, the log is not the one that was noted\./,
  );
  assert.equal((await run('audit', 'verify', '--noted', 'x')).code, EXIT.usage);
  await db.database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    tx.query(sql`UPDATE workspace SET audit_entries = audit_entries - 1`),
  );
  assert.equal((await run('audit', 'verify')).code, EXIT.failed);
});

test('providers are listed without their secrets, and removed; one without a secret is not added', async () => {
  const secrets = await loadSecrets(db.database, undefined);
  const acme = { name: 'acme', issuer: 'https://id.acme.example', clientId: 'camp' };
  await addProvider(db.database, secrets, { ...acme, clientSecret: 'a client secret' });
  const listed = await run('sso', 'list', '--json');
  assert.deepEqual(listed.json.providers, [{ name: 'acme', issuer: acme.issuer, client_id: 'camp' }]);
  assert.equal((await run('sso', 'remove', 'acme')).code, EXIT.ok);
  const added = await run('sso', 'add', 'acme', acme.issuer, '--client-id', 'camp');
  assert.deepEqual(
    [added.code, added.stderr.trimEnd()],
    [EXIT.usage, 'A provider needs a client id and a client secret.'],
  );
});
