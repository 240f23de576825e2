/**
 * The tables of the tenants, as the catalogue has them, and a row for any of them: so that what is asked of every table is
 * asked of a new one too. A row has what its columns' types ask for, and what a CHECK wants or a reader needs by name.
 */
import { createHash } from 'node:crypto';
import type { Tx } from '../../server/kernel/database.ts';
import { newId } from '../../server/kernel/ids.ts';
import { Sql, sql } from '../../server/kernel/sql.ts';

export interface TenantTable {
  name: string;
  /** Whether row-level security is on, for the owner too. */
  forced: boolean;
  /** Reached through its parent only. */
  partition: boolean;
}

export function tenantTables(tx: Tx): Promise<TenantTable[]> {
  return tx.query<TenantTable>(sql`
    SELECT c.relname AS name, c.relforcerowsecurity AND c.relrowsecurity AS forced, c.relispartition AS partition
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'workspace_id'
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname`);
}

/** Columns that a row cannot do without because of a CHECK; the others are filled in by their type. */
const NEEDED: Record<string, Record<string, unknown>> = {
  api_key: { role: 'owner' },
  audit_entry: { actor_kind: 'key' },
  credit_balance: { account: 'balance' },
  dkim_key: { algorithm: 'rsa-sha256', private_key: 'sealed' },
  idempotency_key: { fingerprint: Buffer.alloc(32), lease_until: new Date() },
  invitation: { role: 'owner' },
  job: { due_at: new Date() },
  invoice: { kind: 'invoice', currency: 'EUR' },
  invoice_mail: { number: 1 },
  invoice_document: { content: Buffer.alloc(0), sha256: createHash('sha256').digest() },
  lane: { queue: 'job' },
  ledger_posting: { account: 'balance' },
  ledger_transaction: { kind: 'purchase' },
  member: { role: 'owner' },
  message: { state: 'accepted' },
  payment: { kind: 'charge', currency: 'EUR' },
  subscription: { status: 'subscribed' },
  suppression: { reason: 'manual' },
};

const VALUES: Record<string, () => unknown> = {
  uuid: newId,
  text: newId,
  'uuid[]': () => [],
  'text[]': () => [],
  boolean: () => false,
  date: () => new Date(),
  'double precision': () => 1,
  smallint: () => 0,
  integer: () => 0,
  bigint: () => 0,
  bytea: () => Buffer.alloc(32),
  jsonb: () => '{}',
  json: () => '{}',
  'timestamp with time zone': () => new Date(),
};

/** The row as it is there; `given` goes before all else. */
export async function insertRow(
  tx: Tx,
  table: string,
  workspaceId: string,
  given: Record<string, unknown> = {},
): Promise<Record<string, unknown>> {
  const columns = await tx.query<{ name: string; type: string }>(sql`
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
    WHERE attrelid = ${table}::regclass AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef`);
  const row: Record<string, unknown> = {};
  for (const { name, type } of columns) row[name] = VALUES[type]?.();
  Object.assign(row, NEEDED[table], given, { workspace_id: workspaceId });
  const names = Object.keys(row);
  const places = names.map((_, index) => `$${index + 1}`);
  const [inserted = {}] = await tx.query<Record<string, unknown>>(
    new Sql(`INSERT INTO ${table} (${names}) VALUES (${places}) RETURNING *`, Object.values(row)),
  );
  return inserted;
}

/** The workspaces of the rows that the transaction sees. */
export async function workspacesIn(tx: Tx, table: string): Promise<string[]> {
  const rows = await tx.query<{ workspace_id: string }>(new Sql(`SELECT workspace_id FROM ${table}`, []));
  return rows.map((row) => row.workspace_id);
}

/** What a workspace has in a table, as one text: another one when anything of it has changed. */
export async function contentOf(tx: Tx, table: string): Promise<string> {
  const [row] = await tx.query<{ hash: string }>(
    new Sql(
      `SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS hash FROM ${table} t`,
      [],
    ),
  );
  return row?.hash ?? '';
}
