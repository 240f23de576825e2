/** The SQL of counting tries to sign in. camp_system. One function a statement. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';

export interface Tries {
  tries: number;
  /** Until the count begins anew. */
  secondsLeft: number;
}

/** Counts one more. Many at once count as many, because each waits for the row. */
export async function countTry(tx: Tx, key: string, windowSeconds: number): Promise<Tries> {
  const window = sql`now() + ${windowSeconds} * interval '1 s'`;
  const [row] = await tx.query<Tries>(sql`
    INSERT INTO sign_in_throttle AS t (key, tries, window_ends_at) VALUES (${key}, 1, ${window})
    ON CONFLICT (key) DO UPDATE SET
      tries = CASE WHEN t.window_ends_at > now() THEN t.tries + 1 ELSE 1 END,
      window_ends_at = CASE WHEN t.window_ends_at > now() THEN t.window_ends_at ELSE ${window} END
    RETURNING tries, ceil(extract(epoch FROM window_ends_at - now()))::float8 AS "secondsLeft"`);
  if (!row) throw new Error('an upsert gave no row');
  return row;
}

export function forgetTries(tx: Tx, key: string) {
  return tx.query(sql`DELETE FROM sign_in_throttle WHERE key = ${key}`);
}

/** Takes one back. */
export function uncountTry(tx: Tx, key: string) {
  return tx.query(sql`UPDATE sign_in_throttle SET tries = greatest(tries - 1, 0) WHERE key = ${key}`);
}

/** More than a sign-in adds, so the table stays small. Index: sign_in_throttle_ended. */
export function deleteEndedTries(tx: Tx, limit: number) {
  return tx.query(sql`DELETE FROM sign_in_throttle WHERE key IN (SELECT key FROM sign_in_throttle
    WHERE window_ends_at < now() ORDER BY window_ends_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)`);
}
