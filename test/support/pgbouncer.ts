/** Debian's PgBouncer before a test database: transaction mode, two server connections for everybody together. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { spawnSupervised } from '../../server/kernel/embedded-postgres-supervisor.ts';

const PROGRAM = '/usr/sbin/pgbouncer';

export interface Pgbouncer {
  url: string;
  stop(): Promise<void>;
}

export function isPgbouncerInstalled(): boolean {
  return existsSync(PROGRAM);
}

/** The same database at another address. It ends with this process at the latest. */
export async function startPgbouncer(directUrl: string): Promise<Pgbouncer> {
  const url = new URL(directUrl);
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'camp-pgbouncer-'));
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(file, configuration(url, port), { mode: 0o600 });
  const user = giveToNobody(folder);
  const child = spawnSupervised([PROGRAM, file], { ...user, cwd: folder, stdio: ['pipe', 'ignore', 'pipe'] });
  await untilUp(child.stderr);
  url.port = String(port);
  return {
    url: url.href,
    async stop() {
      child.stdin?.end();
      await once(child, 'exit');
      await rm(folder, { recursive: true });
    },
  };
}

function configuration({ hostname, port, username, password, pathname }: URL, listenPort: number): string {
  return `[databases]
* = host=${hostname} port=${port || 5432} user=${username} password=${decodeURIComponent(password)} dbname=${pathname.slice(1)}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listenPort}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_client_conn = 500
log_connections = 0
log_disconnections = 0
`;
}

/** PgBouncer refuses to be root. */
function giveToNobody(folder: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'nobody'])));
  execFileSync('chown', ['-R', `${uid}:${gid}`, folder]);
  return { uid: Number(uid), gid: Number(gid) };
}

async function untilUp(stderr: NodeJS.ReadableStream | null): Promise<void> {
  if (!stderr) throw new Error('PgBouncer was started without its log');
  const lines = createInterface(stderr);
  const log: string[] = [];
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      log.push(line);
      if (line.includes('process up')) resolve();
    });
    lines.on('close', () => reject(new Error(`PgBouncer did not start:\n${log.join('\n')}`)));
  });
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
