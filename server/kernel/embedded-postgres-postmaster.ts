/** Who runs on a Postgres data folder, by its postmaster.pid (the format is in Postgres' utils/pidfile.h). */
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Postmaster {
  pid: number;
  port: number;
  status: string;
}

/** The live postmaster of this data folder; undefined when the file is missing or names a dead or foreign process. */
export async function readPostmaster(pgdata: string): Promise<Postmaster | undefined> {
  const lines = await readLock(pgdata);
  const pid = Number(lines[0]);
  const status = lines[7]?.trim();
  if (!isAlive(pid) || !(await runsOn(pid, pgdata))) return undefined;
  return { pid, port: Number(lines[3]), status: status ?? 'starting' };
}

/**
 * Postgres refuses to start while the process that postmaster.pid names is alive, and after a crash that may be
 * anybody's process. Its own check of the shared memory block still guards the data.
 */
export async function removeLockOfStranger(pgdata: string): Promise<void> {
  const pid = Number((await readLock(pgdata))[0]);
  if (isAlive(pid) && !(await runsOn(pid, pgdata))) await rm(join(pgdata, 'postmaster.pid'), { force: true });
}

export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return isErrno(error, 'EPERM');
  }
}

export function isErrno(error: unknown, ...codes: string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

async function readLock(pgdata: string): Promise<string[]> {
  try {
    return (await readFile(join(pgdata, 'postmaster.pid'), 'utf8')).split('\n');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

async function runsOn(pid: number, pgdata: string): Promise<boolean> {
  const command = await commandOf(pid);
  return command.includes(pgdata);
}

/** The arguments of a process; empty when it is gone. Containers may lack `ps`, macOS lacks /proc. */
async function commandOf(pid: number): Promise<string> {
  if (process.platform === 'linux') return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const ps = promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]);
  return ps.then(({ stdout }) => stdout).catch(() => '');
}
