/** A session opens one workspace to one person, until it ends. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newWorkspace, type SignedInMember, signedInMember } from '../../test/support/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import type { Tx } from '../kernel/database.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import { listAudit } from './audit.ts';
import { changeRole, disableMember, enableMember } from './members.ts';
import { principalOfSession } from './principal.ts';
import { endSessions } from './queries-people.ts';
import { SCOPES_OF_ROLE } from './roles.ts';
import {
  endSession,
  listSessions,
  replaceSession,
  SESSION_SECONDS,
  signOut,
  startSession,
  switchWorkspace,
} from './sessions.ts';
import { newToken } from './tokens.ts';
import { createWorkspace, listWorkspaces } from './workspaces.ts';

let db: TestDatabase;
let workspaceId: string;
let owner: SignedInMember;

before(async () => {
  db = await createTestDatabase();
  workspaceId = await newWorkspace(db.database);
  owner = await signedInMember(db.database, workspaceId, 'owner');
});
after(() => db.drop());

const ask = (token: string) => principalOfSession(db.database, token);
const write = (statement: Sql, at = workspaceId) =>
  db.database.withWorkspace(at, (tx) => tx.query(statement));

async function again({ principal }: SignedInMember): Promise<string> {
  const owning = { ...principal, version: 0 };
  const started = await db.database.withWorkspace(workspaceId, (tx) => startSession(tx, owning, {}));
  return started.token;
}

test('a session says who is signed in, where, and what they may', async () => {
  const { token, principal } = await signedInMember(db.database, workspaceId, 'analyst');
  assert.deepEqual(await ask(token), principal);
  assert.deepEqual(principal.scopes, SCOPES_OF_ROLE.analyst);
});

test('a thousand made-up tokens open nothing, nor does what is none', async () => {
  for (let round = 0; round < 10; round += 1) {
    const asked = Array.from({ length: 100 }, () => ask(newToken()));
    assert.equal(
      (await Promise.all(asked)).every((found) => found === null),
      true,
    );
  }
  for (const token of ['', ' ', owner.token.slice(1), `${owner.token}a`, "'; --", '\0'.repeat(43)])
    assert.equal(await ask(token), null);
});

test('a session that was not used for a day has ended; one that was goes on', async () => {
  const { token, principal } = await signedInMember(db.database, workspaceId, 'analyst');
  const lastSeen = (ago: string) =>
    write(sql`UPDATE session SET seen_at = now() - ${ago}::interval
      WHERE workspace_id = ${workspaceId} AND id = ${principal.id}`);
  await lastSeen('23 h 59 min');
  assert.ok(await ask(token));
  const [{ seenAt } = assert.fail()] = await listSessions(db.database, principal);
  assert.ok(Date.now() - seenAt.getTime() < 60_000, 'its use was written down');
  await lastSeen('24 h');
  assert.equal(await ask(token), null);
});

test('a session ends a week after it began, however much it is used', async () => {
  const { token, principal } = await signedInMember(db.database, workspaceId, 'analyst');
  const [{ createdAt, expiresAt } = assert.fail()] = await listSessions(db.database, principal);
  assert.equal(expiresAt.getTime() - createdAt.getTime(), SESSION_SECONDS * 1_000);
  assert.equal(SESSION_SECONDS, 7 * 86_400);
  await write(sql`UPDATE session SET expires_at = now()
    WHERE workspace_id = ${workspaceId} AND id = ${principal.id}`);
  assert.equal(await ask(token), null);
  await again({ token, principal, email: '' });
  assert.equal((await listSessions(db.database, principal)).length, 1, 'what has ended is cleared away');
});

test('all sessions of a member end when they are disabled, and are not back when they are enabled', async () => {
  const member = await signedInMember(db.database, workspaceId, 'analyst');
  const tokens = [member.token, await again(member)];
  await disableMember(db.database, owner.principal, member.principal.personId, {});
  for (const token of tokens) assert.equal(await ask(token), null);
  await enableMember(db.database, owner.principal, member.principal.personId, {});
  for (const token of tokens) assert.equal(await ask(token), null);
  assert.ok(await ask(await again(member)));
});

test('a session that began while its member was being disabled opens nothing', async () => {
  const member = await signedInMember(db.database, workspaceId, 'analyst');
  await disableMember(db.database, owner.principal, member.principal.personId, {});
  assert.equal(await ask(await again(member)), null);
});

test('a new role asks for a new sign-in', async () => {
  const member = await signedInMember(db.database, workspaceId, 'analyst');
  const { personId } = member.principal;
  await changeRole(db.database, owner.principal, { personId, role: 'marketer' }, {});
  assert.equal(await ask(member.token), null);
  assert.equal((await ask(await again(member)))?.role, 'marketer');
});

test('what ends all of a person’s sessions leaves them one, under another token', async () => {
  const member = await signedInMember(db.database, workspaceId, 'analyst');
  const { personId } = member.principal;
  const change = (tx: Tx) => endSessions(tx, personId);
  const done = { change, action: 'a.changed' };
  const { token, principal } = await replaceSession(db.database, member.principal, {}, done);
  assert.notEqual(token, member.token);
  assert.deepEqual(await ask(token), principal);
  assert.equal(await ask(member.token), null);
  assert.equal((await listAudit(db.database, workspaceId, { limit: 1 }))[0]?.action, 'a.changed');
});

test('going to another workspace makes another token, and the one before opens nothing', async () => {
  const member = await signedInMember(db.database, workspaceId, 'marketer');
  const second = await newWorkspace(db.database);
  const going = () => switchWorkspace(db.database, member.principal, second, { address: '192.0.2.5' });
  await assert.rejects(going(), { code: 'not-found' });
  assert.ok(await ask(member.token));
  await write(
    sql`INSERT INTO member (workspace_id, person_id, role)
      VALUES (${second}, ${member.principal.personId}, 'billing')`,
    second,
  );
  const { token, principal } = await going();
  assert.deepEqual(await ask(token), principal);
  assert.deepEqual([principal.workspaceId, principal.role], [second, 'billing']);
  assert.equal(await ask(member.token), null);
  assert.equal((await listAudit(db.database, workspaceId, { limit: 1 }))[0]?.action, 'session.ended');
  assert.equal((await listAudit(db.database, second, { limit: 1 }))[0]?.action, 'session.created');
});

test('an owner who makes a workspace owns it, goes there, and finds both in the list', async () => {
  const member = await signedInMember(db.database, workspaceId, 'owner');
  const id = await createWorkspace(db.database, member.principal, { name: ' Second ' }, {});
  const again = await createWorkspace(db.database, member.principal, { name: 'Second', id }, {});
  assert.equal(again, id, 'the same intent makes no third one');
  assert.deepEqual(await listWorkspaces(db.database, member.principal), [
    { workspaceId, name: 'Acme', role: 'owner' },
    { workspaceId: id, name: 'Second', role: 'owner' },
  ]);
  const { principal } = await switchWorkspace(db.database, member.principal, id, {});
  assert.equal(principal.role, 'owner');
  const actions = (await listAudit(db.database, id, { limit: 9 })).map(({ action }) => action);
  assert.deepEqual(actions, ['session.created', 'workspace.created']);
  const key = { ...member.principal, kind: 'key', personId: null } as const;
  await assert.rejects(createWorkspace(db.database, key, { name: 'Third' }, {}), { code: 'sign-in-needed' });
  const admin = { ...member.principal, role: 'admin' } as const;
  await assert.rejects(createWorkspace(db.database, admin, { name: 'Third' }, {}), { code: 'not-allowed' });
});

test('a person sees and ends their own sessions, and nobody else’s', async () => {
  const member = await signedInMember(db.database, workspaceId, 'analyst');
  const lost = await again(member);
  const sessions = await listSessions(db.database, member.principal);
  assert.equal(sessions.length, 2);
  const other = sessions.find(({ id }) => id !== member.principal.id);
  assert.ok(other);
  await assert.rejects(endSession(db.database, owner.principal, other.id, {}), { code: 'not-found' });
  await endSession(db.database, member.principal, other.id, {});
  assert.equal(await ask(lost), null);
  assert.ok(await ask(member.token));
  await signOut(db.database, member.principal, {});
  assert.equal(await ask(member.token), null);
});

test('a browser that calls itself something very long is kept short', async () => {
  const member = await signedInMember(db.database, workspaceId, 'analyst');
  const owning = { ...member.principal, version: 0 };
  const origin = { address: '192.0.2.4', userAgent: 'x'.repeat(5_000) };
  await db.database.withWorkspace(workspaceId, (tx) => startSession(tx, owning, origin));
  const [newest] = await listSessions(db.database, member.principal);
  assert.deepEqual([newest?.address, newest?.userAgent?.length], ['192.0.2.4', 300]);
});
