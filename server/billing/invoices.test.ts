import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { BUYER, newInvoice, SELLER, setSeller } from '../../test/support/invoices.ts';
import { Database, type Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { Sql, sql } from '../kernel/sql.ts';
import { SELLER_NOT_SET } from './invoice-parties.ts';
import type { Invoice } from './invoice-snapshot.ts';
import {
  creditableMinor,
  type Issued,
  issueCreditNote,
  issueInvoice,
  type NewCreditNote,
  type NewInvoice,
} from './invoices.ts';
import * as queries from './queries-invoices.ts';

const UNIQUE_VIOLATION = { code: '23505' };
const REFUSED = { code: '42501', message: /correct an invoice by a credit note/ };

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});

after(() => db.drop());

/** A seller with series of its own, so that tests do not count each other's invoices. */
async function sellAs(
  series: string,
): Promise<{ invoice(n: number): string; creditNote(n: number): string }> {
  await setSeller(db.database, { ...SELLER, invoiceSeries: series, creditNoteSeries: `${series}C` });
  const year = new Date().getUTCFullYear();
  const format = (prefix: string) => (n: number) => `${prefix}-${year}-${String(n).padStart(6, '0')}`;
  return { invoice: format(series), creditNote: format(`${series}C`) };
}

function inWorkspace<T>(workspaceId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  return db.database.withWorkspace(workspaceId, work);
}

function issue(invoice: NewInvoice): Promise<Issued> {
  return inWorkspace(invoice.workspaceId, (tx) => issueInvoice(tx, invoice));
}

function credit(workspaceId: string, invoiceId: string, more: Partial<NewCreditNote> = {}): Promise<Issued> {
  const note = { workspaceId, invoiceId, refundId: newId(), reason: 'Refund', ...more };
  return inWorkspace(workspaceId, (tx) => issueCreditNote(tx, note));
}

async function read(workspaceId: string, id: string): Promise<Invoice> {
  const invoice = await inWorkspace(workspaceId, (tx) => queries.findInvoice(tx, workspaceId, id));
  assert.ok(invoice);
  return invoice;
}

test('an invoice keeps who sold what to whom and what it adds up to, whatever becomes of them later', async () => {
  const numbers = await sellAs('KEPT');
  const [workspaceId, paymentId] = [newId(), newId()];
  const startedAt = Date.now();
  const { invoiceId, number } = await issue(newInvoice(workspaceId, { paymentId }));
  await setSeller(db.database, { ...SELLER, name: 'Its successor' });
  const invoice = await read(workspaceId, invoiceId);
  assert.equal(number, numbers.invoice(1));
  assert.ok(
    invoice.issuedAt.getTime() >= startedAt - 1_000 && invoice.issuedAt.getTime() <= Date.now() + 1_000,
  );
  const vat = { category: 'S', rateBasisPoints: 1900 };
  assert.deepEqual(invoice, {
    ...{ id: invoiceId, kind: 'invoice', number, issuedAt: invoice.issuedAt, paymentId },
    snapshot: {
      currency: 'EUR',
      seller: { ...SELLER, invoiceSeries: 'KEPT', creditNoteSeries: 'KEPTC' },
      buyer: BUYER,
      lines: [
        {
          name: 'Sending credits',
          quantity: 1_000_000n,
          priceMinor: 50n,
          priceBaseQuantity: 1_000n,
          netMinor: 50_000n,
          tax: vat,
        },
      ],
      netMinor: 50_000n,
      taxMinor: 9_500n,
      grossMinor: 59_500n,
      taxes: [{ tax: vat, taxableMinor: 50_000n, taxMinor: 9_500n }],
    },
  });
});

test('who buys twice gets two invoices; the numbers are the seller’s, whoever buys', async () => {
  const numbers = await sellAs('ORDER');
  const [anna, bert] = [newId(), newId()];
  const given = [];
  for (const workspaceId of [anna, bert, anna]) given.push((await issue(newInvoice(workspaceId))).number);
  assert.deepEqual(given, [1, 2, 3].map(numbers.invoice));
});

test('a payment that is settled twice is invoiced once, and the second try leaves no gap', async () => {
  const numbers = await sellAs('ONCE');
  const payment = newInvoice(newId());
  const first = await issue(payment);
  await assert.rejects(issue(payment), UNIQUE_VIOLATION);
  const next = await issue(newInvoice(newId()));
  assert.deepEqual([first.number, next.number], [1, 2].map(numbers.invoice));
});

test('the job that renders an invoice comes and goes with it', async () => {
  await sellAs('JOB');
  const workspaceId = newId();
  const { invoiceId } = await issue(newInvoice(workspaceId));
  const taken = inWorkspace(workspaceId, async (tx) => {
    await issueInvoice(tx, newInvoice(workspaceId));
    throw new Error('taken back');
  });
  await assert.rejects(taken, /taken back/);
  const jobs = await inWorkspace(workspaceId, (tx) => tx.query(sql`SELECT kind, key FROM job`));
  assert.deepEqual(jobs, [{ kind: 'invoice.render', key: invoiceId }]);
});

test('nobody changes, deletes or empties what was issued, not even the owner of the tables', async () => {
  await sellAs('FIXED');
  const workspaceId = newId();
  const { invoiceId } = await issue(newInvoice(workspaceId));
  await inWorkspace(workspaceId, (tx) =>
    queries.insertDocument(tx, workspaceId, invoiceId, Buffer.from('%PDF')),
  );
  const changes = [
    'UPDATE invoice SET gross_minor = 1',
    'UPDATE invoice_document SET content = content',
    'DELETE FROM invoice',
    'DELETE FROM invoice_document',
  ];
  for (const change of changes)
    await assert.rejects(
      inWorkspace(workspaceId, (tx) => tx.query(new Sql(change, []))),
      REFUSED,
      change,
    );
  for (const table of ['invoice', 'invoice_document'])
    await assert.rejects(
      db.database.withOwner((tx) => tx.query(new Sql(`TRUNCATE ${table}`, []))),
      REFUSED,
      table,
    );
});

test('nobody chooses a number, or takes one without an invoice', async () => {
  const numbers = await sellAs('CHOSEN');
  const workspaceId = newId();
  const [row] = await inWorkspace(workspaceId, (tx) =>
    tx.query<{ number: string }>(sql`
      INSERT INTO invoice (workspace_id, id, kind, series, year, position, issued_at, currency, net_minor, tax_minor,
        gross_minor, snapshot)
      VALUES (${workspaceId}, ${newId()}, 'invoice', 'CHOSEN', 1999, 77, '1999-01-01', 'EUR', 0, 0, 0, '{}')
      RETURNING number`),
  );
  assert.equal(row?.number, numbers.invoice(1));
  const taking = inWorkspace(workspaceId, (tx) => tx.query(sql`UPDATE invoice_series SET last_position = 9`));
  await assert.rejects(taking, { code: '42501' });
});

test('a whole refund is a credit note that mirrors the invoice, in a series of its own', async () => {
  const numbers = await sellAs('WHOLE');
  const workspaceId = newId();
  const { invoiceId, number } = await issue(newInvoice(workspaceId));
  const note = await credit(workspaceId, invoiceId, { reason: 'Refund of\r\nunused credits' });
  const invoice = await read(workspaceId, invoiceId);
  const { kind, paymentId, snapshot } = await read(workspaceId, note.invoiceId);
  assert.deepEqual([kind, paymentId, note.number], ['credit_note', null, numbers.creditNote(1)]);
  const issuedOn = invoice.issuedAt.toISOString().slice(0, 10);
  const corrects = { number, issuedOn, reason: 'Refund of unused credits' };
  assert.deepEqual(snapshot, { ...invoice.snapshot, corrects });
});

test('refunds in parts end where the whole one would, and no more can be given back', async () => {
  await sellAs('PARTS');
  const workspaceId = newId();
  const { invoiceId, number } = await issue(newInvoice(workspaceId));
  const left = () => inWorkspace(workspaceId, (tx) => creditableMinor(tx, workspaceId, invoiceId));
  const first = await credit(workspaceId, invoiceId, { amountMinor: 10_001n });
  assert.equal(await left(), 49_499n);
  await assert.rejects(credit(workspaceId, invoiceId, { amountMinor: 49_500n }), /there is 49499 left/);
  const second = await credit(workspaceId, invoiceId);
  assert.equal(await left(), 0n);
  await assert.rejects(credit(workspaceId, invoiceId), /cannot be given back/);
  const parts = [];
  for (const note of [first, second]) parts.push((await read(workspaceId, note.invoiceId)).snapshot);
  assert.deepEqual(
    parts.map(({ grossMinor, netMinor, taxMinor }) => [grossMinor, netMinor, taxMinor]),
    [
      [10_001n, 8_404n, 1_597n],
      [49_499n, 41_596n, 7_903n],
    ],
  );
  assert.equal(parts[0]?.lines[0]?.name, `Part of invoice ${number}`);
});

test('two refunds at the same moment do not give back more than there was', async () => {
  await sellAs('RACE');
  const workspaceId = newId();
  const { invoiceId } = await issue(newInvoice(workspaceId));
  const half = { workspaceId, invoiceId, refundId: null, reason: 'Refund', amountMinor: 30_000n };
  let second: Promise<unknown> = Promise.resolve();
  await inWorkspace(workspaceId, async (tx) => {
    await issueCreditNote(tx, half);
    second = assert.rejects(credit(workspaceId, invoiceId, half), /there is 29500 left/);
    await until(() => isSomebodyWaiting(), 'the second refund waits for the first');
  });
  await second;
  assert.equal(await inWorkspace(workspaceId, (tx) => creditableMinor(tx, workspaceId, invoiceId)), 29_500n);
});

async function isSomebodyWaiting(): Promise<boolean> {
  const direct = new Database(db.directUrl, { connectionsMax: 1 });
  const waiting = await direct.withOwner((tx) =>
    tx.query(
      sql`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    ),
  );
  await direct.close();
  return waiting.length > 0;
}

test('a refund is credited once, and a credit note is not credited again', async () => {
  await sellAs('AGAIN');
  const [workspaceId, refundId] = [newId(), newId()];
  const { invoiceId } = await issue(newInvoice(workspaceId));
  const note = await credit(workspaceId, invoiceId, { refundId, amountMinor: 100n });
  await assert.rejects(credit(workspaceId, invoiceId, { refundId, amountMinor: 100n }), UNIQUE_VIOLATION);
  await assert.rejects(credit(workspaceId, note.invoiceId), /there is no invoice/);
  await assert.rejects(credit(newId(), invoiceId), /there is no invoice/);
});

test('a name with line breaks, or with letters that turn the text around, is kept on one line', async () => {
  await sellAs('CLEAN');
  const workspaceId = newId();
  const buyer = { ...BUYER, name: ' Anna\r\nBcc: all@example.com\u0000\u202Egro.live\uD800 Zoe\u0308 ' };
  const { invoiceId } = await issue(newInvoice(workspaceId, { buyer }));
  const { snapshot } = await read(workspaceId, invoiceId);
  assert.equal(snapshot.buyer.name, 'Anna Bcc: all@example.com gro.live\uFFFD Zoë');
});

test('an invoice is issued also before anybody said who sells', async () => {
  await db.database.withOwner((tx) => tx.query(sql`DELETE FROM seller`));
  const workspaceId = newId();
  const { invoiceId } = await issue(newInvoice(workspaceId));
  assert.deepEqual((await read(workspaceId, invoiceId)).snapshot.seller, SELLER_NOT_SET);
});

test('the list of a workspace is its own, newest first, a page at a time', async () => {
  await sellAs('PAGES');
  const workspaceId = newId();
  const ids: string[] = [];
  for (let n = 0; n < 5; n += 1) ids.unshift((await issue(newInvoice(workspaceId))).invoiceId);
  await issue(newInvoice(newId()));
  const page = (before: string | null) =>
    inWorkspace(workspaceId, (tx) => queries.invoicePage(tx, workspaceId, before, 3));
  const first = await page(null);
  const second = await page(first.at(-1)?.id ?? null);
  assert.deepEqual(
    [...first, ...second].map(({ id }) => id),
    ids,
  );
});
