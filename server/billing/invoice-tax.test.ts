import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type InvoiceLine,
  lineNetMinor,
  subtract,
  sumOf,
  type Tax,
  takeGross,
  totalsOf,
} from './invoice-tax.ts';

const VAT_19: Tax = { category: 'S', rateBasisPoints: 1900 };
const VAT_7: Tax = { category: 'S', rateBasisPoints: 700 };
const ZERO: Tax = { category: 'Z', rateBasisPoints: 0 };
const EXEMPT: Tax = { category: 'E', rateBasisPoints: 0, exemptionReason: 'Education' };

function line(priceMinor: bigint, tax: Tax, more: Partial<InvoiceLine> = {}): InvoiceLine {
  return { name: 'Credits', quantity: 1n, priceMinor, tax, ...more };
}

const anyTax = fc.oneof(
  fc.constantFrom(ZERO, EXEMPT, VAT_19),
  fc.integer({ min: 1, max: 5_000 }).map((rateBasisPoints): Tax => ({ category: 'S', rateBasisPoints })),
);
const anyLine: fc.Arbitrary<InvoiceLine> = fc.record({
  name: fc.constant('Credits'),
  quantity: fc.bigInt({ min: 1n, max: 10_000_000n }),
  priceMinor: fc.bigInt({ min: 0n, max: 10_000_000n }),
  priceBaseQuantity: fc.constantFrom(1n, 100n, 1_000n),
  tax: anyTax,
});
const anyLines = fc.array(anyLine, { minLength: 1, maxLength: 8 });

test('tax is computed once a rate, on the sum of its lines, and not line by line', () => {
  // 19 % of 3 cents is 0.57 cents: a cent a line would make 3 cents of tax, and it is 2.
  const totals = totalsOf([line(3n, VAT_19), line(3n, VAT_19), line(3n, VAT_19), line(100n, VAT_7)]);
  assert.deepEqual(totals, {
    netMinor: 109n,
    taxMinor: 9n,
    grossMinor: 118n,
    taxes: [
      { tax: VAT_19, taxableMinor: 9n, taxMinor: 2n },
      { tax: VAT_7, taxableMinor: 100n, taxMinor: 7n },
    ],
  });
});

test('half a cent is rounded up, less is not', () => {
  const taxOf = (priceMinor: bigint, rateBasisPoints: number) =>
    totalsOf([line(priceMinor, { category: 'S', rateBasisPoints })]).taxMinor;
  assert.deepEqual([taxOf(10n, 500), taxOf(9n, 500), taxOf(30n, 500)], [1n, 0n, 2n]);
});

test('a price per thousand is rounded once a line', () => {
  const perThousand = { priceBaseQuantity: 1_000n };
  assert.equal(lineNetMinor(line(50n, VAT_19, { ...perThousand, quantity: 1_250_000n })), 62_500n);
  assert.equal(lineNetMinor(line(50n, VAT_19, { ...perThousand, quantity: 10n })), 1n);
  assert.equal(lineNetMinor(line(50n, VAT_19, { ...perThousand, quantity: 9n })), 0n);
});

test('every invoice adds up, whatever is on it', () => {
  fc.assert(
    fc.property(anyLines, (lines) => {
      const { netMinor, taxMinor, grossMinor, taxes } = totalsOf(lines);
      const nets = lines.map(lineNetMinor);
      assert.equal(
        netMinor,
        nets.reduce((sum, net) => sum + net, 0n),
      );
      assert.equal(grossMinor, netMinor + taxMinor);
      assert.equal(
        taxMinor,
        taxes.reduce((sum, subtotal) => sum + subtotal.taxMinor, 0n),
      );
      for (const { tax, taxableMinor, taxMinor: ofRate } of taxes) {
        const error = ofRate * 10_000n - taxableMinor * BigInt(tax.rateBasisPoints);
        assert.ok(error > -5_000n && error <= 5_000n, `${error}`);
      }
    }),
  );
});

test('the parts of a refund add up to what was asked, never take more than is left, and end at the last unit of tax', () => {
  const shares = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(anyLines, shares, (lines, percentages) => {
      const invoice = totalsOf(lines);
      let left = invoice.taxes;
      const give = (amountMinor: bigint) => {
        const taken = takeGross(left, amountMinor);
        assert.equal(sumOf(taken).grossMinor, amountMinor);
        left = subtract(left, taken);
        for (const { taxableMinor, taxMinor } of [...taken, ...left])
          assert.ok(taxableMinor >= 0n && taxMinor >= 0n);
      };
      for (const percentage of percentages) {
        const amountMinor = (sumOf(left).grossMinor * BigInt(percentage)) / 100n;
        if (amountMinor > 0n) give(amountMinor);
      }
      const rest = sumOf(left).grossMinor;
      if (rest > 0n) give(rest);
      assert.deepEqual([sumOf(left).netMinor, sumOf(left).taxMinor], [0n, 0n]);
    }),
  );
});

test('the tax in a part of a refund is the rate’s, to two units', () => {
  fc.assert(
    fc.property(anyLines, fc.bigInt({ min: 1n, max: 10_000_000n }), (lines, asked) => {
      const { taxes, grossMinor } = totalsOf(lines);
      if (grossMinor === 0n) return;
      for (const { tax, taxableMinor, taxMinor } of takeGross(
        taxes,
        asked > grossMinor ? grossMinor : asked,
      )) {
        const error = taxMinor * 10_000n - taxableMinor * BigInt(tax.rateBasisPoints);
        assert.ok(error >= -20_000n && error <= 20_000n, `${error}`);
      }
    }),
  );
});

test('a whole refund takes back what was charged, tax by tax', () => {
  const { taxes, grossMinor } = totalsOf([line(999n, VAT_19), line(1n, VAT_7), line(50n, ZERO)]);
  assert.deepEqual(takeGross(taxes, grossMinor), taxes);
});

test('more than is left cannot be given back, nor nothing', () => {
  const { taxes } = totalsOf([line(100n, VAT_19)]);
  assert.throws(() => takeGross(taxes, 120n), /120 cannot be given back: there is 119 left/);
  assert.throws(() => takeGross(taxes, 0n), /0 cannot be given back/);
});

test('lines that the rules of VAT forbid are our own mistake, and are refused', () => {
  const outside: Tax = { category: 'O', rateBasisPoints: 0, exemptionReason: 'Not subject to VAT' };
  const refused = (message: RegExp, ...lines: InvoiceLine[]) => assert.throws(() => totalsOf(lines), message);
  refused(/needs a line/);
  refused(/category S cannot have a rate of 0/, line(1n, { category: 'S', rateBasisPoints: 0 }));
  refused(/category Z cannot have a rate of 700/, line(1n, { category: 'Z', rateBasisPoints: 700 }));
  refused(/category S cannot have a rate of 0.5/, line(1n, { category: 'S', rateBasisPoints: 0.5 }));
  refused(
    /category AE and an exemption reason of "undefined"/,
    line(1n, { category: 'AE', rateBasisPoints: 0 }),
  );
  refused(/category S and an exemption reason of "none"/, line(1n, { ...VAT_19, exemptionReason: 'none' }));
  refused(/BR-O-11/, line(1n, outside), line(1n, VAT_19));
  refused(/at least 1/, line(1n, VAT_19, { quantity: 0n }));
  refused(/at least 0/, line(-1n, VAT_19));
});
