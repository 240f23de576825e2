import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, test } from 'node:test';
import pg from 'pg';
import { camp } from '../../test/support/command-line.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import { explainDatabaseError } from './database-errors.ts';
import { EXIT } from './exit-codes.ts';

const WAIT_MS = 100;

const { directUrl, drop } = await createTestDatabase();
after(drop);

/** What a wrong DATABASE_URL is answered with: one sentence, and never the password. */
async function complaintAbout(databaseUrl: string): Promise<string> {
  const { code, stdout, stderr } = await camp(['campaign', 'list'], { DATABASE_URL: databaseUrl });
  assert.equal(code, EXIT.unavailable, stderr);
  assert.equal(stdout, '');
  assert.doesNotMatch(stderr, /sekret| {4}at /);
  assert.equal(stderr.trimEnd().split('\n').length, 1);
  return stderr;
}

function changed(change: (url: URL) => void): string {
  const url = new URL(directUrl);
  change(url);
  return url.href;
}

test('a host that does not exist is named', async () => {
  assert.match(
    await complaintAbout('postgres://camp:sekret@nowhere.invalid/camp'),
    /The host nowhere\.invalid/,
  );
});

test('a port where nothing listens is named', async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  const port = typeof address === 'object' ? address?.port : 0;
  probe.close();
  assert.match(
    await complaintAbout(`postgres://camp:sekret@127.0.0.1:${port}/camp`),
    new RegExp(`No database answers at 127\\.0\\.0\\.1:${port}`),
  );
});

test('a server that is no Postgres is named', async () => {
  const server = createServer((socket) => socket.end('220 mail.example ESMTP\r\n')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  assert.match(await complaintAbout(`postgres://camp:sekret@127.0.0.1:${port}/camp`), /not a Postgres/);
  server.close();
});

test('a server that takes the connection and never answers is told from one that ends it', async (t) => {
  const server = createServer((socket) => t.after(() => socket.destroy())).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const url = `postgres://camp:sekret@127.0.0.1:${port}/camp`;
  const pool = new pg.Pool({ connectionString: url, connectionTimeoutMillis: WAIT_MS });
  const error = await pool.connect().catch((reason: unknown) => reason);
  assert.match(
    explainDatabaseError(error, url)?.sentence ?? '',
    new RegExp(`^No answer from 127\\.0\\.0\\.1:${port}`),
  );
});

test('a wrong password is told from a wrong database', async () => {
  const wrongPassword = changed((url) => {
    url.password = 'sekret';
  });
  assert.match(
    await complaintAbout(wrongPassword),
    /refuses to let \w+ in: correct the user or the password/,
  );
  const wrongDatabase = changed((url) => {
    url.pathname = '/nothere';
  });
  assert.match(await complaintAbout(wrongDatabase), /has no database nothere: make it \(`createdb /);
});

test('what a flag says wins over the environment', async () => {
  const env = { DATABASE_URL: 'postgres://nowhere.invalid/camp' };
  assert.equal((await camp(['campaign', 'list', '--database-url', directUrl], env)).code, EXIT.ok);
  assert.equal((await camp(['--database-url', directUrl, 'campaign', 'list'], env)).code, EXIT.ok);
});

test('a text that is no Postgres URL is answered with how one looks', async () => {
  for (const url of ['localhost', 'mysql://root:sekret@localhost/camp']) {
    const { code, stderr } = await camp(['migrate'], { DATABASE_URL: url });
    assert.equal(code, EXIT.usage);
    assert.match(stderr, /it must look like postgres:\/\/user:password@host:5432\/database/);
    assert.doesNotMatch(stderr, /sekret/);
  }
});

test('without DATABASE_URL and without a data folder, the way to a database is shown and none is made', async () => {
  const { code, stderr } = await camp(['campaign', 'list', '--data-dir', '/nonexistent/camp']);
  assert.equal(code, EXIT.unavailable);
  assert.match(stderr, /There is no database: set DATABASE_URL, or start Camp's own with `camp start`/);
});
