/** The price list: how many credits for how much, without tax. One credit sends one message. */
import { ConfigError } from '../kernel/config.ts';
import type { InvoiceLine, Tax } from './invoice-tax.ts';
import { exponentOf, groupThousands, type Money } from './money.ts';

export interface Pack {
  credits: bigint;
  /** Without tax. */
  price: Money;
}

const CURRENCIES = new Set(Intl.supportedValuesOf('currency'));

/** Reads BILLING_PRICES: "10000=9.00 EUR, 100000=79.00 EUR". Throws ConfigError. */
export function readPrices(text: string): Pack[] {
  return text.split(',').map((entry) => readPack(entry.trim()));
}

function readPack(entry: string): Pack {
  const [, credits = '', whole = '', fraction = '', currency = ''] =
    /^([1-9]\d{0,11}) *= *(\d{1,9})(?:\.(\d+))? ([A-Z]{3})$/.exec(entry) ?? [];
  if (!CURRENCIES.has(currency))
    throw new ConfigError(
      `BILLING_PRICES has "${entry}", but each price must be credits and an amount, such as 10000=9.00 EUR, with commas between.`,
    );
  const exponent = exponentOf(currency);
  const minor = BigInt(whole + fraction.padEnd(exponent, '0'));
  if (fraction.length > exponent || minor === 0n)
    throw new ConfigError(
      `BILLING_PRICES has "${entry}", but an amount is more than 0, and of ${currency} it has at most ${exponent} decimals.`,
    );
  return { credits: BigInt(credits), price: { minor, currency } };
}

/** Undefined: it is not sold. Without a currency, the first that it is sold in. */
export function findPack(
  prices: readonly Pack[],
  credits: bigint,
  currency: string | null,
): Pack | undefined {
  return prices.find(
    (pack) => pack.credits === credits && (currency === null || pack.price.currency === currency),
  );
}

export function saleOf({ credits, price }: Pack, tax: Tax): InvoiceLine {
  return { name: creditsText(credits), quantity: 1n, priceMinor: price.minor, tax };
}

/** `10,000 sending credits` */
export function creditsText(credits: bigint): string {
  return `${groupThousands(String(credits))} sending credits`;
}
