/** Where the built-in Postgres and the sandbox keep their data, when nobody said where. */
import { accessSync, constants, existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Config } from '../kernel/config.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');

export function dataFolder(config: Pick<Config, 'dataDir'>): string {
  return resolve(config.dataDir ?? defaultDataFolder());
}

export function postgresFolder(dataDir: string): string {
  return join(dataDir, 'postgres');
}

/** Root's Postgres runs as another user, who cannot get into root's home. A service user may have no home at all. */
function defaultDataFolder(): string {
  if (process.getuid?.() === 0) return '/var/lib/camp';
  if (process.env.XDG_DATA_HOME) return join(process.env.XDG_DATA_HOME, 'camp');
  const home = homedir();
  return existsSync(home) && isWritable(home) ? join(home, '.local/share/camp') : join(CHECKOUT, '.camp');
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
