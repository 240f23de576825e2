import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import {
  backdate,
  CREDITS,
  createTestBilling,
  newWorkspace,
  paid,
  runJob,
  type TestBilling,
  TestClient,
} from '../../test/support/payments.ts';
import { openScopeNames, Scope } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { type PaymentSandbox, startPaymentSandbox } from '../sandbox/payments/payments.ts';
import type { ChargeOrder } from './charge.ts';
import { balance } from './credits.ts';
import type { Payment } from './payment.ts';
import type { Timing } from './phases.ts';
import type { Answer, PaymentProvider, SeenCharge } from './provider.ts';
import { reconcile } from './reconcile.ts';

const AWAY = { kind: 'unknown', error: 'away', answered: false } as const;
const HOUR_MS = 3_600_000;
const MINUTES = 60_000;

let db: TestDatabase;
let sandbox: PaymentSandbox;
let billing: TestBilling;
let client: TestClient;
/** A client whose provider answers some verbs otherwise; its requests are given up soon. */
let cutOff: (verbs: Partial<PaymentProvider>, timing?: Partial<Timing>) => TestClient;
let patient: Scope;
let errors: Record<string, unknown>[];

before(async () => {
  [db, sandbox] = await Promise.all([createTestDatabase(), startPaymentSandbox()]);
  billing = createTestBilling(db.database, sandbox);
  billing.log.error = (line: Record<string, unknown>) => errors.push(line);
  patient = Scope.root('patient');
});
after(async () => {
  patient.cancel();
  await Promise.all([db.drop(), sandbox.stop()]);
  assert.deepEqual(openScopeNames(), []);
});
beforeEach(async () => {
  errors = [];
  client = new TestClient(billing, await newWorkspace(db.database));
  cutOff = (verbs, timing = {}) => {
    const provider = { ...billing.provider, ...verbs };
    const limits = { createMs: 5_000, decideMs: 50, sendAgeMsMax: HOUR_MS, ...timing };
    return new TestClient({ ...billing, provider, timing: limits }, client.workspaceId);
  };
});

const silent = async () => AWAY;
/** The request arrives, and its answer does not. */
const deaf: Pick<PaymentProvider, 'confirm' | 'retrieve'> = {
  async confirm(_scope, ...asked) {
    await billing.provider.confirm(patient, ...asked);
    return AWAY;
  },
  retrieve: silent,
};

test('a provider that was away when it was to create: the payment goes on later, and the first request is answered', async () => {
  const key = randomUUID();
  const payment = paid(await cutOff({ create: silent }, { createMs: 50 }).pay({}, key));
  assert.equal(payment.state, 'intended');
  assert.deepEqual(await client.pay({}, key), { kind: 'unknown', resource: `/v1/payments/${payment.id}` });
  assert.deepEqual(await look(payment), { kind: 'done' });
  assert.equal((await now(payment)).state, 'succeeded');
  assert.deepEqual([await charged(), await credits()], [1, 10_000n]);
  assert.equal((await client.pay({}, key)).kind, 'replay');
});

test('nobody is charged for what they asked for more than an hour ago', async () => {
  const payment = paid(await cutOff({ create: silent }, { createMs: 50 }).pay());
  await backdate(client, payment.id, 1.01);
  assert.deepEqual(await look(payment), { kind: 'done' });
  assert.deepEqual([(await now(payment)).failure?.code, await charged()], ['abandoned', 0]);
});

test('who was charged without hearing of it finds the payment settled, once', async () => {
  const key = randomUUID();
  const payment = paid(await cutOff(deaf).pay({}, key));
  assert.deepEqual([payment.state, await charged()], ['unknown', 1]);
  assert.deepEqual(await Promise.all([look(payment), look(payment)]), [{ kind: 'done' }, { kind: 'done' }]);
  assert.deepEqual([(await now(payment)).state, await charged(), await credits()], ['succeeded', 1, 10_000n]);
  const again = await client.pay({}, key);
  assert.ok(again.kind === 'replay' && again.response.status === 201);
});

test('a confirmation that never arrived is sent again within the hour, and after it the payment has failed', async () => {
  const [soon, late] = [
    paid(await cutOff({ confirm: silent, retrieve: silent }).pay()),
    paid(await cutOff({ confirm: silent, retrieve: silent }).pay()),
  ];
  await backdate(client, late.id, 1.01);
  await Promise.all([look(soon), look(late)]);
  assert.equal((await now(soon)).state, 'succeeded');
  assert.equal((await now(late)).failure?.code, 'not_confirmed');
  assert.equal(await charged(), 1);
});

test('while the provider stays away it is asked after 10 min, 1 h, 6 h and 20 h; then a person is', async () => {
  const away = cutOff({ confirm: silent, retrieve: silent });
  const order = { buys: { ...CREDITS.buys, reference: 'order-1' } as ChargeOrder['buys'] };
  const payment = paid(await away.pay(order));
  const waits: number[] = [];
  for (const hours of [0.034, 0.14, 0.84, 5.01]) {
    await backdate(client, payment.id, hours);
    const outcome = await look(payment, away);
    waits.push(Math.round((outcome.kind === 'again' ? outcome.afterMs : 0) / MINUTES));
  }
  assert.deepEqual(waits, [8, 50, 299, 839]);
  await backdate(client, payment.id, 14);
  assert.deepEqual(await look(payment, away), { kind: 'done' });
  const { state, note } = await now(payment);
  assert.deepEqual([state, note], ['needs_review', 'the provider gave no answer in 20 hours']);
  // It may have been charged: until the person has found out, nobody pays for the same again.
  assert.partialDeepStrictEqual(await client.pay(order), { kind: 'refused', reason: 'under-way' });
});

test('a process that was frozen between its last note and the request that moves money sends nothing', async () => {
  // By the time that it wakes, others have given the payment up.
  const late = paid(await cutOff({}, { sendAgeMsMax: 0, decideMs: 5_000 }).pay());
  assert.deepEqual([late.failure?.code, await charged()], ['not_confirmed', 0]);
  let asked = 0;
  const confirm: PaymentProvider['confirm'] = async (...args) => {
    asked += 1;
    return billing.provider.confirm(...args);
  };
  const outOfTime = paid(await cutOff({ confirm }, { decideMs: 0 }).pay());
  assert.deepEqual([outOfTime.state, asked], ['unknown', 0]);
});

test('what somebody works at is left alone', async () => {
  const payment = paid(await cutOff(deaf).pay());
  await client.rows(
    sql`UPDATE idempotency_key SET state = 'running', resource = NULL, lease_until = now() + interval '1 min'`,
  );
  assert.deepEqual(await look(payment), { kind: 'again', afterMs: 2_000 });
  assert.equal((await now(payment)).state, 'unknown');
});

test('a key whose owner died is taken over, and the old owner can settle nothing any more', async () => {
  const payment = paid(await cutOff(deaf).pay());
  await client.rows(
    sql`UPDATE idempotency_key SET state = 'running', resource = NULL, lease_until = now() - interval '1 s'`,
  );
  await look(payment);
  const { request, state } = await now(payment);
  assert.deepEqual([request.epoch, state], [payment.request.epoch + 1, 'succeeded']);
});

test('a provider that turns our key away after it has heard of the payment decides nothing', async () => {
  const turnedAway = async () =>
    ({ kind: 'rejected', code: 'x', message: 'No', error: '401: No', isUnheard: true }) as const;
  const never = cutOff({ confirm: turnedAway, retrieve: silent });
  assert.equal(paid(await never.pay()).state, 'failed');
  const payment = paid(await cutOff({ ...deaf, confirm: silent }).pay());
  await look(payment, cutOff({ confirm: turnedAway }, { decideMs: 1_000 }));
  assert.equal((await now(payment)).state, 'unknown');
  await look(payment);
  assert.equal((await now(payment)).state, 'succeeded');
});

test('a payment is settled also when its key was forgotten long ago', async () => {
  const payment = paid(await cutOff(deaf).pay());
  await client.rows(sql`DELETE FROM idempotency_key`);
  await look(payment);
  assert.equal((await now(payment)).state, 'succeeded');
});

test('a payment that the provider works at is asked for daily, and settled when it is over', async () => {
  const payment = paid(await client.pay({ paymentMethod: 'pm_sandbox_processing' }));
  assert.equal(payment.state, 'pending');
  const slow = cutOff({ retrieve: async (...asked) => still(await billing.provider.retrieve(...asked)) });
  await backdate(client, payment.id, 30);
  assert.deepEqual(await look(payment, slow), { kind: 'again', afterMs: 24 * 60 * MINUTES });
  await settled(payment);
  assert.equal(await charged(), 1);
});

test('a provider that took another amount is a case for a person', async () => {
  const greedy = cutOff(
    {
      confirm: deaf.confirm,
      retrieve: async (...asked) => received(await billing.provider.retrieve(...asked), 1_191n),
    },
    { decideMs: 5_000 },
  );
  const payment = paid(await greedy.pay());
  assert.deepEqual([payment.state, payment.note], ['needs_review', 'the provider took 1191 EUR']);
  assert.deepEqual(errors, [
    { event: 'payment_needs_review', payment: payment.id, error: 'the provider took 1191 EUR' },
  ]);
  assert.equal(await credits(), 0n);
});

/** Until the sandbox has made up its mind. */
async function settled(payment: Payment): Promise<void> {
  while ((await now(payment)).state === 'pending') await look(payment);
  assert.equal((await now(payment)).state, 'succeeded');
}

function still(answer: Answer<SeenCharge>): Answer<SeenCharge> {
  return answer.kind === 'charge' ? { ...answer, status: 'processing' } : answer;
}

function received(answer: Answer<SeenCharge>, minor: bigint): Answer<SeenCharge> {
  return answer.kind === 'charge' ? { ...answer, received: { ...answer.received, minor } } : answer;
}

function look({ id: key, workspaceId }: Payment, by: TestClient = client) {
  return runJob(db.database, reconcile(by.billing), { workspaceId, key });
}

async function now({ id }: Payment): Promise<Payment> {
  const payment = await client.find(id);
  assert.ok(payment);
  return payment;
}

async function charged(): Promise<number> {
  const { charges } = await sandbox.truth();
  return charges.filter(({ metadata }) => metadata.workspace_id === client.workspaceId).length;
}

function credits(): Promise<bigint> {
  return db.database.withWorkspace(client.workspaceId, (tx) => balance(tx, client.workspaceId));
}
