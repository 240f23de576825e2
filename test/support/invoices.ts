/** A seller, a buyer and what is bought, for tests of invoices. */

import type { Buyer, Seller } from '../../server/billing/invoice-parties.ts';
import type { NewInvoice } from '../../server/billing/invoices.ts';
import { writeSeller } from '../../server/billing/queries-invoices.ts';
import type { Database } from '../../server/kernel/database.ts';
import { newId } from '../../server/kernel/ids.ts';

export const SELLER: Seller = {
  name: 'Postwerk Beispiel GmbH',
  addressLine1: 'Torstraße 12',
  postCode: '10119',
  city: 'Berlin',
  countryCode: 'DE',
  vatIdentifier: 'DE123456789',
  registration: 'HRB 12345 B',
  email: 'billing@postwerk.example',
  taxRateBasisPoints: 1900,
  paymentTerms: 'IBAN DE02 1203 0000 0000 2020 51.',
  invoiceSeries: 'INV',
  creditNoteSeries: 'CN',
};

export const TAX_FREE_SELLER: Seller = { ...SELLER, taxRateBasisPoints: 0 };

export const BUYER: Buyer = {
  name: 'Zoë Łukasz & Søn A/S',
  addressLine1: 'Vej 1',
  postCode: '8000',
  city: 'Aarhus',
  countryCode: 'DK',
  email: 'accounts@buyer.example',
};

/** A million credits at EUR 0.50 a thousand, with 19 % of tax: EUR 595.00. */
export function newInvoice(workspaceId: string, changed: Partial<NewInvoice> = {}): NewInvoice {
  return {
    workspaceId,
    paymentId: newId(),
    currency: 'EUR',
    buyer: BUYER,
    lines: [
      {
        name: 'Sending credits',
        quantity: 1_000_000n,
        priceMinor: 50n,
        priceBaseQuantity: 1_000n,
        tax: { category: 'S', rateBasisPoints: 1900 },
      },
    ],
    ...changed,
  };
}

export function setSeller(database: Database, seller: Seller = SELLER): Promise<unknown> {
  return database.withSystem((tx) => writeSeller(tx, seller));
}
