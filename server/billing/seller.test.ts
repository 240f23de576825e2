import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { SELLER } from '../../test/support/invoices.ts';
import type { Seller } from './invoice-parties.ts';
import { sellerOf } from './invoices.ts';
import { SellerRefused, setSeller } from './seller.ts';

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
});

after(() => db.drop());

test('what cannot stand on an invoice is refused with what to do, and nothing is changed', async () => {
  await setSeller(db.database, SELLER);
  const { vatIdentifier: _, ...unregistered } = SELLER;
  const refused: [seller: Seller, sentence: RegExp][] = [
    [{ ...SELLER, name: ' \r\n' }, /needs a name/],
    [{ ...SELLER, countryCode: 'Germany' }, /"Germany" is no country/],
    [{ ...SELLER, email: 'nobody' }, /Invoices cannot be mailed from there: The address "nobody"/],
    [{ ...SELLER, taxRateBasisPoints: 10_001 }, /VAT rate must be a percentage/],
    [{ ...SELLER, taxRateBasisPoints: Number.NaN }, /VAT rate must be a percentage/],
    [unregistered, /Only a seller with a VAT identifier charges VAT/],
    [{ ...SELLER, invoiceSeries: 'INV-1' }, /"INV-1" cannot begin the numbers/],
    [{ ...SELLER, creditNoteSeries: 'INV' }, /series of their own/],
    [{ ...SELLER, city: 'תל אביב' }, /cannot show these characters: ת \[U\+05EA\]/],
  ];
  for (const [seller, sentence] of refused)
    await assert.rejects(setSeller(db.database, seller), (error) => {
      assert.ok(error instanceof SellerRefused);
      assert.match(error.message, sentence);
      return true;
    });
  assert.deepEqual(await db.database.withSystem((tx) => sellerOf(tx)), SELLER);
});

test('who sells is written on one line each, and replaces what was said before', async () => {
  await setSeller(db.database, SELLER);
  const { addressLine1: _, ...moved } = { ...SELLER, name: ' Postwerk\nGmbH ' };
  await setSeller(db.database, moved);
  const seller = await db.database.withSystem((tx) => sellerOf(tx));
  assert.deepEqual(seller, { ...moved, name: 'Postwerk GmbH' });
});
