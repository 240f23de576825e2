/**
 * Refunds: a payment the other way round, along the same phases. It takes credits back in proportion and ends in a credit
 * note. What can be given back is what no credit note and no refund under way has taken, of credits that are not spent.
 */
import type { Tx } from '../kernel/database.ts';
import { faultPoint } from '../kernel/fault-point.ts';
import { newId } from '../kernel/ids.ts';
import type { Scope } from '../kernel/scope.ts';
import { begin, PaymentRefused, type PaymentRequest } from './charge.ts';
import { balance, bookSpending } from './credits.ts';
import { creditableMinor } from './invoices.ts';
import type { Charge, NewRefund, Payment } from './payment.ts';
import { advance, type Billing } from './phases.ts';
import * as queries from './queries.ts';
import { isDecided } from './states.ts';

export interface RefundOrder {
  paymentId: string;
  /** With tax; null: all that is left. */
  amountMinor: bigint | null;
  /** Printed on the credit note. */
  reason: string;
}

/** As `pay`. */
export async function refund(
  billing: Billing,
  scope: Scope,
  request: PaymentRequest,
  order: RefundOrder,
): Promise<Payment> {
  await faultPoint('claimed');
  // What was sent already is spent, also what nobody has booked yet.
  await bookSpending(billing.database, request.workspaceId);
  const payment = await begin(billing, request, async (tx) => {
    const agreed = await agree(tx, billing, request, order);
    await queries.insertPayment(tx, agreed);
    return agreed;
  });
  return advance(billing, scope, { payment, holder: request.holder });
}

async function agree(
  tx: Tx,
  { provider }: Billing,
  { workspaceId, holder, fingerprint, requestId }: PaymentRequest,
  { paymentId, amountMinor, reason }: RefundOrder,
): Promise<NewRefund> {
  // Its lock lets one refund after the other count what is left.
  const charge = await queries.lockPayment(tx, { workspaceId, id: paymentId });
  if (charge?.kind !== 'charge') throw new PaymentRefused('not-found', 'There is no payment with this id.');
  if (charge.state !== 'succeeded' || charge.invoiceId === null || charge.providerRef === null)
    throw new PaymentRefused('conflict', 'Only a payment that succeeded can be given back.');
  const refunds = await queries.refundsOf(tx, charge);
  const underWay = sum(refunds.filter(({ state }) => !isDecided(state)).map(({ amount }) => amount.minor));
  const leftMinor = (await creditableMinor(tx, workspaceId, charge.invoiceId)) - underWay;
  const minor = amountMinor ?? leftMinor;
  if (minor <= 0n || minor > leftMinor)
    throw new PaymentRefused(
      'conflict',
      `${minor} cannot be given back: ${leftMinor} are left of this payment.`,
    );
  const credits = creditsOf(charge, refunds, minor, leftMinor);
  const promised = sum(refunds.filter(({ state }) => !isDecided(state)).map((one) => one.credits));
  const unspent = (await balance(tx, workspaceId)) - promised;
  if (credits > unspent)
    throw new PaymentRefused(
      'conflict',
      `${minor} cannot be given back: that takes ${credits} credits, and ${unspent > 0n ? unspent : 0n} are not spent.`,
    );
  return {
    kind: 'refund',
    workspaceId,
    id: newId(),
    amount: { minor, currency: charge.amount.currency },
    credits,
    provider: provider.name,
    request: { key: holder.held.key, epoch: holder.held.epoch, fingerprint },
    invoiceId: null,
    refundOf: charge.id,
    terms: { reason, requestId, chargeRef: charge.providerRef, invoiceId: charge.invoiceId },
  };
}

/** In proportion; the last refund takes the rest. */
function creditsOf(charge: Charge, refunds: Payment[], minor: bigint, leftMinor: bigint): bigint {
  const taken = sum(refunds.filter(({ state }) => state !== 'failed').map(({ credits }) => credits));
  if (minor === leftMinor) return charge.credits - taken;
  return (charge.credits * minor) / charge.amount.minor;
}

function sum(values: bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}
