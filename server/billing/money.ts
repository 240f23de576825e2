/**
 * Money: whole minor units (cents, yen, fils) as bigint, beside an ISO 4217 code. Never a floating-point number: what is
 * added up here must add up on paper.
 */

export interface Money {
  readonly minor: bigint;
  /** ISO 4217 */
  readonly currency: string;
}

/** ISO 4217 currencies whose minor unit is not a hundredth. */
const EXPONENTS: Record<string, number> = {
  ...{ BIF: 0, CLP: 0, DJF: 0, GNF: 0, ISK: 0, JPY: 0, KMF: 0, KRW: 0, PYG: 0, RWF: 0, UGX: 0, UYI: 0 },
  ...{ VND: 0, VUV: 0, XAF: 0, XOF: 0, XPF: 0 },
  ...{ BHD: 3, IQD: 3, JOD: 3, KWD: 3, LYD: 3, OMR: 3, TND: 3 },
};

/** Digits behind the point. */
export function exponentOf(currency: string): number {
  return EXPONENTS[currency] ?? 2;
}

/** `EUR 1,234.50` */
export function formatMoney(amountMinor: bigint, currency: string): string {
  return `${currency} ${formatMinor(amountMinor, currency)}`;
}

/** `1,234.50`, for a column whose head names the currency. */
export function formatMinor(amountMinor: bigint, currency: string): string {
  const exponent = exponentOf(currency);
  const digits = String(amountMinor).padStart(exponent + 1, '0');
  const whole = groupThousands(digits.slice(0, digits.length - exponent));
  return exponent === 0 ? whole : `${whole}.${digits.slice(-exponent)}`;
}

export function groupThousands(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, ',');
}

/** The nearest whole unit, halves up. For amounts that are not negative. */
export function divideRounded(dividend: bigint, divisor: bigint): bigint {
  return (2n * dividend + divisor) / (2n * divisor);
}
