import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { readConfig } from '../kernel/config.ts';
import { createLog } from '../kernel/log.ts';
import { openBilling } from './billing.ts';

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

async function warnings(env: Record<string, string>): Promise<unknown[]> {
  const log = createLog('silent');
  const said: unknown[] = [];
  log.warn = ({ event }: { event: string }) => said.push(event);
  const respond = () => ({ status: 201, headers: {}, body: Buffer.alloc(0) });
  const config = readConfig({ BILLING: 'on', STRIPE_SECRET_KEY: 'sk_test_1', ...env });
  await openBilling(config, { database: db.database, log, respond });
  return said;
}

test('whoever sells without the secret of the provider’s events is told so at every start', async () => {
  assert.deepEqual(await warnings({}), ['stripe_webhook_secret_not_set']);
  assert.deepEqual(await warnings({ STRIPE_WEBHOOK_SECRET: 'whsec_1' }), []);
});
