/**
 * Issuing invoices and credit notes, in the transaction of the payment or the refund that they are for.
 *
 * Before: money has moved, or is about to be asked for. After: one row with its number and everything that is printed, and
 * the job that renders it (invoice-jobs.ts), all or nothing.
 *
 * - Numbers are gapless: one series and year is one counter row, whose lock the transaction holds from the INSERT to its end
 *   (migrations/0014_invoices.sql). So issuing comes last in a transaction.
 * - What was issued is never changed. A correction is a credit note, in a series of its own.
 * - A payment is invoiced once and a refund credited once, by unique indexes.
 */
import type { Tx } from '../kernel/database.ts';
import { newId } from '../kernel/ids.ts';
import { enqueueJob } from '../kernel/jobs.ts';
import { type Buyer, printable, printableTexts, SELLER_NOT_SET, type Seller } from './invoice-parties.ts';
import { type Invoice, issuedOn, type Snapshot, type SnapshotLine } from './invoice-snapshot.ts';
import { type InvoiceLine, lineNetMinor, subtract, sumOf, takeGross, totalsOf } from './invoice-tax.ts';
import * as queries from './queries-invoices.ts';

/** Its key is the invoice's id. */
export const RENDER_JOB = 'invoice.render';

export interface NewInvoice {
  workspaceId: string;
  /** The payment that settled it; null: issued to be paid. */
  paymentId: string | null;
  /** ISO 4217 */
  currency: string;
  lines: readonly InvoiceLine[];
  buyer: Buyer;
}

export interface Issued {
  invoiceId: string;
  /** `INV-2026-000001` */
  number: string;
}

/** Who sells; SELLER_NOT_SET until somebody said it. */
export async function sellerOf(tx: Tx): Promise<Seller> {
  return (await queries.readSeller(tx)) ?? SELLER_NOT_SET;
}

/**
 * The last of its transaction but for what needs the number. The amount to charge is `totalsOf(lines).grossMinor`; whether
 * the buyer can be printed is asked before the charge (`troubleWith`).
 */
export async function issueInvoice(tx: Tx, invoice: NewInvoice): Promise<Issued> {
  const { workspaceId, paymentId, currency, buyer } = invoice;
  const seller = await sellerOf(tx);
  const lines = invoice.lines.map((line) => ({ ...printableTexts(line), netMinor: lineNetMinor(line) }));
  const snapshot = { currency, seller, buyer: printableTexts(buyer), lines, ...totalsOf(invoice.lines) };
  return issue(tx, {
    workspaceId,
    kind: 'invoice',
    series: seller.invoiceSeries,
    paymentId,
    corrects: null,
    refundId: null,
    snapshot,
  });
}

async function issue(tx: Tx, row: Omit<queries.InvoiceRow, 'id'>): Promise<Issued> {
  const invoiceId = newId();
  await enqueueJob(tx, row.workspaceId, { kind: RENDER_JOB, key: invoiceId });
  const number = await queries.insertInvoice(tx, { ...row, id: invoiceId });
  return { invoiceId, number };
}

export interface NewCreditNote {
  workspaceId: string;
  invoiceId: string;
  /** Null: it is no refund of money. */
  refundId: string | null;
  /** With tax. Default: all that is left of the invoice. */
  amountMinor?: bigint;
  /** Printed: `Refund of unused credits`. */
  reason: string;
}

/**
 * Gives back an invoice or a part of it; the last of its transaction, as issueInvoice. Throws when there is no such invoice,
 * or when less is left of it than the amount: ask `creditableMinor` before money is moved.
 */
export async function issueCreditNote(tx: Tx, note: NewCreditNote): Promise<Issued> {
  const { workspaceId, invoiceId, refundId } = note;
  const invoice = await queries.lockInvoice(tx, workspaceId, invoiceId);
  if (invoice?.kind !== 'invoice') throw new Error(`there is no invoice ${invoiceId}`);
  const left = await leftOf(tx, workspaceId, invoice);
  const { grossMinor: leftMinor } = sumOf(left);
  const taxes = takeGross(left, note.amountMinor ?? leftMinor);
  const { seller, buyer, currency, ...original } = invoice.snapshot;
  const totals = sumOf(taxes);
  const snapshot: Snapshot = {
    currency,
    seller,
    buyer,
    // The whole invoice is taken back as it was, a part of it as one line a tax.
    lines: totals.grossMinor === original.grossMinor ? original.lines : partialLines(invoice, taxes),
    ...totals,
    corrects: { number: invoice.number, issuedOn: issuedOn(invoice), reason: printable(note.reason) },
  };
  return issue(tx, {
    workspaceId,
    kind: 'credit_note',
    series: seller.creditNoteSeries,
    paymentId: null,
    corrects: invoiceId,
    refundId,
    snapshot,
  });
}

/** What of an invoice no credit note has given back yet, with tax; other credit notes wait for the transaction's end. */
export async function creditableMinor(tx: Tx, workspaceId: string, invoiceId: string): Promise<bigint> {
  const invoice = await queries.lockInvoice(tx, workspaceId, invoiceId);
  if (invoice?.kind !== 'invoice') return 0n;
  return sumOf(await leftOf(tx, workspaceId, invoice)).grossMinor;
}

async function leftOf(tx: Tx, workspaceId: string, invoice: Invoice) {
  const notes = await queries.creditNotesOf(tx, workspaceId, invoice.id);
  return subtract(
    invoice.snapshot.taxes,
    notes.flatMap(({ snapshot }) => snapshot.taxes),
  );
}

function partialLines({ number }: Invoice, taxes: Snapshot['taxes']): SnapshotLine[] {
  return taxes.map(({ tax, taxableMinor }) => ({
    name: `Part of invoice ${number}`,
    quantity: 1n,
    priceMinor: taxableMinor,
    netMinor: taxableMinor,
    tax,
  }));
}
