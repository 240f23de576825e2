/** The audit log as a whole: exported, and held against its chain. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';

const KEYS = 1_005;

let web: TestWeb;
let key: TestKey;

before(async () => {
  web = await TestWeb.start();
  key = await web.newKey();
});

after(async () => {
  await web.stop();
  assert.deepEqual(openScopeNames(), []);
});

interface Entry {
  position: number;
  at: string;
  actor: { kind: string; id: string; person_id: string | null };
  action: string;
  subject: string;
  before: unknown;
  after: unknown;
  address: string | null;
  hash: string;
}

/** As the description of the endpoint says it. */
function hashOf(workspaceId: string, entry: Entry, previous: string): string {
  const { position, at, actor, action, subject, before: was, after: is, address } = entry;
  const [wasText, isText] = [was, is].map((value) => (value === null ? null : JSON.stringify(value)));
  const who = [actor.kind, actor.id, actor.person_id];
  const fields = [workspaceId, position, at, ...who, action, subject, wasText, isText, address];
  return createHash('sha256').update(previous, 'hex').update(JSON.stringify(fields)).digest('hex');
}

async function lines(as: TestKey): Promise<Entry[]> {
  const { status, headers, bytes } = await web.ask('GET /v1/audit/export', { key: as });
  assert.deepEqual([status, headers.get('content-type')], [200, 'application/x-ndjson']);
  assert.equal(headers.get('cache-control'), 'no-store');
  return bytes
    .toString()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

test('the export has every entry of the workspace, in order, with a hash that anybody can compute', async () => {
  const other = await web.newKey();
  for (const name of ['a', 'b']) await web.ask('POST /v1/keys', { key, body: { name, role: 'analyst' } });
  const entries = await lines(key);
  assert.deepEqual(
    entries.map(({ position, action }) => [position, action]),
    [
      [1, 'key.created'],
      [2, 'key.created'],
      [3, 'key.created'],
    ],
  );
  let previous = '';
  for (const entry of entries) {
    assert.equal(entry.hash, hashOf(key.workspaceId, entry, previous));
    previous = entry.hash;
  }
  const { json } = await web.ask('GET /v1/audit/verification', { key });
  assert.deepEqual([json.is_intact, json.entries, json.head], [true, 3, `3:${entries[2]?.hash}`]);
  assert.equal((await lines(other)).length, 1);
});

test('a log of more than a page is exported whole', async () => {
  const long = await web.newKey();
  await web.db.database.withWorkspace(long.workspaceId, (tx) =>
    tx.query(sql`INSERT INTO audit_entry (workspace_id, position, at, actor_kind, actor_id, action, subject, hash)
      SELECT ${long.workspaceId}, n, now(), 'key', 'a', 'a.b', 'c', ''
      FROM generate_series(2, ${KEYS}::int) n`),
  );
  const positions = (await lines(long)).map(({ position }) => position);
  assert.deepEqual(
    positions,
    Array.from({ length: KEYS }, (_, index) => index + 1),
  );
});

test('whoever changes the log past Camp is found, also by a head that was noted', async () => {
  const victim = await web.newKey();
  const verify = (noted?: string) =>
    web.ask(`GET /v1/audit/verification${noted === undefined ? '' : `?noted=${noted}`}`, { key: victim });
  const { head } = (await verify()).json;
  assert.equal((await verify(head)).json.is_intact, true);
  const elsewhere = `1:${createHash('sha256').update('x').digest('hex')}`;
  const replaced = await verify(elsewhere);
  assert.deepEqual([replaced.json.is_intact, replaced.json.position], [false, 1]);
  assert.equal((await verify('x')).status, 400);
  await web.db.database.withOwner(async (tx) => {
    await tx.query(sql`ALTER TABLE audit_entry DISABLE TRIGGER only_added_to`);
    await tx.query(sql`ALTER TABLE audit_entry NO FORCE ROW LEVEL SECURITY`);
    await tx.query(
      sql`UPDATE audit_entry SET subject = 'key/other' WHERE workspace_id = ${victim.workspaceId} AND position = 1`,
    );
    await tx.query(sql`ALTER TABLE audit_entry ENABLE TRIGGER only_added_to`);
    await tx.query(sql`ALTER TABLE audit_entry FORCE ROW LEVEL SECURITY`);
  });
  const { json } = await verify();
  assert.deepEqual(
    [json.is_intact, json.position, json.reason, json.head],
    [false, 1, 'the entry is not what was written', null],
  );
});
