import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { type PaymentSandbox, type PaymentTruth, startPaymentSandbox } from './payments.ts';

let sandbox: PaymentSandbox;
let keys = 0;

before(async () => {
  sandbox = await startPaymentSandbox();
});
after(() => sandbox.stop());
beforeEach(() => sandbox.behave({ fault: null }));

interface Heard {
  status: number;
  replayed: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects
  json: any;
}

async function post(path: string, form: Record<string, string>, key = newKey()): Promise<Heard> {
  const response = await fetch(`http://127.0.0.1:${sandbox.port}${path}`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk_test', 'idempotency-key': key },
    body: new URLSearchParams(form),
  });
  const replayed = response.headers.get('idempotent-replayed') === 'true';
  return { status: response.status, replayed, json: await response.json() };
}

function newKey(): string {
  keys += 1;
  return `key_${keys}`;
}

const PURCHASE = { amount: '500', currency: 'eur' };

async function created(): Promise<string> {
  return (await post('/v1/payment_intents', PURCHASE)).json.id;
}

function confirm(id: string, key = newKey()): Promise<Heard> {
  return post(`/v1/payment_intents/${id}/confirm`, { payment_method: 'pm_card_visa' }, key);
}

async function charged(id: string): Promise<number> {
  return (await sandbox.truth()).charges.filter(({ ref }) => ref === id).length;
}

test('a key is answered once: the same request gets the same answer, another one is refused', async () => {
  const key = newKey();
  const first = await post('/v1/payment_intents', PURCHASE, key);
  assert.deepEqual(await post('/v1/payment_intents', PURCHASE, key), { ...first, replayed: true });
  const other = await post('/v1/payment_intents', { ...PURCHASE, amount: '501' }, key);
  assert.deepEqual([other.status, other.json.error.type], [400, 'idempotency_error']);
});

test('a request that was not valid leaves its key free', async () => {
  const key = newKey();
  assert.equal((await post('/v1/payment_intents', { ...PURCHASE, amount: 'much' }, key)).status, 400);
  assert.equal((await post('/v1/payment_intents', { ...PURCHASE, amount: 'much' }, key)).replayed, false);
});

test('a payment intent is charged once, by however many keys', async () => {
  const id = await created();
  const answers = await Promise.all(Array.from({ length: 5 }, () => confirm(id)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  const refused = answers.find(({ status }) => status === 400);
  assert.equal(refused?.json.error.code, 'payment_intent_unexpected_state');
  assert.equal(refused?.json.error.payment_intent.status, 'succeeded');
  assert.equal(await charged(id), 1);
});

test('an answer that is cut, and one that is a 500, have charged; the 500 is kept for its key', async () => {
  const [cut, failed] = [await created(), await created()];
  await sandbox.behave({ fault: 'cut-after-commit' });
  await assert.rejects(confirm(cut));
  await sandbox.behave({ fault: 'error-after-commit' });
  const key = newKey();
  const first = await confirm(failed, key);
  assert.deepEqual([first.status, (await confirm(failed, key)).replayed], [500, true]);
  assert.deepEqual([await charged(cut), await charged(failed)], [1, 1]);
});

test('a lock has done nothing, and the same key goes through afterwards', async () => {
  const id = await created();
  await sandbox.behave({ fault: 'lock' });
  const key = newKey();
  assert.deepEqual([(await confirm(id, key)).status, await charged(id)], [409, 0]);
  assert.deepEqual([(await confirm(id, key)).status, await charged(id)], [200, 1]);
});

test('while a request hangs its key is in use', async () => {
  const id = await created();
  await sandbox.behave({ fault: 'hang-before-commit' });
  const met = ({ faults }: PaymentTruth) => faults['hang-before-commit'] ?? 0;
  const faults = met(await sandbox.truth());
  const key = newKey();
  const socket = connect(sandbox.port, '127.0.0.1');
  const form = 'payment_method=pm_card_visa';
  socket.write(
    `POST /v1/payment_intents/${id}/confirm HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test\r\nIdempotency-Key: ${key}\r\nContent-Length: ${form.length}\r\n\r\n${form}`,
  );
  while (met(await sandbox.truth()) === faults) await new Promise((resolve) => setImmediate(resolve));
  const second = await confirm(id, key);
  assert.deepEqual([second.status, second.json.error.code], [409, 'idempotency_key_in_use']);
  socket.destroy();
});

test('a payment that may redirect its customer is not confirmed without a place to come back to', async () => {
  const automatic = { ...PURCHASE, 'automatic_payment_methods[enabled]': 'true' };
  const { json: open } = await post('/v1/payment_intents', automatic);
  const refused = await confirm(open.id);
  assert.deepEqual([refused.status, refused.json.error.param], [400, 'return_url']);
  const never = { ...automatic, 'automatic_payment_methods[allow_redirects]': 'never' };
  const { json: closed } = await post('/v1/payment_intents', never);
  assert.equal((await confirm(closed.id)).json.status, 'succeeded');
});

test('what was cancelled is not charged any more, and what was charged is not cancelled', async () => {
  const [early, late] = [await created(), await created()];
  await confirm(late);
  const cancel = (id: string) => post(`/v1/payment_intents/${id}/cancel`, {});
  assert.equal((await cancel(early)).json.status, 'canceled');
  assert.equal((await confirm(early)).json.error.payment_intent.status, 'canceled');
  assert.equal((await cancel(late)).json.error.payment_intent.status, 'succeeded');
  assert.deepEqual([await charged(early), await charged(late)], [0, 1]);
});

test('who has no key of an account is refused', async () => {
  const response = await fetch(`http://127.0.0.1:${sandbox.port}/v1/payment_intents`);
  assert.equal(response.status, 401);
});

test('a port that is taken is said in one sentence', async () => {
  await assert.rejects(
    startPaymentSandbox({ port: sandbox.port }),
    /^Error: The sandbox provider cannot start: .*EADDRINUSE/,
  );
});

test('the sandbox ends when the process that started it is killed', async () => {
  const program = `import { startPaymentSandbox } from ${JSON.stringify(join(import.meta.dirname, 'payments.ts'))};
    console.log((await startPaymentSandbox()).port);`;
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', program]);
  const [port] = await once(parent.stdout, 'data');
  const witness = connect({ host: '127.0.0.1', port: Number(String(port)) });
  await once(witness, 'connect');
  witness.resume();
  parent.kill('SIGKILL');
  await once(witness, 'close');
});
