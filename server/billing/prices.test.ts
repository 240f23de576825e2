import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findPack, readPrices, saleOf } from './prices.ts';

test('prices are read in the units of their currency', () => {
  assert.deepEqual(readPrices('10000=9.00 EUR, 1000=150 JPY,5=0.001 KWD , 7 = 3 CHF'), [
    { credits: 10_000n, price: { minor: 900n, currency: 'EUR' } },
    { credits: 1_000n, price: { minor: 150n, currency: 'JPY' } },
    { credits: 5n, price: { minor: 1n, currency: 'KWD' } },
    { credits: 7n, price: { minor: 300n, currency: 'CHF' } },
  ]);
});

for (const text of [
  '',
  '10000',
  '10000=9',
  '0=1.00 EUR',
  '10=1.00 EURO',
  '10=1.00 XQX',
  '10=-1.00 EUR',
  '1e3=1.00 EUR',
])
  test(`"${text}" is no price, and the sentence says what one looks like`, () => {
    assert.throws(() => readPrices(text), {
      name: 'ConfigError',
      message: `BILLING_PRICES has "${text}", but each price must be credits and an amount, such as 10000=9.00 EUR, with commas between.`,
    });
  });

test('a price of nothing, or of less than the smallest coin, is refused', () => {
  for (const text of ['10=0.00 EUR', '10=1.001 EUR', '10=1.5 JPY'])
    assert.throws(() => readPrices(text), /an amount is more than 0, and of \w+ it has at most/);
});

test('a pack is found by its credits, and by its currency when it is sold in several', () => {
  const prices = readPrices('10=1.00 EUR, 10=2.00 USD');
  assert.equal(findPack(prices, 10n, null)?.price.currency, 'EUR');
  assert.equal(findPack(prices, 10n, 'USD')?.price.minor, 200n);
  assert.equal(findPack(prices, 10n, 'JPY'), undefined);
  assert.equal(findPack(prices, 11n, null), undefined);
});

test('what is sold stands on the invoice by its name', () => {
  const [pack] = readPrices('1000000=500.00 EUR');
  assert.ok(pack);
  const tax = { category: 'S', rateBasisPoints: 1900 } as const;
  assert.deepEqual(saleOf(pack, tax), {
    name: '1,000,000 sending credits',
    quantity: 1n,
    priceMinor: 50_000n,
    tax,
  });
});
