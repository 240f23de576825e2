/** The adapter against a server that answers as Stripe does, and the SDK's own habits. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { newId } from '../kernel/ids.ts';
import { openScopeNames, Scope } from '../kernel/scope.ts';
import type { PaymentProvider } from './provider.ts';
import { createStripeProvider } from './stripe.ts';
import { stripeAmount } from './stripe-objects.ts';

interface Request {
  method: string;
  path: string;
  key: string | undefined;
  form: Record<string, string>;
}

let server: Server;
let scope: Scope;
let stripe: PaymentProvider;
let asked: Request[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

const owner = { paymentId: newId(), workspaceId: newId() };
const amount = { minor: 1190n, currency: 'EUR' };

before(async () => {
  server = createServer(async (request, response) => {
    const form = Object.fromEntries(new URLSearchParams(String(Buffer.concat(await request.toArray()))));
    const key = request.headers['idempotency-key'];
    asked.push({ method: request.method ?? '', path: request.url ?? '', key: key && String(key), form });
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  stripe = createStripeProvider({
    host: '127.0.0.1',
    port,
    protocol: 'http',
    secretKey: 'sk_test_1',
    webhookSecret: undefined,
    callMs: 5_000,
  });
});
after(async () => {
  server.closeAllConnections();
  server.close();
  assert.deepEqual(openScopeNames(), []);
});
beforeEach(() => {
  asked = [];
  scope = Scope.root('test');
});
afterEach(() => scope.cancel());

test('a charge is created with our key, our amount and our names for it, and confirmed with a key of its own', async () => {
  answer = (_, response) => reply(response, 200, intent({}));
  const returnUrl = 'https://a.example/';
  await stripe.create(scope, 'pay_1', { ...owner, amount, description: '10,000 sending credits', returnUrl });
  await stripe.confirm(scope, 'pay_1', { ref: 'pi_1', paymentMethod: 'pm_1', returnUrl });
  const metadata = { 'metadata[payment_id]': owner.paymentId, 'metadata[workspace_id]': owner.workspaceId };
  assert.deepEqual(asked, [
    {
      method: 'POST',
      path: '/v1/payment_intents',
      key: 'pay_1:create',
      form: {
        amount: '1190',
        currency: 'eur',
        description: '10,000 sending credits',
        ...metadata,
        'automatic_payment_methods[enabled]': 'true',
      },
    },
    {
      method: 'POST',
      path: '/v1/payment_intents/pi_1/confirm',
      key: 'pay_1:confirm',
      form: { payment_method: 'pm_1', return_url: 'https://a.example/' },
    },
  ]);
});

test('without a place to come back to, what would lead the customer elsewhere is left out', async () => {
  answer = (_, response) => reply(response, 200, intent({}));
  await stripe.create(scope, 'pay_1', { ...owner, amount, description: '', returnUrl: null });
  assert.equal(asked[0]?.form['automatic_payment_methods[allow_redirects]'], 'never');
});

test('a charge is cancelled with a key of its own, and one that succeeded meanwhile is shown as it is', async () => {
  answer = (_, response) => reply(response, 200, intent({ status: 'canceled' }));
  assert.partialDeepStrictEqual(await stripe.cancel(scope, 'pay_1', 'pi_1'), { status: 'canceled' });
  assert.partialDeepStrictEqual(asked[0], { path: '/v1/payment_intents/pi_1/cancel', key: 'pay_1:cancel' });
  const succeeded = intent({ status: 'succeeded', amount_received: 1190 });
  const late = error('invalid_request_error', {
    code: 'payment_intent_unexpected_state',
    payment_intent: succeeded,
  });
  answer = (_, response) => reply(response, 400, late);
  assert.partialDeepStrictEqual(await stripe.cancel(scope, 'pay_1', 'pi_1'), { status: 'succeeded' });
});

test('all refunds of a charge are seen, also when it has more than it shows', async () => {
  const refunds = Array.from({ length: 12 }, (_, n) => ({
    ...{ id: `re_${n}`, object: 'refund', amount: 1, currency: 'eur', status: 'succeeded' },
    metadata: n === 11 ? intent({}).metadata : {},
  }));
  answer = (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://stripe');
    const start = refunds.findIndex(({ id }) => id === searchParams.get('starting_after')) + 1;
    const list = { object: 'list', data: refunds.slice(start, start + 10), has_more: start + 10 < 12 };
    const charge = { id: 'ch_1', object: 'charge', refunds: list };
    reply(response, 200, pathname === '/v1/refunds' ? list : intent({ latest_charge: charge }));
  };
  const seen = await stripe.retrieve(scope, 'pi_1');
  assert.ok(seen.kind === 'charge');
  assert.deepEqual([seen.refunds.length, seen.refunds.at(-1)?.owner], [12, owner]);
});

test('the disputes of a charge are told in our words', async () => {
  const dispute = { id: 'dp_1', object: 'dispute', amount: 1190, currency: 'eur' };
  answer = (_, response) =>
    reply(response, 200, {
      object: 'list',
      has_more: false,
      data: [{ ...dispute, reason: 'fraudulent', status: 'needs_response' }],
    });
  assert.deepEqual(await stripe.disputesOf(scope, 'pi_1'), {
    kind: 'disputes',
    disputes: [{ ref: 'dp_1', amount, reason: 'fraudulent', status: 'needs_response' }],
  });
});

const STATUSES = [
  [{ status: 'requires_payment_method' }, 'unconfirmed'],
  [{ status: 'requires_confirmation' }, 'unconfirmed'],
  [{ status: 'requires_payment_method', last_payment_error: { code: 'card_declined' } }, 'declined'],
  [{ status: 'requires_action' }, 'action-required'],
  [{ status: 'processing' }, 'processing'],
  [{ status: 'requires_capture' }, 'processing'],
  [{ status: 'something_new' }, 'processing'],
  [{ status: 'succeeded', amount_received: 1190 }, 'succeeded'],
  [{ status: 'canceled' }, 'canceled'],
] as const;

test('every status of Stripe means one of ours', async () => {
  for (const [fields, status] of STATUSES) {
    answer = (_, response) => reply(response, 200, intent(fields));
    assert.partialDeepStrictEqual(await stripe.retrieve(scope, 'pi_1'), { kind: 'charge', status, owner });
  }
});

const error = (type: string, more: object = {}) => ({ error: { type, message: 'Sorry.', ...more } });
const declined = intent({ status: 'requires_payment_method', last_payment_error: { code: 'card_declined' } });

/** What Stripe answers to a confirmation, and what that is for us. */
const FAILURES = [
  [500, error('api_error'), { kind: 'unknown', answered: true }],
  [503, error('api_error'), { kind: 'unknown', answered: true }],
  [409, error('idempotency_error', { code: 'idempotency_key_in_use' }), { kind: 'unknown', answered: false }],
  [409, error('invalid_request_error', { code: 'lock_timeout' }), { kind: 'unknown', answered: false }],
  [429, error('invalid_request_error', { code: 'rate_limit' }), { kind: 'unknown', answered: false }],
  [
    400,
    error('invalid_request_error', { code: 'parameter_missing' }),
    { kind: 'rejected', code: 'parameter_missing' },
  ],
  [400, error('idempotency_error'), { kind: 'unknown', answered: true }],
  [401, error('invalid_request_error'), { kind: 'rejected', isUnheard: true }],
  [403, error('invalid_request_error'), { kind: 'rejected', isUnheard: true }],
  [402, error('card_error', { payment_intent: declined }), { kind: 'charge', status: 'declined' }],
  [
    400,
    error('invalid_request_error', {
      code: 'payment_intent_unexpected_state',
      payment_intent: intent({ status: 'succeeded', amount_received: 1190 }),
    }),
    { kind: 'charge', status: 'succeeded', received: amount },
  ],
] as const;

test('every failure is told apart: it did not happen, it may have, or the card was declined', async () => {
  for (const [status, body, expected] of FAILURES) {
    answer = (_, response) => reply(response, status, body);
    const got = await stripe.confirm(scope, 'k', { ref: 'pi_1', paymentMethod: 'pm_1', returnUrl: null });
    assert.partialDeepStrictEqual(got, expected, `${status} ${JSON.stringify(body)}`);
  }
});

test('an answer that is no JSON, breaks off or is a page of a proxy is unknown', async () => {
  const broken = [
    (response: ServerResponse) => response.writeHead(200).end('<html>'),
    (response: ServerResponse) => response.writeHead(502, { 'content-type': 'text/html' }).end('<html>'),
    (response: ServerResponse) => {
      response.writeHead(200, { 'content-length': '500' }).write('{');
      setImmediate(() => response.destroy());
    },
  ];
  for (const breaks of broken) {
    answer = (_, response) => breaks(response);
    assert.partialDeepStrictEqual(await stripe.retrieve(scope, 'pi_1'), { kind: 'unknown' });
  }
});

test('a request whose connection is cut is sent once: the SDK repeats nothing by itself', async () => {
  answer = (request) => request.socket.resetAndDestroy();
  const got = await stripe.confirm(scope, 'k', { ref: 'pi_1', paymentMethod: 'pm_1', returnUrl: null });
  assert.partialDeepStrictEqual(got, { kind: 'unknown', answered: false });
  assert.equal(asked.length, 1);
});

test('a call ends with its caller', async () => {
  answer = () => scope.cancel('the client hung up');
  assert.partialDeepStrictEqual(await stripe.retrieve(scope, 'pi_1'), {
    kind: 'unknown',
    error: 'test: the client hung up',
  });
});

test('charges are listed page by page, and another’s are told from ours', async () => {
  answer = (request, response) => {
    const isFirst = !request.url?.includes('starting_after');
    reply(response, 200, {
      object: 'list',
      has_more: isFirst,
      data: [isFirst ? intent({ id: 'pi_1' }) : intent({ id: 'pi_2', metadata: { order: '7' } })],
    });
  };
  const since = new Date(1_700_000_000_000);
  const first = await stripe.listSince(scope, since, null);
  assert.partialDeepStrictEqual(first, { kind: 'page', next: 'pi_1', charges: [{ ref: 'pi_1', owner }] });
  const second = await stripe.listSince(scope, since, 'pi_1');
  assert.partialDeepStrictEqual(second, {
    kind: 'page',
    next: null,
    charges: [{ ref: 'pi_2', owner: null }],
  });
  assert.equal(asked[1]?.path, '/v1/payment_intents?created[gte]=1700000000&limit=100&starting_after=pi_1');
});

test('amounts are in the units that Stripe counts in, and what it cannot express is not asked for', async () => {
  const amounts = { EUR: 1190n, JPY: 150n, KWD: 1_230n, ISK: 5n, UGX: 5n, MGA: 500n };
  const inStripe = Object.entries(amounts).map(
    ([currency, minor]) => stripeAmount({ minor, currency })?.amount,
  );
  assert.deepEqual(inStripe, [1190, 150, 1230, 500, 500, 5]);
  const odd = { minor: 501n, currency: 'MGA' };
  const got = await stripe.create(scope, 'k', { ...owner, amount: odd, description: '', returnUrl: null });
  assert.partialDeepStrictEqual(got, { kind: 'rejected', code: 'amount' });
  assert.deepEqual(asked, []);
});

function intent(fields: object) {
  const { paymentId: payment_id, workspaceId: workspace_id } = owner;
  return {
    id: 'pi_1',
    object: 'payment_intent',
    amount_received: 0,
    currency: 'eur',
    status: 'requires_payment_method',
    metadata: { payment_id, workspace_id },
    ...fields,
  };
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
