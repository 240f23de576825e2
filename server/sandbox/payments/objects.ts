/**
 * The objects of the sandbox provider, in memory, in the shapes of Stripe's API: payment intents, their refunds, and the
 * events that tell of them. A payment intent succeeds at most once, whoever asks how often.
 *
 * The payment method decides what becomes of it, by Stripe's own test names: pm_card_visa succeeds,
 * pm_card_chargeDeclined is declined, pm_card_authenticationRequired waits for its holder, and pm_sandbox_processing
 * succeeds a moment later.
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
}

interface Refund {
  id: string;
  object: 'refund';
  amount: number;
  currency: string;
  status: 'succeeded';
  payment_intent: string;
  metadata: Record<string, string>;
  created: number;
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

export class PaymentObjects {
  readonly #intents = new Map<string, PaymentIntent>();
  readonly #refunds: Refund[] = [];
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
    };
    this.#intents.set(intent.id, intent);
    this.#tell('payment_intent.created', intent);
    return ok(intent);
  }

  confirm(id: string, fields: Fields): Answer {
    const intent = this.#intents.get(id);
    if (!intent) return missing('payment_intent', id);
    if (intent.status !== 'requires_payment_method')
      return invalid('', `This PaymentIntent's status is ${intent.status}.`, {
        code: 'payment_intent_unexpected_state',
        payment_intent: { ...intent },
      });
    intent.payment_method = fields.get('payment_method');
    switch (intent.payment_method) {
      case 'pm_card_visa':
        this.#succeed(intent);
        return ok(intent);
      case 'pm_card_authenticationRequired':
        intent.status = 'requires_action';
        intent.next_action = {
          type: 'redirect_to_url',
          redirect_to_url: { url: `https://sandbox.example/authenticate/${id}` },
        };
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
    const refunds = this.#refunds.filter((refund) => refund.payment_intent === id);
    const charge = {
      id: intent.latest_charge,
      object: 'charge',
      refunds: { object: 'list', data: refunds, has_more: false },
    };
    return ok({ ...intent, latest_charge: intent.latest_charge === null ? null : charge });
  }

  /** Newest first. */
  list(query: Fields): Answer {
    const since = Number(query.get('created[gte]') ?? 0);
    const limit = Math.min(LIST_MAX, Number(query.get('limit') ?? 10));
    const all = [...this.#intents.values()].filter(({ created }) => created >= since).reverse();
    const start = all.findIndex(({ id }) => id === query.get('starting_after')) + 1;
    const data = all.slice(start, start + limit);
    const has_more = start + limit < all.length;
    return ok({ object: 'list', url: '/v1/payment_intents', data, has_more });
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

  #tell(type: string, object: PaymentIntent | Refund): void {
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
