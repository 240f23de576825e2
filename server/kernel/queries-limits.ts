/** The SQL of limits on requests. One function a statement. */
import type { Tx } from './database.ts';
import { sql } from './sql.ts';

export interface Take {
  name: string;
  perSecond: number;
  burst: number;
  wanted: number;
}

export interface Taken {
  name: string;
  /** May be 0, and less than what was wanted. */
  granted: number;
  /** Until there is one more. */
  waitMs: number;
}

/**
 * Takes what there is of each, up to what is wanted: the generic cell rate algorithm. `spent_until` moves on by
 * 1 / per_second for each, and what nobody used is saved up to `burst`. In the order of the names, so that two who take
 * several never wait for each other in a circle.
 */
export function takeFromLimits(tx: Tx, takes: readonly Take[]) {
  const saved = sql`greatest(held.spent_until, now() - excluded.burst / excluded.per_second * interval '1 s')`;
  // Time is kept in whole microseconds: what is due to the microsecond must not be found a hair too early.
  const granted = sql`greatest(0, least(excluded.granted,
    floor(extract(epoch FROM now() - ${saved}) * excluded.per_second + 0.001)))`;
  return tx.query<Taken>(sql`
    INSERT INTO rate_limit AS held (name, per_second, burst, spent_until, granted)
    SELECT name, per_second, burst,
      now() - (burst - least(wanted, burst)) / per_second * interval '1 s', least(wanted, burst)
    FROM unnest(${takes.map(({ name }) => name)}::text[], ${takes.map(({ perSecond }) => perSecond)}::float8[],
      ${takes.map(({ burst }) => burst)}::float8[], ${takes.map(({ wanted }) => wanted)}::float8[])
      AS t (name, per_second, burst, wanted)
    ORDER BY name
    ON CONFLICT (name) DO UPDATE SET per_second = excluded.per_second, burst = excluded.burst, granted = ${granted},
      spent_until = ${saved} + ${granted} / excluded.per_second * interval '1 s'
    RETURNING name, granted, greatest(0, 1000 * extract(epoch FROM
      spent_until + interval '1 s' / per_second - now()))::float8 AS "waitMs"`);
}

/** Those of which nothing is spent any more are as if they were not there. One that is being taken from is passed by. */
export function deleteUnspentLimits(tx: Tx) {
  return tx.query(sql`
    WITH unspent AS MATERIALIZED (
      SELECT name FROM rate_limit WHERE spent_until < now() - burst / per_second * interval '1 s'
      FOR UPDATE SKIP LOCKED)
    DELETE FROM rate_limit r USING unspent WHERE r.name = unspent.name`);
}
