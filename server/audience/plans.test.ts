import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import { newId, DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { findOrCreateList } from './lists.ts';
import * as queries from './queries.ts';
import { freezePage } from './queries-freeze.ts';

const PEOPLE = 120_000;

/** A large list among a large one and many small ones, with and without what ANALYZE knows. */
describe('with 120,000 contacts', () => {
  let db: TestDatabase;
  let listId: string;

  before(async () => {
    db = await createTestDatabase();
    listId = await db.database.withWorkspace(workspaceId, (tx) => findOrCreateList(tx, workspaceId, 'large'));
    await db.database.withWorkspace(workspaceId, async (tx) => {
      await tx.query(sql`
        INSERT INTO contact (workspace_id, id, email)
        SELECT ${workspaceId}, gen_random_uuid(), 'person' || n || '@acme.example' FROM generate_series(1, ${PEOPLE}) n`);
      await tx.query(sql`
        INSERT INTO subscription (workspace_id, list_id, contact_id, status)
        SELECT ${workspaceId}, ${listId}, id, 'subscribed' FROM contact`);
      await tx.query(sql`
        INSERT INTO suppression (workspace_id, email, reason)
        SELECT ${workspaceId}, email, 'manual' FROM contact LIMIT 5000`);
    });
  });
  after(() => db.drop());

  async function planOfFreeze(): Promise<string> {
    const plans = await db.database.withWorkspace(workspaceId, async (tx) => {
      await queries.planForChunks(tx);
      const page = {
        workspaceId,
        campaignId: newId(),
        from: { listId },
        excludedListIds: [],
        excludedRules: [],
        at: new Date(),
        afterContactId: newId(),
        chunkRows: 20_000,
        stagePercent: 1,
        localDueAt: new Date(),
      };
      return explained(tx, (explaining) => freezePage(explaining, page).catch(() => {}));
    });
    return plans.join('\n');
  }

  async function plansOfMerge(): Promise<string> {
    const plans = await db.database.withWorkspace(workspaceId, async (tx) => {
      await queries.planForChunks(tx);
      await queries.createStagedContacts(tx);
      await tx.query(sql`
        INSERT INTO staged_contact
        SELECT gen_random_uuid(), 'person' || n || '@acme.example', NULL, '{}' FROM generate_series(1, 20000) n`);
      return explained(tx, async (explaining) => {
        const target = { workspaceId, listId, importId: newId(), status: 'subscribed' } as const;
        await queries.subscribeStagedContacts(explaining, target).catch(() => {});
        await queries.previewStagedContacts(explaining, workspaceId, listId).catch(() => {});
      });
    });
    assert.equal(plans.length, 2);
    return plans.join('\n');
  }

  function checkFreeze(plan: string): void {
    assert.match(
      plan,
      /Index Scan using subscription_pkey on subscription\n\s+Index Cond: .*ROW\(list_id, contact_id\) > .*list_id <=/,
    );
    assert.match(plan, /Index Scan using contact_pkey on contact\n\s+Index Cond: .*id = page\.contact_id/);
    assert.match(plan, /using suppression_pkey on suppression\n\s+Index Cond: .*email = contact\.email/);
    assert.match(
      plan,
      /using campaign_timezone_pkey on campaign_timezone\n\s+Index Cond: .*attributes ->> 'timezone'/,
    );
    assert.doesNotMatch(plan, /Seq Scan|Hash|Merge|Bitmap/);
    const page = plan.slice(plan.indexOf('CTE page'), plan.indexOf('CTE inserted'));
    assert.doesNotMatch(page, /Sort|Filter: .*list_id/);
  }

  function checkMerge(plan: string): void {
    assert.match(
      plan,
      /Index Scan using contact_workspace_id_email_key on contact\n\s+Index Cond: .*email = staged\.email/,
    );
    assert.match(plan, /using subscription_\w+ on subscription\n\s+Index Cond: .*contact_id = person\.id/);
    assert.match(plan, /using subscription_\w+ on subscription\n\s+Index Cond: .*contact_id = contact\.id/);
    const scans = [...plan.matchAll(/Seq Scan on (\w+)/g)].map(([, table]) => table);
    assert.deepEqual([...new Set(scans)], ['staged_contact']);
    assert.doesNotMatch(plan, /Hash|Merge|Bitmap/);
  }

  test('that nothing is known of yet, a freeze goes through the list in the order of its key', async () => {
    checkFreeze(await planOfFreeze());
  });

  test('that nothing is known of yet, a merge looks each contact up by its address', async () => {
    checkMerge(await plansOfMerge());
  });

  test('that are analysed, a freeze goes through the list in the order of its key', async () => {
    await db.database.withOwner((tx) => tx.query(sql`ANALYZE contact, subscription, suppression`));
    checkFreeze(await planOfFreeze());
  });

  test('that are analysed, a merge looks each contact up by its address', async () => {
    checkMerge(await plansOfMerge());
  });
});
