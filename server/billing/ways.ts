/** What the phases ask of the provider, for a charge and for a refund: create, send, look; and what the answers mean. */
import type { Scope } from '../kernel/scope.ts';
import type { Money } from './money.ts';
import type { Charge, Payment, Refund } from './payment.ts';
import type {
  Answer,
  Created,
  PaymentProvider,
  Rejected,
  SeenCharge,
  SeenRefund,
  Unknown,
} from './provider.ts';

/** What became of a payment. */
export type Verdict =
  | { kind: 'succeeded'; ref: string | null }
  | { kind: 'failed'; code: string; message: string }
  | { kind: 'pending'; waitsFor: 'provider' | 'customer'; actionUrl: string | null }
  | Unknown
  /** Nobody can find out, or it is not what was agreed on: a person decides. */
  | { kind: 'needs_review'; error: string };

export type Seen =
  | Verdict
  | Rejected
  /** No money has moved, and none will unless it is sent. */
  | { kind: 'untouched' };

/** The code of a charge that was cancelled at the provider. */
export const CANCELED = 'canceled';

export interface Way {
  /** Something at the provider to be sent later, that moves no money. Twice is harmless. Null: there is no such step. */
  create: ((provider: PaymentProvider, scope: Scope, key: string) => Promise<Answer<Created>>) | null;
  /** Moves money, at most once for all that was created. */
  send(provider: PaymentProvider, scope: Scope, key: string): Promise<Seen>;
  /** Changes nothing. */
  look(provider: PaymentProvider, scope: Scope): Promise<Seen>;
  /** Afterwards it takes no money unless it has, or is about to. Null: it cannot be stopped. */
  cancel: ((provider: PaymentProvider, scope: Scope, key: string) => Promise<Seen>) | null;
}

export function wayOf(payment: Payment): Way {
  return payment.kind === 'charge' ? wayOfCharge(payment) : wayOfRefund(payment);
}

function wayOfCharge(charge: Charge): Way {
  const { id: paymentId, workspaceId, amount, terms } = charge;
  const ref = charge.providerRef ?? '';
  const { paymentMethod, returnUrl, description } = terms;
  const see = (answer: Answer<SeenCharge>) =>
    answer.kind === 'charge' ? verdictOnCharge(answer, amount) : answer;
  return {
    create: (provider, scope, key) =>
      provider.create(scope, key, { paymentId, workspaceId, amount, description, returnUrl }),
    async send(provider, scope, key) {
      const seen = see(await provider.confirm(scope, key, { ref, paymentMethod, returnUrl }));
      // It was confirmed a moment ago and does not show it yet.
      return seen.kind === 'untouched' ? notYet('unconfirmed') : seen;
    },
    async look(provider, scope) {
      const seen = see(await provider.retrieve(scope, ref));
      // What we have created is not gone: they mean something else by it.
      return seen.kind === 'rejected' ? { kind: 'unknown', error: seen.message, answered: true } : seen;
    },
    async cancel(provider, scope, key) {
      const seen = see(await provider.cancel(scope, key, ref));
      if (seen.kind === 'rejected') return { kind: 'unknown', error: seen.message, answered: true };
      const isOpen = seen.kind === 'untouched' || (seen.kind === 'pending' && seen.waitsFor === 'customer');
      return isOpen ? notYet('open') : seen;
    },
  };
}

function notYet(state: string): Unknown {
  return { kind: 'unknown', error: `still ${state}`, answered: false };
}

function verdictOnCharge(seen: SeenCharge, amount: Money): Exclude<Seen, Rejected> {
  switch (seen.status) {
    case 'succeeded':
      return isSame(seen.received, amount)
        ? { kind: 'succeeded', ref: seen.ref }
        : {
            kind: 'needs_review',
            error: `the provider took ${seen.received.minor} ${seen.received.currency}`,
          };
    case 'declined':
      return {
        kind: 'failed',
        ...(seen.failure ?? { code: 'declined', message: 'The payment was declined.' }),
      };
    case 'canceled':
      return { kind: 'failed', code: CANCELED, message: 'The payment was cancelled at the provider.' };
    case 'action-required':
      return { kind: 'pending', waitsFor: 'customer', actionUrl: seen.actionUrl };
    case 'processing':
      return { kind: 'pending', waitsFor: 'provider', actionUrl: null };
    case 'unconfirmed':
      return { kind: 'untouched' };
  }
}

/**
 * A refund has one step. Whether it was made is seen at the charge, which lists its refunds with the payment that each is.
 */
function wayOfRefund(refund: Refund): Way {
  const { id: paymentId, workspaceId, amount, terms } = refund;
  const { chargeRef: ref } = terms;
  return {
    create: null,
    cancel: null,
    async send(provider, scope, key) {
      const answer = await provider.refund(scope, key, { ref, amount, paymentId, workspaceId });
      return answer.kind === 'refund' ? verdictOnRefund(answer) : answer;
    },
    async look(provider, scope) {
      const answer = await provider.retrieve(scope, ref);
      if (answer.kind === 'rejected') return { kind: 'unknown', error: answer.message, answered: true };
      if (answer.kind === 'unknown') return answer;
      const made = answer.refunds.find(({ owner }) => owner?.paymentId === paymentId);
      return made ? verdictOnRefund(made) : { kind: 'untouched' };
    },
  };
}

function verdictOnRefund(seen: SeenRefund): Exclude<Seen, Rejected> {
  if (seen.status === 'succeeded') return { kind: 'succeeded', ref: seen.ref };
  if (seen.status === 'pending') return { kind: 'pending', waitsFor: 'provider', actionUrl: null };
  return { kind: 'failed', ...(seen.failure ?? { code: 'refund_failed', message: 'The refund failed.' }) };
}

function isSame(a: Money, b: Money): boolean {
  return a.minor === b.minor && a.currency === b.currency;
}
