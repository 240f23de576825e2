/**
 * The port to a payment provider: a few verbs, in our words. An adapter (stripe.ts) turns them into requests; nothing of a
 * provider's SDK is seen on this side.
 *
 * A charge has two steps, so that "was it charged?" has an answer that does not depend on any idempotency key: it is
 * created unconfirmed, which moves no money, and its `ref` is kept; then it is confirmed, and however often that is asked
 * for, it succeeds at most once. `retrieve` says at any time what became of it, and `cancel` sees to it that nothing will.
 *
 * Every answer is a value. `unknown` means that the request may have had its effect: out of time, cut, a 5xx, a lock.
 */
import type { Scope } from '../kernel/scope.ts';
import type { Money } from './money.ts';

export interface PaymentProvider {
  /** Kept with each payment. */
  readonly name: string;
  create(scope: Scope, key: string, charge: NewCharge): Promise<Answer<Created>>;
  confirm(scope: Scope, key: string, charge: Confirmation): Promise<Answer<SeenCharge>>;
  retrieve(scope: Scope, ref: string): Promise<Answer<SeenCharge>>;
  /** What was canceled takes no money any more. What has taken it, or is about to, is shown as it is. */
  cancel(scope: Scope, key: string, ref: string): Promise<Answer<SeenCharge>>;
  refund(scope: Scope, key: string, refund: NewRefund): Promise<Answer<SeenRefund>>;
  disputesOf(scope: Scope, ref: string): Promise<Answer<Disputes>>;
  /** Charges that were created since then, newest first; a page of them, older than `before`. */
  listSince(scope: Scope, since: Date, before: string | null): Promise<Answer<ChargePage>>;
  /** What was posted to us; null: the signature is not the provider's, or is older than five minutes. */
  readEvent(body: Buffer, signature: string): ProviderEvent | null;
}

export type Answer<T> = T | Rejected | Unknown;

/** The provider refuses the request itself: our mistake, or something the customer named is not there. */
export interface Rejected {
  kind: 'rejected';
  code: string;
  /** For the customer. */
  message: string;
  /** What the provider said. */
  error: string;
  /** Turned away before it was looked at: an earlier request under the same key may still be under way. */
  isUnheard: boolean;
}

export interface Unknown {
  kind: 'unknown';
  error: string;
  /** It was an answer, and the same key may get it again. */
  answered: boolean;
}

/** Ours, and found again in what the provider shows: the payment, and its workspace. */
export interface Ownership {
  paymentId: string;
  workspaceId: string;
}

export interface NewCharge extends Ownership {
  amount: Money;
  description: string;
  /** Null: ways to pay that lead the customer elsewhere are left out. */
  returnUrl: string | null;
}

/** It exists, and moves no money yet. */
export interface Created {
  kind: 'created';
  ref: string;
}

export interface Confirmation {
  ref: string;
  /** The provider's name of a card or the like. */
  paymentMethod: string;
  /** Where the customer comes back to after a step at their bank. */
  returnUrl: string | null;
}

export interface NewRefund extends Ownership {
  /** Of the charge. */
  ref: string;
  amount: Money;
}

export interface SeenCharge {
  kind: 'charge';
  ref: string;
  /** unconfirmed: no money has moved, and none will unless it is confirmed. */
  status: 'unconfirmed' | 'action-required' | 'processing' | 'succeeded' | 'declined' | 'canceled';
  /** What was taken; 0 until it succeeded. */
  received: Money;
  /** Null: somebody else's. */
  owner: Ownership | null;
  failure: { code: string; message: string } | null;
  actionUrl: string | null;
  refunds: SeenRefund[];
}

export interface SeenRefund {
  kind: 'refund';
  ref: string;
  status: 'pending' | 'succeeded' | 'failed';
  amount: Money;
  owner: Ownership | null;
  failure: { code: string; message: string } | null;
}

/** What its customers have their bank take back. */
export interface Disputes {
  kind: 'disputes';
  disputes: Dispute[];
}

export interface Dispute {
  ref: string;
  amount: Money;
  /** In the provider's words. */
  reason: string;
  status: string;
}

export interface ChargePage {
  kind: 'page';
  charges: SeenCharge[];
  /** Null: this was the last page. */
  next: string | null;
}

export interface ProviderEvent {
  id: string;
  type: string;
  /** Whose payment it tells of; null: not one of ours. */
  owner: Ownership | null;
  /** The charge that a dispute is about, whosever it is; null: it tells of no dispute. */
  disputeOf: string | null;
}
