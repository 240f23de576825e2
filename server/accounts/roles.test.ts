import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { allowedWords } from '../../test/support/constraint.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../kernel/ids.ts';
import { createKey } from './keys.ts';
import { operator, principalOfKey } from './principal.ts';
import { covers, ROLES, SCOPES, SCOPES_OF_ROLE, type Scope, scopesOf } from './roles.ts';
import { ensureWorkspace } from './workspaces.ts';

let db: TestDatabase;
before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

/** o: owner, a: admin, m: marketer, n: analyst, b: billing. Written down a second time, so that a slip shows. */
const WHO_MAY: Record<Scope, string> = {
  'contacts:read': 'oamn',
  'contacts:write': 'oam',
  'templates:read': 'oamn',
  'templates:write': 'oam',
  'campaigns:read': 'oamn',
  'campaigns:write': 'oam',
  'campaigns:send': 'oam',
  'messages:read': 'oamn',
  'messages:send': 'oam',
  'suppressions:read': 'oam',
  'suppressions:write': 'oam',
  'domains:read': 'oam',
  'domains:write': 'oa',
  'webhooks:read': 'oa',
  'webhooks:write': 'oa',
  'stats:read': 'oamnb',
  'billing:read': 'oab',
  'billing:write': 'ob',
  'members:read': 'oa',
  'members:write': 'oa',
  'keys:read': 'oa',
  'keys:write': 'oa',
  'audit:read': 'oa',
  'workspace:write': 'oa',
  'installation:read': 'oa',
  'installation:write': 'oa',
};
const LETTERS = { owner: 'o', admin: 'a', marketer: 'm', analyst: 'n', billing: 'b' };

test('a key of each role has each scope that the role should have, and no other', async () => {
  const workspaceId = DEFAULT_WORKSPACE_ID;
  await ensureWorkspace(db.database, workspaceId, 'First');
  for (const role of ROLES) {
    const { key } = await createKey(db.database, operator(workspaceId), { name: role, role }, {});
    const principal = await principalOfKey(db.database, key);
    for (const scope of SCOPES)
      assert.equal(
        principal?.scopes.includes(scope),
        WHO_MAY[scope].includes(LETTERS[role]),
        `${role} ${scope}`,
      );
  }
});

test('the roles and the actors are those that the database knows', async () => {
  for (const table of ['member', 'api_key', 'invitation'])
    assert.deepEqual(await allowedWords(db.database, table, `${table}_role`), [...ROLES].sort());
  assert.deepEqual(await allowedWords(db.database, 'audit_entry', 'audit_entry_actor_kind'), [
    'key',
    'operator',
    'session',
  ]);
});

test('a choice of scopes only ever takes away', () => {
  const analyst = (chosen?: readonly Scope[]) => scopesOf(DEFAULT_WORKSPACE_ID, 'analyst', chosen);
  assert.deepEqual(analyst(['billing:write', 'stats:read']), ['stats:read']);
  assert.deepEqual(analyst([]), []);
  assert.deepEqual(analyst(), SCOPES_OF_ROLE.analyst);
});

test('what all workspaces share is nobody’s but of the first workspace, whatever was chosen', () => {
  const elsewhere = newId();
  const shared = SCOPES.filter((scope) => scope.startsWith('installation:'));
  assert.deepEqual(scopesOf(elsewhere, 'owner', shared), []);
  assert.deepEqual(new Set(SCOPES).difference(new Set(scopesOf(elsewhere, 'owner'))), new Set(shared));
  assert.deepEqual(scopesOf(DEFAULT_WORKSPACE_ID, 'admin', shared), shared);
  const owner = scopesOf(elsewhere, 'owner');
  assert.equal(covers(elsewhere, owner, 'owner'), true);
  assert.equal(covers(DEFAULT_WORKSPACE_ID, owner, 'owner'), false);
});

test('a role is covered by whoever may do all that it may', () => {
  const coveredBy = (scopes: readonly Scope[]) =>
    ROLES.filter((role) => covers(DEFAULT_WORKSPACE_ID, scopes, role));
  assert.deepEqual(coveredBy(SCOPES_OF_ROLE.owner), [...ROLES]);
  assert.deepEqual(coveredBy(SCOPES_OF_ROLE.admin), ['admin', 'marketer', 'analyst']);
  assert.deepEqual(coveredBy(SCOPES_OF_ROLE.marketer), ['marketer', 'analyst']);
  assert.deepEqual(coveredBy(SCOPES_OF_ROLE.billing), ['billing']);
});
