/** `camp seller` as the operator of an installation runs it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { camp, type Ended } from '../../test/support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { EXIT } from './exit-codes.ts';

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});
after(() => db.drop());

function seller(...args: string[]): Promise<Ended> {
  return camp(['seller', ...args], { DATABASE_URL: db.url });
}

const WHO = ['--name', 'Postwerk GmbH', '--country', 'de', '--email', 'billing@postwerk.example'];

test('who sells is said once, and shown', async () => {
  const before = await seller('show');
  assert.match(before.stdout, /^Nobody has said who sells/);
  const place = ['--address', 'Torstraße 12', '--post-code', '10119', '--city', 'Berlin'];
  const set = await seller('set', ...WHO, ...place, '--vat-id', 'DE123456789', '--vat-rate', '7.5', '--json');
  assert.equal(set.code, EXIT.ok, set.stderr);
  assert.deepEqual((await seller('show', '--json')).json, { set: true, seller: set.json.seller });
  assert.deepEqual(set.json.seller, {
    name: 'Postwerk GmbH',
    addressLine1: 'Torstraße 12',
    postCode: '10119',
    city: 'Berlin',
    countryCode: 'DE',
    vatIdentifier: 'DE123456789',
    email: 'billing@postwerk.example',
    taxRateBasisPoints: 750,
    invoiceSeries: 'INV',
    creditNoteSeries: 'CN',
  });
  assert.match((await seller('show')).stdout, /^vat identifier +DE123456789$/m);
});

test('a rate that is no percentage is refused with what to write', async () => {
  const ended = await seller('set', ...WHO, '--vat-id', 'DE1', '--vat-rate', '19.125');
  assert.equal(ended.code, EXIT.usage);
  assert.match(ended.stderr, /^The VAT rate must be a percentage from 0 to 100/);
});
