import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { after, test } from 'node:test';
import { camp } from '../../test/support/command-line.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import { openScopeNames } from '../kernel/scope.ts';
import { checkPublicUrl, checkRelay } from './doctor-checks.ts';
import { EXIT } from './exit-codes.ts';

const WAIT_MS = 100;

const { url, drop } = await createTestDatabase();
after(drop);

/** A server on loopback that says `greeting` and nothing more; undefined: nothing at all. */
async function relay(t: { after(work: () => void): void }, greeting?: string): Promise<string> {
  const server: Server = createServer((socket) => {
    if (greeting) socket.write(greeting);
    socket.on('error', () => {});
    t.after(() => socket.destroy());
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a relay that answers nothing is given up in time, and named', async (t) => {
  const smtpUrl = await relay(t);
  const { verdict, detail } = await checkRelay(smtpUrl, 'localhost', WAIT_MS);
  assert.equal(verdict, 'fail');
  assert.match(detail, new RegExp(`^${smtpUrl.slice('smtp://'.length)}: no answer in time \\(greeting\\)`));
  assert.deepEqual(openScopeNames(), []);
});

test('a relay that turns us away is quoted', async (t) => {
  const { verdict, detail } = await checkRelay(await relay(t, '554 5.7.1 Go away\r\n'), 'localhost');
  assert.equal(verdict, 'fail');
  assert.match(detail, /greeting was answered with "554 Go away"/);
});

test('a public URL that recipients cannot reach is a warning', () => {
  assert.equal(checkPublicUrl('http://localhost:8080').verdict, 'warn');
  assert.equal(checkPublicUrl('https://mail.example.com').verdict, 'ok');
});

test('doctor says ok for what is well, and ends with 1 when something fails', async () => {
  const env = { DATABASE_URL: url, SMTP_URL: 'smtp://127.0.0.1:1' };
  const { code, json, stderr } = await camp(['doctor', '--json'], env);
  assert.equal(code, EXIT.failed);
  assert.ok(Array.isArray(json.findings));
  const verdicts = Object.fromEntries(json.findings.map(({ check, verdict }) => [check, verdict]));
  assert.deepEqual(
    { ...verdicts, Checksums: 'any', Roles: verdicts.Roles === 'fail' ? 'fail' : 'any' },
    {
      Node: 'ok',
      Postgres: 'ok',
      Migrations: 'ok',
      Durability: 'ok',
      Checksums: 'any',
      Roles: 'any',
      Relay: 'fail',
      'Public URL': 'warn',
    },
  );
  assert.match(stderr, /127\.0\.0\.1:1: nothing listens there/);
});

test('without URLs doctor says what is missing, and that is no failure', async () => {
  const { code, json, stderr } = await camp(['doctor', '--json', '--data-dir', '/nonexistent/camp']);
  assert.deepEqual({ code, ok: json.ok }, { code: EXIT.ok, ok: true });
  assert.match(stderr, /Camp cannot send yet: set DATABASE_URL and SMTP_URL\.$/m);
  assert.doesNotMatch(stderr, /Camp can send/);
});
