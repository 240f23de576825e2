/**
 * What an invoice adds up to, in the terms of EN 16931 (BT and BR are its numbers): pure.
 *
 * A line is rounded once, from quantity and price. Tax is computed once per category and rate, on the sum of their lines,
 * and never per line (BR-CO-17). Amounts are minor units and never negative; rates are basis points (1900 is 19 %).
 */
import { divideRounded } from './money.ts';

const WHOLE_RATE_BASIS_POINTS = 10_000n;

/** Standard, zero, exempt, reverse charge, intra-Community supply, export, outside the scope of VAT (UNTDID 5305). */
export type TaxCategory = 'S' | 'Z' | 'E' | 'AE' | 'K' | 'G' | 'O';

export interface Tax {
  category: TaxCategory;
  /** More than 0 in category S, and 0 in all others. */
  rateBasisPoints: number;
  /** BT-120: why no tax is asked; for the categories E AE K G O, and there it is required. */
  exemptionReason?: string;
}

export interface InvoiceLine {
  /** BT-153 */
  name: string;
  /** BT-129 */
  quantity: bigint;
  /** BT-146: the price of `priceBaseQuantity` items, without tax. */
  priceMinor: bigint;
  /** BT-149: 1000 for a price per thousand. Default 1. */
  priceBaseQuantity?: bigint;
  tax: Tax;
}

/** BG-23 */
export interface TaxSubtotal {
  tax: Tax;
  /** BT-116 */
  taxableMinor: bigint;
  /** BT-117 */
  taxMinor: bigint;
}

export interface Totals {
  /** BT-109 */
  netMinor: bigint;
  /** BT-110 */
  taxMinor: bigint;
  /** BT-112: what is charged. */
  grossMinor: bigint;
  taxes: TaxSubtotal[];
}

/** Throws when the lines cannot stand on one invoice: they are our own, not a customer's. */
export function totalsOf(lines: readonly InvoiceLine[]): Totals {
  if (lines.length === 0) throw new Error('an invoice needs a line');
  const taxableOf = new Map<string, { tax: Tax; taxableMinor: bigint }>();
  for (const line of lines) {
    assertTax(line.tax);
    const { category, rateBasisPoints, exemptionReason } = line.tax;
    const key = `${category} ${rateBasisPoints} ${exemptionReason ?? ''}`;
    const before = taxableOf.get(key)?.taxableMinor ?? 0n;
    taxableOf.set(key, { tax: line.tax, taxableMinor: before + lineNetMinor(line) });
  }
  const taxes = [...taxableOf.values()].map(({ tax, taxableMinor }) => ({
    tax,
    taxableMinor,
    taxMinor: divideRounded(taxableMinor * BigInt(tax.rateBasisPoints), WHOLE_RATE_BASIS_POINTS),
  }));
  if (taxes.length > 1 && taxes.some(({ tax }) => tax.category === 'O'))
    throw new Error('what is outside the scope of VAT cannot share an invoice with anything else (BR-O-11)');
  return sumOf(taxes);
}

/** BT-131 */
export function lineNetMinor({ quantity, priceMinor, priceBaseQuantity = 1n }: InvoiceLine): bigint {
  if (quantity <= 0n || priceBaseQuantity <= 0n || priceMinor < 0n)
    throw new Error('a line needs a quantity and a base quantity of at least 1, and a price of at least 0');
  return divideRounded(quantity * priceMinor, priceBaseQuantity);
}

function assertTax({ category, rateBasisPoints, exemptionReason }: Tax): void {
  if ((category === 'S') !== rateBasisPoints > 0 || !Number.isInteger(rateBasisPoints) || rateBasisPoints < 0)
    throw new Error(`tax category ${category} cannot have a rate of ${rateBasisPoints} basis points`);
  if ((category === 'S' || category === 'Z') === Boolean(exemptionReason))
    throw new Error(
      `tax category ${category} and an exemption reason of "${exemptionReason}" do not go together`,
    );
}

export function sumOf(taxes: TaxSubtotal[]): Totals {
  const netMinor = taxes.reduce((sum, { taxableMinor }) => sum + taxableMinor, 0n);
  const taxMinor = taxes.reduce((sum, subtotal) => sum + subtotal.taxMinor, 0n);
  return { netMinor, taxMinor, grossMinor: netMinor + taxMinor, taxes };
}

/** What is left of an invoice when credit notes have taken theirs. */
export function subtract(from: readonly TaxSubtotal[], taken: readonly TaxSubtotal[]): TaxSubtotal[] {
  return from.map((subtotal) =>
    taken
      .filter(({ tax }) => isSameTax(tax, subtotal.tax))
      .reduce(
        (left, { taxableMinor, taxMinor }) => ({
          tax: left.tax,
          taxableMinor: left.taxableMinor - taxableMinor,
          taxMinor: left.taxMinor - taxMinor,
        }),
        subtotal,
      ),
  );
}

function isSameTax(a: Tax, b: Tax): boolean {
  return (
    a.category === b.category &&
    a.rateBasisPoints === b.rateBasisPoints &&
    a.exemptionReason === b.exemptionReason
  );
}

/**
 * Takes an amount, tax included, out of what is left, from every tax by its share. The parts add up to the amount, no part is
 * more than is left, and who takes all that is left takes it to the last unit of tax: parts of a refund end where the
 * whole refund does. Throws when there is less left.
 */
export function takeGross(left: readonly TaxSubtotal[], amountMinor: bigint): TaxSubtotal[] {
  let ofGross = sumOf([...left]).grossMinor;
  let toTake = amountMinor;
  if (amountMinor <= 0n || amountMinor > ofGross)
    throw new Error(`${amountMinor} cannot be given back: there is ${ofGross} left of the invoice`);
  return left.flatMap(({ tax, taxableMinor, taxMinor }) => {
    const gross = taxableMinor + taxMinor;
    // Of what the taxes before this one left over, so that roundings never pile up.
    const taken = ofGross === 0n ? 0n : divideRounded(toTake * gross, ofGross);
    ofGross -= gross;
    toTake -= taken;
    if (taken === 0n) return [];
    const takenTax = divideRounded(taken * taxMinor, gross);
    return { tax, taxableMinor: taken - takenTax, taxMinor: takenTax };
  });
}
