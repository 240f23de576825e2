/**
 * Draws an invoice or a credit note as PDF: a pure function of what was issued, to the byte. Before: a row of `invoice`.
 * After: the bytes that are kept (invoice_document) and mailed.
 *
 * From the top down: what it is; who sells, who buys, number and date; the lines; the sum; the taxes; what to do now.
 */
import type { Party } from './invoice-parties.ts';
import { type Invoice, issuedOn, noteOf, type SnapshotLine, titleOf } from './invoice-snapshot.ts';
import type { Tax } from './invoice-tax.ts';
import { formatMinor, groupThousands } from './money.ts';
import { LEFT, RIGHT, Sheet, type Style } from './pdf-sheet.ts';

const BOLD: Style = { weight: 'bold' };
const MUTED: Style = { size: 8, color: '#6b7280' };
const TO_THE_RIGHT: Style = { align: 'right' };

/** Where the columns of numbers end. */
const COLUMN = { quantity: 335, price: 425, tax: 460, amount: RIGHT };
const NAME_WIDTH = 205;
const PARTY_WIDTH = 260;
const FACTS_LEFT = 350;
const SUM_LEFT = 350;
const TAX_NAME_WIDTH = 180;

const LINE_HEIGHT = 13.05;
const ROW_GAP = 5;
const BLOCK_GAP = 22;
/** What must not be torn apart by the end of a page. */
const LINES_HEAD_HEIGHT = 45;
const SUM_HEIGHT = 65;
const TOGETHER_LINES_MAX = 12;

/** The same invoice gives the same bytes. */
export function renderInvoice(invoice: Invoice): Promise<Buffer> {
  const { seller } = invoice.snapshot;
  const title = `${titleOf(invoice)} ${invoice.number}`;
  const sheet = new Sheet({ title, author: seller.name, createdAt: invoice.issuedAt });
  drawHead(sheet, invoice);
  drawLines(sheet, invoice);
  drawSum(sheet, invoice);
  drawTaxes(sheet, invoice);
  drawNote(sheet, invoice);
  const identity = [seller.name, vatOf(seller), seller.registration, seller.email].flatMap(
    (text) => text || [],
  );
  return sheet.end((page, pages) => ({
    left: identity.join(' · '),
    right: `${invoice.number} · Page ${page} of ${pages}`,
  }));
}

function drawHead(sheet: Sheet, invoice: Invoice): void {
  sheet.line(titleOf(invoice), LEFT, { weight: 'bold', size: 22 });
  sheet.y += 16;
  const top = sheet.y;
  drawFacts(sheet, invoice);
  const factsEnd = sheet.y;
  sheet.y = top;
  drawParty(sheet, 'From', invoice.snapshot.seller);
  sheet.y += 12;
  drawParty(sheet, 'To', invoice.snapshot.buyer);
  sheet.y = Math.max(sheet.y, factsEnd) + BLOCK_GAP;
}

function drawFacts(sheet: Sheet, invoice: Invoice): void {
  const { corrects } = invoice.snapshot;
  const facts = {
    Number: invoice.number,
    Date: issuedOn(invoice),
    'For invoice': corrects && `${corrects.number} of ${corrects.issuedOn}`,
    'Payment reference': invoice.paymentId,
  };
  for (const [name, value] of Object.entries(facts)) {
    if (!value) continue;
    sheet.line(name, FACTS_LEFT, MUTED);
    for (const line of sheet.wrap(value, RIGHT - FACTS_LEFT)) sheet.line(line, FACTS_LEFT);
    sheet.y += ROW_GAP;
  }
}

function drawParty(sheet: Sheet, label: string, party: Party): void {
  sheet.line(label, LEFT, MUTED);
  partyLines(party).forEach((text, index) => {
    const style = index === 0 ? BOLD : {};
    for (const line of sheet.wrap(text, PARTY_WIDTH, style)) sheet.line(line, LEFT, style);
  });
}

function partyLines(party: Party): string[] {
  const { name, addressLine1, addressLine2, postCode, city, countryCode } = party;
  const place = [postCode, city].filter(Boolean).join(' ');
  return [name, addressLine1, addressLine2, place, countryCode, vatOf(party)].flatMap((line) => line || []);
}

function vatOf({ vatIdentifier }: Party): string | undefined {
  return vatIdentifier && `VAT ${vatIdentifier}`;
}

function drawLines(sheet: Sheet, { snapshot }: Invoice): void {
  sheet.makeRoom(LINES_HEAD_HEIGHT);
  drawLinesHead(sheet, snapshot.currency);
  for (const line of snapshot.lines) drawLine(sheet, line, snapshot.currency);
  sheet.y += ROW_GAP;
}

function drawLinesHead(sheet: Sheet, currency: string): void {
  sheet.write('Description', LEFT, MUTED);
  const numbers = { quantity: 'Quantity', price: 'Price', tax: 'Tax', amount: `Amount, ${currency}` };
  drawColumns(sheet, numbers, MUTED);
  sheet.y += LINE_HEIGHT + ROW_GAP;
  sheet.rule();
  sheet.y += ROW_GAP;
}

function drawColumns(sheet: Sheet, texts: Record<keyof typeof COLUMN, string>, style: Style = {}): void {
  sheet.write(texts.quantity, COLUMN.quantity, { ...style, ...TO_THE_RIGHT });
  sheet.write(texts.price, COLUMN.price, { ...style, ...TO_THE_RIGHT });
  sheet.write(texts.tax, COLUMN.tax, { ...style, ...TO_THE_RIGHT });
  sheet.write(texts.amount, COLUMN.amount, { ...style, ...TO_THE_RIGHT });
}

/** A line stays on one page, unless its name is so long that it has to go on. */
function drawLine(sheet: Sheet, line: SnapshotLine, currency: string): void {
  const names = sheet.wrap(line.name, NAME_WIDTH);
  names.forEach((text, index) => {
    const together = index === 0 ? Math.min(names.length, TOGETHER_LINES_MAX) : 1;
    if (sheet.makeRoom(together * LINE_HEIGHT)) drawLinesHead(sheet, currency);
    if (index === 0)
      drawColumns(sheet, {
        quantity: groupThousands(String(line.quantity)),
        price: priceOf(line, currency),
        tax: line.tax.category === 'S' ? percent(line.tax) : line.tax.category,
        amount: formatMinor(line.netMinor, currency),
      });
    sheet.line(text, LEFT);
  });
  sheet.y += ROW_GAP;
  sheet.rule();
  sheet.y += ROW_GAP;
}

function priceOf({ priceMinor, priceBaseQuantity = 1n }: SnapshotLine, currency: string): string {
  const price = formatMinor(priceMinor, currency);
  return priceBaseQuantity === 1n ? price : `${price} / ${groupThousands(String(priceBaseQuantity))}`;
}

function percent({ rateBasisPoints }: Tax): string {
  return `${rateBasisPoints / 100} %`;
}

function drawSum(sheet: Sheet, { snapshot }: Invoice): void {
  const { currency, netMinor, taxMinor, grossMinor } = snapshot;
  sheet.makeRoom(SUM_HEIGHT);
  const row = (name: string, amountMinor: bigint, style: Style = {}) => {
    sheet.write(name, SUM_LEFT, style);
    sheet.line(formatMinor(amountMinor, currency), RIGHT, { ...style, ...TO_THE_RIGHT });
  };
  row('Total without tax', netMinor);
  row('Tax', taxMinor);
  sheet.y += ROW_GAP;
  sheet.rule(SUM_LEFT);
  sheet.y += ROW_GAP;
  row(`Total ${currency}`, grossMinor, { weight: 'bold', size: 11 });
  sheet.y += BLOCK_GAP;
}

function drawTaxes(sheet: Sheet, { snapshot: { taxes, currency } }: Invoice): void {
  sheet.makeRoom(LINES_HEAD_HEIGHT);
  const columns = (taxable: string, tax: string, style: Style = {}) => {
    sheet.write(taxable, COLUMN.quantity, { ...style, ...TO_THE_RIGHT });
    sheet.write(tax, COLUMN.price, { ...style, ...TO_THE_RIGHT });
  };
  sheet.write('Tax', LEFT, MUTED);
  columns('Taxable', 'Tax', MUTED);
  sheet.y += LINE_HEIGHT;
  for (const { tax, taxableMinor, taxMinor } of taxes) {
    sheet.wrap(nameOf(tax), TAX_NAME_WIDTH).forEach((text, index) => {
      sheet.makeRoom(LINE_HEIGHT);
      if (index === 0) columns(formatMinor(taxableMinor, currency), formatMinor(taxMinor, currency));
      sheet.line(text, LEFT);
    });
  }
  sheet.y += BLOCK_GAP;
}

function nameOf(tax: Tax): string {
  if (tax.category === 'S') return `VAT ${percent(tax)}`;
  return `${tax.category}: ${tax.exemptionReason ?? 'zero rated'}`;
}

function drawNote(sheet: Sheet, invoice: Invoice): void {
  for (const text of sheet.wrap(noteOf(invoice), RIGHT - LEFT)) {
    sheet.makeRoom(LINE_HEIGHT);
    sheet.line(text, LEFT);
  }
}
