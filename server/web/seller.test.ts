/** The seller over HTTP: one for the installation, and only with billing. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type TestKey, TestWeb } from '../../test/support/web.ts';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { type PaymentSandbox, startPaymentSandbox } from '../sandbox/payments/payments.ts';

let sandbox: PaymentSandbox;
let web: TestWeb;
let key: TestKey;

before(async () => {
  sandbox = await startPaymentSandbox();
  web = await TestWeb.start({}, { env: { BILLING: 'on', ...sandbox.env } });
  key = await web.newKey('owner', DEFAULT_WORKSPACE_ID);
});
after(async () => {
  await web.stop();
  await sandbox.stop();
});

const SELLER = {
  name: 'Postwerk GmbH',
  address_line_1: 'Torstraße 12',
  post_code: '10119',
  city: 'Berlin',
  country: 'DE',
  vat_identifier: 'DE123456789',
  email: 'invoices@postwerk.example',
  tax_rate_basis_points: 1_900,
  invoice_series: 'PW',
  credit_note_series: 'PWCN',
};

test('who sells is said once, shown, and replaced as a whole', async () => {
  const nobody = (await web.ask('GET /v1/seller', { key })).json;
  assert.equal(nobody.is_set, false);
  const set = await web.ask('PUT /v1/seller', { key, body: SELLER });
  assert.deepEqual([set.status, set.json], [200, SELLER]);
  assert.deepEqual((await web.ask('GET /v1/seller', { key })).json, { is_set: true, seller: SELLER });
  const { vat_identifier, ...without } = SELLER;
  const refused = await web.ask('PUT /v1/seller', { key, body: without });
  assert.deepEqual([refused.status, refused.json.code], [422, 'refused']);
  assert.deepEqual((await web.ask('GET /v1/seller', { key })).json.seller, SELLER);
});
