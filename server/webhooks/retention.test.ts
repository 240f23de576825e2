import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newWorkspace } from '../../test/support/accounts.ts';
import { until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { startTestRunner } from '../../test/support/jobs.ts';
import { newEndpoint } from '../../test/support/webhooks.ts';
import { operator } from '../accounts/principal.ts';
import type { Tx } from '../kernel/database.ts';
import { loadSecrets } from '../kernel/secrets.ts';
import { sql } from '../kernel/sql.ts';
import { deleteEndpoint } from './endpoints.ts';
import type { EndpointKey } from './queries.ts';
import { startForgetting, WEBHOOK_HANDLERS } from './retention.ts';

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

test('what ended a month ago is forgotten, and a deleted endpoint with the last of it; what waits or is younger stays', async (t) => {
  const workspaceId = await newWorkspace(db.database);
  const inWorkspace = <T>(work: (tx: Tx) => Promise<T>) => db.database.withWorkspace(workspaceId, work);
  const secrets = await loadSecrets(db.database, 'a secret');
  const wish = { workspaceId, url: 'https://example.com/', events: ['import.finished' as const] };
  const { of: kept } = await newEndpoint(db.database, secrets, wish);
  const { of: deleted } = await newEndpoint(db.database, secrets, wish);
  const told = ({ endpointId }: EndpointKey, state: string, days: number) =>
    inWorkspace((tx) =>
      tx.query(sql`
        INSERT INTO webhook_delivery (workspace_id, endpoint_id, type, state, due_at, occurred_at)
        VALUES (${workspaceId}, ${endpointId}, ${`${state} ${days}`}, ${state},
          CASE WHEN ${state}::text = 'waiting' THEN now() END, now() - ${days}::integer * interval '1 day')`),
    );
  for (const days of [29, 31])
    for (const state of ['delivered', 'failed', 'waiting']) await told(kept, state, days);
  await told(deleted, 'failed', 31);
  await inWorkspace((tx) => deleteEndpoint({ tx, actor: operator(workspaceId) }, deleted.endpointId));
  await startForgetting(db.database);
  await startTestRunner(t, db.database, WEBHOOK_HANDLERS);
  const endpoints = () => inWorkspace((tx) => tx.query<{ id: string }>(sql`SELECT id FROM webhook_endpoint`));
  await until(async () => (await endpoints()).length === 1, 'the deleted endpoint is forgotten');
  const left = await inWorkspace((tx) =>
    tx.query<{ type: string }>(sql`SELECT type FROM webhook_delivery ORDER BY type`),
  );
  assert.deepEqual(
    left.map(({ type }) => type),
    ['delivered 29', 'failed 29', 'waiting 29', 'waiting 31'],
  );
});
