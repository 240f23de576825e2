/** A migrated database of its own for one measurement, with an audience in it. */
import pg from 'pg';
import { ensureWorkspace } from '../server/accounts/workspaces.ts';
import { findOrCreateList } from '../server/audience/lists.ts';
import { Database } from '../server/kernel/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../server/kernel/ids.ts';
import { migrate } from '../server/kernel/migrate.ts';
import type { Bench } from './bench.ts';
import * as queries from './queries.ts';

const ROWS_PER_STATEMENT = 100_000;
const DURABLE = ['fsync', 'full_page_writes', 'synchronous_commit'];

export interface BenchDatabase extends AsyncDisposable {
  url: string;
  database: Database;
  workspaceId: string;
  listId: string;
}

let databasesMade = 0;

/** Disposing it early makes room on the disk; at the end it goes anyway. */
export async function createDatabase(
  bench: Bench,
  contacts: number,
  domains = queries.DOMAINS,
): Promise<BenchDatabase> {
  const name = `bench_${databasesMade++}`;
  await administer(bench, `CREATE DATABASE ${name} OWNER camp`);
  const url = new URL(bench.postgres.url);
  url.pathname = `/${name}`;
  const database = new Database(url.href, { pipeline: true });
  let dropped: Promise<void> | undefined;
  const drop = async () => {
    await database.close();
    await administer(bench, `DROP DATABASE ${name} WITH (FORCE)`);
  };
  const made = { url: url.href, database, workspaceId: DEFAULT_WORKSPACE_ID };
  const dispose = () => (dropped ??= drop());
  bench.resources.defer(dispose);
  await migrate(database);
  await requireDurable(database);
  const listId = await fill(made, contacts, domains);
  await administer(bench, 'CHECKPOINT');
  return { ...made, listId, [Symbol.asyncDispose]: dispose };
}

async function fill(
  { database, workspaceId }: { database: Database; workspaceId: string },
  contacts: number,
  domains: number,
): Promise<string> {
  await ensureWorkspace(database, workspaceId, 'Bench');
  const listId = await database.withWorkspace(workspaceId, (tx) =>
    findOrCreateList(tx, workspaceId, 'Bench'),
  );
  for (const range of ranges(contacts))
    await database.withWorkspace(workspaceId, (tx) =>
      queries.insertSubscribers(tx, workspaceId, listId, { ...range, domains }),
    );
  return listId;
}

/** 1 to `count` in pieces that stay below the time that a statement may take. */
export function ranges(count: number): queries.Range[] {
  const starts = Array.from(
    { length: Math.ceil(count / ROWS_PER_STATEMENT) },
    (_, i) => i * ROWS_PER_STATEMENT,
  );
  return starts.map((start) => ({ first: start + 1, last: Math.min(count, start + ROWS_PER_STATEMENT) }));
}

/** A bench of a database that may forget commits measures nothing. */
async function requireDurable(database: Database): Promise<void> {
  for (const setting of DURABLE) {
    const value = await database.withSystem((tx) => queries.setting(tx, setting));
    if (value !== 'on') throw new Error(`Postgres is not durable here: ${setting} is ${value}.`);
  }
}

async function administer(bench: Bench, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: bench.postgres.superuserUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
