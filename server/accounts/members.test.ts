/** Members and invitations: how somebody gets in, what they may change, and that an owner always stays. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newWorkspace, type SignedInMember, signedInMember } from '../../test/support/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { listAudit, verifyAuditLog } from './audit.ts';
import { changeRole, disableMember, enableMember, listMembers } from './members.ts';
import { ROLES, type Role } from './roles.ts';

let db: TestDatabase;
let workspaceId: string;
let owner: SignedInMember;

before(async () => {
  db = await createTestDatabase();
  workspaceId = await newWorkspace(db.database);
  owner = await signedInMember(db.database, workspaceId, 'owner', { email: 'owner@example.com' });
});
after(() => db.drop());

async function memberOf(personId: string) {
  const member = (await listMembers(db.database, workspaceId)).find((row) => row.personId === personId);
  assert.ok(member);
  return member;
}

test('members are listed with their addresses, and those of other workspaces are not', async () => {
  const other = await newWorkspace(db.database);
  await signedInMember(db.database, other, 'owner', { email: 'stranger@example.com' });
  const members = await listMembers(db.database, workspaceId);
  assert.deepEqual(
    members.map(({ email, role, name }) => ({ email, role, name })),
    [{ email: 'owner@example.com', role: 'owner', name: 'Ada' }],
  );
});

test('a workspace sees nothing of people who are not its members, and no password of those who are', async () => {
  const other = await newWorkspace(db.database);
  await signedInMember(db.database, other, 'owner');
  const seen = await db.database.withWorkspace(other, (tx) =>
    tx.query<{ id: string }>(sql`SELECT id FROM person`),
  );
  assert.equal(seen.length, 1);
  const reading = db.database.withWorkspace(other, (tx) => tx.query(sql`SELECT password_hash FROM person`));
  await assert.rejects(reading, { code: '42501' });
  const changing = db.database.withWorkspace(other, (tx) => tx.query(sql`UPDATE person SET name = 'x'`));
  await assert.rejects(changing, { code: '42501' });
  const adding = db.database.withWorkspace(other, (tx) =>
    tx.query(sql`INSERT INTO person (id, email, name) VALUES (${newId()}, 'x@example.com', 'x')`),
  );
  await assert.rejects(adding, { code: '42501' }, 'somebody who is not a member');
});

/** Who may give whom another role: nobody gives or takes away what they do not have. */
const MAY_CHANGE: Record<Role, readonly Role[]> = {
  owner: ROLES,
  admin: ['admin', 'marketer', 'analyst'],
  marketer: ['marketer', 'analyst'],
  analyst: ['analyst'],
  billing: ['billing'],
};

test('each role changes only members, and only to roles, that may do no more than itself', async () => {
  const wrong: string[] = [];
  for (const by of ROLES) {
    const actor = await signedInMember(db.database, workspaceId, by);
    for (const from of ROLES)
      for (const to of ROLES) {
        const { principal } = await signedInMember(db.database, workspaceId, from);
        const change = { personId: principal.personId, role: to };
        const outcome = await changeRole(db.database, actor.principal, change, {}).then(
          () => 'changed',
          ({ code }) => code,
        );
        const may = MAY_CHANGE[by].includes(from) && MAY_CHANGE[by].includes(to);
        const { role } = await memberOf(principal.personId);
        if (outcome !== (may ? 'changed' : 'not-allowed') || role !== (may ? to : from))
          wrong.push(`${by} makes ${from} ${to}: ${outcome}`);
      }
  }
  assert.deepEqual(wrong, []);
});

test('an admin disables and enables marketers, and neither an owner nor who pays', async () => {
  const admin = await signedInMember(db.database, workspaceId, 'admin');
  const marketer = await signedInMember(db.database, workspaceId, 'marketer');
  const billing = await signedInMember(db.database, workspaceId, 'billing');
  const { personId } = marketer.principal;
  await disableMember(db.database, admin.principal, personId, { address: '192.0.2.1' });
  assert.ok((await memberOf(personId)).disabledAt);
  const [entry] = await listAudit(db.database, workspaceId, { limit: 1 });
  assert.deepEqual(
    [entry?.action, entry?.subject, entry?.personId, entry?.address],
    ['member.disabled', `person/${personId}`, admin.principal.personId, '192.0.2.1'],
  );
  await enableMember(db.database, admin.principal, personId, {});
  assert.equal((await memberOf(personId)).disabledAt, null);
  for (const { principal } of [owner, billing]) {
    const disabling = disableMember(db.database, admin.principal, principal.personId, {});
    await assert.rejects(disabling, { code: 'not-allowed' });
    assert.equal((await memberOf(principal.personId)).disabledAt, null);
  }
});

test('a member of another workspace is nobody here', async () => {
  const other = await newWorkspace(db.database);
  const { principal } = await signedInMember(db.database, other, 'analyst');
  const refused = { code: 'not-found' };
  const change = { personId: principal.personId, role: 'admin' } as const;
  await assert.rejects(changeRole(db.database, owner.principal, change, {}), refused);
  await assert.rejects(disableMember(db.database, owner.principal, principal.personId, {}), refused);
  await assert.rejects(enableMember(db.database, owner.principal, newId(), {}), refused);
});

test('the last owner stays, and one who is disabled does not count', async () => {
  const alone = await newWorkspace(db.database);
  const [first, second] = [
    await signedInMember(db.database, alone, 'owner'),
    await signedInMember(db.database, alone, 'owner'),
  ];
  await disableMember(db.database, first.principal, second.principal.personId, {});
  const refused = { code: 'last-owner' };
  const { personId } = first.principal;
  await assert.rejects(disableMember(db.database, first.principal, personId, {}), refused);
  for (const role of ROLES.filter((candidate) => candidate !== 'owner'))
    await assert.rejects(changeRole(db.database, first.principal, { personId, role }, {}), refused);
  await changeRole(db.database, first.principal, { personId, role: 'owner' }, {});
  await enableMember(db.database, first.principal, second.principal.personId, {});
  await changeRole(db.database, first.principal, { personId, role: 'analyst' }, {});
});

test('of owners who all go at once, one stays', async () => {
  for (let round = 0; round < 5; round += 1) {
    const crowd = await newWorkspace(db.database);
    const owners: SignedInMember[] = [];
    for (let n = 0; n < 6; n += 1) owners.push(await signedInMember(db.database, crowd, 'owner'));
    const going = owners.map(({ principal }) =>
      disableMember(db.database, principal, principal.personId, {}),
    );
    const outcomes = await Promise.allSettled(going);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 5);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'last-owner');
    const left = (await listMembers(db.database, crowd)).filter(({ disabledAt }) => disabledAt === null);
    assert.equal(left.length, 1);
    assert.equal((await verifyAuditLog(db.database, crowd)).kind, 'intact');
  }
});
