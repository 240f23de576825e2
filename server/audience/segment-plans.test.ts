/**
 * A million contacts, some of them subscribed and written to: members are read in the order of the contacts' key, nothing is sorted
 * or collected, and what another table knows of a contact is one probe of an index.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import type { Tx } from '../kernel/database.ts';
import { newId, DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { planForChunks } from './queries.ts';
import { freezePage } from './queries-freeze.ts';
import * as queries from './queries-segments.ts';
import { type Condition, conditionSchemas } from './segment-conditions.ts';
import { conditionsOf, type Group, readRules } from './segment-rules.ts';

const PEOPLE = 1_000_000;
/** Enough of a list, and of what was sent, that a pass over it would be chosen if it could be. */
const KNOWN = 100_000;
const listId = newId();
const campaignId = newId();

let db: TestDatabase;
const inWorkspace = <T>(work: (tx: Tx) => Promise<T>) => db.database.withWorkspace(workspaceId, work);

before(async () => {
  db = await createTestDatabase();
  await inWorkspace(async (tx) => {
    await tx.query(sql`
      INSERT INTO contact (workspace_id, id, email, attributes, created_at)
      SELECT ${workspaceId}, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'p' || n || '@acme.example',
        jsonb_build_object('age', n % 90, 'born', '1990-01-31'), now() - make_interval(mins => n)
      FROM generate_series(1, ${PEOPLE}::int) n`);
    await tx.query(sql`
      INSERT INTO subscription (workspace_id, list_id, contact_id, status)
      SELECT ${workspaceId}, ${listId}, id, 'subscribed' FROM contact LIMIT ${KNOWN}`);
    await tx.query(sql`
      INSERT INTO event (workspace_id, campaign_id, contact_id, kind, attempt)
      SELECT ${workspaceId}, ${campaignId}, id, 'accepted', 1 FROM contact LIMIT ${KNOWN}`);
  });
  await db.database.withOwner((tx) => tx.query(sql`ANALYZE contact, subscription, event`));
});

after(() => db.drop());

/** One of every field, type and op: a new one has its plan checked without being added here. */
const OPERANDS: Record<string, unknown> = {
  ...{ name: 'age', value: 'x', values: ['x'], from: 1, to: 2, date: '2024-01-31', days: 30, tag: 'vip' },
  ...{ list_id: listId, status: 'subscribed', act: 'opened', in_last_days: 30, campaign_id: campaignId },
};
const EVERY: Condition[] = conditionSchemas().flatMap(({ properties }) => {
  const { op = {}, ...rest } = properties;
  const asked = Object.entries(rest).map(([name, schema]) => [name, operandOf(name, schema)]);
  const ops: unknown[] = 'enum' in op && Array.isArray(op.enum) ? op.enum : [undefined];
  return ops.flatMap((word) => conditionsIn({ ...Object.fromEntries(asked), ...(word ? { op: word } : {}) }));
});

function conditionsIn(condition: unknown): Condition[] {
  return conditionsOf(readRules({ all: [condition] })).map((placed) => placed.condition);
}

function operandOf(name: string, schema: object): unknown {
  if ('const' in schema) return schema.const;
  const type = 'type' in schema ? schema.type : undefined;
  if (type === 'boolean') return true;
  if (type === 'number') return 30;
  return 'format' in schema && schema.format === 'date' ? '2024-01-31' : OPERANDS[name];
}

const SHORTER: Condition[] = [
  { field: 'engagement', act: 'opened' },
  { field: 'engagement', act: 'sent', in_last_days: 30 },
  { field: 'engagement', act: 'bounced', campaign_id: campaignId },
  { field: 'list', list_id: listId, status: 'any' },
];

const context = { workspaceId, at: new Date() };
const half = '01900000-0000-7000-8000-00000007a120';

async function plansOf(rules: Group): Promise<string[]> {
  return inWorkspace(async (tx) => {
    await planForChunks(tx);
    return explained(tx, async (explaining) => {
      await queries.memberPage(explaining, rules, context, { afterId: half, limit: 51 });
      await queries.newestMembers(explaining, rules, context, 10);
      await queries.countMembers(explaining, rules, context);
    });
  });
}

/** Other tables are only probed: by the whole key, or by the contact. */
function assertProbes(plan: string): void {
  assert.doesNotMatch(plan, /Seq Scan on (subscription|event)|Hash|Merge Join|Bitmap/, plan);
  for (const [, conditions = ''] of plan.matchAll(/ on (?:subscription|event_\w+)\b.*\n\s+Index Cond: (.*)/g))
    assert.match(conditions, /contact_id = (c|contact)\.id/, plan);
}

for (const condition of [...EVERY, ...SHORTER])
  test(`people by ${JSON.stringify(condition)} are read in the order of their key`, async () => {
    const [page = '', newest = '', count = ''] = await plansOf({
      all: [condition, { any: [{ not: condition }, condition] }],
    });
    assert.match(page, / Index Scan using contact_pkey on contact c\n\s+Index Cond: .*id > /);
    assert.match(newest, / Index Scan Backward using contact_pkey on contact c/);
    for (const plan of [page, newest]) assert.doesNotMatch(plan, /Sort|Seq Scan|Gather/, plan);
    assert.equal(count.match(/Scan.* on contact c/g)?.length, 1, count);
    for (const plan of [page, newest, count]) assertProbes(plan);
  });

test('an engagement in a window reads the months of the window only', async () => {
  const plans = await plansOf({ all: [{ field: 'engagement', act: 'opened', in_last_days: 1 }] });
  const indexes = plans.flatMap((plan) => plan.match(/event_\w+ on event_\w+/g) ?? []);
  assert.ok(indexes.length >= 3 && indexes.length <= 6, plans.join('\n'));
  for (const index of indexes) assert.match(index, /contact_id_kind_at_idx/);
});

test('a chunk of a freeze by segments, with exclusions, is a range of the contacts with probes', async () => {
  const rules: Group = { all: [{ any: EVERY.slice(0, 20) }, { any: EVERY.slice(20) }] };
  const page = {
    ...{ workspaceId, campaignId, excludedListIds: [listId], excludedRules: [rules], at: new Date() },
    ...{ from: { rules: [rules, rules], listIds: [listId] }, afterContactId: half, chunkRows: 10_000 },
    ...{ stagePercent: 100, localDueAt: null },
  };
  const [plan = ''] = await inWorkspace(async (tx) => {
    await planForChunks(tx);
    return explained(tx, (explaining) => freezePage(explaining, page).catch(() => {}));
  });
  const range = plan.slice(plan.indexOf('CTE page'), plan.indexOf('CTE inserted'));
  assert.match(range, /Index (Only )?Scan using contact_pkey on contact.*\n\s+Index Cond: .*id > /);
  assert.doesNotMatch(range, /Sort/);
  assert.match(plan, /using subscription_of_contact on subscription/);
  assert.doesNotMatch(plan, /Seq Scan|Hash Join|Hash Cond|Merge Join|Bitmap/, plan);
});
