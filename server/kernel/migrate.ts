/**
 * Migrations: numbered SQL files, each applied once, in order, in a transaction of its own.
 *
 * One process at a time (an advisory lock that a transaction holds, so that a transaction pooler does no harm). A
 * file that changed after it was applied, or a database that knows a newer file than this code, stops the start with a
 * sentence: going on would run code against tables that it does not know.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Database, Tx } from './database.ts';
import * as queries from './queries.ts';

const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../migrations/', import.meta.url));

/** The database cannot be brought to this code's version; the message says what to do. */
export class MigrationRefused extends Error {
  override readonly name = 'MigrationRefused';
}

interface MigrationFile {
  name: string;
  text: string;
  sha256: string;
}

/** Brings the database up to date and gives the names of the files that it applied. */
export async function migrate(database: Database, folder = MIGRATIONS_FOLDER): Promise<string[]> {
  const files = await readMigrations(folder);
  const applied: string[] = [];
  for (;;) {
    const name = await database.withOwner((tx) => applyNext(tx, files));
    if (name === undefined) return applied;
    applied.push(name);
  }
}

/** Names of the files that this database still lacks; throws MigrationRefused as `migrate` does. */
export async function pendingMigrations(database: Database, folder = MIGRATIONS_FOLDER): Promise<string[]> {
  const files = await readMigrations(folder);
  return database.withOwner(async (tx) => {
    if (!(await queries.hasMigrationTable(tx))) return files.map((file) => file.name);
    const done = await queries.appliedMigrations(tx);
    checkHistory(files, done);
    return files.slice(done.length).map((file) => file.name);
  });
}

async function readMigrations(folder: string): Promise<MigrationFile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(`${folder}/${name}`, 'utf8');
      return { name, text, sha256: createHash('sha256').update(text).digest('hex') };
    }),
  );
}

async function applyNext(tx: Tx, files: MigrationFile[]): Promise<string | undefined> {
  await queries.liftStatementTimeout(tx);
  await queries.lockMigrations(tx);
  await queries.createMigrationTable(tx);
  const done = await queries.appliedMigrations(tx);
  checkHistory(files, done);
  const next = files[done.length];
  if (!next) return undefined;
  await tx.client.query(next.text);
  await queries.recordMigration(tx, next.name, next.sha256);
  return next.name;
}

function checkHistory(files: MigrationFile[], done: queries.AppliedMigration[]): void {
  done.forEach((applied, index) => {
    const file = files[index];
    if (!file)
      throw new MigrationRefused(
        `The database is newer than this version of Camp: it has migration ${applied.name}, this version ends at ${files.at(-1)?.name}. Start the newer version, or restore a backup from before the upgrade.`,
      );
    if (file.name !== applied.name || file.sha256 !== applied.sha256)
      throw new MigrationRefused(
        `Migration ${applied.name} was applied with another content than ${file.name} has now. Restore the file: an applied migration is never edited, a new one is added.`,
      );
  });
}
