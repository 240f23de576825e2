/** Stripe's objects in our words. */
import type Stripe from 'stripe';
import { exponentOf, type Money } from './money.ts';
import type { Dispute, Ownership, SeenCharge, SeenRefund } from './provider.ts';

/** Where Stripe counts in other units than ISO 4217 (docs.stripe.com/currencies). */
const STRIPE_EXPONENTS: Readonly<Record<string, number>> = { ISK: 2, UGX: 2, MGA: 0 };

/** Undefined: Stripe cannot express it, such as a fraction of an ariary. */
export function stripeAmount({ minor, currency }: Money): { amount: number; currency: string } | undefined {
  const { multiply, divide } = unitsOf(currency);
  const amount = (minor * multiply) / divide;
  if (amount * divide !== minor * multiply) return undefined;
  return { amount: Number(amount), currency: currency.toLowerCase() };
}

function moneyOf(amount: number, code: string): Money {
  const currency = code.toUpperCase();
  const { multiply, divide } = unitsOf(currency);
  return { minor: (BigInt(amount) * divide) / multiply, currency };
}

/** From our minor units to Stripe's. */
function unitsOf(currency: string): { multiply: bigint; divide: bigint } {
  const shift = (STRIPE_EXPONENTS[currency] ?? exponentOf(currency)) - exponentOf(currency);
  return { multiply: 10n ** BigInt(Math.max(0, shift)), divide: 10n ** BigInt(Math.max(0, -shift)) };
}

export function seenCharge(intent: Stripe.PaymentIntent): SeenCharge {
  const { last_payment_error: error, next_action: action, latest_charge: charge } = intent;
  const refunds = typeof charge === 'object' ? charge?.refunds?.data : undefined;
  return {
    kind: 'charge',
    ref: intent.id,
    status: statusOf(intent),
    received: moneyOf(intent.amount_received, intent.currency),
    owner: ownerOf(intent.metadata),
    failure: error
      ? { code: error.decline_code ?? error.code ?? error.type, message: error.message ?? '' }
      : null,
    actionUrl: action?.redirect_to_url?.url ?? null,
    refunds: (refunds ?? []).map(seenRefund),
  };
}

function statusOf({ status, last_payment_error }: Stripe.PaymentIntent): SeenCharge['status'] {
  switch (status) {
    case 'requires_payment_method':
      return last_payment_error ? 'declined' : 'unconfirmed';
    case 'requires_confirmation':
      return 'unconfirmed';
    case 'requires_action':
      return 'action-required';
    case 'succeeded':
      return 'succeeded';
    case 'canceled':
      return 'canceled';
    default:
      return 'processing';
  }
}

export function seenRefund(refund: Stripe.Refund): SeenRefund {
  const isFailed = refund.status === 'failed' || refund.status === 'canceled';
  return {
    kind: 'refund',
    ref: refund.id,
    status: isFailed ? 'failed' : refund.status === 'succeeded' ? 'succeeded' : 'pending',
    amount: moneyOf(refund.amount, refund.currency),
    owner: ownerOf(refund.metadata),
    failure: isFailed
      ? { code: refund.failure_reason ?? 'refund_failed', message: 'The refund failed.' }
      : null,
  };
}

export function seenDispute({ id, amount, currency, reason, status }: Stripe.Dispute): Dispute {
  return { ref: id, amount: moneyOf(amount, currency), reason, status };
}

/** Of an object's metadata, where we wrote it. */
export function ownerOf(metadata: unknown): Ownership | null {
  if (typeof metadata !== 'object' || metadata === null) return null;
  const paymentId = Reflect.get(metadata, 'payment_id');
  const workspaceId = Reflect.get(metadata, 'workspace_id');
  return isUuid(paymentId) && isUuid(workspaceId) ? { paymentId, workspaceId } : null;
}

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(value);
}
