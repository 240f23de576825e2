import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { type EmbeddedPostgres, PostgresUnavailable, startEmbeddedPostgres } from './embedded-postgres.ts';
import { isAlive } from './embedded-postgres-postmaster.ts';

const isRoot = process.getuid?.() === 0;

/** Starts a server as another process would, says where it is, and stays until its input ends or it is killed. */
const START_AND_STAY = `
import { startEmbeddedPostgres } from ${JSON.stringify(import.meta.resolve('./embedded-postgres.ts'))};
const { url, pid } = await startEmbeddedPostgres({ dataDir: process.argv[1] });
console.log(JSON.stringify({ url, pid }));
process.stdin.resume();
`;

describe('an embedded Postgres', () => {
  let folder: string;
  let dataDir: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'camp-embedded-'));
    await chmod(folder, 0o755);
    dataDir = join(folder, 'data');
  });

  after(async () => {
    await rm(folder, { recursive: true });
  });

  test('two processes that start on the same new folder share one server', async () => {
    const [first, second] = await Promise.all([startElsewhere(dataDir), startElsewhere(dataDir)]);
    assert.deepEqual(first.server, second.server);
    await Promise.all([leave(first.process), leave(second.process)]);
    await gone(first.server.pid);
    assert.deepEqual(
      (await readdir(dataDir)).filter((name) => name.includes('half')),
      [],
    );
  });

  test('is for Camp a plain role on a UTF-8 database with checksums', async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    const [row] = await query(
      server.url,
      `select rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, current_database() as database, lower('É') as lower,
         current_setting('server_encoding') as encoding, current_setting('data_checksums') as checksums,
         current_setting('fsync') as fsync, current_setting('server_version_num')::int / 10000 as major
       from pg_roles where rolname = current_user`,
    );
    assert.deepEqual(row, {
      rolsuper: false,
      rolbypassrls: false,
      rolcreatedb: true,
      rolcreaterole: true,
      database: 'camp',
      lower: 'é',
      encoding: 'UTF8',
      checksums: 'on',
      fsync: 'on',
      major: 18,
    });
    await server.stop();
  });

  test('asks everybody for the password, which only its owner can read', async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    const wrong = server.url.replace(/:[0-9a-f]+@/, ':guess@');
    await assert.rejects(query(wrong, 'select 1'), /password authentication failed/);
    const { mode } = await stat(join(dataDir, 'pgdata', 'camp.password'));
    assert.equal(mode & 0o777, 0o600);
    await server.stop();
  });

  test('never runs as root', { skip: isRoot ? false : 'this user is not root' }, async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    assert.match(
      execFileSync('grep', ['^Uid:', `/proc/${server.pid}/status`], { encoding: 'utf8' }),
      /^Uid:\t(?!0\t)/,
    );
    await server.stop();
  });

  test('has the same address and the same rows after a stop', async () => {
    const before = await startEmbeddedPostgres({ dataDir });
    await query(before.url, 'create table kept (what text)');
    await query(before.url, `insert into kept values ('after a stop')`);
    await before.stop();
    assert.equal(isAlive(before.pid), false);
    const again = await startEmbeddedPostgres({ dataDir });
    assert.equal(again.url, before.url);
    assert.deepEqual(await query(again.url, 'select what from kept'), [{ what: 'after a stop' }]);
    await again.stop();
  });

  test('stays while any process uses it and stops when the last one was killed', async () => {
    const owner = await startElsewhere(dataDir);
    const guest = await startElsewhere(dataDir);
    await kill(owner.process);
    assert.deepEqual(await query(guest.server.url, 'select 1 as alive'), [{ alive: 1 }]);
    await kill(guest.process);
    await gone(guest.server.pid);
  });

  test('is not stopped by a guest that lets go', async () => {
    const owner = await startElsewhere(dataDir);
    const guest = await startEmbeddedPostgres({ dataDir });
    await guest.stop();
    assert.deepEqual(await query(owner.server.url, 'select 1 as alive'), [{ alive: 1 }]);
    await leave(owner.process);
    await gone(owner.server.pid);
  });

  test('comes back at the same address with every committed row when it was killed itself', async () => {
    const killed = await startEmbeddedPostgres({ dataDir });
    await query(killed.url, 'create table committed (n int)');
    await query(killed.url, 'insert into committed values (7)');
    process.kill(killed.pid, 'SIGKILL');
    const again = await startEmbeddedPostgres({ dataDir });
    assert.notEqual(again.pid, killed.pid);
    assert.equal(again.url, killed.url);
    assert.deepEqual(await query(again.url, 'select n from committed'), [{ n: 7 }]);
    await killed.stop();
    await again.stop();
  });

  test('starts although a crash left a lock whose number is now the number of another process', async () => {
    const killed = await startElsewhere(dataDir);
    const lockFile = join(dataDir, 'pgdata', 'postmaster.pid');
    const lock = await readFile(lockFile, 'utf8');
    const { uid, gid } = await stat(join(dataDir, 'pgdata'));
    process.kill(killed.server.pid, 'SIGKILL');
    await kill(killed.process);
    const stranger = spawn('sleep', ['600'], { uid, gid });
    await writeFile(lockFile, lock.replace(/^\d+/, String(stranger.pid)));
    const server = await startEmbeddedPostgres({ dataDir });
    assert.notEqual(server.pid, stranger.pid);
    assert.deepEqual(await query(server.url, 'select 1 as alive'), [{ alive: 1 }]);
    await server.stop();
    await kill(stranger);
  });

  test('takes another port when somebody has its old one, and says so when it was asked for', async () => {
    const before = await startEmbeddedPostgres({ dataDir });
    const port = Number(new URL(before.url).port);
    await before.stop();
    const somebody = createServer().listen(port, '127.0.0.1');
    await once(somebody, 'listening');
    await refused({ dataDir, port }, /^The port for Postgres is taken/);
    const moved = await startEmbeddedPostgres({ dataDir });
    assert.notEqual(new URL(moved.url).port, String(port));
    await moved.stop();
    somebody.close();
  });

  test('a folder that was left half made by a crash is made again', async () => {
    const unfinished = join(folder, 'unfinished');
    const dead = spawn('true');
    await once(dead, 'exit');
    await mkdir(join(unfinished, `pgdata.half-${dead.pid}-x`), { recursive: true });
    const server = await startEmbeddedPostgres({ dataDir: unfinished });
    await server.stop();
    assert.equal(
      (await readdir(unfinished)).some((name) => name.includes('half')),
      false,
    );
  });
});

describe('an embedded Postgres says in one sentence why it cannot start', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'camp-embedded-'));
    await chmod(folder, 0o755);
  });

  after(async () => {
    await rm(folder, { recursive: true });
  });

  for (const [megabytes, when] of [
    [8, 'while it is copied'],
    [75, 'while the database is made'],
  ] as const) {
    test(`a disk that is full ${when}`, {
      skip: isRoot ? false : 'only root mounts a small disk',
    }, async () => {
      const disk = join(folder, `disk-${megabytes}`);
      await mkdir(disk);
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', disk]);
      try {
        await refused({ dataDir: join(disk, 'data') }, /^The disk that holds \S+ is full/);
      } finally {
        execFileSync('umount', [disk]);
      }
    });
  }

  test('a folder that it may not enter or write', async () => {
    const locked = join(folder, 'locked');
    await mkdir(locked, { mode: 0o500 });
    const expected = isRoot
      ? /^Postgres may not run as root, .* cannot get into \S+locked/
      : /^This user may not write/;
    await refused({ dataDir: join(locked, 'data') }, expected);
    assert.deepEqual(await readdir(locked), []);
  });

  test('a file in the place of the folder', async () => {
    await writeFile(join(folder, 'file'), '');
    await refused({ dataDir: join(folder, 'file') }, /because a file is in its place/);
  });

  test('data of another Postgres', async () => {
    await mkdir(join(folder, 'old', 'pgdata'), { recursive: true });
    await writeFile(join(folder, 'old', 'pgdata', 'PG_VERSION'), '15\n');
    await refused({ dataDir: join(folder, 'old') }, /is of Postgres 15, and Camp comes with Postgres 18/);
  });

  test("a data folder of the system's own Postgres", async () => {
    await mkdir(join(folder, 'main'));
    await writeFile(join(folder, 'main', 'PG_VERSION'), '17\n');
    await refused({ dataDir: join(folder, 'main') }, /is the data folder of another Postgres \(17\)/);
  });
});

async function refused(options: { dataDir: string; port?: number }, sentence: RegExp): Promise<void> {
  await assert.rejects(startEmbeddedPostgres(options), (error) => {
    assert.ok(error instanceof PostgresUnavailable, String(error));
    assert.match(error.message, sentence);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
}

interface ElsewhereServer {
  process: ChildProcess;
  server: Pick<EmbeddedPostgres, 'url' | 'pid'>;
}

async function startElsewhere(dataDir: string): Promise<ElsewhereServer> {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', START_AND_STAY, dataDir]);
  const [line] = await once(createInterface(child.stdout), 'line');
  return { process: child, server: JSON.parse(line) };
}

async function leave(child: ChildProcess): Promise<void> {
  child.stdin?.end();
  await once(child, 'exit');
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** The end of somebody else's child can only be watched by asking; the test's own deadline bounds it. */
async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await sleep(5);
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
