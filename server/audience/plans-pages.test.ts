/** Pages of a million contacts read about as many rows as they show, in the order of an index, wherever they stand. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import type { Tx } from '../kernel/database.ts';
import { newId, DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { planForChunks } from './queries.ts';
import * as contacts from './queries-contacts.ts';
import * as imports from './queries-imports.ts';
import * as lists from './queries-lists.ts';
import * as suppressions from './queries-suppressions.ts';

const PEOPLE = 1_000_000;
const LIMIT = 51;

let db: TestDatabase;
const listId = newId();

before(async () => {
  db = await createTestDatabase();
  await db.database.withWorkspace(workspaceId, async (tx) => {
    await tx.query(sql`SET LOCAL statement_timeout = 0`);
    await tx.query(
      sql`INSERT INTO list (workspace_id, id, name) VALUES (${workspaceId}, ${listId}, 'large')`,
    );
    await tx.query(sql`
      INSERT INTO contact (workspace_id, id, email, tags)
      SELECT ${workspaceId}, uuid_floor('2030-01-01'::timestamptz + n * interval '1 ms'), 'person' || n || '@acme.example',
        CASE WHEN n % 100 = 0 THEN '{vip}'::text[] ELSE '{}' END
      FROM generate_series(1, ${PEOPLE}::integer) n`);
    await tx.query(sql`
      INSERT INTO subscription (workspace_id, list_id, contact_id, status)
      SELECT ${workspaceId}, ${listId}, id, 'subscribed' FROM contact`);
    await tx.query(sql`
      INSERT INTO suppression (workspace_id, email, reason)
      SELECT ${workspaceId}, email, 'hard_bounce' FROM contact LIMIT 100000`);
  });
});

after(() => db.drop());

type Work = (tx: Tx) => Promise<unknown>;

async function planOf(work: Work): Promise<string> {
  const plans = await db.database.withWorkspace(workspaceId, async (tx) => {
    await planForChunks(tx);
    return explained(tx, (explaining) => work(explaining).catch(() => {}));
  });
  assert.notEqual(plans.length, 0);
  return plans.join('\n');
}

/** Without five hundred ids. */
function short(plan: string): string {
  return plan.replaceAll(/\{[0-9a-f,-]{200,}\}/g, '{…}');
}

const place = { beforeId: newId(), limit: LIMIT };
const byEmail = { prefix: 'person5', after: 'person55@acme.example', limit: LIMIT };
const ids = Array.from({ length: 500 }, newId);

/** What is asked, the index whose order answers it, and the columns that bound it there. */
const PAGES: Record<string, [Work, RegExp]> = {
  'all, newest first': [
    (tx) => contacts.contactPage(tx, workspaceId, place),
    /Index Scan Backward using contact_pkey on contact c\n\s+Index Cond: .*id < /,
  ],
  'by address': [
    (tx) => contacts.contactPageByEmail(tx, workspaceId, byEmail),
    /Index Scan using contact_workspace_id_email_key on contact c\n\s+Index Cond: .*email >= .*email < .*email > /,
  ],
  'one address': [
    (tx) => contacts.findContactByEmail(tx, workspaceId, 'person7@acme.example'),
    /Index Scan using contact_workspace_id_email_key on contact c\n\s+Index Cond: .*email = /,
  ],
  'with a tag': [
    (tx) => contacts.contactPageByTag(tx, workspaceId, { ...place, tag: 'vip' }),
    /Index Only Scan Backward using contact_tag_pkey on contact_tag t\n\s+Index Cond: .*tag = .*contact_id < [\s\S]*Index Scan using contact_pkey/,
  ],
  'of a list': [
    (tx) => contacts.memberPage(tx, workspaceId, { ...place, listId, status: null }),
    /Index Scan Backward using subscription_pkey on subscription s\n\s+Index Cond: .*ROW\(list_id, contact_id\) < .*list_id >= [\s\S]*Index Scan using contact_pkey/,
  ],
  'of a list in one status': [
    (tx) => contacts.memberPage(tx, workspaceId, { ...place, listId, status: 'unconfirmed' }),
    /Index Scan Backward using subscription_by_status on subscription s\n\s+Index Cond: .*list_id = .*ROW\(status, contact_id\) < .*status >= [\s\S]*Index Scan using contact_pkey/,
  ],
  'suppressed, by address': [
    (tx) => suppressions.suppressionPage(tx, workspaceId, { ...byEmail, reason: null }),
    /Index Scan using suppression_pkey on suppression\n\s+Index Cond: .*email >= .*email < .*email > /,
  ],
  'suppressed for one reason': [
    (tx) => suppressions.suppressionPage(tx, workspaceId, { ...byEmail, reason: 'complaint' }),
    /Index Scan using suppression_by_reason on suppression\n\s+Index Cond: .*reason = .*email >= .*email > /,
  ],
};

/** Statements that touch a few contacts, and must not read the rest. */
const FEW: Record<string, [Work, RegExp]> = {
  'a list with its counts': [
    (tx) => lists.findListById(tx, workspaceId, listId),
    /on list_count[\s\S]*list_id = l\.id/,
  ],
  'the subscriptions of a contact': [
    (tx) => lists.subscriptionsOf(tx, workspaceId, newId()),
    /subscription_of_contact[\s\S]*contact_id = /,
  ],
  'five hundred contacts, locked': [
    (tx) => contacts.lockContacts(tx, workspaceId, ids),
    /contact_pkey[\s\S]*id = wanted_id[\s\S]*contact_pkey[\s\S]*id = wanted\.id/,
  ],
  'five hundred contacts, tagged': [
    (tx) => contacts.tagContacts(tx, workspaceId, ids, { add: ['a'], remove: [] }),
    /contact_pkey[\s\S]*id = wanted_id[\s\S]*Tid Scan on contact/,
  ],
  'five hundred contacts, suppressed when they left': [
    (tx) => contacts.suppressThoseWhoLeft(tx, workspaceId, ids, ''),
    /contact_pkey[\s\S]*id = wanted_id[\s\S]*subscription_of_contact[\s\S]*contact_id = /,
  ],
  'the subscriptions of five hundred contacts, locked': [
    (tx) => lists.lockSubscriptionsOf(tx, workspaceId, ids),
    /subscription_of_contact[\s\S]*contact_id = wanted_id/,
  ],
  'five hundred contacts, erased with their subscriptions': [
    (tx) => contacts.deleteContacts(tx, workspaceId, ids),
    /subscription_of_contact[\s\S]*contact_id = wanted_id[\s\S]*Tid Scan on subscription[\s\S]*contact_pkey[\s\S]*id = wanted_id[\s\S]*Tid Scan on contact/,
  ],
  'five hundred subscriptions, moved': [
    (tx) =>
      lists.moveSubscriptions(
        tx,
        { workspaceId, listId, contactIds: ids },
        { from: ['subscribed'], to: ['unsubscribed'] },
      ),
    /subscription_\w+[\s\S]*contact_id = ANY/,
  ],
  'the lists of five hundred contacts': [
    (tx) => lists.listsOf(tx, workspaceId, ids),
    /subscription_of_contact[\s\S]*contact_id = /,
  ],
};

for (const known of ['nothing is known of yet', 'are analysed'])
  describe(`of a million contacts that ${known}`, () => {
    before(async () => {
      if (known === 'are analysed')
        await db.database.withOwner((tx) =>
          tx.query(sql`ANALYZE contact, contact_tag, subscription, suppression, list_count`),
        );
    });

    for (const [what, [work, expected]] of Object.entries(PAGES))
      test(`a page goes along an index: ${what}`, async () => {
        const plan = await planOf(work);
        assert.match(short(plan), expected);
        assert.doesNotMatch(plan, /Seq Scan|Sort|Hash|Merge|Bitmap/);
      });

    for (const [what, [work, expected]] of Object.entries(FEW))
      test(`few are looked up by their key: ${what}`, async () => {
        const plan = await planOf(work);
        assert.match(short(plan), expected);
        assert.doesNotMatch(plan, /Seq Scan on (contact|subscription|suppression)\b|Bitmap/);
      });
  });

test('the rejects of an import are a range of their key, and old ones the range before it', async () => {
  const page = await planOf((tx) =>
    imports.rejectPage(tx, workspaceId, newId(), { afterLine: 5, limit: LIMIT }),
  );
  assert.match(page, /import_reject_pkey[\s\S]*import_id = .*line > /);
  const old = await planOf((tx) => imports.deleteOldRejects(tx, workspaceId, 30));
  assert.match(old, /import_reject_pkey[\s\S]*import_id < /);
});
