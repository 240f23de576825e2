/** An invoice that is issued to be paid, by whichever way: what a client pays that wants to be safe whatever its keys do. */
import type { Tx } from '../kernel/database.ts';
import { type CreditsOrder, creditsBought } from './charge.ts';
import { type Issued, issueInvoice } from './invoices.ts';
import type { Pack } from './prices.ts';
import { insertInvoiceCredits } from './queries-ledger.ts';

/** Throws PaymentRefused for what is not sold, or to whom it cannot be. */
export async function openInvoice(
  tx: Tx,
  prices: readonly Pack[],
  workspaceId: string,
  order: CreditsOrder,
): Promise<Issued> {
  const { amount, credits, sale } = await creditsBought(tx, prices, order);
  const issued = await issueInvoice(tx, { workspaceId, paymentId: null, currency: amount.currency, ...sale });
  await insertInvoiceCredits(tx, workspaceId, issued.invoiceId, credits);
  return issued;
}
