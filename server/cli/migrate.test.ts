import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import pg from 'pg';
import { camp } from '../../test/support/command-line.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import { EXIT } from './exit-codes.ts';

const { directUrl, drop } = await createTestDatabase();
const emptyName = `camp_test_${process.pid}_empty`;
const emptyUrl = new URL(directUrl);
emptyUrl.pathname = `/${emptyName}`;

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: directUrl });
  await client.connect();
  await client.query(statement);
  await client.end();
}

await administer(`create database ${emptyName}`);
after(async () => {
  await administer(`drop database ${emptyName} with (force)`);
  await drop();
});

test('nothing works on a database that lacks migrations but migrate, which may be repeated', async () => {
  const env = { DATABASE_URL: emptyUrl.href, SMTP_URL: 'smtp://127.0.0.1:1' };
  for (const args of [['worker'], ['campaign', 'list']]) {
    const { code, stderr } = await camp(args, env);
    assert.equal(code, EXIT.unavailable);
    assert.match(stderr, /^The database lacks \d+ migrations \(0001_\w+\.sql, .*\): run `camp migrate`\.$/m);
  }
  const first = await camp(['migrate', '--json'], env);
  assert.equal(first.code, 0, first.stderr);
  assert.ok(Array.isArray(first.json.applied) && first.json.applied.length > 0);
  const second = await camp(['migrate', '--json'], env);
  assert.deepEqual({ code: second.code, json: second.json }, { code: 0, json: { applied: [] } });
  assert.equal((await camp(['campaign', 'list'], env)).code, 0);
});
