import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { camp, type Running, startCamp } from '../../test/support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { EXIT } from './exit-codes.ts';
import { prepareDatabase } from './open-database.ts';

const TIMEOUT = { timeout: 60_000 };

let db: TestDatabase;
let env: Record<string, string>;

before(async () => {
  db = await createTestDatabase();
  await prepareDatabase({ workspaceId: DEFAULT_WORKSPACE_ID }, db.database);
  env = { DATABASE_URL: db.url };
});

after(() => db.drop());

async function listening(running: Running): Promise<string> {
  const line = await running.said(/Camp listens on/);
  return /http:\/\/[\d.:]+/.exec(line)?.[0] ?? assert.fail(line);
}

test(
  'camp web says where it listens and how to become the owner, answers, and drains at SIGTERM',
  TIMEOUT,
  async () => {
    const running = startCamp(['web', '--port', '0'], env);
    const url = await listening(running);
    const [link = ''] = /http\S+$/.exec(await running.said(/first-run/)) ?? [];
    assert.match(link, new RegExp(`^${url}/first-run#[\\w-]{43}$`));
    assert.match(await (await fetch(link)).text(), /<form/);
    const answer = await fetch(`${url}/readyz`);
    assert.deepEqual([answer.status, await answer.json()], [200, { status: 'ok' }]);
    running.child.kill('SIGTERM');
    assert.deepEqual(await running.ended, { code: EXIT.ok, signal: null });
    await running.said(/"event":"web_ended"/);
  },
);

test('the link leads to where the operator says that Camp is found', TIMEOUT, async () => {
  const running = startCamp(['web', '--port', '0'], { ...env, CAMP_PUBLIC_URL: 'https://mail.example.com' });
  assert.match(await running.said(/first-run/), /https:\/\/mail\.example\.com\/first-run#[\w-]{43}$/);
  running.child.kill('SIGTERM');
  await running.ended;
});

test('a port that is in use is named', TIMEOUT, async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const address = taken.address();
  const port = typeof address === 'object' ? String(address?.port) : assert.fail();
  const ended = await camp(['web', '--port', port], env);
  taken.close();
  assert.equal(ended.code, EXIT.unavailable);
  assert.match(ended.stderr, new RegExp(`^The port of the web server is in use: .*${port}`));
});

test('a setting that cannot be used stops it with a sentence', TIMEOUT, async () => {
  const port = await camp(['web', '--port', '70000'], env);
  assert.match(port.stderr, /^CAMP_HTTP_PORT is "70000", but must be a whole number from 0 to 65535/);
  const proxies = await camp(['web'], { ...env, CAMP_TRUSTED_PROXIES: '10.0.0.0/8, everybody' });
  assert.match(proxies.stderr, /^CAMP_TRUSTED_PROXIES names "everybody"/);
  assert.deepEqual([port.code, proxies.code], [EXIT.usage, EXIT.usage]);
});
