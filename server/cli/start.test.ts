import assert from 'node:assert/strict';
import { access, constants, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { camp, type Running, startCamp } from '../../test/support/command-line.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import { isAlive } from '../kernel/embedded-postgres-postmaster.ts';
import { EXIT } from './exit-codes.ts';

const LOOK_MS = 20;
const TIMEOUT = { timeout: 60_000 };

const { url, drop } = await createTestDatabase();
const folder = await mkdtemp(join(tmpdir(), 'camp-start-'));
const seen: number[] = [];
after(async () => {
  for (const pid of seen.filter(isAlive)) process.kill(pid, 'SIGKILL');
  await drop();
  await rm(folder, { recursive: true });
});
const env = { DATABASE_URL: url, CAMP_DATA_DIR: folder, CAMP_HTTP_PORT: '0' };

async function started(): Promise<{ running: Running; workers: number[] }> {
  const running = startCamp(['start', '--workers', '1'], env);
  const log = JSON.parse(await running.said(/"event":"worker_started"/));
  seen.push(running.child.pid ?? 0, log.pid);
  return { running, workers: [log.pid] };
}

async function untilGone(pids: number[]): Promise<void> {
  while (pids.some(isAlive)) await sleep(LOOK_MS);
}

test('the files that start names for a first campaign are there', TIMEOUT, async () => {
  const { running } = await started();
  const lines = [await running.said(/camp import /), await running.said(/campaign create /)];
  for (const line of lines) {
    const [file = ''] = /[\w/]+\.(csv|mjml)/.exec(line) ?? [];
    await access(join(import.meta.dirname, '../..', file), constants.R_OK);
    assert.notEqual(file, '');
  }
  running.child.kill('SIGTERM');
  assert.equal((await running.ended).code, EXIT.ok);
});

test('SIGTERM ends start and its workers in order', TIMEOUT, async () => {
  const { running, workers } = await started();
  running.child.kill('SIGTERM');
  assert.deepEqual(await running.ended, { code: EXIT.ok, signal: null });
  assert.deepEqual(workers.filter(isAlive), []);
  await running.said(/"event":"worker_ended"/);
});

test('start serves the web as well', TIMEOUT, async () => {
  const { running } = await started();
  const url = /http:\/\/[\d.:]+/.exec(await running.said(/Web server on/))?.[0];
  assert.equal((await fetch(`${url}/readyz`)).status, 200);
  await running.said(/Become its owner/);
  running.child.kill('SIGTERM');
  assert.equal((await running.ended).code, EXIT.ok);
  await running.said(/"event":"web_ended"/);
});

test('kill -9 of start ends its workers', TIMEOUT, async () => {
  const { running, workers } = await started();
  running.child.kill('SIGKILL');
  assert.equal((await running.ended).signal, 'SIGKILL');
  await untilGone(workers);
});

test('a worker that is killed is started again', TIMEOUT, async () => {
  const { running, workers } = await started();
  process.kill(workers[0] ?? 0, 'SIGKILL');
  await running.said(/Worker 1 ended \(SIGKILL\) and is started again/);
  await running.said(
    new RegExp(
      `"event":"worker_started"(?!.*"pid":${workers[0]}\\b)|"pid":(?!${workers[0]}\\b)\\d+,"event":"worker_started"`,
    ),
  );
  running.child.kill('SIGTERM');
  assert.equal((await running.ended).code, EXIT.ok);
});

test('a worker needs a relay and a migrated database, and says so', TIMEOUT, async () => {
  const alone = await camp(['worker'], { DATABASE_URL: url });
  assert.equal(alone.code, EXIT.usage);
  assert.match(alone.stderr, /^Neither SMTP_URL nor CAMP_RESOLVER is set: name the relay/);
  const wrong = await camp(['worker', '--smtp-url', 'http://me:sekret@relay.example'], env);
  assert.equal(wrong.code, EXIT.usage);
  assert.match(wrong.stderr, /must begin with smtp/);
  assert.doesNotMatch(wrong.stderr, /sekret/);
});
