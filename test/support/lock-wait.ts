import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const LOOK_MS = 20;
const WAIT_MS_MAX = 5_000;

/** Returns when so many statements of the database wait for a lock; throws when nobody does. `url` goes past PgBouncer. */
export async function waitForLocks(url: string, count = 1): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const until = performance.now() + WAIT_MS_MAX;
  const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  try {
    while (((await client.query(waiting)).rowCount ?? 0) < count) {
      if (performance.now() > until) throw new Error('nobody waits for a lock');
      await sleep(LOOK_MS);
    }
  } finally {
    await client.end();
  }
}
