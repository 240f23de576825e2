/** Billing's SQL: invoices and credit notes, their documents, and the seller. */
import type { Tx } from '../kernel/database.ts';
import { insertIntoOutbox } from '../kernel/queries-outbox.ts';
import { sql } from '../kernel/sql.ts';
import type { Seller } from './invoice-parties.ts';
import { type Invoice, type Snapshot, snapshotFromJson, snapshotToJson } from './invoice-snapshot.ts';

export async function readSeller(tx: Tx): Promise<Seller | undefined> {
  const [row] = await tx.query<{ details: Seller }>(sql`SELECT details FROM seller`);
  return row?.details;
}

export function writeSeller(tx: Tx, seller: Seller) {
  return tx.query(sql`INSERT INTO seller (details) VALUES (${JSON.stringify(seller)})
    ON CONFLICT (singleton) DO UPDATE SET details = excluded.details, changed_at = now()`);
}

export interface InvoiceRow {
  workspaceId: string;
  id: string;
  kind: Invoice['kind'];
  series: string;
  paymentId: string | null;
  corrects: string | null;
  refundId: string | null;
  snapshot: Snapshot;
}

/** Takes the next number of the series; others of the series wait until the transaction ends. */
export async function insertInvoice(tx: Tx, row: InvoiceRow): Promise<string> {
  const { workspaceId, id, kind, series, paymentId, corrects, refundId, snapshot } = row;
  const { currency, netMinor, taxMinor, grossMinor } = snapshot;
  const [inserted] = await tx.query<{ number: string }>(sql`
    WITH issued AS (
      INSERT INTO invoice (workspace_id, id, kind, series, payment_id, corrects, refund_id, currency, net_minor, tax_minor,
        gross_minor, snapshot)
      VALUES (${workspaceId}, ${id}, ${kind}, ${series}, ${paymentId}, ${corrects}, ${refundId}, ${currency}, ${netMinor},
        ${taxMinor}, ${grossMinor}, ${snapshotToJson(snapshot)})
      RETURNING id, kind, number, payment_id, currency, gross_minor),
    announced AS (${insertIntoOutbox(workspaceId, {
      type: sql`'invoice.issued'`,
      data: sql`jsonb_build_object('invoice_id', issued.id, 'kind', issued.kind, 'number', issued.number,
        'payment_id', issued.payment_id, 'currency', issued.currency, 'gross_minor', issued.gross_minor)`,
      from: sql`issued`,
    })})
    SELECT number FROM issued`);
  if (!inserted) throw new Error('INSERT gave no row');
  return inserted.number;
}

interface StoredInvoice extends Omit<Invoice, 'snapshot'> {
  snapshot: string;
}

const COLUMNS = sql`id, kind, number, issued_at AS "issuedAt", payment_id AS "paymentId", snapshot::text`;

function read(rows: StoredInvoice[]): Invoice[] {
  return rows.map((row) => ({ ...row, snapshot: snapshotFromJson(row.snapshot) }));
}

export async function findInvoice(tx: Tx, workspaceId: string, id: string): Promise<Invoice | undefined> {
  const rows = await tx.query<StoredInvoice>(
    sql`SELECT ${COLUMNS} FROM invoice WHERE workspace_id = ${workspaceId} AND id = ${id}`,
  );
  return read(rows)[0];
}

/** Whoever corrects the same invoice waits until the transaction ends. */
export async function lockInvoice(tx: Tx, workspaceId: string, id: string): Promise<Invoice | undefined> {
  const rows = await tx.query<StoredInvoice>(
    sql`SELECT ${COLUMNS} FROM invoice WHERE workspace_id = ${workspaceId} AND id = ${id} FOR UPDATE`,
  );
  return read(rows)[0];
}

export async function creditNotesOf(tx: Tx, workspaceId: string, invoiceId: string): Promise<Invoice[]> {
  const rows = await tx.query<StoredInvoice>(
    sql`SELECT ${COLUMNS} FROM invoice WHERE workspace_id = ${workspaceId} AND corrects = ${invoiceId} ORDER BY id`,
  );
  return read(rows);
}

/** Newest first; a page of them, older than `before`. */
export async function invoicePage(
  tx: Tx,
  workspaceId: string,
  before: string | null,
  limit: number,
): Promise<Invoice[]> {
  const rows = await tx.query<StoredInvoice>(sql`
    SELECT ${COLUMNS} FROM invoice WHERE workspace_id = ${workspaceId}
      AND id < coalesce(${before}::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY id DESC LIMIT ${limit}`);
  return read(rows);
}

/** How often it was to be mailed again. Index: invoice_mail_pkey. */
export async function mailsAgain(tx: Tx, workspaceId: string, invoiceId: string): Promise<number> {
  const [row] = await tx.query<{ number: number }>(sql`
    SELECT number FROM invoice_mail WHERE workspace_id = ${workspaceId} AND invoice_id = ${invoiceId}
    ORDER BY number DESC LIMIT 1`);
  return row?.number ?? 0;
}

export function insertMailAgain(tx: Tx, workspaceId: string, invoiceId: string, number: number) {
  return tx.query(sql`INSERT INTO invoice_mail (workspace_id, invoice_id, number)
    VALUES (${workspaceId}, ${invoiceId}, ${number})`);
}

export function insertDocument(tx: Tx, workspaceId: string, invoiceId: string, content: Buffer) {
  return tx.query(sql`
    INSERT INTO invoice_document (workspace_id, invoice_id, sha256, content)
    VALUES (${workspaceId}, ${invoiceId}, sha256(${content}), ${content})
    ON CONFLICT (workspace_id, invoice_id, sha256) DO NOTHING`);
}

/** The one that was issued: later layouts stand behind it. */
export async function originalDocument(
  tx: Tx,
  workspaceId: string,
  invoiceId: string,
): Promise<{ sha256: Buffer; content: Buffer } | undefined> {
  const [row] = await tx.query<{ sha256: Buffer; content: Buffer }>(sql`
    SELECT sha256, content FROM invoice_document WHERE workspace_id = ${workspaceId} AND invoice_id = ${invoiceId}
    ORDER BY rendered_at LIMIT 1`);
  return row;
}
