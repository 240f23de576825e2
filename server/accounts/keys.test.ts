import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newWorkspace, type SignedInMember, signedInMember } from '../../test/support/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { listAudit } from './audit.ts';
import { createKey, listKeys, revokeKey } from './keys.ts';
import { operator, principalOfKey } from './principal.ts';
import { scopesOf } from './roles.ts';
import { randomBase62 } from './tokens.ts';

let db: TestDatabase;
let workspaceId: string;
let admin: SignedInMember;

before(async () => {
  db = await createTestDatabase();
  workspaceId = await newWorkspace(db.database);
  admin = await signedInMember(db.database, workspaceId, 'admin');
});
after(() => db.drop());

async function keyRow(id: string) {
  const row = (await listKeys(db.database, workspaceId)).find((key) => key.id === id);
  assert.ok(row);
  return row;
}

test('a key says who asks, in which workspace, and what they may', async () => {
  const { id, key } = await createKey(
    db.database,
    admin.principal,
    { name: 'Shop', role: 'marketer', scopes: ['messages:send', 'contacts:read'] },
    { address: '192.0.2.1' },
  );
  assert.match(key, new RegExp(`^camp_live_${id}_[0-9A-Za-z]{32}$`));
  assert.deepEqual(await principalOfKey(db.database, key), {
    workspaceId,
    kind: 'key',
    id,
    personId: null,
    role: 'marketer',
    scopes: ['contacts:read', 'messages:send'],
  });
  const { createdBy, name } = await keyRow(id);
  assert.deepEqual({ createdBy, name }, { createdBy: admin.principal.personId, name: 'Shop' });
  const [entry] = await listAudit(db.database, workspaceId, { limit: 1 });
  assert.deepEqual(
    [entry?.action, entry?.subject, entry?.personId, entry?.address],
    ['key.created', `key/${id}`, admin.principal.personId, '192.0.2.1'],
  );
  assert.equal(JSON.stringify(entry).includes(key.slice(-32)), false);
});

test('what is no key opens nothing: another one’s end, another case, spaces, what SQL might mind', async () => {
  const { key } = await createKey(db.database, admin.principal, { name: 'a', role: 'analyst' }, {});
  const strange = [
    '',
    'camp_live_',
    key.slice(0, -1),
    `${key}a`,
    ` ${key}`,
    key.toLowerCase() === key ? key.toUpperCase() : key.toLowerCase(),
    `${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`,
    `${key.slice(0, -32)}${randomBase62(32)}`,
    `camp_test_${key.slice(10)}`,
    `${key.slice(0, -2)}'%`,
    `${key.slice(0, -1)}\0`,
    ...Array.from({ length: 200 }, () => `camp_live_${randomBase62(8)}_${randomBase62(32)}`),
  ];
  for (const presented of strange)
    assert.equal(await principalOfKey(db.database, presented), null, presented);
});

test('a revoked key opens nothing, and cannot be revoked again', async () => {
  const { id, key } = await createKey(db.database, admin.principal, { name: 'a', role: 'analyst' }, {});
  assert.ok(await principalOfKey(db.database, key));
  await revokeKey(db.database, admin.principal, id, {});
  assert.equal(await principalOfKey(db.database, key), null);
  assert.ok((await keyRow(id)).revokedAt);
  await assert.rejects(revokeKey(db.database, admin.principal, id, {}), { code: 'not-found' });
});

test('a key opens until it expires, and not after', async () => {
  const expiresAt = new Date(Date.now() + 60_000);
  const { id, key } = await createKey(
    db.database,
    admin.principal,
    { name: 'a', role: 'analyst', expiresAt },
    {},
  );
  assert.ok(await principalOfKey(db.database, key));
  await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`UPDATE api_key SET expires_at = now() WHERE workspace_id = ${workspaceId} AND id = ${id}`),
  );
  assert.equal(await principalOfKey(db.database, key), null);
  const past = { name: 'a', role: 'analyst', expiresAt: new Date(Date.now() - 1) } as const;
  await assert.rejects(createKey(db.database, admin.principal, past, {}), { code: 'key-invalid' });
});

test('nobody makes a key that may do more than they', async () => {
  const { principal } = admin;
  const refused = (wish: Parameters<typeof createKey>[2], code: string) =>
    assert.rejects(createKey(db.database, principal, wish, {}), { name: 'AccountRefused', code });
  await refused({ name: 'a', role: 'owner' }, 'not-allowed');
  await refused({ name: 'a', role: 'billing' }, 'not-allowed');
  await refused({ name: 'a', role: 'analyst', scopes: ['contacts:write'] }, 'key-invalid');
  await refused({ name: ' ', role: 'analyst' }, 'name-invalid');
  await createKey(db.database, principal, { name: 'a', role: 'billing', scopes: ['billing:read'] }, {});

  const narrow = await createKey(
    db.database,
    principal,
    { name: 'a', role: 'admin', scopes: ['keys:write', 'stats:read'] },
    {},
  );
  const asking = await principalOfKey(db.database, narrow.key);
  assert.ok(asking);
  await assert.rejects(createKey(db.database, asking, { name: 'b', role: 'admin' }, {}), {
    code: 'not-allowed',
  });
  const child = { name: 'b', role: 'admin', scopes: ['stats:read'] } as const;
  await createKey(db.database, asking, child, {});
});

test('the last use is written down, once a minute at most', async () => {
  const { id, key } = await createKey(db.database, admin.principal, { name: 'a', role: 'analyst' }, {});
  assert.equal((await keyRow(id)).lastUsedAt, null);
  await Promise.all(Array.from({ length: 10 }, () => principalOfKey(db.database, key)));
  const first = (await keyRow(id)).lastUsedAt;
  assert.ok(first);
  await principalOfKey(db.database, key);
  assert.deepEqual((await keyRow(id)).lastUsedAt, first);
  const minuteAgo = sql`UPDATE api_key SET last_used_at = now() - interval '61 s' WHERE workspace_id = ${workspaceId}`;
  await db.database.withWorkspace(workspaceId, (tx) => tx.query(minuteAgo));
  await principalOfKey(db.database, key);
  assert.ok(Number((await keyRow(id)).lastUsedAt) >= first.getTime());
});

test('a workspace neither lists nor revokes another’s keys', async () => {
  const other = await newWorkspace(db.database);
  const { id, key } = await createKey(db.database, operator(other), { name: 'a', role: 'owner' }, {});
  assert.equal((await listKeys(db.database, workspaceId)).filter((row) => row.id === id).length, 0);
  await assert.rejects(revokeKey(db.database, admin.principal, id, {}), { code: 'not-found' });
  const principal = await principalOfKey(db.database, key);
  assert.deepEqual([principal?.workspaceId, principal?.scopes], [other, scopesOf(other, 'owner')]);
});

test('a key is not made in a workspace that is not there', async () => {
  const making = createKey(db.database, operator(newId()), { name: 'a', role: 'owner' }, {});
  await assert.rejects(making, { code: 'not-found', message: /^There is no workspace [0-9a-f-]+\.$/ });
});
