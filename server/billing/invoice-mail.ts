/**
 * The mail that brings an invoice, as it stands: a message of the operator's (invoice-jobs.ts), told to whom the invoice
 * belongs. And mailing it once more, by people: when it was given up, refused, or lost by its reader.
 */
import type { Database, Tx } from '../kernel/database.ts';
import { enqueueJob } from '../kernel/jobs.ts';
import { type FoundMessage, findMessage } from '../queue/queries-messages.ts';
import { streamOfMessage } from '../queue/queries-transactional.ts';
import { issuedMailId, MAIL_JOB, OPERATOR_WORKSPACE_ID } from './invoice-jobs.ts';
import * as queries from './queries-invoices.ts';

export interface InvoiceMail {
  /** 0: the first; then how often it was mailed again. */
  number: number;
  /** Null: it is not queued yet. */
  message: Pick<FoundMessage, 'state' | 'dueAt'> | null;
}

/** One sentence. */
export class NotMailed extends Error {
  override readonly name = 'NotMailed';
}

const ON_ITS_WAY = new Set(['queued', 'deferred', 'claimed', 'committing']);

interface InvoiceKey {
  workspaceId: string;
  invoiceId: string;
}

/** The last one. */
export async function mailOfInvoice(
  database: Database,
  { workspaceId, invoiceId }: InvoiceKey,
): Promise<InvoiceMail> {
  const number = await database.readWorkspace(workspaceId, (tx) =>
    queries.mailsAgain(tx, workspaceId, invoiceId),
  );
  const contactId = issuedMailId(invoiceId, number);
  const message = await database.readWorkspace(OPERATOR_WORKSPACE_ID, async (tx) => {
    const campaignId = await streamOfMessage(tx, OPERATOR_WORKSPACE_ID, contactId);
    if (campaignId === undefined) return undefined;
    return findMessage(tx, { workspaceId: OPERATOR_WORKSPACE_ID, campaignId, contactId });
  });
  return { number, message: message ?? null };
}

/** `audit`: writes down who wanted it. Throws NotMailed while the last mail is on its way. */
export async function mailAgain(
  database: Database,
  of: InvoiceKey,
  audit: (tx: Tx) => Promise<void>,
): Promise<void> {
  const { workspaceId, invoiceId } = of;
  const { number: last, message } = await mailOfInvoice(database, of);
  if (message && ON_ITS_WAY.has(message.state))
    throw new NotMailed(
      `The mail is on its way (${message.state}): it is tried until it arrives, or is given up.`,
    );
  await database.withWorkspace(workspaceId, async (tx) => {
    const number = last + 1;
    const job = { kind: MAIL_JOB, key: invoiceId, args: { number } };
    const isRendered = (await queries.originalDocument(tx, workspaceId, invoiceId)) !== undefined;
    if (!isRendered || !(await enqueueJob(tx, workspaceId, job)))
      throw new NotMailed('The mail is being made at this moment.');
    await queries.insertMailAgain(tx, workspaceId, invoiceId, number);
    await audit(tx);
  });
}
