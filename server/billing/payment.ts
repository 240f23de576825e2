/** A payment as it is kept: what was agreed on, which is never changed, and how far it has come. */
import type { Buyer } from './invoice-parties.ts';
import type { InvoiceLine } from './invoice-tax.ts';
import type { Money } from './money.ts';
import type { PaymentState } from './states.ts';

export interface PaymentKey {
  workspaceId: string;
  id: string;
}

interface Agreed extends PaymentKey {
  amount: Money;
  /** What a charge brings and a refund takes back. */
  credits: bigint;
  provider: string;
  /** The request that asked for it. */
  request: { key: string; fingerprint: Buffer; epoch: number };
  /** A charge: the invoice that it pays; a refund: the credit note. Null: not issued yet. */
  invoiceId: string | null;
}

export interface NewCharge extends Agreed {
  kind: 'charge';
  /** The client's own name for what it buys, paid once. */
  reference: string | null;
  terms: ChargeTerms;
}

export interface NewRefund extends Agreed {
  kind: 'refund';
  /** The charge. */
  refundOf: string;
  terms: RefundTerms;
}

/** Stored as JSON, its whole numbers as strings. */
export interface ChargeTerms {
  description: string;
  paymentMethod: string;
  returnUrl: string | null;
  requestId: string;
  /** What will be invoiced when it is paid; null: an invoice that was issued before. */
  sale: { lines: InvoiceLine[]; buyer: Buyer } | null;
}

export interface RefundTerms {
  /** Printed on the credit note. */
  reason: string;
  requestId: string;
  /** The provider's name of the charge. */
  chargeRef: string;
  /** The invoice of the charge. */
  invoiceId: string;
}

interface Progress {
  state: PaymentState;
  providerRef: string | null;
  failure: { code: string; message: string } | null;
  /** Where the customer has something to do. */
  actionUrl: string | null;
  /** What a person should know of it. */
  note: string | null;
  createdAt: Date;
  sentAt: Date | null;
  decidedAt: Date | null;
  ageMs: number;
}

export type NewPayment = NewCharge | NewRefund;
export type Charge = NewCharge & Progress;
export type Refund = NewRefund & Progress;
export type Payment = Charge | Refund;

export function paymentUrl(id: string): string {
  return `/v1/payments/${id}`;
}
