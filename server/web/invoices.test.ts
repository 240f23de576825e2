import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { TAX_FREE_SELLER } from '../../test/support/invoices.ts';
import { runJob } from '../../test/support/payments.ts';
import { type Heard, type TestKey, TestWeb } from '../../test/support/web.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { INVOICE_HANDLERS, issuedMailId } from '../billing/invoice-jobs.ts';
import { setSeller } from '../billing/seller.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../kernel/ids.ts';
import { sql } from '../kernel/sql.ts';
import { type PaymentSandbox, startPaymentSandbox } from '../sandbox/payments/payments.ts';

const BUYER = { name: 'Søn A/S', country: 'DK', email: 'accounts@buyer.example' };
const CREDITS = { credits: 10_000, buyer: BUYER, payment_method: 'pm_card_visa' };

let sandbox: PaymentSandbox;
let web: TestWeb;
let key: TestKey;

before(async () => {
  sandbox = await startPaymentSandbox();
  web = await TestWeb.start({}, { env: { BILLING: 'on', ...sandbox.env } });
  await ensureWorkspace(web.db.database, DEFAULT_WORKSPACE_ID, 'Operator');
  await setSeller(web.db.database, TAX_FREE_SELLER);
});
after(async () => {
  await web.stop();
  await sandbox.stop();
});
beforeEach(async () => {
  key = await web.newKey('billing');
});

function post(path: string, body?: unknown): Promise<Heard> {
  return web.ask(`POST ${path}`, { key, body, headers: { 'idempotency-key': randomUUID() } });
}

function get(path: string): Promise<Heard> {
  return web.ask(`GET ${path}`, { key });
}

test('an invoice is where its payment and its Location say, and in the list, as is its credit note', async () => {
  const { json: payment } = await post('/v1/payments', CREDITS);
  const { json: refund } = await post(`/v1/payments/${payment.id}/refunds`, { reason: 'Unused' });
  const opened = await post('/v1/invoices', { credits: 10_000, buyer: BUYER });
  const { mail, ...invoice } = (await get(`/v1/invoices/${payment.invoice_id}`)).json;
  assert.deepEqual(invoice, {
    ...{ id: payment.invoice_id, kind: 'invoice', number: invoice.number, issued_at: invoice.issued_at },
    ...{ payment_id: payment.id, corrects: null, buyer_name: BUYER.name, buyer_email: BUYER.email },
    ...{ currency: 'EUR', net_minor: 1_000, tax_minor: 0, gross_minor: 1_000 },
  });
  assert.deepEqual([mail.state, mail.times_again], [null, 0]);
  const { json: note } = await get(`/v1/invoices/${refund.invoice_id}`);
  assert.deepEqual([note.kind, note.corrects], ['credit_note', { number: invoice.number, reason: 'Unused' }]);
  const { json: open } = await get(String(opened.headers.get('location')));
  assert.deepEqual([open.number, open.payment_id], [opened.json.number, null]);
  const { json: first } = await get('/v1/invoices?limit=2');
  const { json: second } = await get(`/v1/invoices?limit=2&cursor=${first.next_cursor}`);
  const listed = [...first.data, ...second.data].map(({ id }) => id);
  assert.deepEqual([listed, second.next_cursor], [[open.id, note.id, invoice.id], null]);
});

test('the PDF is there as soon as it is rendered, and nobody else’s is', async () => {
  const id = await bought();
  const early = await get(`/v1/invoices/${id}/pdf`);
  assert.deepEqual([early.status, early.json.code, early.headers.get('retry-after')], [409, 'conflict', '1']);
  await ran('invoice.render', id);
  const pdf = await get(`/v1/invoices/${id}/pdf`);
  assert.deepEqual([pdf.status, pdf.headers.get('content-type')], [200, 'application/pdf']);
  assert.match(String(pdf.headers.get('content-disposition')), /filename="INV-\d{4}-\d{6}\.pdf"/);
  assert.equal(pdf.bytes.subarray(0, 5).toString(), '%PDF-');
  key = await web.newKey('billing');
  for (const path of [`/v1/invoices/${id}`, `/v1/invoices/${id}/pdf`, `/v1/invoices/${newId()}`])
    assert.deepEqual([(await get(path)).status, path], [404, path]);
  assert.equal((await post(`/v1/invoices/${id}/mail`)).status, 404);
});

test('an invoice whose mail was given up shows it, and is mailed once more', async () => {
  const id = await bought();
  await ran('invoice.render', id);
  await ran('invoice.mail', id);
  const mail = async () => (await get(`/v1/invoices/${id}`)).json.mail;
  assert.equal((await mail()).state, 'queued');
  const early = await post(`/v1/invoices/${id}/mail`);
  assert.deepEqual([early.status, early.json.code], [409, 'conflict']);
  await giveUp(issuedMailId(id));
  assert.deepEqual(await mail(), {
    ...{ times_again: 0, state: 'expired', next_try_at: null },
    state_in_words: 'It was given up, because it could not be delivered in its time.',
  });
  const again = await post(`/v1/invoices/${id}/mail`);
  assert.deepEqual([again.status, again.json.mail.times_again, again.json.mail.state], [202, 1, null]);
  assert.equal((await post(`/v1/invoices/${id}/mail`)).status, 409);
  await ran('invoice.mail', id);
  assert.partialDeepStrictEqual(await mail(), { times_again: 1, state: 'queued' });
  const queued = await operator<{ n: number }>(
    sql`SELECT count(*)::int AS n FROM transactional_message WHERE id = ANY (${[issuedMailId(id), issuedMailId(id, 1)]})`,
  );
  assert.deepEqual(queued, [{ n: 2 }]);
});

/** The id of the invoice. */
async function bought(): Promise<string> {
  return (await post('/v1/payments', CREDITS)).json.invoice_id;
}

/** The job runs as a worker would run it, and is over. */
async function ran(kind: string, invoiceId: string): Promise<void> {
  const handler = INVOICE_HANDLERS[kind];
  const { workspaceId } = key;
  const [job] = await web.db.database.withWorkspace(workspaceId, (tx) =>
    tx.query<{ args: Record<string, unknown> }>(sql`
      UPDATE job SET state = 'done', due_at = NULL, finished_at = now()
      WHERE kind = ${kind} AND key = ${invoiceId} AND finished_at IS NULL RETURNING args`),
  );
  assert.ok(handler && job);
  const outcome = await runJob(web.db.database, handler, { workspaceId, key: invoiceId, args: job.args });
  assert.deepEqual(outcome, { kind: 'done' });
}

function giveUp(messageId: string): Promise<unknown> {
  return operator(sql`UPDATE message SET state = 'expired', due_at = NULL WHERE contact_id = ${messageId}`);
}

function operator<Row>(statement: ReturnType<typeof sql>): Promise<Row[]> {
  return web.db.database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) => tx.query<Row>(statement));
}
