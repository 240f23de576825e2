/** The command line's SQL: what `camp doctor` asks the server about itself. */
import type { Tx } from '../kernel/database.ts';
import { sql } from '../kernel/sql.ts';

export interface ServerFacts {
  /** As 180004. */
  versionNumber: number;
  fsync: string;
  fullPageWrites: string;
  synchronousCommit: string;
  dataChecksums: string;
  inRecovery: boolean;
  user: string;
  /** The user of the connection string sees past row-level security where Camp does not put on a role. */
  userBypassesRls: boolean;
}

export async function serverFacts(tx: Tx): Promise<ServerFacts> {
  const [row] = await tx.query<ServerFacts>(sql`
    SELECT current_setting('server_version_num')::int AS "versionNumber", current_setting('fsync') AS fsync,
      current_setting('full_page_writes') AS "fullPageWrites",
      current_setting('synchronous_commit') AS "synchronousCommit",
      current_setting('data_checksums') AS "dataChecksums", pg_is_in_recovery() AS "inRecovery", rolname AS user,
      rolsuper OR rolbypassrls AS "userBypassesRls"
    FROM pg_roles WHERE rolname = current_user`);
  if (!row) throw new Error('the current user has no role');
  return row;
}

export interface RoleFact {
  role: string;
  bypassesRls: boolean;
  mayBeTaken: boolean;
}

/** Of the two roles that Camp's statements run as; a role that is missing is not in the answer. */
export function campRoles(tx: Tx) {
  return tx.query<RoleFact>(sql`
    SELECT rolname AS role, rolsuper OR rolbypassrls AS "bypassesRls",
      pg_has_role(current_user, oid, 'MEMBER') AS "mayBeTaken"
    FROM pg_roles WHERE rolname IN ('camp_app', 'camp_system') ORDER BY rolname`);
}
