/** What a campaign's plan makes of its audience: stages, and messages that are due at the recipient's own time. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { insertTimezones } from '../campaigns/queries-rollout.ts';
import type { Tx } from '../kernel/database.ts';
import { newId, DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { ensureLane } from '../kernel/queries.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import { freezeChunk } from './freeze.ts';
import { findOrCreateList } from './lists.ts';

const PEOPLE = 4_000;

let db: TestDatabase;
let listId: string;
const inWorkspace = <T>(work: (tx: Tx) => Promise<T>) => db.database.withWorkspace(workspaceId, work);

before(async () => {
  db = await createTestDatabase();
  listId = await inWorkspace((tx) => findOrCreateList(tx, workspaceId, 'people'));
  await subscribe('person', PEOPLE);
});
after(() => db.drop());

function subscribe(name: string, people: number, attributes: Sql = sql`'{}'::jsonb`, list = listId) {
  return inWorkspace((tx) =>
    tx.query(sql`
      WITH person AS (
        INSERT INTO contact (workspace_id, id, email, attributes)
        SELECT ${workspaceId}, gen_random_uuid(), ${name} || n || '@acme.example', ${attributes}
        FROM generate_series(1, ${people}::int) n RETURNING id)
      INSERT INTO subscription (workspace_id, list_id, contact_id, status)
      SELECT ${workspaceId}, ${list}, id, 'subscribed' FROM person`),
  );
}

async function makeCampaign(list: string, plan: Sql): Promise<string> {
  const id = newId();
  await inWorkspace(async (tx) => {
    await tx.query(sql`
      INSERT INTO campaign (workspace_id, id, name, list_ids, from_email, template_name, template_body)
      VALUES (${workspaceId}, ${id}, 'test', ${[list]}, 'us@acme.example', 'test', 'Hello')`);
    await tx.query(sql`UPDATE campaign SET ${plan} WHERE id = ${id}`);
    await ensureLane(tx, { workspaceId, queue: 'message', key: id, number: 0, open: false, dueInMs: 0 });
  });
  return id;
}

async function freezeStage(campaignId: string, stage: number): Promise<number> {
  await inWorkspace((tx) =>
    tx.query(sql`UPDATE campaign SET stage = ${stage}, frozen_list_count = 0,
      frozen_contact_id = '00000000-0000-0000-0000-000000000000' WHERE id = ${campaignId}`),
  );
  let frozen = 0;
  for (let done = false; !done; ) {
    const chunk = await inWorkspace((tx) => freezeChunk(tx, workspaceId, campaignId, 1_000));
    frozen += chunk.frozen;
    done = chunk.done;
  }
  return frozen;
}

async function contactsOf(campaignId: string): Promise<Set<string>> {
  const rows = await inWorkspace((tx) =>
    tx.query<{ id: string }>(sql`SELECT contact_id AS id FROM message WHERE campaign_id = ${campaignId}`),
  );
  return new Set(rows.map(({ id }) => id));
}

async function stateOf(campaignId: string) {
  const [row] = await inWorkspace((tx) =>
    tx.query<{ audience: number; isFrozen: boolean }>(sql`
      SELECT audience::float8, frozen_at IS NOT NULL AS "isFrozen" FROM campaign WHERE id = ${campaignId}`),
  );
  return row;
}

/** Five standard deviations of a fair draw. */
function assertShare(frozen: number, share: number): void {
  const spread = 5 * Math.sqrt(PEOPLE * share * (1 - share));
  assert.ok(Math.abs(frozen - PEOPLE * share) <= spread, `${frozen} of ${PEOPLE} is not about ${share}`);
}

test('a stage takes in its share of the audience, the last one everybody who is left, and nobody twice', async () => {
  const campaignId = await makeCampaign(listId, sql`stages = '{10,50,100}'`);
  const first = await freezeStage(campaignId, 0);
  assertShare(first, 0.1);
  assert.deepEqual(await stateOf(campaignId), { audience: first, isFrozen: false });
  const early = await contactsOf(campaignId);
  const second = await freezeStage(campaignId, 1);
  assertShare(first + second, 0.5);
  assert.ok(early.isSubsetOf(await contactsOf(campaignId)));
  assert.equal(first + second + (await freezeStage(campaignId, 2)), PEOPLE);
  assert.deepEqual(await stateOf(campaignId), { audience: PEOPLE, isFrozen: true });
});

test('other people are the first ones in another campaign', async () => {
  const one = await makeCampaign(listId, sql`stages = '{10,100}'`);
  const other = await makeCampaign(listId, sql`stages = '{10,100}'`);
  await freezeStage(one, 0);
  await freezeStage(other, 0);
  const both = (await contactsOf(one)).intersection(await contactsOf(other));
  assert.ok(both.size < PEOPLE * 0.03, `${both.size} people are in both first stages`);
});

test('who comes onto the list between two stages is in the next one', async () => {
  const list = await inWorkspace((tx) => findOrCreateList(tx, workspaceId, 'growing'));
  const campaignId = await makeCampaign(list, sql`stages = '{50,100}'`);
  await subscribe('early', 20, undefined, list);
  const first = await freezeStage(campaignId, 0);
  await subscribe('late', 20, undefined, list);
  assert.equal(first + (await freezeStage(campaignId, 1)), 40);
});

/** When the messages of contacts with these timezones are due. */
async function dueAt(localAt: string, timezone: string, ...zones: (string | null)[]): Promise<string[]> {
  const list = await inWorkspace((tx) => findOrCreateList(tx, workspaceId, `zones ${newId()}`));
  await subscribe(
    `${newId()}-`,
    zones.length,
    sql`jsonb_build_object('timezone', (${zones}::text[])[n])`,
    list,
  );
  const campaignId = await makeCampaign(list, sql`local_at = ${localAt}::timestamp, timezone = ${timezone}`);
  await inWorkspace((tx) => insertTimezones(tx, { workspaceId, campaignId }));
  await freezeStage(campaignId, 0);
  const rows = await inWorkspace((tx) =>
    tx.query<{ due_at: Date }>(sql`
      SELECT due_at FROM message m JOIN contact c ON c.id = m.contact_id
      WHERE campaign_id = ${campaignId} ORDER BY c.email`),
  );
  return rows.map((row) => row.due_at.toISOString().slice(0, 16));
}

test('a message is due when it is that time where its recipient is', async () => {
  assert.deepEqual(
    await dueAt('2026-12-01T09:00', 'Europe/Berlin', 'Asia/Tokyo', 'America/New_York', 'UTC'),
    ['2026-12-01T00:00', '2026-12-01T14:00', '2026-12-01T09:00'],
  );
});

test('who has no timezone, or one that is none, gets it when the campaign’s own has that time', async () => {
  const berlin = '2026-12-01T08:00';
  assert.deepEqual(
    await dueAt(
      '2026-12-01T09:00',
      'Europe/Berlin',
      null,
      '',
      'Nowhere/Land',
      "'; DROP TABLE contact",
      '+05:00',
    ),
    [berlin, berlin, berlin, berlin, berlin],
  );
});

test('a name is found however it is written, also an old one', async () => {
  const kolkata = '2026-12-01T03:30';
  assert.deepEqual(await dueAt('2026-12-01T09:00', 'UTC', ' asia/kolkata ', 'Asia/Calcutta'), [
    kolkata,
    kolkata,
  ]);
});

test('where the clocks change, Postgres and the windows of a campaign mean the same moment', async () => {
  const zones = ['Europe/Berlin', 'Europe/Dublin', 'America/New_York', 'Australia/Lord_Howe'];
  for (const local of [
    '2026-03-29T02:30',
    '2026-10-25T02:30',
    '2026-03-29T01:30',
    '2026-03-08T02:30',
    '2026-11-01T01:30',
    '2026-10-04T02:15',
    '2026-04-05T01:45',
  ]) {
    const expected = zones.map((zone) =>
      Temporal.PlainDateTime.from(local)
        .toZonedDateTime(zone, { disambiguation: 'later' })
        .toInstant()
        .toString()
        .slice(0, 16),
    );
    assert.deepEqual(await dueAt(local, 'UTC', ...zones), expected, local);
  }
});
