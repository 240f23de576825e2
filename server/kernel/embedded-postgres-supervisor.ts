/**
 * Runs a server program that ends when nobody wants it any more. Its supervisor, a shell, reads from us until every
 * writer is gone, however it ended (`kill -9` too): the kernel closes what a dead process held. Then it interrupts
 * the program, which is Postgres' and PgBouncer's word for an orderly stop.
 */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';

/** The reader is a process beside the wait, so that the program's own end is noticed as well. */
const SCRIPT = `exec 3<&0
"$@" 3<&- </dev/null & program=$!
(read -r _ <&3; kill -INT $program) & reader=$!
wait $program; status=$?
kill $reader 2>&-
exit $status`;

export interface SupervisedOptions {
  cwd: string;
  uid?: number | undefined;
  gid?: number | undefined;
  /** The first is what is read to its end. */
  stdio: StdioOptions;
}

/** The supervisor's process; it ends with the program, and with the program's exit code. */
export function spawnSupervised(
  command: string[],
  { cwd, uid, gid, stdio }: SupervisedOptions,
): ChildProcess {
  return spawn('/bin/sh', ['-c', SCRIPT, 'sh', ...command], {
    cwd,
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    env: { LC_ALL: 'C', PATH: process.env.PATH },
    stdio,
    // A session of its own: Ctrl-C is for us, and the program stops when our own work is done.
    detached: true,
  });
}
