/**
 * An invoice as it was issued: everything that is printed, so that it prints the same in ten years whatever has become of
 * the buyer, the seller and the prices. Stored as JSON, its whole numbers as strings.
 */
import type { Buyer, Seller } from './invoice-parties.ts';
import type { InvoiceLine, Totals } from './invoice-tax.ts';
import { formatMoney } from './money.ts';

export interface Snapshot extends Totals {
  /** ISO 4217 */
  currency: string;
  seller: Seller;
  buyer: Buyer;
  lines: SnapshotLine[];
  /** BG-3 and BT-22, of a credit note. */
  corrects?: { number: string; issuedOn: string; reason: string };
}

export interface SnapshotLine extends InvoiceLine {
  netMinor: bigint;
}

export interface Invoice {
  id: string;
  kind: 'invoice' | 'credit_note';
  /** BT-1 */
  number: string;
  /** BT-2; the day is UTC's. */
  issuedAt: Date;
  paymentId: string | null;
  snapshot: Snapshot;
}

/** BT-2 as it is printed: `2026-11-23`. */
export function issuedOn({ issuedAt }: Pick<Invoice, 'issuedAt'>): string {
  return issuedAt.toISOString().slice(0, 10);
}

/** As it is headed. */
export function titleOf({ kind }: Invoice): string {
  return kind === 'invoice' ? 'Invoice' : 'Credit note';
}

/** A sentence or two about the money. */
export function noteOf(invoice: Invoice): string {
  const { grossMinor, currency, corrects, seller } = invoice.snapshot;
  const amount = formatMoney(grossMinor, currency);
  if (corrects) return `${amount} of invoice ${corrects.number} is given back. Reason: ${corrects.reason}`;
  if (invoice.paymentId !== null)
    return `Paid in full on ${issuedOn(invoice)}: there is nothing left to pay.`;
  return `Please pay ${amount} and name ${invoice.number}. ${seller.paymentTerms ?? ''}`.trimEnd();
}

export function snapshotToJson(snapshot: Snapshot): string {
  return JSON.stringify(snapshot, (_, value) => (typeof value === 'bigint' ? String(value) : value));
}

const BIGINTS = /^quantity$|^priceBaseQuantity$|Minor$/;

export function snapshotFromJson(json: string): Snapshot {
  return JSON.parse(json, (key, value) => (BIGINTS.test(key) ? BigInt(value) : value));
}
