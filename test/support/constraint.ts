/** The words that a column's CHECK constraint allows. */
import type { Database } from '../../server/kernel/database.ts';
import { sql } from '../../server/kernel/sql.ts';

export async function allowedWords(database: Database, table: string, constraint: string): Promise<string[]> {
  const [check] = await database.withOwner((tx) =>
    tx.query<{ definition: string }>(sql`
      SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint
      WHERE conrelid = ${table}::regclass AND conname = ${constraint}`),
  );
  return [...(check?.definition ?? '').matchAll(/'(\w+)'/g)].map(([, word = '']) => word).sort();
}
