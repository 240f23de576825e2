/** Holds a table against writers, to stop a process at an exact statement. */
import pg from 'pg';

export interface TableLock {
  /** Waits until a statement waits for the table. */
  waitedFor(): Promise<void>;
  release(): Promise<void>;
  /** What waits goes away with its process, which is dead, instead of being done after its death. */
  releaseDead(): Promise<void>;
}

export async function lockTable(
  url: string,
  table: 'message' | 'worker' | 'import',
  mode: 'SHARE' | 'ACCESS EXCLUSIVE',
): Promise<TableLock> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`begin; lock table ${table} in ${mode} mode`);
  const waiting = `from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  return {
    async waitedFor() {
      for (;;) {
        // A transaction sees one snapshot of the activity unless it asks for another.
        const { rowCount } = await client.query(`select pg_stat_clear_snapshot(), pid ${waiting}`);
        if (rowCount) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    release: () => client.end(),
    async releaseDead() {
      await client.query(`select pg_stat_clear_snapshot()`);
      await client.query(`select pg_terminate_backend(pid) ${waiting}`);
      await client.end();
    },
  };
}
