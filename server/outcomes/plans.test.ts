import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import { newId, DEFAULT_WORKSPACE_ID as workspaceId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import * as queries from './queries.ts';
import * as rerun from './queries-rerun.ts';

const EVENTS = 20_000;
const key = { at: '2020-01-01T00:00:00Z', campaignId: newId(), contactId: newId(), attempt: 0 };
const refusal = {
  ...key,
  email: 'ann@acme.example',
  kind: 'rejected',
  detail: '550 no',
  rule: 'bare',
  trouble: 'ambiguous' as const,
  phase: 'rcpt' as const,
  mxHost: null,
  template: 'x',
};

type Check = [what: string, check: () => Promise<void>];

/** Months without events may be read as they are. */
const scanOfThisMonth = new RegExp(
  `Seq Scan on event_${new Date().toISOString().slice(0, 7).replace('-', '_')}`,
);

/** A log in which most is no refusal. What a campaign's results wait for must not need what ANALYZE knows; a rerun may. */
describe('with 20,000 events', () => {
  let db: TestDatabase;

  before(async () => {
    db = await createTestDatabase();
    await db.database.withWorkspace(workspaceId, async (tx) => {
      await tx.query(sql`
        INSERT INTO event (workspace_id, campaign_id, contact_id, kind, attempt, detail, rule, trouble, phase)
        SELECT ${workspaceId}, gen_random_uuid(), gen_random_uuid(), 'rejected', 1, '550 no', 'bare',
          CASE WHEN n % 20 = 0 THEN 'soft' END, CASE WHEN n % 20 = 0 THEN 'rcpt' END
        FROM generate_series(1, ${EVENTS}) n`);
      await tx.query(sql`
        INSERT INTO suppression (workspace_id, email, reason, campaign_id, contact_id, attempt)
        SELECT ${workspaceId}, 'p' || n || '@acme.example', 'hard_bounce', gen_random_uuid(), gen_random_uuid(), 1
        FROM generate_series(1, 5000) n`);
    });
  });
  after(() => db.drop());

  function plansOf(ask: (tx: Parameters<typeof queries.insertRefusals>[0]) => unknown): Promise<string> {
    return db.database.withWorkspace(workspaceId, async (tx) =>
      (await explained(tx, async (explaining) => ask(explaining))).join('\n'),
    );
  }

  const page = { email: '', since: new Date(0), daysMax: 180, limit: 500 };
  const hot: Check[] = [
    [
      'an address’s troubles are looked up by the address, its acceptances by the message',
      async () => {
        const plan = await plansOf((tx) =>
          queries.suppressRepeated(
            tx,
            { workspaceId, campaignId: newId() },
            [{ ...refusal, campaigns: 2, days: 3 }],
            180,
          ),
        );
        assert.match(plan, /Index Scan using event_\d+_\d+_workspace_id_contact_id_at_idx on event/);
        // By the message or by the person: both have few.
        assert.match(
          plan,
          /event_\d+_\d+_workspace_id_(campaign_id_contact_id|contact_id_kind_at)_idx on event\S* a_/,
        );
        assert.doesNotMatch(plan, scanOfThisMonth);
      },
    ],
  ];

  const reruns: Check[] = [
    [
      'refusals are walked in their order, without acceptances and without a sort',
      async () => {
        const plan = await plansOf((tx) => rerun.refusalsAfter(tx, workspaceId, key, 100));
        assert.match(
          plan,
          /Index Scan using event_\d+_\d+_workspace_id_at_campaign_id_contact_id_atte?\w*_idx/,
        );
        assert.doesNotMatch(plan, scanOfThisMonth);
        assert.doesNotMatch(plan, /Incremental Sort|Bitmap/);
      },
    ],
    [
      'refusals are relabelled by their keys',
      async () => {
        const plan = await plansOf((tx) =>
          rerun.relabelRefusals(tx, workspaceId, [{ ...key, rule: 'x', trouble: null }]),
        );
        assert.doesNotMatch(plan, scanOfThisMonth);
      },
    ],
    [
      'suppressions are walked in the order of their key, with the troubles of each',
      async () => {
        const plan = await plansOf((tx) => rerun.suppressionsAfter(tx, workspaceId, page));
        assert.match(plan, /Index Scan using suppression_pkey on suppression/);
        assert.doesNotMatch(plan, scanOfThisMonth);
        assert.doesNotMatch(plan, /Sort/);
      },
    ],
  ];

  for (const [what, check] of hot) test(`that nothing is known of yet, ${what}`, check);

  test('that are analysed, nothing is read that is not wanted', async (t) => {
    await db.database.withOwner((tx) => tx.query(sql`ANALYZE event, suppression, campaign`));
    for (const [what, check] of [...hot, ...reruns]) await t.test(what, check);
  });
});
