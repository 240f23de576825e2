/** What each request asks follows an index, however many people, sessions and keys there are. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { newWorkspace } from '../../test/support/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { auditPage, auditPageUp, lockAuditHead } from './queries-audit.ts';
import { findKey, touchKey } from './queries-keys.ts';
import { findInvitation } from './queries-members.ts';
import { identitiesOf, takeFlow } from './queries-oidc.ts';
import { membershipsOf, personByEmail, recoveryCodesLeft, useRecoveryCode } from './queries-people.ts';
import { deleteEndedResets, personOfReset, useReset } from './queries-resets.ts';
import { deleteEndedSessions, findSession, isOfNow, sessionsOf, touchSession } from './queries-sessions.ts';
import { countTry, deleteEndedTries } from './queries-throttle.ts';

const ROWS = 5_000;
const hash = createHash('sha256').update('7').digest();
const personId = newId();

let db: TestDatabase;
let workspaceId: string;

before(async () => {
  db = await createTestDatabase();
  workspaceId = await newWorkspace(db.database);
  const rows = sql`generate_series(1, ${ROWS}::int) n`;
  const digest = sql`sha256(n::text::bytea)`;
  await db.database.withWorkspace(workspaceId, async (tx) => {
    await tx.query(sql`INSERT INTO member SELECT ${workspaceId}, gen_random_uuid(), 'analyst' FROM ${rows}`);
    await tx.query(sql`INSERT INTO session (workspace_id, id, person_id, hash, version, expires_at)
      SELECT ${workspaceId}, gen_random_uuid(), gen_random_uuid(), ${digest}, 0, now() + interval '1 d' FROM ${rows}`);
    await tx.query(sql`INSERT INTO api_key (workspace_id, id, name, hash, role)
      SELECT ${workspaceId}, n, 'a', ${digest}, 'owner' FROM ${rows}`);
    await tx.query(sql`INSERT INTO invitation (workspace_id, id, email, role, hash, expires_at)
      SELECT ${workspaceId}, gen_random_uuid(), n || '@example.com', 'owner', ${digest}, now() FROM ${rows}`);
    await tx.query(sql`INSERT INTO audit_entry (workspace_id, position, at, actor_kind, actor_id, action, subject, hash)
      SELECT ${workspaceId}, n, now(), 'key', 'a', 'a.b', 'c', ${digest} FROM ${rows}`);
  });
  await db.database.withSystem(async (tx) => {
    await tx.query(sql`INSERT INTO person (id, email, name)
      SELECT gen_random_uuid(), n || '@example.com', 'a' FROM ${rows}`);
    await tx.query(sql`INSERT INTO sign_in_throttle SELECT n, 1, now() + interval '1 h' FROM ${rows}`);
    await tx.query(sql`INSERT INTO password_reset
      SELECT sha256(id::text::bytea), id, 0, now() + random() * interval '1 h' FROM person`);
    await tx.query(sql`INSERT INTO recovery_code SELECT id, sha256(id::text::bytea) FROM person`);
    await tx.query(sql`INSERT INTO oidc_provider VALUES ('acme', '', '', '')`);
    await tx.query(sql`INSERT INTO oidc_identity SELECT 'https://id.example', id, id FROM person`);
    await tx.query(sql`INSERT INTO oidc_flow SELECT ${digest}, 'acme', NULL, NULL, now() FROM ${rows}`);
  });
  await db.database.withOwner((tx) =>
    tx.query(
      sql`ANALYZE person, member, session, api_key, invitation, audit_entry, sign_in_throttle, oidc_flow, workspace,
        password_reset, recovery_code, oidc_identity`,
    ),
  );
});
after(() => db.drop());

type Ask = (spy: Tx) => Promise<unknown>;

/** Each with the index that it follows. */
const SYSTEM: Record<string, [ask: Ask, index: string]> = {
  'who has this key': [(tx) => findKey(tx, hash, 60), 'api_key_hash'],
  'who has this cookie': [
    (tx) => findSession(tx, hash, { idleSeconds: 60, touchSeconds: 60 }),
    'session_hash',
  ],
  'who has this invitation': [(tx) => findInvitation(tx, hash), 'invitation_hash'],
  'who has this address': [(tx) => personByEmail(tx, '7@example.com'), 'person_email_key'],
  'where somebody is a member': [(tx) => membershipsOf(tx, personId), 'member_of_person'],
  'a recovery code': [(tx) => useRecoveryCode(tx, personId, hash), 'recovery_code_pkey'],
  'how many recovery codes are left': [(tx) => recoveryCodesLeft(tx, personId), 'recovery_code_pkey'],
  'whose link for a new password it is': [(tx) => personOfReset(tx, hash), 'password_reset_pkey'],
  'a link for a new password, used': [(tx) => useReset(tx, hash, 0), 'password_reset_pkey'],
  'links for a new password that are over': [(tx) => deleteEndedResets(tx), 'password_reset_ended'],
  'a sign-in that comes back': [(tx) => takeFlow(tx, hash), 'oidc_flow_pkey'],
  'the ways in of somebody': [(tx) => identitiesOf(tx, personId), 'oidc_identity_of_person'],
  'whether a session is of now': [(tx) => isOfNow(tx, { workspaceId, id: newId() }), 'session_pkey'],
  'tries that are over': [(tx) => deleteEndedTries(tx, 10), 'sign_in_throttle_ended'],
};

const WORKSPACE: Record<string, [ask: Ask, index: string]> = {
  'a key’s last use': [(tx) => touchKey(tx, { workspaceId, id: '7' }, 60), 'api_key_pkey'],
  'a session’s last use': [(tx) => touchSession(tx, { workspaceId, id: newId() }, 60), 'session_pkey'],
  'one’s own sessions': [(tx) => sessionsOf(tx, workspaceId, personId), 'session_of_person'],
  'sessions that have ended': [
    (tx) => deleteEndedSessions(tx, { workspaceId, personId, version: 0 }, 60),
    'session_of_person',
  ],
  'a page of the log': [(tx) => auditPage(tx, workspaceId, 4_000, 50), 'audit_entry_pkey'],
  'the log, to verify it': [(tx) => auditPageUp(tx, workspaceId, 4_000, 50), 'audit_entry_pkey'],
};

async function assertFollows(plans: string[], index: string): Promise<void> {
  const [plan = ''] = plans;
  assert.ok(plan.includes(index), plan);
  assert.doesNotMatch(
    plan,
    /Seq Scan on (person|member|session|api_key|invitation|audit_entry|sign_in|oidc_(flow|identity)|password_reset|recovery_code)/,
    plan,
  );
}

for (const [what, [ask, index]] of Object.entries(SYSTEM))
  test(`${what} is found along ${index}`, async () => {
    await assertFollows(await db.database.withSystem((tx) => explained(tx, ask)), index);
  });

for (const [what, [ask, index]] of Object.entries(WORKSPACE))
  test(`${what}: found along ${index}`, async () => {
    await assertFollows(await db.database.withWorkspace(workspaceId, (tx) => explained(tx, ask)), index);
  });

test('the log is read in its order, and not sorted', async () => {
  const asks: Ask[] = [
    (tx) => auditPage(tx, workspaceId, null, 50),
    (tx) => auditPageUp(tx, workspaceId, null, 50),
  ];
  for (const ask of asks) {
    const [plan = ''] = await db.database.withWorkspace(workspaceId, (tx) => explained(tx, ask));
    assert.doesNotMatch(plan, /Sort/, plan);
  }
});

test('the place of an entry is one row’s lock, and a try one row', async () => {
  const [head = ''] = await db.database.withWorkspace(workspaceId, (tx) =>
    explained(tx, (spy) => lockAuditHead(spy, workspaceId)),
  );
  assert.match(head, /LockRows/);
  const tried = await db.database.withSystem((tx) => countTry(tx, '7', 60));
  assert.equal(tried.tries, 2);
});
