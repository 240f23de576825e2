import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUYER, SELLER } from '../../test/support/invoices.ts';
import { isSellerSet, SELLER_NOT_SET, taxOn, troubleWith } from './invoice-parties.ts';

test('tax is the seller’s at home and for consumers in the EU, and nobody’s beyond', () => {
  const home = { category: 'S', rateBasisPoints: 1900 };
  const from = (countryCode: string, vatIdentifier?: string) =>
    taxOn(SELLER, { ...BUYER, countryCode, ...(vatIdentifier && { vatIdentifier }) });
  assert.deepEqual(from('DE', 'DE999999999'), home);
  assert.deepEqual(from('DK'), home);
  assert.deepEqual(from('DK', 'DK99999999').exemptionReason, 'Reverse charge');
  assert.deepEqual(from('US').exemptionReason, 'Outside the scope of EU VAT');
});

test('a seller who is not registered for VAT charges none, and says so', () => {
  const { vatIdentifier: _, ...unregistered } = SELLER;
  const none = { category: 'O', rateBasisPoints: 0, exemptionReason: 'Not subject to VAT' };
  assert.deepEqual(taxOn(unregistered, { ...BUYER, countryCode: 'DE' }), none);
  assert.deepEqual(taxOn(SELLER_NOT_SET, BUYER), none);
  assert.deepEqual([isSellerSet(SELLER), isSellerSet(SELLER_NOT_SET)], [true, false]);
});

test('a buyer who could not be printed or reached is told before paying, and what to write instead', () => {
  assert.equal(troubleWith(BUYER), undefined);
  assert.equal(troubleWith({ ...BUYER, name: 'ООО «Ромашка», 株式会社, 한국\nA/S' }), undefined);
  assert.match(
    troubleWith({ ...BUYER, city: 'בית' }) ?? '',
    /^An invoice cannot show these characters of the buyer's details: ב \[U\+05D1\], י \[U\+05D9\], ת .*Write them in Latin/,
  );
  assert.match(
    troubleWith({ ...BUYER, email: 'nobody' }) ?? '',
    /^The invoice cannot be mailed to the buyer: The address "nobody"/,
  );
});
