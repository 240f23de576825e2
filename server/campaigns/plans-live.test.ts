/** A look of a live stream costs the same however much was sent before. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { liveCampaign, liveCampaigns, liveQueue } from './queries-live.ts';

const CAMPAIGNS = 20_000;

let db: TestDatabase;
const workspaceId = newId();

before(async () => {
  db = await createTestDatabase();
  await db.database.withWorkspace(workspaceId, async (tx) => {
    await tx.query(sql`
      INSERT INTO campaign (workspace_id, id, name, list_ids, from_email, template_name, template_body, give_up_seconds, state)
      SELECT ${workspaceId}, gen_random_uuid(), 'c' || n, '{}', 'a@b.example', 'a.txt', 'Hi', 60,
        CASE WHEN n % 1000 = 0 THEN 'sending' ELSE 'finished' END FROM generate_series(1, ${CAMPAIGNS}::int) n`);
    await tx.query(sql`
      INSERT INTO campaign_count (workspace_id, campaign_id, state, shard, n)
      SELECT workspace_id, id, of_state, shard, 5
      FROM campaign, unnest('{queued,accepted,rejected}'::text[]) of_state, generate_series(0, 1) shard`);
  });
  await db.database.withOwner((tx) => tx.query(sql`ANALYZE campaign, campaign_count`));
});
after(() => db.drop());

async function planOf(work: (spy: Tx) => Promise<unknown>): Promise<string> {
  const [plan = ''] = await db.database.withWorkspace(workspaceId, (tx) => explained(tx, work));
  assert.doesNotMatch(plan, /Seq Scan on campaign/, plan);
  return plan;
}

test('a campaign is looked at along its key', async () => {
  const plan = await planOf((spy) => liveCampaign(spy, { workspaceId, campaignId: newId() }));
  assert.match(plan, /campaign_count_pkey[\s\S]*campaign_pkey|campaign_pkey[\s\S]*campaign_count_pkey/, plan);
});

test('the newest campaigns are the end of an index, and nothing is sorted', async () => {
  const plan = await planOf((spy) => liveCampaigns(spy, workspaceId, 50));
  assert.match(plan, /Index (Only )?Scan Backward using campaign_pkey/, plan);
  assert.doesNotMatch(plan, /Sort/, plan);
});

test('the queue is added up over the campaigns that have not ended, and over no other', async () => {
  const plan = await planOf((spy) => liveQueue(spy, workspaceId));
  assert.match(plan, /campaign_of_state/, plan);
  assert.match(plan, /campaign_count_pkey/, plan);
  const rows = await db.database.withWorkspace(workspaceId, (tx) => liveQueue(tx, workspaceId));
  assert.deepEqual(rows, [{ state: 'queued', n: (CAMPAIGNS / 1_000) * 10 }]);
});
