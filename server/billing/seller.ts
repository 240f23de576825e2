/** Who sells, as the operator says it: checked once, so that no invoice has to be. */
import { encodeAddress } from '../content/encodings.ts';
import type { Database } from '../kernel/database.ts';
import { printableTexts, type Seller } from './invoice-parties.ts';
import { uncovered } from './pdf-fonts.ts';
import * as queries from './queries-invoices.ts';

const RATE_BASIS_POINTS_MAX = 10_000;

/** One sentence that says why an invoice cannot name this seller. */
export class SellerRefused extends Error {
  override readonly name = 'SellerRefused';
}

/** Replaces all that was said before, for invoices that are issued from now on. Throws SellerRefused. */
export async function setSeller(database: Database, said: Seller): Promise<Seller> {
  const seller = printableTexts(said);
  const objection = objectionTo(seller);
  if (objection !== undefined) throw new SellerRefused(objection);
  await database.withSystem((tx) => queries.writeSeller(tx, seller));
  return seller;
}

function objectionTo(seller: Seller): string | undefined {
  const { name, countryCode, email, vatIdentifier, taxRateBasisPoints, invoiceSeries, creditNoteSeries } =
    seller;
  const missing = uncovered(Object.values(seller).join(''));
  const address = encodeAddress(email);
  if (name === '') return 'A seller needs a name: the legal one.';
  if (!/^[A-Z]{2}$/.test(countryCode))
    return `"${countryCode}" is no country: write its two letters, such as DE.`;
  if (address.kind === 'invalid') return `Invoices cannot be mailed from there: ${address.reason}`;
  if (!(taxRateBasisPoints >= 0 && taxRateBasisPoints <= RATE_BASIS_POINTS_MAX))
    return 'The VAT rate must be a percentage from 0 to 100 with at most two decimals, such as 19 or 7.25.';
  if (taxRateBasisPoints > 0 && !vatIdentifier)
    return 'Only a seller with a VAT identifier charges VAT: add it, or leave the rate out.';
  const series = [invoiceSeries, creditNoteSeries].find((text) => !/^[A-Z0-9]{1,12}$/.test(text));
  if (series !== undefined)
    return `"${series}" cannot begin the numbers: write up to 12 capital letters or digits, such as INV.`;
  if (invoiceSeries === creditNoteSeries)
    return 'Credit notes need a series of their own, such as CN beside INV.';
  return missing.length > 0 ? `An invoice cannot show these characters: ${missing.join(', ')}.` : undefined;
}
