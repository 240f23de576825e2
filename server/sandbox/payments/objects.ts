/**
 * The objects of the sandbox provider, in memory, in the shapes of Stripe's API: payment intents, their refunds, and the
 * events that tell of them. A payment intent succeeds at most once, whoever asks how often.
 *
 * The payment method decides what becomes of it, by Stripe's own test names: pm_card_visa succeeds,
 * pm_card_chargeDeclined is declined, pm_card_authenticationRequired waits for its holder, pm_card_createDispute is disputed
 * at once, the refund of pm_card_refundFail comes back a moment later, and pm_sandbox_processing succeeds a moment later.
 */
import { randomBytes } from 'node:crypto';
import type { TrueCharge, TrueRefund } from './report.ts';

type Fields = URLSearchParams;

export interface Answer {
  status: number;
  body: unknown;
}

interface PaymentIntent {
  id: string;
  object: 'payment_intent';
  amount: number;
  amount_received: number;
  currency: string;
  status: 'requires_payment_method' | 'requires_action' | 'processing' | 'succeeded' | 'canceled';
  metadata: Record<string, string>;
  description: string | null;
  created: number;
  livemode: false;
  payment_method: string | null;
  last_payment_error: Record<string, unknown> | null;
  next_action: Record<string, unknown> | null;
  latest_charge: string | null;
  automatic_payment_methods: { enabled: boolean; allow_redirects: string };
}

interface Refund {
  id: string;
  object: 'refund';
  amount: number;
  currency: string;
  status: 'succeeded' | 'failed';
  failure_reason?: string;
  payment_intent: string;
  metadata: Record<string, string>;
  created: number;
}

interface Dispute {
  id: string;
  object: 'dispute';
  amount: number;
  currency: string;
  payment_intent: string;
  reason: 'fraudulent';
  status: 'needs_response';
  metadata: Record<string, never>;
}

export interface ProviderEventBody {
  id: string;
  object: 'event';
  type: string;
  created: number;
  data: { object: unknown };
}

const PROCESSING_MS = 300;
const LIST_MAX = 100;
/** Of a list that is part of another object. */
const EXPANDED_MAX = 10;

export class PaymentObjects {
  readonly #intents = new Map<string, PaymentIntent>();
  readonly #refunds: Refund[] = [];
  readonly #disputes: Dispute[] = [];
  readonly #onEvent: (event: ProviderEventBody) => void;

  constructor(onEvent: (event: ProviderEventBody) => void) {
    this.#onEvent = onEvent;
  }

  create(fields: Fields): Answer {
    const amount = Number(fields.get('amount'));
    if (!Number.isInteger(amount) || amount < 1) return invalid('amount', 'Invalid integer: amount');
    const intent: PaymentIntent = {
      id: newRef('pi'),
      object: 'payment_intent',
      amount,
      amount_received: 0,
      currency: fields.get('currency') ?? '',
      status: 'requires_payment_method',
      metadata: metadataOf(fields),
      description: fields.get('description'),
      created: seconds(),
      livemode: false,
      payment_method: null,
      last_payment_error: null,
      next_action: null,
      latest_charge: null,
      automatic_payment_methods: {
        enabled: fields.get('automatic_payment_methods[enabled]') === 'true',
        allow_redirects: fields.get('automatic_payment_methods[allow_redirects]') ?? 'always',
      },
    };
    this.#intents.set(intent.id, intent);
    this.#tell('payment_intent.created', intent);
    return ok(intent);
  }

  confirm(id: string, fields: Fields): Answer {
    const intent = this.#intents.get(id);
    if (!intent) return missing('payment_intent', id);
    if (intent.status !== 'requires_payment_method') return unexpected(intent);
    const { enabled, allow_redirects } = intent.automatic_payment_methods;
    if (enabled && allow_redirects !== 'never' && !fields.get('return_url'))
      return invalid('return_url', 'A payment that may redirect its customer needs a return_url.');
    intent.payment_method = fields.get('payment_method');
    switch (intent.payment_method) {
      case 'pm_card_visa':
      case 'pm_card_refundFail':
        this.#succeed(intent);
        return ok(intent);
      case 'pm_card_createDispute':
        this.#succeed(intent);
        this.#dispute(intent);
        return ok(intent);
      case 'pm_card_authenticationRequired':
        intent.status = 'requires_action';
        intent.next_action = fields.get('return_url')
          ? {
              type: 'redirect_to_url',
              redirect_to_url: { url: `https://sandbox.example/authenticate/${id}` },
            }
          : { type: 'use_stripe_sdk' };
        this.#tell('payment_intent.requires_action', intent);
        return ok(intent);
      case 'pm_sandbox_processing':
        intent.status = 'processing';
        setTimeout(() => this.#succeed(intent), PROCESSING_MS);
        return ok(intent);
      case 'pm_card_chargeDeclined':
        return this.#decline(intent);
      default:
        return invalid('payment_method', `No such PaymentMethod: '${intent.payment_method}'`, {
          code: 'resource_missing',
        });
    }
  }

  retrieve(id: string): Answer {
    const intent = this.#intents.get(id);
    if (!intent) return missing('payment_intent', id);
    const refunds = this.#refunds.filter((refund) => refund.payment_intent === id).reverse();
    const data = refunds.slice(0, EXPANDED_MAX);
    const charge = {
      id: intent.latest_charge,
      object: 'charge',
      refunds: { object: 'list', data, has_more: data.length < refunds.length },
    };
    return ok({ ...intent, latest_charge: intent.latest_charge === null ? null : charge });
  }

  cancel(id: string): Answer {
    const intent = this.#intents.get(id);
    if (!intent) return missing('payment_intent', id);
    if (intent.status !== 'requires_payment_method' && intent.status !== 'requires_action')
      return unexpected(intent);
    Object.assign(intent, { status: 'canceled', next_action: null });
    this.#tell('payment_intent.canceled', intent);
    return ok(intent);
  }

  list(query: Fields): Answer {
    const since = Number(query.get('created[gte]') ?? 0);
    return page(
      query,
      [...this.#intents.values()].filter(({ created }) => created >= since),
    );
  }

  listRefunds(query: Fields): Answer {
    return page(query, this.#refunds.filter(isOf(query)));
  }

  listDisputes(query: Fields): Answer {
    return page(query, this.#disputes.filter(isOf(query)));
  }

  refund(fields: Fields): Answer {
    const intent = this.#intents.get(fields.get('payment_intent') ?? '');
    if (!intent) return missing('payment_intent', fields.get('payment_intent') ?? '');
    const refunded = this.#refunds
      .filter((refund) => refund.payment_intent === intent.id)
      .reduce((sum, refund) => sum + refund.amount, 0);
    const amount = Number(fields.get('amount') ?? intent.amount_received - refunded);
    if (amount > intent.amount_received - refunded)
      return invalid('amount', `Refund amount (${amount}) is greater than the unrefunded amount on charge.`);
    const refund: Refund = {
      id: newRef('re'),
      object: 'refund',
      amount,
      currency: intent.currency,
      status: 'succeeded',
      payment_intent: intent.id,
      metadata: metadataOf(fields),
      created: seconds(),
    };
    this.#refunds.push(refund);
    this.#tell('refund.created', refund);
    if (intent.payment_method === 'pm_card_refundFail') setTimeout(() => this.#bounce(refund), PROCESSING_MS);
    return ok(refund);
  }

  charges(): TrueCharge[] {
    return [...this.#intents.values()]
      .filter(({ status }) => status === 'succeeded')
      .map(({ id, amount_received: amount, currency, metadata }) => ({
        ref: id,
        amount,
        currency,
        metadata,
      }));
  }

  refunds(): TrueRefund[] {
    return this.#refunds.map(({ id, payment_intent, amount, currency, metadata }) => ({
      ref: id,
      chargeRef: payment_intent,
      amount,
      currency,
      metadata,
    }));
  }

  #succeed(intent: PaymentIntent): void {
    Object.assign(intent, {
      status: 'succeeded',
      amount_received: intent.amount,
      latest_charge: newRef('ch'),
      next_action: null,
    });
    this.#tell('payment_intent.succeeded', intent);
  }

  #bounce(refund: Refund): void {
    Object.assign(refund, { status: 'failed', failure_reason: 'expired_or_canceled_card' });
    this.#tell('refund.failed', refund);
  }

  #dispute({ id: payment_intent, amount, currency }: PaymentIntent): void {
    const dispute: Dispute = {
      ...{ id: newRef('dp'), object: 'dispute', amount, currency, payment_intent },
      ...{ reason: 'fraudulent', status: 'needs_response', metadata: {} },
    };
    this.#disputes.push(dispute);
    this.#tell('charge.dispute.created', dispute);
  }

  #decline(intent: PaymentIntent): Answer {
    const error = {
      type: 'card_error',
      code: 'card_declined',
      decline_code: 'generic_decline',
      message: 'Your card was declined.',
    };
    intent.last_payment_error = error;
    this.#tell('payment_intent.payment_failed', intent);
    return { status: 402, body: { error: { ...error, payment_intent: { ...intent } } } };
  }

  #tell(type: string, object: PaymentIntent | Refund | Dispute): void {
    const event: ProviderEventBody = {
      id: newRef('evt'),
      object: 'event',
      type,
      created: seconds(),
      data: { object: { ...object } },
    };
    this.#onEvent(event);
  }
}

function ok(body: object): Answer {
  return { status: 200, body: { ...body } };
}

export function invalid(param: string, message: string, more: Record<string, unknown> = {}): Answer {
  return { status: 400, body: { error: { type: 'invalid_request_error', param, message, ...more } } };
}

function unexpected(intent: PaymentIntent): Answer {
  return invalid('', `This PaymentIntent's status is ${intent.status}.`, {
    code: 'payment_intent_unexpected_state',
    payment_intent: { ...intent },
  });
}

/** Newest first, from those in the order of their making. */
function page(query: Fields, made: readonly { id: string }[]): Answer {
  const all = made.toReversed();
  const limit = Math.min(LIST_MAX, Number(query.get('limit') ?? 10));
  const start = all.findIndex(({ id }) => id === query.get('starting_after')) + 1;
  const data = all.slice(start, start + limit);
  return ok({ object: 'list', url: '/v1', data, has_more: start + limit < all.length });
}

function isOf(query: Fields) {
  return ({ payment_intent }: { payment_intent: string }) => payment_intent === query.get('payment_intent');
}

function missing(what: string, id: string): Answer {
  const message = `No such ${what}: '${id}'`;
  return {
    status: 404,
    body: { error: { type: 'invalid_request_error', code: 'resource_missing', message } },
  };
}

function metadataOf(fields: Fields): Record<string, string> {
  const pairs = [...fields].flatMap(([name, value]): [string, string][] => {
    const [, key] = /^metadata\[(\w+)\]$/.exec(name) ?? [];
    return key === undefined ? [] : [[key, value]];
  });
  return Object.fromEntries(pairs);
}

function newRef(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString('hex')}`;
}

function seconds(): number {
  return Math.floor(Date.now() / 1_000);
}
