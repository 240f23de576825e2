/** Whom the compiled SQL finds: the same people as plain TypeScript, whatever they hold and whatever is asked. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { fitting } from '../../test/support/schema-values.ts';
import { holds, type Person } from '../../test/support/segment-oracle.ts';
import { AT, CAMPAIGNS, LISTS, rules, someone } from '../../test/support/segment-values.ts';
import type { Tx } from '../kernel/database.ts';
import { newId, DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { ruleSql } from './queries-rules.ts';
import { countMembers, explainContact, memberPage } from './queries-segments.ts';
import { conditionsOf, type Group, readRules, rulesSchema, SegmentRefused } from './segment-rules.ts';

const PEOPLE = 250;
const context = { workspaceId, at: AT };

let db: TestDatabase;
let people: Person[];
const inWorkspace = <T>(work: (tx: Tx) => Promise<T>) => db.database.withWorkspace(workspaceId, work);

before(async () => {
  db = await createTestDatabase();
  const domains = ['acme.example', 'bonn.example'];
  people = fc
    .sample(someone, PEOPLE)
    .map((person, index) => ({ ...person, id: newId(), email: `bo${index}@${domains[index % 2]}` }))
    .sort((one, other) => (one.id < other.id ? -1 : 1));
  await db.database.withOwner((tx) =>
    tx.query(sql`SELECT create_month_partitions(${AT}::timestamptz + make_interval(months => n))
      FROM generate_series(-2, 1) n`),
  );
  await inWorkspace((tx) => insertPeople(tx));
});

after(() => db.drop());

async function insertPeople(tx: Tx): Promise<void> {
  await tx.query(sql`
    INSERT INTO contact (workspace_id, id, email, name, attributes, tags, created_at)
    SELECT ${workspaceId}, id, email, name, attributes, tags, "createdAt" FROM jsonb_to_recordset(${JSON.stringify(people)}::jsonb)
      AS p(id uuid, email text, name text, attributes jsonb, tags text[], "createdAt" timestamptz)`);
  const subscriptions = people.flatMap(({ id, subscriptions }) =>
    Object.entries(subscriptions).map(([list, status]) => ({ id, list, status })),
  );
  await tx.query(sql`
    INSERT INTO subscription (workspace_id, list_id, contact_id, status)
    SELECT ${workspaceId}, list, id, status FROM jsonb_to_recordset(${JSON.stringify(subscriptions)}::jsonb)
      AS s(id uuid, list uuid, status text)`);
  const events = people.flatMap(({ id, events }) => events.map((event) => ({ id, ...event })));
  await tx.query(sql`
    INSERT INTO event (workspace_id, campaign_id, contact_id, at, kind, attempt)
    SELECT ${workspaceId}, "campaignId", id, at, kind, 1 FROM jsonb_to_recordset(${JSON.stringify(events)}::jsonb)
      AS e(id uuid, "campaignId" uuid, at timestamptz, kind text)`);
}

async function found(group: Group): Promise<string[]> {
  const from = { afterId: '00000000-0000-0000-0000-000000000000', limit: 10_000 };
  const rows = await inWorkspace(async (tx) => {
    // The session's timezone must decide nothing.
    await tx.query(sql`SELECT set_config('timezone', 'Asia/Kolkata', true)`);
    return memberPage(tx, group, context, from);
  });
  return rows.map(({ email }) => email);
}

test('random rules find the same people as plain TypeScript does', async () => {
  let members = 0;
  await fc.assert(
    fc.asyncProperty(rules, async (given) => {
      const group = readRules(given);
      const actual = await found(group);
      const expected = people.filter((person) => holds(group, person, AT));
      const wrong = people.filter((person) => expected.includes(person) !== actual.includes(person.email));
      assert.deepEqual(wrong, []);
      assert.equal(actual.length, expected.length);
      members += expected.length;
    }),
    { numRuns: 400 },
  );
  assert.ok(members > PEOPLE, 'the rules find hardly anybody: they test nothing');
});

test('whatever fits the documented schema is refused in a sentence or runs', async () => {
  let ran = 0;
  await fc.assert(
    fc.asyncProperty(fitting(JSON.parse(JSON.stringify(rulesSchema())), {}), async (given) => {
      let group: Group;
      try {
        group = readRules(given);
      } catch (error) {
        assert.ok(error instanceof SegmentRefused, String(error));
        return;
      }
      ran += 1;
      await found(group);
    }),
    { numRuns: 150 },
  );
  assert.ok(ran > 10, `only ${ran} of them ran`);
});

test('why somebody is in or is not agrees with whether they are, condition by condition', async () => {
  await fc.assert(
    fc.asyncProperty(rules, fc.nat(PEOPLE - 1), async (given, index) => {
      const group = readRules(given);
      const person = people[index];
      assert.ok(person);
      const conditions = conditionsOf(group).map(({ condition }) => condition);
      const row = await inWorkspace((tx) => explainContact(tx, group, conditions, context, person.id));
      assert.equal(row?.isMember, holds(group, person, AT));
      assert.deepEqual(
        row.held,
        conditions.map((condition) => holds(condition, person, AT)),
      );
    }),
    { numRuns: 150 },
  );
});

test('a number that JavaScript cannot hold is compared, and harms nobody', async () => {
  const huge = newId();
  await inWorkspace((tx) =>
    tx.query(sql`INSERT INTO contact (workspace_id, id, email, attributes)
      VALUES (${workspaceId}, ${huge}, 'huge@acme.example', '{"age": 1e400, "tiny": 1e-400}')`),
  );
  const large: Group = {
    all: [{ field: 'attribute', name: 'age', type: 'number', op: 'greater_than', value: Number.MAX_VALUE }],
  };
  assert.deepEqual(await found(large), ['huge@acme.example']);
  await inWorkspace((tx) => tx.query(sql`DELETE FROM contact WHERE id = ${huge}`));
});

test('what belongs to another workspace is not found', async () => {
  const everybody: Group = { all: [{ field: 'email', op: 'contains', value: '@' }] };
  const elsewhere = newId();
  const count = await db.database.withWorkspace(elsewhere, (tx) =>
    countMembers(tx, everybody, { workspaceId: elsewhere, at: AT }),
  );
  assert.equal(count, 0);
  assert.equal(await inWorkspace((tx) => countMembers(tx, everybody, context)), PEOPLE);
});

/** Ways to leave a literal, a name, a pattern or a number, each with ways to go on. */
const ESCAPES = [
  '',
  "'",
  "''",
  '"',
  '`',
  "\\'",
  "')",
  "'))",
  '")',
  '$$',
  "E'",
  '/*',
  '%',
  '}',
  '${',
  '$1',
  '\\u0027',
  '\uff07',
];
const GOES_ON = [
  ' OR 1=1 --',
  ' OR true) --',
  '; DROP TABLE contact; --',
  ' UNION SELECT id, email, name FROM contact --',
  ' AND (SELECT 1 FROM pg_sleep(9)) IS NOT NULL --',
  '; SET ROLE postgres; --',
  "||(SELECT current_setting('camp.workspace_id'))||",
  '::int',
];
const HOSTILE = ESCAPES.flatMap((end) => GOES_ON.map((on) => end + on));

/** The string wherever text may stand. */
function everywhere(text: string): Group {
  const tests = [
    { op: 'equals', value: text },
    { op: 'contains', value: text },
    { op: 'starts_with', value: text },
    { op: 'ends_with', value: text },
    { op: 'one_of', values: [text, `x${text}`] },
  ];
  const fields = ['email', 'email_domain', 'name'].flatMap((field) =>
    tests.map((asked) => ({ field, ...asked })),
  );
  const named = [
    { type: 'text', op: 'is_set' },
    { type: 'number', op: 'at_least', value: 0 },
    { type: 'boolean', op: 'is', value: true },
    { type: 'date', op: 'after', date: '2000-01-01' },
  ].map((asked) => ({ field: 'attribute', name: text, ...asked }));
  const asked = tests.map((one) => ({ field: 'attribute', name: 'city', type: 'text', ...one }));
  return readRules({ any: [...fields, ...named, ...asked, { field: 'tag', tag: text }] });
}

test(`${HOSTILE.length} hostile strings, in every place that takes text, find nobody, break nothing and are not in the SQL`, async () => {
  const { text } = ruleSql(everywhere('harmless'), context);
  for (const hostile of HOSTILE) {
    const group = everywhere(hostile);
    assert.equal(ruleSql(group, context).text, text);
    assert.equal(await inWorkspace((tx) => countMembers(tx, group, context)), 0, hostile);
  }
});

test('a hostile string is found where somebody really has it', async () => {
  for (const hostile of HOSTILE.filter((_, index) => index % 9 === 0)) {
    const id = newId();
    await inWorkspace((tx) =>
      tx.query(sql`INSERT INTO contact (workspace_id, id, email, attributes)
        VALUES (${workspaceId}, ${id}, ${`${id}@acme.example`}, ${JSON.stringify({ city: hostile })})`),
    );
    assert.deepEqual(await found(everywhere(hostile)), [`${id}@acme.example`], hostile);
    await inWorkspace((tx) => tx.query(sql`DELETE FROM contact WHERE id = ${id}`));
  }
});

test('a hostile string where a word, an id or a day must stand is refused', () => {
  const placed = (text: string) => [
    { field: text },
    { field: 'attribute', name: 'a', type: text, op: 'is_set' },
    { field: 'name', op: text },
    { field: 'list', list_id: `${LISTS[0]}${text}` },
    { field: 'list', list_id: LISTS[0], status: text },
    { field: 'engagement', act: text },
    { field: 'engagement', act: 'opened', campaign_id: `${CAMPAIGNS[0]}${text}` },
    { field: 'engagement', act: 'opened', in_last_days: text },
    { field: 'signed_up', op: 'on', date: `2024-01-01${text}` },
    { field: 'attribute', name: 'a', type: 'number', op: 'equals', value: text },
    { [text]: 1, field: 'tag', tag: 'a' },
  ];
  for (const hostile of HOSTILE)
    for (const condition of placed(hostile))
      assert.throws(() => readRules({ all: [condition] }), { name: 'SegmentRefused' }, hostile);
});
