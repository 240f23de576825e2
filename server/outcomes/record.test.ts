import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { newId } from '../kernel/ids.ts';
import { type Sql, sql } from '../kernel/sql.ts';
import { type MessageEvent, recordEvents } from './record.ts';
import type { Trouble } from './trouble.ts';

let db: TestDatabase;
let workspaceId: string;
const ann = newId();

before(async () => {
  db = await createTestDatabase();
  await db.database.withSystem((tx) =>
    tx.query(sql`
      SELECT create_month_partitions(now() - make_interval(months => n)) FROM generate_series(1, 8) n`),
  );
});
beforeEach(() => {
  workspaceId = newId();
});
after(() => db.drop());

function event(overrides: Partial<MessageEvent>): MessageEvent {
  return {
    contactId: ann,
    email: 'ann@acme.example',
    kind: 'rejected',
    attempt: 1,
    detail: '550 5.1.1 <ann@acme.example> unknown',
    rule: 'recipient-code',
    trouble: null,
    metAt: { phase: 'rcpt', mxHost: 'mx.acme.example' },
    ...overrides,
  };
}

/** What a campaign of its own meets. */
async function meet(...events: Partial<MessageEvent>[]): Promise<string> {
  const campaignId = newId();
  await db.database.withWorkspace(workspaceId, async (tx) => {
    await tx.query(sql`
      INSERT INTO campaign (workspace_id, id, name, list_ids, from_email, template_name, template_body)
      VALUES (${workspaceId}, ${campaignId}, 'test', '{}', 'news@acme.example', 't.txt', '')`);
    for (const each of events) recordEvents(tx, workspaceId, campaignId, [event(each)]);
  });
  return campaignId;
}

const meetTrouble = (trouble: Trouble) => meet({ trouble });
const accept = () => meet({ kind: 'accepted', detail: '250 ok', rule: 'accepted', metAt: null });

async function daysPass(days: number): Promise<void> {
  await rows(sql`UPDATE event SET at = at - ${days}::integer * interval '1 day'`);
}

function rows<Row>(statement: Sql): Promise<Row[]> {
  return db.database.withWorkspace(workspaceId, (tx) => tx.query<Row>(statement));
}

async function suppressed(): Promise<string[]> {
  return (await rows<{ email: string }>(sql`SELECT email FROM suppression ORDER BY email`)).map(
    (row) => row.email,
  );
}

test('a refusal keeps what is needed to judge it again', async () => {
  const detail = `550 5.1.1 \0${'x'.repeat(3_000)}`;
  await meet({ detail, trouble: 'soft' });
  const [kept] = await rows<Record<string, unknown>>(
    sql`SELECT kind, rule, phase, mx_host, trouble, template, length(detail) AS length FROM event`,
  );
  assert.match(String(kept?.template), /^[0-9a-f]{12}$/);
  assert.deepEqual(
    { ...kept, template: '' },
    {
      kind: 'rejected',
      rule: 'recipient-code',
      phase: 'rcpt',
      mx_host: 'mx.acme.example',
      trouble: 'soft',
      template: '',
      length: 1_024,
    },
  );
});

test('refusals of one kind have one template, whoever they were about', async () => {
  await meet({}, { detail: '550 5.1.1 <bob@acme.example> unknown' }, { detail: '550 5.1.1 gone' });
  const [found] = await rows<{ n: number }>(sql`SELECT count(DISTINCT template)::int AS n FROM event`);
  assert.equal(found?.n, 2);
});

test('an address that is not there is suppressed at once, and the list says by which event', async () => {
  const campaignId = await meet({ trouble: 'dead', attempt: 3 });
  const found = await rows(sql`
    SELECT s.email, s.rule, s.detail = e.detail AS same, s.campaign_id FROM suppression s
    JOIN event e ON e.campaign_id = s.campaign_id AND e.contact_id = s.contact_id AND e.attempt = s.attempt
      AND e.at = s.created_at`);
  assert.deepEqual(found, [
    { email: 'ann@acme.example', rule: 'recipient-code', same: true, campaign_id: campaignId },
  ]);
});

test('an ambiguous refusal suppresses when it comes again, three days later', async () => {
  await meetTrouble('ambiguous');
  await daysPass(2);
  await meetTrouble('ambiguous');
  assert.deepEqual(await suppressed(), []);
  await daysPass(1);
  await meetTrouble('ambiguous');
  assert.deepEqual(await suppressed(), ['ann@acme.example']);
});

test('one campaign that meets it again and again is one time', async () => {
  await meet(...Array.from({ length: 9 }, (_, index) => ({ trouble: 'soft' as const, attempt: index + 1 })));
  await daysPass(20);
  await meetTrouble('soft');
  assert.deepEqual(await suppressed(), []);
});

test('a full mailbox suppresses after five campaigns over two weeks', async () => {
  for (let campaign = 1; campaign <= 4; campaign += 1) {
    await meetTrouble('soft');
    await daysPass(3);
  }
  await meetTrouble('soft');
  assert.deepEqual(await suppressed(), [], 'five, but over twelve days');
  await daysPass(2);
  await meetTrouble('soft');
  assert.deepEqual(await suppressed(), ['ann@acme.example']);
});

test('a domain that takes no mail is asked twice, a day apart', async () => {
  await meetTrouble('dead-domain');
  await daysPass(1);
  await meet({ trouble: 'dead-domain', metAt: null, detail: 'no mail host' });
  assert.deepEqual(await suppressed(), ['ann@acme.example']);
});

test('troubles of different kinds are not added up', async () => {
  await meetTrouble('ambiguous');
  await daysPass(5);
  await meetTrouble('soft');
  assert.deepEqual(await suppressed(), []);
});

test('a message that was taken in between wipes out what came before it', async () => {
  await meetTrouble('ambiguous');
  await daysPass(5);
  await accept();
  await daysPass(5);
  await meetTrouble('ambiguous');
  assert.deepEqual(await suppressed(), []);
  await daysPass(5);
  await meetTrouble('ambiguous');
  assert.deepEqual(await suppressed(), ['ann@acme.example']);
});

test('what happened half a year ago says nothing any more', async () => {
  await meetTrouble('ambiguous');
  await daysPass(181);
  await meetTrouble('ambiguous');
  assert.deepEqual(await suppressed(), []);
});

test('only those of a batch who had trouble before are suppressed', async () => {
  const bob = { contactId: newId(), email: 'bob@acme.example', trouble: 'ambiguous' as const };
  await meetTrouble('ambiguous');
  await daysPass(4);
  await db.database.withWorkspace(workspaceId, async (tx) =>
    recordEvents(tx, workspaceId, newId(), [event(bob), event({ trouble: 'ambiguous' })]),
  );
  assert.deepEqual(await suppressed(), ['ann@acme.example']);
});
