/**
 * What becomes of an issued invoice: it is rendered, and then mailed. Both are jobs with the invoice's id as their key, so
 * nothing about an invoice ever waits in the memory of a process.
 *
 * invoice.render: the PDF is a pure function of the row, so one try more gives the same bytes. They are kept together with
 *   the job that mails them.
 * invoice.mail: the message is queued under an id that is made of the invoice's, so one try more queues nothing. From there
 *   it is a message like every other: delivered, retried for five days, or `uncertain`. invoice-mail.ts says how it stands.
 *
 * The mail is the operator's and not the buyer's: it leaves from the operator's workspace, by its routes, signed as its
 * domain, whatever the buyer's credits or suppressions are.
 */
import { createHash } from 'node:crypto';
import { DEFAULT_WORKSPACE_ID } from '../kernel/ids.ts';
import { enqueueJob, type JobContext, type JobHandler, type JobOutcome } from '../kernel/jobs.ts';
import { enqueueTransactional, MailRefused } from '../queue/transactional.ts';
import { type Invoice, noteOf, titleOf } from './invoice-snapshot.ts';
import { RENDER_JOB } from './invoices.ts';
import { formatMoney } from './money.ts';
import * as queries from './queries-invoices.ts';

/** Its key is the invoice's id; `number` in its args when it is mailed again. */
export const MAIL_JOB = 'invoice.mail';
export const OPERATOR_WORKSPACE_ID = DEFAULT_WORKSPACE_ID;
/** As long as mail servers try (RFC 5321 section 4.5.4.1): nobody waits at a screen for an invoice, and it must arrive. */
const GIVE_UP_SECONDS = 5 * 86_400;

export const INVOICE_HANDLERS: Record<string, JobHandler> = { [RENDER_JOB]: render, [MAIL_JOB]: mail };

async function render({ database, workspaceId, key, fence }: JobContext): Promise<JobOutcome> {
  const invoice = await database.readWorkspace(workspaceId, (tx) =>
    queries.findInvoice(tx, workspaceId, key ?? ''),
  );
  if (!invoice) return { kind: 'failed', error: `there is no invoice ${key}`, permanent: true };
  // Half of a process's start is spent on pdfkit, and few processes render.
  const { renderInvoice } = await import('./pdf.ts');
  const pdf = await renderInvoice(invoice);
  await database.withWorkspace(workspaceId, async (tx) => {
    await fence(tx);
    await queries.insertDocument(tx, workspaceId, invoice.id, pdf);
    await enqueueJob(tx, workspaceId, { kind: MAIL_JOB, key: invoice.id });
  });
  return { kind: 'done' };
}

async function mail({ database, workspaceId, key, args }: JobContext): Promise<JobOutcome> {
  const { invoice, pdf } = await database.readWorkspace(workspaceId, async (tx) => ({
    invoice: await queries.findInvoice(tx, workspaceId, key ?? ''),
    pdf: await queries.originalDocument(tx, workspaceId, key ?? ''),
  }));
  if (!invoice || !pdf) return { kind: 'failed', error: `there is no document of ${key}`, permanent: true };
  const attachment = {
    filename: `${invoice.number}.pdf`,
    contentType: 'application/pdf',
    content: pdf.content,
  };
  try {
    await database.withWorkspace(OPERATOR_WORKSPACE_ID, (tx) =>
      enqueueTransactional(tx, {
        workspaceId: OPERATOR_WORKSPACE_ID,
        id: issuedMailId(invoice.id, Number(args.number ?? 0)),
        giveUpSeconds: GIVE_UP_SECONDS,
        ...mailOf(invoice),
        attachments: [attachment],
      }),
    );
  } catch (error) {
    if (!(error instanceof MailRefused)) throw error;
    return { kind: 'failed', error: error.message, permanent: true };
  }
  return { kind: 'done' };
}

/**
 * The id of the message that brings an invoice; its Message-ID is made of it. A UUIDv7 with the invoice's time, so that it is
 * found where messages of that time are. `number`: 0 is the first, then how often it was mailed again.
 */
export function issuedMailId(invoiceId: string, number = 0): string {
  const purpose = number === 0 ? 'issued' : `again ${number}`;
  const digits = createHash('sha256').update(`${invoiceId} ${purpose}`).digest('hex');
  return `${invoiceId.slice(0, 13)}-7${digits.slice(0, 3)}-8${digits.slice(3, 6)}-${digits.slice(6, 18)}`;
}

function mailOf(invoice: Invoice) {
  const { seller, buyer, grossMinor, currency } = invoice.snapshot;
  const title = `${titleOf(invoice)} ${invoice.number}`;
  return {
    from: { name: seller.name, email: seller.email },
    to: { name: buyer.name, email: buyer.email },
    subject: `${title} from ${seller.name}`,
    text: `${title} of ${formatMoney(grossMinor, currency)} is attached.\n\n${noteOf(invoice)}\n\n${seller.name}\n`,
  };
}
