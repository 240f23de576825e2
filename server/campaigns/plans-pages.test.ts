/** What a page shows is read by an index, however much was sent: no statement of a page reads a message. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import type { Tx } from '../kernel/database.ts';
import { DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { countsOfAll, dayCounts } from '../stats/queries.ts';
import { campaignPage, campaignPageOfState } from './queries.ts';
import { findBreakdown, latestReplies } from './queries-breakdown.ts';
import { templatePage } from './queries-templates.ts';
import { statusOf } from './status.ts';

const CAMPAIGNS = 5_000;
const REFUSALS = 50_000;
const DAYS = 400;

let db: TestDatabase;
let campaignIds: string[];

before(async () => {
  db = await createTestDatabase();
  await db.database.withWorkspace(workspaceId, async (tx) => {
    await tx.query(sql`
      INSERT INTO campaign (workspace_id, id, name, state, list_ids, from_email, template_name, template_body)
      SELECT ${workspaceId}, uuidv7(n * interval '1 s'), n, CASE WHEN n % 1000 = 0 THEN 'draft' ELSE 'finished' END, '{}',
        'news@camp.example', 'x.txt', repeat('x', 200)
      FROM generate_series(1 - ${CAMPAIGNS}::int, 0) n`);
    await tx.query(sql`
      INSERT INTO campaign_count (workspace_id, campaign_id, state, shard, n)
      SELECT workspace_id, id, state_name, shard, 10 FROM campaign,
        unnest(ARRAY['accepted', 'bounced', 'deferred', 'rejected', 'suppressed']) state_name, generate_series(1, 2) shard`);
    await tx.query(sql`
      INSERT INTO day_count (workspace_id, day, state, shard, n)
      SELECT ${workspaceId}, current_date - day, state_name, shard, 5 FROM generate_series(0, ${DAYS}::int - 1) day,
        unnest(ARRAY['accepted', 'bounced', 'complained', 'rejected', 'suppressed']) state_name,
        generate_series(0, 63) shard`);
    await tx.query(sql`
      INSERT INTO template (workspace_id, id, name, source)
      SELECT ${workspaceId}, uuidv7(n * interval '1 s'), n, repeat('x', 100) FROM generate_series(1 - ${CAMPAIGNS}::int, 0) n`);
    const rows = await tx.query<{ id: string }>(sql`SELECT id FROM campaign ORDER BY id DESC LIMIT 51`);
    campaignIds = rows.map(({ id }) => id);
    await tx.query(sql`
      INSERT INTO event (workspace_id, campaign_id, contact_id, kind, attempt, phase, detail)
      SELECT ${workspaceId}, (${campaignIds}::uuid[])[1 + n % 2], gen_random_uuid(),
        CASE WHEN n % 4 = 0 THEN 'accepted' ELSE 'rejected' END, 1, CASE WHEN n % 4 > 0 THEN 'RCPT' END, '550 no'
      FROM generate_series(1, ${REFUSALS}::int) n`);
  });
  await db.database.withOwner((tx) =>
    tx.query(sql`ANALYZE campaign, campaign_count, day_count, template, event`),
  );
});
after(() => db.drop());

async function planOf(work: (tx: Tx) => Promise<unknown>): Promise<string> {
  const plans = await db.database.withWorkspace(workspaceId, (tx) => explained(tx, work));
  return plans.join('\n');
}

function assertByIndex(plan: string, index: RegExp): void {
  assert.match(plan, index, plan);
  assert.doesNotMatch(plan, /Seq Scan|Sort/, plan);
}

test('a page of campaigns is a range of an index, wherever it stands and of whatever state', async () => {
  const after = campaignIds.at(-1) ?? '';
  assertByIndex(
    await planOf((tx) => campaignPage(tx, workspaceId, after, 51)),
    /Index Scan Backward using campaign_pkey/,
  );
  assertByIndex(
    await planOf((tx) => campaignPageOfState(tx, workspaceId, 'draft', after, 51)),
    /Index Scan Backward using campaign_of_state/,
  );
});

test('a page of templates is a range of its key', async () => {
  assertByIndex(
    await planOf((tx) => templatePage(tx, workspaceId, null, 51)),
    /Index Scan Backward using template_pkey/,
  );
});

test('the latest of a great many refusals are found from their end', async () => {
  const of = { workspaceId, campaignId: campaignIds[0] ?? '' };
  const plan = await planOf((tx) => latestReplies(tx, of, 20));
  assert.match(plan, /Index Scan Backward using event_\d+_\d+_workspace_id_campaign_id_at_idx/, plan);
  assert.doesNotMatch(plan, /Seq Scan|Sort/, plan);
  assertByIndex(await planOf((tx) => findBreakdown(tx, of)), /campaign_breakdown_pkey/);
});

test('the counters of fifty campaigns are ranges of their key, and those of days are one', async () => {
  const plan = await planOf((tx) => countsOfAll(tx, workspaceId, campaignIds));
  assert.match(plan, /campaign_count_pkey/, plan);
  assert.doesNotMatch(plan, /Seq Scan on campaign_count/, plan);
  const month = await planOf((tx) => dayCounts(tx, workspaceId, '2020-01-01', '2020-01-30'));
  assert.match(month, /day_count_pkey/, month);
  assert.doesNotMatch(month, /Seq Scan on day_count/, month);
});

test('a status reads no message', async () => {
  const campaignId = campaignIds[0] ?? '';
  const statements: string[] = [];
  await db.database.withWorkspace(workspaceId, (tx) =>
    statusOf(
      {
        ...tx,
        query(statement) {
          statements.push(statement.text);
          return tx.query(statement);
        },
      },
      { workspaceId, campaignId },
    ),
  );
  assert.ok(statements.length > 5);
  for (const text of statements) assert.doesNotMatch(text, /FROM message\b/);
});
