import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { camp, startCamp } from '../../test/support/command-line.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import { Database } from '../kernel/database.ts';
import { startEmbeddedPostgres } from '../kernel/embedded-postgres.ts';
import { migrate } from '../kernel/migrate.ts';
import { EXIT } from './exit-codes.ts';

const TIMEOUT = { timeout: 120_000 };

const { url, drop } = await createTestDatabase();
const folder = await mkdtemp(join(tmpdir(), 'camp-demo-'));
after(async () => {
  await drop();
  await rm(folder, { recursive: true });
});
const env = { DATABASE_URL: url, CAMP_DATA_DIR: folder };

test('the demo shows a campaign whose books agree, twice on the same data', TIMEOUT, async () => {
  const demo = () => camp(['demo', '--recipients', '400', '--json'], env);
  const first = await demo();
  assert.equal(first.code, 0, first.stderr);
  assertAddsUp(first.json, 400);
  assert.equal(first.json.suppressed, 0);
  assert.ok(Number(first.json.rejected) > 0, 'the sandbox knows some of the 400 people not');
  assert.match(first.stderr, /of an audience of 400 ✓/);
  const second = await demo();
  assert.equal(second.code, 0, second.stderr);
  assertAddsUp(second.json, 400);
  assert.equal(
    second.json.suppressed,
    first.json.rejected,
    'who was rejected by the first is spared by the second',
  );
  assert.match(await readFile(join(folder, 'demo/sandbox/message-01.eml'), 'utf8'), /^List-Unsubscribe:/m);
});

test('a demo that is interrupted takes back what waits, and its books agree', TIMEOUT, async () => {
  const running = startCamp(['demo', '--recipients', '5000', '--json'], env);
  await running.said(/sending [1-9]/);
  running.child.kill('SIGINT');
  const result = JSON.parse(await running.said(/^\{"campaign_id"/));
  assert.deepEqual(await running.ended, { code: EXIT.interrupted, signal: null });
  assertAddsUp(result, 5000);
  assert.ok(result.cancelled > 0);
});

test('data that an older Camp left are answered with the folder to delete', TIMEOUT, async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'camp-demo-old-'));
  t.after(() => rm(dataDir, { recursive: true }));
  await chmod(dataDir, 0o755);
  const demoFolder = join(dataDir, 'demo');
  await leaveOtherMigration(join(demoFolder, 'postgres'));
  const { code, stderr } = await camp(['demo', '--data-dir', dataDir]);
  assert.equal(code, EXIT.failed);
  assert.match(stderr, new RegExp(`another version of Camp: delete the folder ${demoFolder} and run`));
});

async function leaveOtherMigration(dataDir: string): Promise<void> {
  const postgres = await startEmbeddedPostgres({ dataDir });
  const migrations = await mkdtemp(join(tmpdir(), 'camp-demo-migrations-'));
  await writeFile(join(migrations, '0001_old.sql'), 'SELECT 1');
  const database = new Database(postgres.url);
  await migrate(database, migrations);
  await database.close();
  await postgres.stop();
  await rm(migrations, { recursive: true });
}

function assertAddsUp(result: Record<string, unknown>, audience: number): void {
  const of = (name: string) => Number(result[name]);
  const states = ['accepted', 'rejected', 'deferred', 'suppressed', 'cancelled', 'expired', 'uncertain'];
  assert.equal(of('audience'), audience);
  assert.equal(
    states.reduce((sum, state) => sum + of(state), 0),
    audience,
  );
  assert.equal(of('duplicates'), 0);
  const more = of('server_accepted') - of('accepted');
  assert.ok(more >= 0 && more <= of('uncertain'));
}
