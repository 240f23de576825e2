/**
 * Stripe behind the verbs of provider.ts, by Stripe's own SDK.
 *
 * The SDK gets no timers and no retries of its own: every call runs over kernel/http.ts in its caller's scope, and errors
 * reach it without a socket's code, because it would repeat a request after ECONNRESET even where retries are off. Every
 * POST carries our key.
 */
import Stripe from 'stripe';
import { fetchWithin } from '../kernel/http.ts';
import type { Scope } from '../kernel/scope.ts';
import type { Money } from './money.ts';
import type {
  Answer,
  ChargePage,
  Confirmation,
  Created,
  Disputes,
  NewCharge,
  NewRefund,
  PaymentProvider,
  ProviderEvent,
  Rejected,
  SeenCharge,
  SeenRefund,
} from './provider.ts';
import { ownerOf, seenCharge, seenDispute, seenRefund, stripeAmount } from './stripe-objects.ts';

export interface StripeSettings {
  host: string;
  port: number;
  /** http or https. */
  protocol: string;
  secretKey: string;
  webhookSecret: string | undefined;
  /** For one request. A card's bank may take 20 s to answer. */
  callMs?: number;
}

const CALL_MS = 25_000;
const RESPONSE_BYTES_MAX = 2 * 1024 * 1024;
const PAGE = 100;
/** Events that something was decided; the others tell what we have done ourselves. */
const TELLING =
  /^payment_intent\.(succeeded|payment_failed|canceled|processing|requires_action)$|^refund\.|^charge\.refund/;

export function createStripeProvider(settings: StripeSettings): PaymentProvider {
  const callMs = settings.callMs ?? CALL_MS;
  const stripeWithin = (scope: Scope) => clientWithin(scope, settings, callMs);
  return {
    name: 'stripe',
    create: (scope, key, charge) => answerOf(() => create(stripeWithin(scope), key, charge)),
    confirm: (scope, key, charge) => confirm(stripeWithin(scope), key, charge),
    retrieve: (scope, ref) => answerOf(() => retrieve(stripeWithin(scope), ref)),
    cancel: (scope, key, ref) => cancel(stripeWithin(scope), key, ref),
    disputesOf: (scope, ref) => answerOf(() => disputesOf(stripeWithin(scope), ref)),
    refund: (scope, key, refund) => answerOf(() => refundCharge(stripeWithin(scope), key, refund)),
    listSince: (scope, since, before) => answerOf(() => listSince(stripeWithin(scope), since, before)),
    readEvent: (body, signature) => readEvent(settings.webhookSecret, body, signature),
  };
}

/** Made for each call: a client knows its caller. It costs less than half a millisecond. */
function clientWithin(scope: Scope, settings: StripeSettings, callMs: number): Stripe {
  const { host, port, protocol, secretKey } = settings;
  const fetch = fetchWithin(scope, { deadlineMs: callMs, responseBytesMax: RESPONSE_BYTES_MAX });
  return new Stripe(secretKey, {
    host,
    port,
    protocol: protocol === 'http' ? 'http' : 'https',
    maxNetworkRetries: 0,
    telemetry: false,
    // The scope's deadline comes first.
    timeout: callMs * 2,
    httpClient: Stripe.createFetchHttpClient(fetch),
  });
}

async function create(stripe: Stripe, key: string, charge: NewCharge): Promise<Answer<Created>> {
  const { amount, description, returnUrl, paymentId, workspaceId } = charge;
  const inStripe = stripeAmount(amount);
  if (!inStripe) return noSuchAmount(amount);
  const intent = await stripe.paymentIntents.create(
    {
      ...inStripe,
      description,
      metadata: { payment_id: paymentId, workspace_id: workspaceId },
      // Without a place to come back to, Stripe refuses to confirm what might lead elsewhere.
      automatic_payment_methods: {
        enabled: true,
        ...(returnUrl === null ? { allow_redirects: 'never' } : {}),
      },
    },
    { idempotencyKey: `${key}:create` },
  );
  return { kind: 'created', ref: intent.id };
}

function noSuchAmount({ minor, currency }: Money): Rejected {
  const message = `Stripe cannot express ${minor} units of ${currency}.`;
  return { kind: 'rejected', code: 'amount', message, error: message, isUnheard: false };
}

function confirm(
  stripe: Stripe,
  key: string,
  { ref, paymentMethod, returnUrl }: Confirmation,
): Promise<Answer<SeenCharge>> {
  const params = { payment_method: paymentMethod, ...(returnUrl === null ? {} : { return_url: returnUrl }) };
  return chargeOf(() => stripe.paymentIntents.confirm(ref, params, { idempotencyKey: `${key}:confirm` }));
}

function cancel(stripe: Stripe, key: string, ref: string): Promise<Answer<SeenCharge>> {
  return chargeOf(() => stripe.paymentIntents.cancel(ref, {}, { idempotencyKey: `${key}:cancel` }));
}

async function chargeOf(ask: () => Promise<Stripe.PaymentIntent>): Promise<Answer<SeenCharge>> {
  try {
    return seenCharge(await ask());
  } catch (error) {
    // A decline, and an intent that is past that, come as errors with the intent in them.
    const intent = error instanceof Stripe.errors.StripeError ? error.payment_intent : undefined;
    return intent ? seenCharge(intent) : failureOf(error);
  }
}

async function retrieve(stripe: Stripe, ref: string): Promise<SeenCharge> {
  const intent = await stripe.paymentIntents.retrieve(ref, { expand: ['latest_charge.refunds'] });
  const { latest_charge: charge } = intent;
  const areSome = typeof charge === 'object' && charge?.refunds?.has_more === true;
  return areSome ? { ...seenCharge(intent), refunds: await refundsOf(stripe, ref) } : seenCharge(intent);
}

/** All of them: a charge shows the newest ten. */
async function refundsOf(stripe: Stripe, ref: string): Promise<SeenRefund[]> {
  const found: SeenRefund[] = [];
  for (let after = {}; ; ) {
    const page = await stripe.refunds.list({ payment_intent: ref, limit: PAGE, ...after });
    found.push(...page.data.map(seenRefund));
    const last = found.at(-1);
    if (!page.has_more || !last) return found;
    after = { starting_after: last.ref };
  }
}

async function disputesOf(stripe: Stripe, ref: string): Promise<Disputes> {
  const { data } = await stripe.disputes.list({ payment_intent: ref, limit: PAGE });
  return { kind: 'disputes', disputes: data.map(seenDispute) };
}

async function refundCharge(stripe: Stripe, key: string, refund: NewRefund): Promise<Answer<SeenRefund>> {
  const { ref, amount, paymentId, workspaceId } = refund;
  const inStripe = stripeAmount(amount);
  if (!inStripe) return noSuchAmount(amount);
  const params = {
    payment_intent: ref,
    amount: inStripe.amount,
    metadata: { payment_id: paymentId, workspace_id: workspaceId },
  };
  return seenRefund(await stripe.refunds.create(params, { idempotencyKey: `${key}:refund` }));
}

async function listSince(stripe: Stripe, since: Date, before: string | null): Promise<ChargePage> {
  const page = await stripe.paymentIntents.list({
    created: { gte: Math.floor(since.getTime() / 1_000) },
    limit: PAGE,
    ...(before === null ? {} : { starting_after: before }),
  });
  const charges = page.data.map(seenCharge);
  return { kind: 'page', charges, next: page.has_more ? (charges.at(-1)?.ref ?? null) : null };
}

function readEvent(secret: string | undefined, body: Buffer, signature: string): ProviderEvent | null {
  if (secret === undefined) return null;
  try {
    const { id, type, data } = Stripe.webhooks.constructEvent(body, signature, secret);
    const owner = TELLING.test(type) ? ownerOf(Reflect.get(data.object, 'metadata')) : null;
    return { id, type, owner, disputeOf: type.startsWith('charge.dispute.') ? intentOf(data.object) : null };
  } catch {
    // Not signed by Stripe; the SDK has more than one error for that.
    return null;
  }
}

function intentOf(object: object): string | null {
  const intent: unknown = Reflect.get(object, 'payment_intent');
  return typeof intent === 'string' ? intent : null;
}

async function answerOf<T>(ask: () => Promise<Answer<T>>): Promise<Answer<T>> {
  try {
    return await ask();
  } catch (error) {
    return failureOf(error);
  }
}

function failureOf(error: unknown): Answer<never> {
  if (!(error instanceof Stripe.errors.StripeError)) throw error;
  const { statusCode = 0, message, code, type, detail } = error;
  // 409: another request is at the same key or object. 429: this one was not looked at.
  if (statusCode === 0 || statusCode === 409 || statusCode === 429)
    return { kind: 'unknown', error: detail instanceof Error ? detail.message : message, answered: false };
  // An earlier request, with something else in it, has our key: what became of that one is not known.
  const isKeyTaken = error instanceof Stripe.errors.StripeIdempotencyError;
  if (statusCode < 300 || statusCode >= 500 || isKeyTaken)
    return { kind: 'unknown', error: `${statusCode}: ${message}`, answered: true };
  // Our key's affair, and none of the customer's.
  const isUnheard = statusCode === 401 || statusCode === 403;
  return {
    kind: 'rejected',
    code: code ?? type,
    message: isUnheard ? 'The payment provider turned the request away.' : message,
    error: `${statusCode}: ${message}`,
    isUnheard,
  };
}
