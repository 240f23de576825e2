/** What the sandbox provider's process and the one that started it say to each other. */

/** What goes wrong, once for each payment and verb. What is sent again after that is answered as it should be. */
export const PAYMENT_FAULTS = [
  /** It is done, and the connection is cut before the answer. */
  'cut-after-commit',
  /** No answer. Every second request is done all the same, a moment after its client has left. */
  'hang-before-commit',
  /** It is done, and no answer comes. */
  'hang-after-commit',
  /** It is done, and the answer is a 500: which is kept, and replayed to the same key. */
  'error-after-commit',
  /** 409: somebody else is at this object. Nothing is done. */
  'lock',
  /** It is done, and the answer comes a byte at a time. */
  'slow-drip',
] as const;

export type PaymentFault = (typeof PAYMENT_FAULTS)[number];
export type FaultyVerb = 'create' | 'confirm' | 'cancel' | 'refund';

export interface PaymentBehaviour {
  /** any: each in its turn. */
  fault: PaymentFault | 'any' | null;
  verbs: FaultyVerb[];
  /** Where events are posted to; null: nowhere. */
  webhookUrl: string | null;
  /** Each event three times, and late ones before early ones. */
  webhooks: 'once' | 'thrice-shuffled';
}

/** What really happened, whatever anybody was told. */
export interface PaymentTruth {
  charges: TrueCharge[];
  refunds: TrueRefund[];
  /** Posts of an event that were answered with 2xx. */
  webhooksDelivered: number;
  /** How often each was met. */
  faults: Partial<Record<PaymentFault, number>>;
}

export interface TrueCharge {
  ref: string;
  amount: number;
  currency: string;
  metadata: Record<string, string>;
}

export interface TrueRefund extends TrueCharge {
  chargeRef: string;
}

export type ToPayments = { kind: 'behave'; behaviour: Partial<PaymentBehaviour> } | { kind: 'truth' };

export type FromPayments =
  | { kind: 'ready'; port: number }
  | { kind: 'failed'; error: string }
  | { kind: 'behaving' }
  | { kind: 'truth'; truth: PaymentTruth };
