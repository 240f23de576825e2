/** Invoices are found along their keys, however many a workspace has. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { explained } from '../../test/support/explain.ts';
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import * as queries from './queries-invoices.ts';

const INVOICES = 5_000;

let db: TestDatabase;
const workspaceId = newId();

before(async () => {
  db = await createTestDatabase();
  await db.database.withWorkspace(workspaceId, async (tx) => {
    await tx.query(sql`
      INSERT INTO invoice (workspace_id, id, kind, series, payment_id, corrects, currency, net_minor, tax_minor,
        gross_minor, snapshot)
      SELECT ${workspaceId}, gen_random_uuid(), kind, 'S' || n, CASE kind WHEN 'invoice' THEN gen_random_uuid() END,
        CASE kind WHEN 'credit_note' THEN gen_random_uuid() END, 'EUR', 0, 0, 0, '{}'
      FROM generate_series(1, ${INVOICES}::int) n,
        LATERAL (SELECT (ARRAY['invoice', 'credit_note'])[1 + n % 2] AS kind) k`);
    await tx.query(sql`
      INSERT INTO invoice_mail (workspace_id, invoice_id, number)
      SELECT workspace_id, id, n FROM invoice, generate_series(1, 2) n`);
    await tx.query(sql`
      INSERT INTO invoice_document (workspace_id, invoice_id, sha256, content)
      SELECT workspace_id, id, sha256(''), '' FROM invoice`);
  });
  await db.database.withOwner((tx) => tx.query(sql`ANALYZE invoice, invoice_mail, invoice_document`));
});

after(() => db.drop());

async function planOf(work: (spy: Tx) => Promise<unknown>): Promise<string> {
  const [plan = ''] = await db.database.withWorkspace(workspaceId, (tx) => explained(tx, work));
  assert.doesNotMatch(plan, /Seq Scan|Bitmap/, plan);
  return plan;
}

test('an invoice, its credit notes and its document are found along their keys', async () => {
  const id = newId();
  assert.match(await planOf((spy) => queries.findInvoice(spy, workspaceId, id)), /using invoice_pkey/);
  assert.match(await planOf((spy) => queries.lockInvoice(spy, workspaceId, id)), /using invoice_pkey/);
  assert.match(await planOf((spy) => queries.creditNotesOf(spy, workspaceId, id)), /using invoice_corrects/);
  assert.match(
    await planOf((spy) => queries.originalDocument(spy, workspaceId, id)),
    /using invoice_document_pkey/,
  );
  const again = await planOf((spy) => queries.mailsAgain(spy, workspaceId, id));
  assert.match(again, /^Limit[\s\S]*Backward using invoice_mail_pkey/);
});

test('a page of the list is read from the end of the key, and sorts nothing', async () => {
  const plan = await planOf((spy) => queries.invoicePage(spy, workspaceId, newId(), 50));
  assert.match(plan, /^Limit[\s\S]*Index Scan Backward using invoice_pkey/, plan);
  assert.doesNotMatch(plan, /Sort/, plan);
});
