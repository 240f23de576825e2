/** Logs: JSON lines on standard error, so that standard output stays the program's own. */
import { destination, type Logger, pino } from 'pino';

export type Log = Logger;

/** Every line has `event`, a stable name; addresses of recipients never appear. */
export function createLog(level: string, name = 'camp'): Log {
  return pino({ name, level, base: { name, pid: process.pid } }, destination({ fd: 2, sync: true }));
}
