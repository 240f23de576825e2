/** The audit log is only added to, and whoever changes it past us is found. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newWorkspace, type SignedInMember, signedInMember } from '../../test/support/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newId } from '../kernel/ids.ts';
import { Sql, sql } from '../kernel/sql.ts';
import { type AuditHead, type AuditVerdict, audit, listAudit, verifyAuditLog } from './audit.ts';
import { operator } from './principal.ts';

const ENTRIES = 12;
const REFUSED = { code: '42501', message: /the audit log is only added to/ };

let db: TestDatabase;
let workspaceId: string;
let otherId: string;
let owner: SignedInMember;

before(async () => {
  db = await createTestDatabase();
  workspaceId = await newWorkspace(db.database);
  otherId = await newWorkspace(db.database);
  owner = await signedInMember(db.database, workspaceId, 'owner');
  await signedInMember(db.database, otherId, 'owner');
  for (let n = 2; n <= ENTRIES; n += 1) await write(n);
});
after(() => db.drop());

function write(n: number): Promise<void> {
  return db.database.withWorkspace(workspaceId, (tx) =>
    audit(tx, owner.principal, {
      action: 'list.renamed',
      subject: `list/${n}`,
      before: { name: `old ${n}`, size: n },
      after: { name: `new ${n}`, size: n },
      address: '192.0.2.1',
    }),
  );
}

async function intactHead(id = workspaceId): Promise<AuditHead> {
  const verdict = await verifyAuditLog(db.database, id);
  assert.equal(verdict.kind, 'intact', JSON.stringify(verdict));
  return (verdict as AuditVerdict & { kind: 'intact' }).head;
}

test('what was done is told newest first, a page at a time', async () => {
  const [newest, ...others] = await listAudit(db.database, workspaceId, { limit: 3 });
  const { at, ...rest } = newest ?? assert.fail();
  assert.match(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.deepEqual(rest, {
    workspaceId,
    position: ENTRIES,
    actorKind: 'session',
    actorId: owner.principal.id,
    personId: owner.principal.personId,
    action: 'list.renamed',
    subject: `list/${ENTRIES}`,
    before: `{"name":"old ${ENTRIES}","size":${ENTRIES}}`,
    after: `{"name":"new ${ENTRIES}","size":${ENTRIES}}`,
    address: '192.0.2.1',
  });
  assert.deepEqual(
    others.map(({ position }) => position),
    [ENTRIES - 1, ENTRIES - 2],
  );
  const last = await listAudit(db.database, workspaceId, { before: 3, limit: 10 });
  assert.deepEqual(
    last.map(({ position }) => position),
    [2, 1],
  );
});

test('an entry is there if and only if what it tells was done', async () => {
  const { entries } = await intactHead();
  const undone = db.database.withWorkspace(workspaceId, async (tx) => {
    await audit(tx, operator(workspaceId), { action: 'list.deleted', subject: 'list/1' });
    throw new Error('a mistake');
  });
  await assert.rejects(undone, /a mistake/);
  assert.equal((await intactHead()).entries, entries);
});

test('entries that are written at once stand one after another, in the order of their times', async () => {
  const busy = await newWorkspace(db.database);
  const actor = operator(busy);
  const writing = Array.from({ length: 40 }, (_, n) =>
    db.database.withWorkspace(busy, (tx) => audit(tx, actor, { action: 'a.b', subject: `n/${n}` })),
  );
  await Promise.all(writing);
  assert.equal((await intactHead(busy)).entries, 40);
  const times = (await listAudit(db.database, busy, { limit: 40 })).map(({ at }) => at);
  assert.deepEqual(times, times.toSorted().reverse());
});

test('a log of several pages is verified to its end, and one that is empty is intact', async () => {
  const long = await newWorkspace(db.database);
  assert.deepEqual(await intactHead(long), { entries: 0, hash: '' });
  await db.database.withWorkspace(long, async (tx) => {
    for (let n = 0; n < 1_001; n += 1)
      await audit(tx, operator(long), { action: 'a.b', subject: `n/${n}`, after: '😀 \u0000' });
  });
  assert.equal((await intactHead(long)).entries, 1_001);
});

test('nobody changes or deletes an entry, the owner of the database neither', async () => {
  const asWorkspace = (statement: Sql) => db.database.withWorkspace(workspaceId, (tx) => tx.query(statement));
  await assert.rejects(asWorkspace(sql`UPDATE audit_entry SET action = 'x'`), REFUSED);
  await assert.rejects(asWorkspace(sql`DELETE FROM audit_entry`), REFUSED);
  await assert.rejects(
    db.database.withOwner((tx) => tx.query(sql`TRUNCATE audit_entry`)),
    REFUSED,
  );
});

/** Each is one edit, by somebody who owns the database and has turned off what refuses it. `$1` is the workspace. */
const EDITS: Record<string, string> = {
  'another workspace': `UPDATE audit_entry SET workspace_id = $2 WHERE workspace_id = $1 AND position = 5`,
  'another time': `UPDATE audit_entry SET at = at + interval '1 h' WHERE workspace_id = $1 AND position = 5`,
  'a microsecond': `UPDATE audit_entry SET at = at + interval '1 us' WHERE workspace_id = $1 AND position = 5`,
  'another kind of actor': `UPDATE audit_entry SET actor_kind = 'key' WHERE workspace_id = $1 AND position = 5`,
  'another actor': `UPDATE audit_entry SET actor_id = 'x' WHERE workspace_id = $1 AND position = 5`,
  'another person': `UPDATE audit_entry SET person_id = gen_random_uuid() WHERE workspace_id = $1 AND position = 5`,
  'no person': `UPDATE audit_entry SET person_id = NULL WHERE workspace_id = $1 AND position = 5`,
  'another action': `UPDATE audit_entry SET action = 'list.created' WHERE workspace_id = $1 AND position = 5`,
  'another subject': `UPDATE audit_entry SET subject = 'list/6' WHERE workspace_id = $1 AND position = 5`,
  'a space': `UPDATE audit_entry SET subject = subject || ' ' WHERE workspace_id = $1 AND position = 5`,
  'another before': `UPDATE audit_entry SET before = replace(before, 'old', 'new') WHERE workspace_id = $1 AND position = 5`,
  'the same before, written another way': `UPDATE audit_entry SET before = before::jsonb::text WHERE workspace_id = $1 AND position = 5`,
  'no before': `UPDATE audit_entry SET before = NULL WHERE workspace_id = $1 AND position = 5`,
  'null for nothing': `UPDATE audit_entry SET before = 'null' WHERE workspace_id = $1 AND position = 1`,
  'another after': `UPDATE audit_entry SET after = replace(after, 'new', 'old') WHERE workspace_id = $1 AND position = 5`,
  'no after': `UPDATE audit_entry SET after = NULL WHERE workspace_id = $1 AND position = 5`,
  'before and after exchanged': `UPDATE audit_entry SET before = after, after = before WHERE workspace_id = $1 AND position = 5`,
  'another address': `UPDATE audit_entry SET address = '192.0.2.2' WHERE workspace_id = $1 AND position = 5`,
  'no address': `UPDATE audit_entry SET address = NULL WHERE workspace_id = $1 AND position = 5`,
  'an address that was not there': `UPDATE audit_entry SET address = '192.0.2.1' WHERE workspace_id = $1 AND position = 1`,
  'text moved to the next field': `UPDATE audit_entry SET action = 'list.renamedlist', subject = '/5' WHERE workspace_id = $1 AND position = 5`,
  'another hash': `UPDATE audit_entry SET hash = sha256('x') WHERE workspace_id = $1 AND position = 5`,
  'no hash': `UPDATE audit_entry SET hash = '' WHERE workspace_id = $1 AND position = 5`,
  'a bit of a hash': `UPDATE audit_entry SET hash = set_bit(hash, 0, 1 - get_bit(hash, 0)) WHERE workspace_id = $1 AND position = 5`,
  'the hash of the one before': `UPDATE audit_entry SET hash = (SELECT hash FROM audit_entry WHERE workspace_id = $1 AND position = 4)
    WHERE workspace_id = $1 AND position = 5`,
  'the first one gone': `DELETE FROM audit_entry WHERE workspace_id = $1 AND position = 1`,
  'one in the middle gone': `DELETE FROM audit_entry WHERE workspace_id = $1 AND position = 5`,
  'one gone, and the gap closed': `WITH gone AS (DELETE FROM audit_entry WHERE workspace_id = $1 AND position = 12)
    UPDATE workspace SET audit_entries = 11 WHERE workspace_id = $1`,
  'the last one gone': `DELETE FROM audit_entry WHERE workspace_id = $1 AND position = 12`,
  'the last five gone': `DELETE FROM audit_entry WHERE workspace_id = $1 AND position > 7`,
  'all gone': `DELETE FROM audit_entry WHERE workspace_id = $1`,
  'all gone, and the number too': `WITH gone AS (DELETE FROM audit_entry WHERE workspace_id = $1)
    UPDATE workspace SET audit_entries = 0 WHERE workspace_id = $1`,
  'two exchanged': `UPDATE audit_entry SET position = CASE position WHEN 5 THEN -6 ELSE -5 END WHERE workspace_id = $1 AND position IN (5, 6);
    UPDATE audit_entry SET position = -position WHERE workspace_id = $1 AND position < 0`,
  'one moved to the end': `UPDATE audit_entry SET position = 13 WHERE workspace_id = $1 AND position = 5`,
  'all moved down': `UPDATE audit_entry SET position = position + 100 WHERE workspace_id = $1`,
  'one made up at the end': `INSERT INTO audit_entry SELECT workspace_id, 13, at, actor_kind, actor_id, person_id, action, subject,
    before, after, address, sha256('x') FROM audit_entry WHERE workspace_id = $1 AND position = 12`,
  'one made up at the end, and counted': `INSERT INTO audit_entry SELECT workspace_id, 13, at, actor_kind, actor_id, person_id, action,
    subject, before, after, address, hash FROM audit_entry WHERE workspace_id = $1 AND position = 12;
    UPDATE workspace SET audit_entries = 13 WHERE workspace_id = $1`,
  'one made up before the first': `INSERT INTO audit_entry SELECT workspace_id, 0, at, actor_kind, actor_id, person_id, action, subject,
    before, after, address, hash FROM audit_entry WHERE workspace_id = $1 AND position = 1`,
  'one of another workspace in place of ours': `UPDATE audit_entry SET (actor_id, person_id, subject, hash) =
    (SELECT actor_id, person_id, subject, hash FROM audit_entry WHERE workspace_id = $2 AND position = 1)
    WHERE workspace_id = $1 AND position = 1`,
  'the number': `UPDATE workspace SET audit_entries = 11 WHERE workspace_id = $1`,
  'the last hash': `UPDATE workspace SET audit_hash = sha256('x') WHERE workspace_id = $1`,
};

/** Where it is, and what. */
const SAID: Record<string, { position: number; reason: string }> = {
  'another subject': { position: 5, reason: 'the entry is not what was written' },
  'one in the middle gone': { position: 5, reason: 'an entry is missing' },
  'the last five gone': { position: 8, reason: 'the end of the log is missing' },
};

test(`${Object.keys(EDITS).length} kinds of tampering are found, each`, async () => {
  await db.database.withOwner(async (tx) => {
    for (const statement of [
      'ALTER TABLE audit_entry NO FORCE ROW LEVEL SECURITY, DISABLE TRIGGER USER',
      'ALTER TABLE workspace NO FORCE ROW LEVEL SECURITY',
      'CREATE TABLE kept_entry AS SELECT * FROM audit_entry',
      'CREATE TABLE kept_workspace AS SELECT * FROM workspace',
    ])
      await tx.query(new Sql(statement, []));
  });
  const missed: string[] = [];
  for (const [name, edit] of Object.entries(EDITS)) {
    await tamper(edit);
    const verdict = await verifyAuditLog(db.database, workspaceId);
    if (verdict.kind === 'intact') missed.push(name);
    const said = SAID[name];
    if (said !== undefined) assert.deepEqual(verdict, { kind: 'tampered', ...said }, name);
    await restore();
    await intactHead();
  }
  assert.deepEqual(missed, []);
});

async function tamper(edit: string): Promise<void> {
  await db.database.withOwner(async (tx) => {
    for (const part of edit.split(';')) {
      const text = part.replaceAll('$1', `'${workspaceId}'`).replaceAll('$2', `'${otherId}'`);
      const changed = await tx.client.query(text);
      assert.notEqual(changed.rowCount, 0, part);
    }
  });
}

async function restore(): Promise<void> {
  await db.database.withOwner(async (tx) => {
    await tx.query(sql`DELETE FROM audit_entry`);
    await tx.query(sql`INSERT INTO audit_entry SELECT * FROM kept_entry`);
    await tx.query(sql`UPDATE workspace w SET audit_entries = k.audit_entries, audit_hash = k.audit_hash
      FROM kept_workspace k WHERE k.workspace_id = w.workspace_id`);
  });
}

test('who computes the whole chain anew is found by a head that was noted elsewhere', async () => {
  const noted = await intactHead();
  await write(ENTRIES + 1);
  assert.equal((await verifyAuditLog(db.database, workspaceId, noted)).kind, 'intact');

  const forged = await newWorkspace(db.database);
  for (let n = 1; n <= ENTRIES + 1; n += 1)
    await db.database.withWorkspace(forged, (tx) =>
      audit(tx, operator(forged), { action: 'nothing.happened', subject: newId() }),
    );
  assert.equal((await verifyAuditLog(db.database, forged)).kind, 'intact');
  assert.deepEqual(await verifyAuditLog(db.database, forged, noted), {
    kind: 'tampered',
    position: ENTRIES,
    reason: 'the log is not the one that was noted',
  });
  const shorter = await newWorkspace(db.database);
  assert.deepEqual(await verifyAuditLog(db.database, shorter, noted), {
    kind: 'tampered',
    position: 1,
    reason: 'the end of the log is missing',
  });
});
