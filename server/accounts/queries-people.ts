/** The SQL of people, and of what they sign in with. camp_system, unless it says otherwise. One function a statement. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';
import type { Role } from './roles.ts';

export interface Person {
  id: string;
  email: string;
  name: string;
  /** PHC format; null: has none. */
  passwordHash: string | null;
  sessionVersion: number;
  /** Sealed; null: has no second factor. */
  totpSecret: string | null;
}

const PERSON = sql`id, email, name, password_hash AS "passwordHash", session_version AS "sessionVersion",
  totp_secret AS "totpSecret"`;

export async function personByEmail(tx: Tx, email: string): Promise<Person | undefined> {
  const [person] = await tx.query<Person>(sql`SELECT ${PERSON} FROM person WHERE email = ${email}`);
  return person;
}

/** Locked until the transaction ends. */
export async function lockPerson(tx: Tx, id: string): Promise<Person & { totpPending: string | null }> {
  const [person] = await tx.query<Person & { totpPending: string | null }>(
    sql`SELECT ${PERSON}, totp_pending AS "totpPending" FROM person WHERE id = ${id} FOR UPDATE`,
  );
  if (!person) throw new Error(`there is no person ${id}`);
  return person;
}

export async function personById(tx: Tx, id: string): Promise<Person | undefined> {
  const [person] = await tx.query<Person>(sql`SELECT ${PERSON} FROM person WHERE id = ${id}`);
  return person;
}

export interface NewPerson {
  id: string;
  email: string;
  name: string;
  passwordHash: string | null;
}

/** camp_app: after the row that makes them a member. False: somebody has the address. */
export async function insertPerson(tx: Tx, { id, email, name, passwordHash }: NewPerson): Promise<boolean> {
  const rows = await tx.query(sql`INSERT INTO person (id, email, name, password_hash)
    VALUES (${id}, ${email}, ${name}, ${passwordHash}) ON CONFLICT (email) DO NOTHING RETURNING id`);
  return rows.length === 1;
}

/** The same password, hashed with other parameters; unless it was changed meanwhile. */
export function replacePasswordHash(tx: Tx, { id, passwordHash }: Person, replacement: string) {
  return tx.query(sql`UPDATE person SET password_hash = ${replacement}
    WHERE id = ${id} AND password_hash = ${passwordHash}`);
}

/** Ends all sessions; gives the version that new ones have. */
export async function setPassword(tx: Tx, id: string, passwordHash: string): Promise<number> {
  const [row] = await tx.query<{ version: number }>(sql`
    UPDATE person SET password_hash = ${passwordHash}, session_version = session_version + 1
    WHERE id = ${id} RETURNING session_version AS version`);
  if (!row) throw new Error(`there is no person ${id}`);
  return row.version;
}

/** Of the person, wherever they are; gives the version that new ones have. */
export async function endSessions(tx: Tx, id: string): Promise<number> {
  const [row] = await tx.query<{ version: number }>(sql`
    UPDATE person SET session_version = session_version + 1 WHERE id = ${id} RETURNING session_version AS version`);
  if (!row) throw new Error(`there is no person ${id}`);
  return row.version;
}

export function setPendingTotp(tx: Tx, id: string, sealed: string) {
  return tx.query(sql`UPDATE person SET totp_pending = ${sealed} WHERE id = ${id}`);
}

/** The pending secret counts from now on; the code of `step` was its first. Ends all sessions, as setPassword does. */
export async function enableTotp(tx: Tx, id: string, step: number): Promise<number> {
  const [row] = await tx.query<{ version: number }>(sql`
    UPDATE person SET totp_secret = totp_pending, totp_pending = NULL, totp_step = ${step},
      session_version = session_version + 1
    WHERE id = ${id} RETURNING session_version AS version`);
  if (!row) throw new Error(`there is no person ${id}`);
  return row.version;
}

/** Ends all sessions; gives the version that new ones have. */
export async function disableTotp(tx: Tx, id: string): Promise<number> {
  const [row] = await tx.query<{ version: number }>(sql`
    UPDATE person SET totp_secret = NULL, totp_pending = NULL, session_version = session_version + 1
    WHERE id = ${id} RETURNING session_version AS version`);
  if (!row) throw new Error(`there is no person ${id}`);
  return row.version;
}

/** False: a code of this step, or of a later one, was used before. */
export async function useTotpStep(tx: Tx, id: string, step: number): Promise<boolean> {
  const rows =
    await tx.query(sql`UPDATE person SET totp_step = ${step} WHERE id = ${id} AND totp_step < ${step}
    RETURNING id`);
  return rows.length === 1;
}

export function insertRecoveryCodes(tx: Tx, personId: string, hashes: readonly Buffer[]) {
  return tx.query(
    sql`INSERT INTO recovery_code (person_id, hash) SELECT ${personId}, unnest(${hashes}::bytea[])`,
  );
}

export function deleteRecoveryCodes(tx: Tx, personId: string) {
  return tx.query(sql`DELETE FROM recovery_code WHERE person_id = ${personId}`);
}

export async function recoveryCodesLeft(tx: Tx, personId: string): Promise<number> {
  const [row] = await tx.query<{ left: number }>(
    sql`SELECT count(*)::int AS left FROM recovery_code WHERE person_id = ${personId}`,
  );
  return row?.left ?? 0;
}

/** False: there is no such code, or it was used. */
export async function useRecoveryCode(tx: Tx, personId: string, hash: Buffer): Promise<boolean> {
  const rows = await tx.query(sql`DELETE FROM recovery_code WHERE person_id = ${personId} AND hash = ${hash}
    RETURNING hash`);
  return rows.length === 1;
}

export interface Membership {
  workspaceId: string;
  /** Of the workspace. */
  name: string;
  role: Role;
}

/** Where somebody may go, the oldest first. Index: member_of_person. */
export function membershipsOf(tx: Tx, personId: string) {
  return tx.query<Membership>(sql`
    SELECT m.workspace_id AS "workspaceId", w.name, m.role
    FROM member m JOIN workspace w ON w.workspace_id = m.workspace_id
    WHERE m.person_id = ${personId} AND m.disabled_at IS NULL ORDER BY m.created_at, m.workspace_id`);
}

/** True while nobody owns any workspace: the installation is new. */
export async function lacksOwner(tx: Tx): Promise<boolean> {
  const [row] = await tx.query<{ lacks: boolean }>(sql`
    SELECT NOT EXISTS (SELECT FROM member WHERE role = 'owner' AND disabled_at IS NULL) AS lacks`);
  return row?.lacks ?? true;
}

/** In place of an older one. */
export function setFirstRunLink(tx: Tx, hash: Buffer, lastsSeconds: number) {
  return tx.query(sql`
    INSERT INTO first_run_link (hash, expires_at) VALUES (${hash}, now() + ${lastsSeconds} * interval '1 s')
    ON CONFLICT (singleton) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at`);
}

export async function isFirstRunLink(tx: Tx, hash: Buffer): Promise<boolean> {
  const rows = await tx.query(sql`SELECT FROM first_run_link WHERE hash = ${hash} AND expires_at > now()`);
  return rows.length === 1;
}

/** camp_app. False: there is no such link, or it has expired, or it was used. */
export async function useFirstRunLink(tx: Tx, hash: Buffer): Promise<boolean> {
  const rows = await tx.query(sql`DELETE FROM first_run_link WHERE hash = ${hash} AND expires_at > now()
    RETURNING hash`);
  return rows.length === 1;
}
