/**
 * Who sells and who buys, and which tax that means. The seller is the operator of the installation and is said once, with
 * `camp seller set`; a buyer is said with a payment.
 *
 * Nothing here stops an invoice: it is issued when the money has moved. What would be wrong with a buyer is asked before
 * (`troubleWith`), and what is issued is made printable (`printable`).
 */
import { isDeepStrictEqual } from 'node:util';
import { encodeAddress } from '../content/encodings.ts';
import type { Tax } from './invoice-tax.ts';
import { uncovered } from './pdf-fonts.ts';

/** EN 16931, BG-4 to BG-8. */
export interface Party {
  /** BT-27, 44: the legal name. */
  name: string;
  /** BT-35 to 38, 50 to 53 */
  addressLine1?: string;
  addressLine2?: string;
  postCode?: string;
  city?: string;
  /** BT-40, 55: ISO 3166-1 alpha-2. */
  countryCode: string;
  /** BT-31, 48 */
  vatIdentifier?: string;
  /** A buyer's gets the invoice; a seller's is its From. */
  email: string;
}

export type Buyer = Party;

export interface Seller extends Party {
  /** BT-30: number in the companies register. */
  registration?: string;
  /** VAT at home. 0, or no VAT identifier: the seller charges none. */
  taxRateBasisPoints: number;
  /** BT-20: how an open invoice is paid, such as a bank account. */
  paymentTerms?: string;
  /** Begin the numbers; another legal entity takes others. */
  invoiceSeries: string;
  creditNoteSeries: string;
}

/** Until somebody says who sells. Nothing is sold before that (charge.ts). */
export const SELLER_NOT_SET: Seller = {
  name: 'Seller not set (camp seller set)',
  countryCode: 'ZZ',
  email: 'invoices@localhost.localdomain',
  taxRateBasisPoints: 0,
  invoiceSeries: 'INV',
  creditNoteSeries: 'CN',
};

export function isSellerSet(seller: Seller): boolean {
  return !isDeepStrictEqual(seller, SELLER_NOT_SET);
}

const EU = new Set(
  'AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE'.split(' '),
);

/**
 * The tax on an electronic service (Directive 2006/112/EC art. 44, 58, 196): at home the seller's own; a business elsewhere
 * in the EU accounts for it itself; nobody outside the EU pays EU VAT. A consumer elsewhere in the EU is charged as at
 * home, which is right below the threshold of art. 59c.
 */
export function taxOn(seller: Seller, buyer: Buyer): Tax {
  if (!seller.vatIdentifier || seller.taxRateBasisPoints === 0)
    return { category: 'O', rateBasisPoints: 0, exemptionReason: 'Not subject to VAT' };
  if (buyer.countryCode !== seller.countryCode && EU.has(seller.countryCode)) {
    if (!EU.has(buyer.countryCode))
      return { category: 'O', rateBasisPoints: 0, exemptionReason: 'Outside the scope of EU VAT' };
    if (buyer.vatIdentifier) return { category: 'AE', rateBasisPoints: 0, exemptionReason: 'Reverse charge' };
  }
  return { category: 'S', rateBasisPoints: seller.taxRateBasisPoints };
}

/** One sentence about why an invoice could not show this buyer, or not reach them; undefined: none. */
export function troubleWith({ email, ...printed }: Buyer): string | undefined {
  const address = encodeAddress(email);
  if (address.kind === 'invalid') return `The invoice cannot be mailed to the buyer: ${address.reason}`;
  const missing = uncovered(Object.values(printed).map(printable).join(''));
  if (missing.length === 0) return undefined;
  const shown = missing.slice(0, 5).join(', ');
  return `An invoice cannot show these characters of the buyer's details: ${shown}. Write them in Latin, Greek, Cyrillic, Chinese, Japanese or Korean letters.`;
}

/** Every text of a party or a line on one line: no line breaks, no invisible characters that turn text around. */
export function printableTexts<T extends object>(of: T): T {
  const entries = Object.entries(of).map(([name, value]) => [
    name,
    typeof value === 'string' ? printable(value) : value,
  ]);
  return Object.fromEntries(entries) as T;
}

export function printable(text: string): string {
  return text
    .toWellFormed()
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replace(/\p{Cf}/gu, '')
    .trim();
}
