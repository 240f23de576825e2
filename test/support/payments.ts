/** Payments as a test makes them: a workspace, the sandbox provider, and requests under idempotency keys. */
import assert from 'node:assert/strict';
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { type ChargeOrder, type PaymentRequest, pay } from '../../server/billing/charge.ts';
import type { Payment } from '../../server/billing/payment.ts';
import type { Billing } from '../../server/billing/phases.ts';
import { readPrices } from '../../server/billing/prices.ts';
import type { PaymentProvider } from '../../server/billing/provider.ts';
import { findPayment } from '../../server/billing/queries.ts';
import { type RefundOrder, refund } from '../../server/billing/refund.ts';
import { holderOf } from '../../server/billing/settle.ts';
import { createStripeProvider } from '../../server/billing/stripe.ts';
import type { Database } from '../../server/kernel/database.ts';
import { type Claim, claim, release, type StoredResponse } from '../../server/kernel/idempotency.ts';
import { newId } from '../../server/kernel/ids.ts';
import type { JobHandler, JobOutcome } from '../../server/kernel/jobs.ts';
import { createLog } from '../../server/kernel/log.ts';
import { Scope } from '../../server/kernel/scope.ts';
import { type Sql, sql } from '../../server/kernel/sql.ts';
import type { PaymentSandbox } from '../../server/sandbox/payments/payments.ts';
import { BUYER, TAX_FREE_SELLER } from './invoices.ts';

export type TestBilling = Billing & { prices: ReturnType<typeof readPrices> };

/** Patient enough for a busy machine, and quick to give a request up that hangs. */
export function createTestBilling(
  database: Database,
  sandbox: PaymentSandbox,
  changed: Partial<TestBilling> = {},
): TestBilling {
  return {
    database,
    log: createLog('silent'),
    provider: providerOf(sandbox, 150),
    prices: readPrices('10000=10.00 EUR, 100000=80.00 EUR, 1000=150 JPY'),
    timing: { createMs: 3_000, decideMs: 6_000, sendAgeMsMax: 3_600_000 },
    respond,
    ...changed,
  };
}

function providerOf({ env }: PaymentSandbox, callMs: number): PaymentProvider {
  return createStripeProvider({
    host: env.STRIPE_HOST ?? '',
    port: Number(env.STRIPE_PORT),
    protocol: env.STRIPE_PROTOCOL ?? '',
    secretKey: env.STRIPE_SECRET_KEY ?? '',
    webhookSecret: env.STRIPE_WEBHOOK_SECRET,
    callMs,
  });
}

function respond({ id, state, failure, invoiceId, decidedAt }: Payment): StoredResponse {
  const body = Buffer.from(JSON.stringify({ id, state, failure, invoiceId, decidedAt }));
  return { status: state === 'succeeded' ? 201 : 402, headers: {}, body };
}

/** A seller who charges no tax is there afterwards, unless somebody sells already. */
export async function newWorkspace(database: Database): Promise<string> {
  const workspaceId = newId();
  await database.withSystem((tx) =>
    tx.query(
      sql`INSERT INTO seller (details) VALUES (${JSON.stringify(TAX_FREE_SELLER)}) ON CONFLICT DO NOTHING`,
    ),
  );
  await database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`INSERT INTO workspace (workspace_id, name) VALUES (${workspaceId}, 'test')`),
  );
  return workspaceId;
}

export const CREDITS: ChargeOrder = {
  buys: { kind: 'credits', credits: 10_000n, currency: 'EUR', buyer: BUYER, reference: null },
  paymentMethod: 'pm_card_visa',
  returnUrl: null,
};

/** What a client got to hear. */
export type Heard =
  | { kind: 'payment'; payment: Payment }
  | { kind: 'refused'; reason: string; sentence: string }
  | Exclude<Claim, { kind: 'fresh' }>;

/** One client of one workspace. */
export class TestClient {
  readonly workspaceId: string;
  readonly billing: TestBilling;

  constructor(billing: TestBilling, workspaceId: string) {
    this.billing = billing;
    this.workspaceId = workspaceId;
  }

  pay(order: Partial<ChargeOrder> = {}, key: string = randomUUID()): Promise<Heard> {
    const whole = { ...CREDITS, ...order };
    return this.#ask(key, whole, (scope, request) => pay(this.billing, scope, request, whole));
  }

  refund(order: Partial<RefundOrder> & Pick<RefundOrder, 'paymentId'>, key: string = randomUUID()) {
    const whole = { amountMinor: null, reason: 'Refund', ...order };
    return this.#ask(key, whole, (scope, request) => refund(this.billing, scope, request, whole));
  }

  find(id: string): Promise<Payment | undefined> {
    const { workspaceId } = this;
    return this.billing.database.withWorkspace(workspaceId, (tx) => findPayment(tx, { workspaceId, id }));
  }

  rows<Row>(statement: Sql): Promise<Row[]> {
    return this.billing.database.withWorkspace(this.workspaceId, (tx) => tx.query<Row>(statement));
  }

  async #ask(
    key: string,
    body: unknown,
    act: (scope: Scope, request: PaymentRequest) => Promise<Payment>,
  ): Promise<Heard> {
    const { database } = this.billing;
    const { workspaceId } = this;
    const text = JSON.stringify(body, (_, value) => (typeof value === 'bigint' ? String(value) : value));
    const fingerprint = createHash('sha256').update(text).digest();
    const claimed = await claim(database, { workspaceId, key, fingerprint });
    if (claimed.kind !== 'fresh') return claimed;
    const { held, recoveryPoint } = claimed;
    const scope = Scope.root('request');
    const request = {
      ...{ workspaceId, holder: holderOf(held), fingerprint, recoveryPoint },
      requestId: 'req-1',
      audit: async () => {},
    };
    try {
      return { kind: 'payment', payment: await act(scope, request) };
    } catch (error) {
      await release(database, held);
      if (error instanceof Error && 'reason' in error)
        return { kind: 'refused', reason: String(error.reason), sentence: error.message };
      throw error;
    } finally {
      scope.cancel('answered');
    }
  }
}

/** Runs a job's handler once, as a worker would. */
export async function runJob(
  database: Database,
  handler: JobHandler,
  job: { workspaceId: string; key: string; args?: Record<string, unknown> },
): Promise<JobOutcome> {
  await using scope = Scope.root('job');
  return await handler({ scope, database, args: {}, failures: 0, fence: async () => {}, ...job });
}

/** As if it had been asked for earlier. */
export function backdate(client: TestClient, id: string, hours: number): Promise<unknown> {
  return client.rows(
    sql`UPDATE payment SET created_at = created_at - ${hours} * interval '1 h' WHERE id = ${id}`,
  );
}

/** The payment, where there is one. */
export function paid(heard: Heard): Payment {
  assert.ok(
    heard.kind === 'payment',
    JSON.stringify(heard, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
  );
  return heard.payment;
}

let events = 0;

/** What the provider would post about that object. */
export function eventOf(type: string, object: Record<string, unknown>): Buffer {
  events += 1;
  return Buffer.from(JSON.stringify({ id: `evt_test_${events}`, object: 'event', type, data: { object } }));
}

export function signed(body: Buffer, secret = 'whsec_sandbox', at = Math.floor(Date.now() / 1_000)): string {
  const mac = createHmac('sha256', secret).update(`${at}.`).update(body).digest('hex');
  return `t=${at},v1=${mac}`;
}
