/** What processes cost, from Linux' /proc: memory at its peak, and processor time. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICK_MS = 1_000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const MB_KB = 1_024;

/** The most memory that the process has had at once so far; 0 when it is gone. */
export function peakRssMb(pid: number): number {
  const [, kb = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`)) ?? [];
  return Number(kb) / MB_KB;
}

/** User and system time of the process itself. */
export function cpuMs(pid: number): number {
  return stat(pid)?.ownMs ?? 0;
}

/** Of a process and all its children, those that have ended included. */
export function familyCpuMs(pid: number): number {
  const parent = stat(pid);
  if (!parent) return 0;
  const children = readdirSync('/proc')
    .map((name) => stat(Number(name)))
    .filter((found) => found?.parent === pid);
  return children.reduce((sum, child) => sum + (child?.ownMs ?? 0), parent.ownMs + parent.endedChildrenMs);
}

interface Stat {
  parent: number;
  ownMs: number;
  endedChildrenMs: number;
}

/** proc(5): the name in parentheses may hold anything, so the fields are counted from behind it. */
function stat(pid: number): Stat | undefined {
  const text = Number.isInteger(pid) ? read(`/proc/${pid}/stat`) : '';
  const [, parent, , , , , , , , , , utime, stime, cutime, cstime] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  if (parent === undefined) return undefined;
  const ms = (...ticks: (number | undefined)[]) => ticks.reduce<number>((sum, n = 0) => sum + n * TICK_MS, 0);
  return { parent, ownMs: ms(utime, stime), endedChildrenMs: ms(cutime, cstime) };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
