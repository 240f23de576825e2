import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { BUYER, newInvoice, SELLER } from '../../test/support/invoices.ts';
import { hasPoppler, missingFontsOf, textOfPdf } from '../../test/support/poppler.ts';
import type { Invoice } from './invoice-snapshot.ts';
import { type InvoiceLine, lineNetMinor, totalsOf } from './invoice-tax.ts';
import { renderInvoice } from './pdf.ts';

const VAT_7 = { category: 'S', rateBasisPoints: 725 } as const;

interface Changes extends Partial<Omit<Invoice, 'snapshot'>> {
  lines?: readonly InvoiceLine[];
  snapshot?: Partial<Invoice['snapshot']>;
}

function invoiceOf({ lines = newInvoice('').lines, snapshot, ...changed }: Changes = {}): Invoice {
  return {
    id: '0199f3a2-7e1b-7c44-9a10-000000000001',
    kind: 'invoice',
    number: 'INV-2026-000042',
    issuedAt: new Date('2026-11-23T23:59:59Z'),
    paymentId: '0199f3a2-7e1b-7c44-9a10-0123456789ab',
    ...changed,
    snapshot: {
      currency: 'EUR',
      seller: SELLER,
      buyer: BUYER,
      lines: lines.map((line) => ({ ...line, netMinor: lineNetMinor(line) })),
      ...totalsOf(lines),
      ...snapshot,
    },
  };
}

function lineOf(name: string): InvoiceLine {
  return { name, quantity: 3n, priceMinor: 4_999n, tax: VAT_7 };
}

/** Undefined: the test was skipped. */
async function read(t: TestContext, invoice: Invoice): Promise<string | undefined> {
  return hasPoppler(t) ? textOfPdf(await renderInvoice(invoice)) : undefined;
}

function assertRows(text: string, rows: string[][]): void {
  const lines = text.split('\n').map((line) => line.trim().replace(/\s+/g, ' '));
  for (const row of rows) assert.ok(lines.includes(row.join(' ')), `${row.join(' | ')} in:\n${text}`);
}

test('a reader finds the number, the parties, the lines, the taxes and the total', async (t) => {
  const lines = [...newInvoice('').lines, lineOf('Dedicated address')];
  const text = await read(t, invoiceOf({ lines }));
  if (text === undefined) return;
  for (const [name, pattern] of Object.entries({
    title: /^Invoice$/m,
    number: /Number\n.*INV-2026-000042$/m,
    date: /2026-11-23/,
    seller: /Postwerk Beispiel GmbH/,
    buyer: /Zoë Łukasz & Søn A\/S[\s\S]*Vej 1[\s\S]*8000 Aarhus/,
    paid: /Paid in full on 2026-11-23: there is nothing left to pay\./,
    reference: /0199f3a2-7e1b-7c44-9a10-0123456789ab/,
    footer: /VAT DE123456789 · HRB 12345 B · billing@postwerk\.example\s+INV-2026-000042 · Page 1 of 1/,
  }))
    assert.match(text, pattern, name);
  assertRows(text, [
    ['Sending credits', '1,000,000', '0.50 / 1,000', '19 %', '500.00'],
    ['Dedicated address', '3', '49.99', '7.25 %', '149.97'],
    ['Total without tax', '649.97'],
    ['Tax', '105.87'],
    ['Total EUR', '755.84'],
    ['VAT 19 %', '500.00', '95.00'],
    ['VAT 7.25 %', '149.97', '10.87'],
  ]);
});

test('an open invoice says how to pay it, and a currency without cents has none', async (t) => {
  const line = { ...lineOf('Credits'), tax: { category: 'Z', rateBasisPoints: 0 } as const };
  const text = await read(t, invoiceOf({ paymentId: null, lines: [line], snapshot: { currency: 'JPY' } }));
  if (text === undefined) return;
  assert.match(text, /Please pay JPY 14,997 and name INV-2026-000042\. IBAN DE02 1203/);
  assertRows(text, [
    ['Credits', '3', '4,999', 'Z', '14,997'],
    ['Z: zero rated', '14,997', '0'],
    ['Total JPY', '14,997'],
  ]);
});

test('a credit note says which invoice it corrects and why; who is not charged tax reads why', async (t) => {
  const tax = { category: 'AE', rateBasisPoints: 0, exemptionReason: 'Reverse charge' } as const;
  const corrects = { number: 'INV-2026-000007', issuedOn: '2026-01-31', reason: 'Refund of unused credits' };
  const lines = [{ ...lineOf('Credits'), tax }];
  const text = await read(
    t,
    invoiceOf({ kind: 'credit_note', paymentId: null, lines, snapshot: { corrects } }),
  );
  if (text === undefined) return;
  assert.match(text, /^Credit note$/m);
  assert.match(text, /INV-2026-000007 of 2026-01-31/);
  assert.match(
    text,
    /EUR 149\.97 of invoice INV-2026-000007 is given back\. Reason: Refund of unused credits/,
  );
  assertRows(text, [['AE: Reverse charge', '149.97', '0.00']]);
});

test('the same invoice gives the same bytes, in this process, in another, and in another time zone', async () => {
  const hash = (pdf: Buffer) => createHash('sha256').update(pdf).digest('hex');
  const here = await renderInvoice(invoiceOf());
  assert.equal(hash(await renderInvoice(invoiceOf())), hash(here));
  assert.ok(!here.includes('FlateDecode'), 'zlib packs differently from processor to processor');
  const script = `
    import { renderInvoice } from ${JSON.stringify(import.meta.resolve('./pdf.ts'))};
    import { snapshotFromJson } from ${JSON.stringify(import.meta.resolve('./invoice-snapshot.ts'))};
    const { issuedAt, snapshot, ...invoice } = JSON.parse(process.env.INVOICE);
    process.stdout.write(await renderInvoice({
      ...invoice, issuedAt: new Date(issuedAt), snapshot: snapshotFromJson(JSON.stringify(snapshot)) }));`;
  const INVOICE = JSON.stringify(invoiceOf(), (_, value) => (typeof value === 'bigint' ? `${value}` : value));
  const there = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, INVOICE, TZ: 'Pacific/Kiritimati', LANG: 'de_DE.UTF-8', NODE_OPTIONS: '' },
  });
  assert.equal(hash(there), hash(here));
  const other = await renderInvoice(invoiceOf({ number: 'INV-2026-000043' }));
  assert.notEqual(hash(other), hash(here));
});

test('every font is inside of the file, and only the letters that are used', async (t) => {
  const pdf = await renderInvoice(invoiceOf({ snapshot: { buyer: { ...BUYER, name: '株式会社田中' } } }));
  assert.ok(pdf.length < 100_000, `${pdf.length} bytes`);
  if (hasPoppler(t)) assert.deepEqual(missingFontsOf(pdf), []);
});

test('a long invoice goes on: every page has the head of the table, its number, and no line is lost or torn', async (t) => {
  const names = Array.from(
    { length: 90 },
    (_, n) => `Line ${n + 1} is so long that it has to go on in the next line (${n + 1}.)`,
  );
  const text = await read(t, invoiceOf({ lines: names.map(lineOf) }));
  if (text === undefined) return;
  const pages = text.split('\f').slice(0, -1);
  assert.ok(pages.length > 3, `${pages.length} pages`);
  pages.forEach((page, index) => {
    assert.match(page, new RegExp(`Page ${index + 1} of ${pages.length}`));
    if (page.includes('49.99')) assert.match(page, /Description +Quantity +Price +Tax +Amount, EUR/);
  });
  for (const n of names.keys()) {
    const holders = pages.filter((page) => page.includes(`Line ${n + 1} is`) && page.includes(`(${n + 1}.)`));
    assert.equal(holders.length, 1, `line ${n + 1}`);
  }
  assertRows(text, [['Total EUR', '14,475.85']]);
});

test('a name that is longer than a page is printed to its end', async (t) => {
  const name = `${'Donaudampfschifffahrt'.repeat(200)} END`;
  const text = await read(t, invoiceOf({ lines: [lineOf(name)] }));
  if (text === undefined) return;
  const pages = text.split('\f').slice(0, -1);
  assert.ok(pages.length > 1);
  const letters = text.replace(/Description.*|.*Page \d.*|[^A-Za-z]/g, '');
  assert.equal(letters.match(/Donaudampfschifffahrt/g)?.length, 200);
  assert.match(text, /END/);
});

test('names in Latin, Greek, Cyrillic, Chinese, Japanese and Korean letters are printed; others as their code points', async (t) => {
  const name = 'Đặng Ελένη Ґалаґан 株式会社田中 やまだ 한국 שלום';
  const text = await read(t, invoiceOf({ snapshot: { buyer: { ...BUYER, name } } }));
  if (text === undefined) return;
  assert.match(text, /Đặng Ελένη Ґалаґан 株式会社田中 やまだ 한국/);
  assert.match(text, /\[U\+05E9\]\[U\+05DC\]\[U\+05D5\]\[U\+05DD\]/);
});
