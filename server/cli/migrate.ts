/** `camp migrate`: brings the database up to date; safe to repeat, and by several processes at once. */
import type { Command } from 'commander';
import { type Cli, run } from './cli.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { openDatabase, prepareDatabase } from './open-database.ts';

export function migrateCommand(program: Command): void {
  program.command('migrate').description('bring the database up to date').action(run(migrateDatabase));
}

async function migrateDatabase(cli: Cli): Promise<ExitCode> {
  const { out } = cli;
  const { database, applied: onTheWay, close } = await openDatabase(cli, { create: true });
  try {
    const applied = [...onTheWay, ...(await prepareDatabase(cli, database))];
    for (const name of applied) out.say(`applied ${name}`);
    if (applied.length === 0) out.say('The database is up to date.');
    out.result({ applied });
    return EXIT.ok;
  } finally {
    await close();
  }
}
