/**
 * Logs on standard error, so that standard output stays the program's own: JSON lines, or for a person at a terminal one
 * readable line each.
 */
import { type DestinationStream, destination, type Logger, levels, pino } from 'pino';

export type Log = Logger;

/** Every line has `event`, a stable name; addresses of recipients never appear. */
export function createLog(level: string, name = 'camp'): Log {
  const to = process.stderr.isTTY ? readable : destination({ fd: 2, sync: true });
  return pino({ name, level, base: { name, pid: process.pid } }, to);
}

const readable: DestinationStream = {
  write(line: string): void {
    const { time, level, name, pid, event, ...rest } = JSON.parse(line);
    const at = new Date(time).toISOString().slice(11, 23);
    const details = Object.entries(rest).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    process.stderr.write(`${at} ${levels.labels[level]} ${name}[${pid}] ${[event, ...details].join(' ')}\n`);
  },
};
