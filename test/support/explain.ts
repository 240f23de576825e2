/** What Postgres plans for a statement, with its real parameters. */
import type { Tx } from '../../server/kernel/database.ts';
import { Sql } from '../../server/kernel/sql.ts';

/** Collects the statements that `work` runs and gives the plan of each, as EXPLAIN's text; nothing is changed. */
export async function explained(tx: Tx, work: (tx: Tx) => Promise<unknown>): Promise<string[]> {
  const plans: string[] = [];
  const explain = async (statement: Sql) => {
    const plan = new Sql(`EXPLAIN (COSTS off) ${statement.text}`, statement.values);
    const rows = await tx.query<{ 'QUERY PLAN': string }>(plan);
    plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
  };
  const pending: Promise<void>[] = [];
  await work({
    client: tx.client,
    async query<Row>(statement: Sql): Promise<Row[]> {
      await explain(statement);
      return [];
    },
    atCommit: (statement) => pending.push(explain(statement)),
  });
  await Promise.all(pending);
  return plans;
}
