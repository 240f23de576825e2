/**
 * What people do about a payment that is not decided: end one that waits for its customer, or say how one ended that no
 * machine could find out about. Both go the way of all payments (phases.ts), so the request's key is answered too.
 */
import type { Scope } from '../kernel/scope.ts';
import { PaymentRefused } from './charge.ts';
import type { Payment, PaymentKey } from './payment.ts';
import { advance, type Billing, type Failure } from './phases.ts';
import * as queries from './queries.ts';
import { pursue } from './reconcile.ts';
import { isDecided } from './states.ts';
import type { Verdict } from './ways.ts';

const CANCELED_BY_HAND: Failure = {
  code: 'canceled',
  message: 'The payment was cancelled before anything was charged.',
};

/** Cancels a charge at the provider, and so it failed. Throws PaymentRefused when it has come too far for that. */
export async function cancelPayment(billing: Billing, scope: Scope, of: PaymentKey): Promise<Payment> {
  const payment = await find(billing, of);
  if (payment.kind === 'refund') throw new PaymentRefused('conflict', 'A refund cannot be cancelled.');
  if (isDecided(payment.state)) throw new PaymentRefused('conflict', `It has ${payment.state} already.`);
  const ended = await pursue(billing, { scope }, payment, CANCELED_BY_HAND);
  if (ended === 'in-flight')
    throw new PaymentRefused('under-way', 'A request is working at this payment: try again in a moment.');
  if (ended.state === 'failed') return ended;
  if (ended.state === 'succeeded') throw new PaymentRefused('conflict', 'It has succeeded by now.');
  if (ended.state === 'needs_review')
    throw new PaymentRefused('conflict', 'The operator has to look into it first.');
  if (ended.state === 'pending')
    throw new PaymentRefused('conflict', 'The provider is working at it, or does not answer now.');
  throw new PaymentRefused(
    'under-way',
    'The provider does not answer: nobody can know yet what becomes of it.',
  );
}

/** For one that needs review, when a person has found out. Throws PaymentRefused. */
export async function resolvePayment(
  billing: Billing,
  scope: Scope,
  of: PaymentKey,
  to: 'succeeded' | 'failed',
): Promise<Payment> {
  const payment = await find(billing, of);
  const { state, providerRef } = payment;
  if (state !== 'needs_review')
    throw new PaymentRefused('conflict', `It is ${state}: only what needs review is decided by hand.`);
  // Whatever the answer is: the person knows better. It only must not be paid later.
  if (to === 'failed' && payment.kind === 'charge' && providerRef !== null)
    await billing.provider.cancel(scope, `pay_${payment.id}_by_hand`, providerRef);
  const verdict: Verdict =
    to === 'failed'
      ? { kind: 'failed', code: 'resolved', message: 'The operator found that this payment did not succeed.' }
      : { kind: 'succeeded', ref: providerRef };
  return advance(billing, scope, { payment, holder: null, verdict });
}

async function find({ database }: Billing, of: PaymentKey): Promise<Payment> {
  const payment = await database.withWorkspace(of.workspaceId, (tx) => queries.findPayment(tx, of));
  if (!payment) throw new PaymentRefused('not-found', 'There is no payment with this id.');
  return payment;
}
