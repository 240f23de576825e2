/** What was issued, what was mailed and what can be read, held against each other. */
import { issuedMailId } from '../../server/billing/invoice-jobs.ts';
import type { Invoice } from '../../server/billing/invoice-snapshot.ts';
import { formatMinor } from '../../server/billing/money.ts';
import { renderInvoice } from '../../server/billing/pdf.ts';
import { findInvoice, originalDocument } from '../../server/billing/queries-invoices.ts';
import type { Database } from '../../server/kernel/database.ts';
import { sql } from '../../server/kernel/sql.ts';
import { textOfPdf } from '../support/poppler.ts';
import type { SinkRecord } from '../support/sink.ts';

/** Rendering is most of the time that the comparison takes. */
const RENDERED_AGAIN = 100;

export interface Books {
  /** One line for each thing that is not as it should be. */
  violations: string[];
  uncertain: number;
}

export async function checkBooks(
  database: Database,
  workspaceId: string,
  { invoices, records }: { invoices: number; records: SinkRecord[] },
): Promise<Books> {
  const issued = await database.readWorkspace(workspaceId, (tx) =>
    tx.query<{ id: string; position: number; number: string }>(
      sql`SELECT id, position::float8, number FROM invoice ORDER BY position`,
    ),
  );
  const books: Books = { violations: [], uncertain: 0 };
  if (issued.length !== invoices) books.violations.push(`${issued.length} invoices of ${invoices} payments`);
  issued.forEach(({ position, number }, index) => {
    if (position !== index + 1) books.violations.push(`${number} stands at place ${index + 1}`);
  });
  const states = await statesOf(database, workspaceId);
  for (const [index, { id, number }] of issued.entries()) {
    checkMail(books, number, states.get(issuedMailId(id)), records);
    await checkDocument(books, database, workspaceId, { id, again: index < RENDERED_AGAIN });
  }
  return books;
}

/** Of the operator's mails, by message id. */
async function statesOf(database: Database, workspaceId: string): Promise<Map<string, string>> {
  const rows = await database.readWorkspace(workspaceId, (tx) =>
    tx.query<{ id: string; state: string }>(sql`SELECT contact_id AS id, state FROM message`),
  );
  return new Map(rows.map(({ id, state }) => [id, state]));
}

function checkMail(books: Books, number: string, state: string | undefined, records: SinkRecord[]): void {
  const mails = records.filter(({ subject }) => subject.includes(` ${number} `)).length;
  if (state === 'uncertain') books.uncertain += 1;
  if (mails === 1 && (state === 'accepted' || state === 'uncertain')) return;
  if (mails === 0 && state === 'uncertain') return;
  books.violations.push(`${number} was mailed ${mails} times, and its message is ${state ?? 'not there'}`);
}

async function checkDocument(
  books: Books,
  database: Database,
  workspaceId: string,
  { id, again }: { id: string; again: boolean },
): Promise<void> {
  const { invoice, pdf } = await database.readWorkspace(workspaceId, async (tx) => ({
    invoice: await findInvoice(tx, workspaceId, id),
    pdf: await originalDocument(tx, workspaceId, id),
  }));
  if (!invoice || !pdf) books.violations.push(`${invoice?.number ?? id} has no document`);
  else if (!isReadable(pdf.content, invoice)) books.violations.push(`${invoice.number} cannot be read`);
  else if (again && !pdf.content.equals(await renderInvoice(invoice)))
    books.violations.push(`${invoice.number} has other bytes when it is rendered again`);
}

function isReadable(pdf: Buffer, { number, snapshot: { lines, grossMinor, currency } }: Invoice): boolean {
  const text = textOfPdf(pdf);
  const expected = [number, formatMinor(grossMinor, currency), ...lines.map(({ name }) => name)];
  return expected.every((words) => text.includes(words));
}
