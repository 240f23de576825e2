/** The SQL of links that choose a new password. camp_system. One function a statement. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { Person } from './queries-people.ts';

export function insertReset(
  tx: Tx,
  hash: Buffer,
  { id, sessionVersion }: Pick<Person, 'id' | 'sessionVersion'>,
  lastsSeconds: number,
) {
  return tx.query(sql`INSERT INTO password_reset (hash, person_id, version, expires_at)
    VALUES (${hash}, ${id}, ${sessionVersion}, now() + ${lastsSeconds} * interval '1 s')`);
}

/** Whose link it is, before its hour is over. */
export async function personOfReset(tx: Tx, hash: Buffer): Promise<string | undefined> {
  const [row] = await tx.query<{ id: string }>(
    sql`SELECT person_id AS id FROM password_reset WHERE hash = ${hash} AND expires_at > now()`,
  );
  return row?.id;
}

/** Uses it up, with the person locked. False: it was used, or what it would change was changed since it was made. */
export async function useReset(tx: Tx, hash: Buffer, version: number): Promise<boolean> {
  const rows = await tx.query(sql`DELETE FROM password_reset
    WHERE hash = ${hash} AND version = ${version} RETURNING hash`);
  return rows.length === 1;
}

/** Index: password_reset_ended. */
export function deleteEndedResets(tx: Tx) {
  return tx.query(sql`DELETE FROM password_reset WHERE expires_at < now()`);
}
