import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import type { Tx } from '../kernel/database.ts';
import { newId, DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { messageIdOf } from './message-ids.ts';
import { searchMessages } from './messages.ts';
import * as queries from './queries-messages.ts';
import * as transactional from './queries-transactional.ts';

const LARGE = 800_000;
const CAMPAIGNS = 400;

/** A large campaign of this month and one of the next, a stream, and hundreds of small campaigns. */
describe('with a million messages in two months', () => {
  let db: TestDatabase;
  const wanted = { workspaceId, campaignId: null, from: null, until: null, after: null };
  const large = newId();
  const stream = newId();

  before(async () => {
    db = await createTestDatabase();
    await db.database.withWorkspace(workspaceId, async (tx) => {
      const next = await nextMonth(tx);
      for (const [id, kind] of [
        [large, 'campaign'],
        [next, 'campaign'],
        [stream, 'transactional'],
      ] as const)
        await insertCampaign(tx, id, kind);
      for (let i = 0; i < CAMPAIGNS; i += 1) await insertCampaign(tx, newId(), 'campaign');
      await insertMessages(tx, large, LARGE);
      await insertMessages(tx, next, 100_000);
      await insertMessages(tx, stream, 100_000);
      await tx.query(sql`
        INSERT INTO message (workspace_id, campaign_id, contact_id, email, lane, state)
        SELECT ${workspaceId}, c.id, uuidv7(), 'p@city.example', 0, 'accepted'
        FROM campaign c, generate_series(1, 20) WHERE c.state = 'finished' AND c.id NOT IN (${large}, ${next}, ${stream})`);
      await tx.query(sql`
        INSERT INTO transactional_message (workspace_id, id, campaign_id, email, body)
        SELECT workspace_id, contact_id, campaign_id, email, '{}' FROM message WHERE campaign_id = ${stream} LIMIT 20000`);
      await tx.query(sql`
        INSERT INTO event (workspace_id, campaign_id, contact_id, kind, attempt)
        SELECT workspace_id, campaign_id, contact_id, CASE WHEN random() < 0.01 THEN 'rejected' ELSE 'accepted' END, 1
        FROM message WHERE campaign_id = ${large} LIMIT 100000`);
      await tx.query(sql`
        INSERT INTO contact (workspace_id, id, email)
        SELECT ${workspaceId}, uuidv7(), 'person' || n || '@city.example' FROM generate_series(1, 20000) n`);
    });
    await db.database.withOwner((tx) => tx.query(sql`ANALYZE`));
  });
  after(() => db.drop());

  async function nextMonth(tx: Tx): Promise<string> {
    const [row] = await tx.query<{ id: string }>(sql`SELECT uuid_floor(now() + interval '1 month') AS id`);
    return row?.id ?? '';
  }

  function insertCampaign(tx: Tx, id: string, kind: 'campaign' | 'transactional') {
    return tx.query(sql`
      INSERT INTO campaign (workspace_id, id, kind, stream_month, name, state, list_ids, from_email, template_name, template_body)
      VALUES (${workspaceId}, ${id}, ${kind}, CASE WHEN ${kind} = 'transactional' THEN current_date END, 'c', 'finished',
        '{}', ${`${id}@acme.example`}, '', '')`);
  }

  function insertMessages(tx: Tx, campaignId: string, count: number) {
    return tx.query(sql`
      INSERT INTO message (workspace_id, campaign_id, contact_id, email, lane, state)
      SELECT ${workspaceId}, ${campaignId}, uuidv7(), 'person' || n || '@city.example', 0, 'accepted'
      FROM generate_series(1, ${count}) n`);
  }

  async function planOf(work: (tx: Tx) => Promise<unknown>): Promise<string> {
    const plans = await db.database.withWorkspace(workspaceId, (tx) => explained(tx, work));
    return plans.join('\n');
  }

  /** A table of a few pages, as that of campaigns, is read whole; so is a partition with nothing in it. */
  function assertKeyed(plan: string): void {
    const scanned = [...plan.matchAll(/Seq Scan on (\w+)/g)].map(([, table = '']) => table);
    const small = ['campaign', partition('message', 2), partition('event', 1), partition('event', 2)];
    const large = scanned.filter((table) => !small.includes(table));
    assert.deepEqual(large, [], plan);
    assert.doesNotMatch(plan, /Hash|Bitmap|Merge Join/);
  }

  function partition(table: string, monthsAhead: number): string {
    const now = new Date();
    const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + monthsAhead));
    return `${table}_${month.toISOString().slice(0, 7).replace('-', '_')}`;
  }

  const places: [string, Partial<queries.Wanted>][] = [
    ['from the beginning', {}],
    ['from the middle of a large campaign', { after: { campaignId: large, contactId: newId() } }],
    ['of one campaign', { campaignId: large }],
    ['of a time', { from: new Date(Date.now() - 60_000), until: new Date() }],
  ];
  for (const [where, place] of places)
    test(`a page ${where} reads campaigns and their messages backwards by their keys`, async () => {
      const plan = await planOf((tx) =>
        queries.messagesOf(tx, { ...wanted, ...place, state: null, rows: 51 }),
      );
      assert.match(plan, /Index Scan Backward using message_\d+_\d+_pkey on message/);
      assert.match(plan, /Limit\n\s+->\s+(Incremental )?Sort\n/);
      assertKeyed(plan);
    });

  test('messages to an address are found by the contact, and by what was sent to it alone', async () => {
    const to = { ...wanted, email: 'person7@city.example', state: null, rows: 51 };
    const plan = await planOf((tx) => queries.messagesTo(tx, to));
    assert.match(plan, /using contact_workspace_id_email_key on contact/);
    assert.match(plan, /using transactional_message_email on transactional_message/);
    assert.match(plan, /using message_\d+_\d+_pkey on message_\S+ \S+\n\s+Index Cond: .*contact_id = /);
    assertKeyed(plan);
  });

  test('refused messages are found by their events, not among all others', async () => {
    const plan = await planOf((tx) =>
      queries.messagesThatEnded(tx, { ...wanted, state: 'rejected', rows: 51 }),
    );
    assert.match(
      plan,
      /Index (Only )?Scan Backward using event_\d+_\d+_workspace_id_kind_campaign_id_contact_id_idx/,
    );
    assert.match(plan, /using message_\d+_\d+_pkey on message/);
    assertKeyed(plan);
  });

  test('of a time, only the events of its campaigns are read', async () => {
    const [from, until] = [new Date('2020-01-15T00:00:00Z'), new Date('2020-02-01T00:00:00Z')];
    const plan = await planOf((tx) =>
      queries.messagesThatEnded(tx, { ...wanted, from, until, state: 'rejected', rows: 51 }),
    );
    const floor = (time: string) => Date.parse(time).toString(16).padStart(12, '0').replace(/^.{8}/, '$&-');
    const walk = plan.match(/using event_\d+_\d+_workspace_id_kind.*\n.*Index Cond: .*/)?.[0] ?? '';
    assert.match(walk, new RegExp(`campaign_id >= '${floor('2020-01-01T00:00:00Z')}`));
    assert.match(walk, new RegExp(`campaign_id < '${floor('2020-02-01T00:00:00Z')}`));
  });

  test('one message is told by its key, and its events by theirs', async () => {
    const of = { workspaceId, campaignId: large, contactId: newId() };
    const plan = await planOf(async (tx) => {
      await queries.findMessage(tx, of);
      await queries.eventsOfMessage(tx, of, 200);
      await queries.lockMessage(tx, of);
      await queries.cancelMessage(tx, of);
      await queries.makeDue(tx, of, 'deferred');
      await transactional.streamOfMessage(tx, workspaceId, of.contactId);
      await transactional.lengthenGiveUp(tx, of, 1);
    });
    assertKeyed(plan);
  });

  test('what comes over the API is looked up by keys', async () => {
    const plan = await planOf(async (tx) => {
      await transactional.findStreams(tx, workspaceId, ['a@acme.example', 'b@acme.example']);
      await transactional.suppressedAmong(tx, workspaceId, ['a@city.example', 'b@city.example']);
    });
    assert.match(plan, /campaign_stream/);
    assert.match(plan, /Scan on suppression|using suppression_pkey on suppression/);
  });

  test('looking for a state that nobody is in goes through all messages, a page at a time, and ends', async () => {
    const [queued] = await db.database.withWorkspace(workspaceId, (tx) =>
      tx.query<{ contact_id: string }>(sql`
        UPDATE message SET state = 'cancelled' WHERE campaign_id = ${large}
          AND contact_id = (SELECT contact_id FROM message WHERE campaign_id = ${large} ORDER BY contact_id DESC OFFSET 12000 LIMIT 1)
        RETURNING contact_id`),
    );
    const search = { ...wanted, campaignId: large, email: null, state: 'cancelled' } as const;
    const found: string[] = [];
    let pages = 0;
    for (let next: Parameters<typeof searchMessages>[1]['after'] = null; ; pages += 1) {
      const page = await db.database.readWorkspace(workspaceId, (tx) =>
        searchMessages(tx, { ...search, after: next }, 50),
      );
      found.push(...page.messages.map(messageIdOf));
      next = page.next;
      if (next === null || pages > 4) break;
    }
    assert.deepEqual(found, [messageIdOf({ campaignId: large, contactId: queued?.contact_id ?? '' })]);
  });
});
