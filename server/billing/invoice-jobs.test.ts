import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { simpleParser } from 'mailparser';
import { until } from '../../test/support/campaign.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts';
import { BUYER, newInvoice, SELLER, setSeller } from '../../test/support/invoices.ts';
import { startTestRunner, TestJobs } from '../../test/support/jobs.ts';
import { ensureWorkspace } from '../accounts/workspaces.ts';
import { createSigner } from '../content/tokens.ts';
import { transactionalMessages } from '../content/transactional.ts';
import { DEFAULT_WORKSPACE_ID, newId } from '../kernel/ids.ts';
import type { JobContext, JobHandler, JobOutcome } from '../kernel/jobs.ts';
import { Scope } from '../kernel/scope.ts';
import { sql } from '../kernel/sql.ts';
import { enqueueTransactional } from '../queue/transactional.ts';
import { INVOICE_HANDLERS, issuedMailId } from './invoice-jobs.ts';
import { type Issued, issueCreditNote, issueInvoice, type NewInvoice } from './invoices.ts';
import { renderInvoice } from './pdf.ts';
import * as queries from './queries-invoices.ts';

let db: TestDatabase;

before(async () => {
  db = await createTestDatabase();
  await ensureWorkspace(db.database, DEFAULT_WORKSPACE_ID, 'Operator');
  await setSeller(db.database);
});

after(() => db.drop());

interface Mail {
  id: string;
  to: string;
  body: {
    from: { name: string; email: string };
    toName: string;
    subject: string;
    text: string;
    attachments: { filename: string; contentType: string; base64: string }[];
  };
}

/** What the operator's workspace has queued for these invoices. */
async function mailsOf(...issued: Issued[]): Promise<Mail[]> {
  const ids = issued.map(({ invoiceId }) => issuedMailId(invoiceId));
  return db.database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    tx.query<Mail>(sql`
      SELECT t.id, m.email AS to, t.body FROM transactional_message t JOIN message m ON m.contact_id = t.id
      WHERE t.id = ANY(${ids}) ORDER BY t.body->>'subject'`),
  );
}

async function issueIn(t: TestContext, changed: Partial<NewInvoice> = {}) {
  const jobs = await TestJobs.inNewWorkspace(t, db.database);
  const { workspaceId } = jobs;
  const issued = await db.database.withWorkspace(workspaceId, (tx) =>
    issueInvoice(tx, newInvoice(workspaceId, changed)),
  );
  return { jobs, workspaceId, issued };
}

function untilAllDone(jobs: TestJobs): Promise<unknown> {
  const kinds = ['invoice.mail', 'invoice.render'];
  return until(async () => {
    const rows = await jobs.rows();
    const done = rows.filter(({ state }) => state === 'done').map(({ kind }) => kind);
    return done.length === rows.length && kinds.every((kind) => done.includes(kind));
  }, 'rendered and mailed');
}

async function documentOf(workspaceId: string, invoiceId: string): Promise<Buffer> {
  const found = await db.database.withWorkspace(workspaceId, (tx) =>
    queries.originalDocument(tx, workspaceId, invoiceId),
  );
  assert.ok(found);
  return found.content;
}

test('an invoice is rendered, kept, and mailed to the buyer from the seller, with the PDF', async (t) => {
  const { jobs, workspaceId, issued } = await issueIn(t);
  await startTestRunner(t, db.database, INVOICE_HANDLERS);
  await untilAllDone(jobs);
  const [mail, ...others] = await mailsOf(issued);
  assert.ok(mail && others.length === 0);
  assert.equal(mail.to, BUYER.email);
  const { attachments, text, ...headers } = mail.body;
  assert.deepEqual(headers, {
    ...{ from: { name: SELLER.name, email: SELLER.email }, toName: BUYER.name, replyTo: null, html: null },
    subject: `Invoice ${issued.number} from ${SELLER.name}`,
  });
  assert.match(
    text,
    new RegExp(`Invoice ${issued.number} of EUR 595\\.00 is attached\\.\n\nPaid in full on`),
  );
  const [{ base64 = '', ...attachment } = {}] = attachments;
  assert.deepEqual(attachment, { filename: `${issued.number}.pdf`, contentType: 'application/pdf' });
  const pdf = Buffer.from(base64, 'base64');
  assert.deepEqual(pdf, await documentOf(workspaceId, issued.invoiceId));
  const invoice = await db.database.withWorkspace(workspaceId, (tx) =>
    queries.findInvoice(tx, workspaceId, issued.invoiceId),
  );
  assert.ok(invoice);
  assert.deepEqual(pdf, await renderInvoice(invoice));
});

test('the mail of an invoice is tried for five days, also where other mail from its address is given up sooner', async (t) => {
  const { jobs, issued } = await issueIn(t);
  await db.database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    enqueueTransactional(tx, {
      workspaceId: DEFAULT_WORKSPACE_ID,
      ...{ from: { email: SELLER.email }, to: { email: 'a@b.example' }, subject: 'Code', text: '1' },
    }),
  );
  await startTestRunner(t, db.database, INVOICE_HANDLERS);
  await untilAllDone(jobs);
  const [stream] = await db.database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    tx.query(sql`SELECT c.give_up_seconds FROM campaign c JOIN transactional_message m ON m.campaign_id = c.id
      WHERE m.id = ${issuedMailId(issued.invoiceId)}`),
  );
  assert.deepEqual(stream, { give_up_seconds: 5 * 86_400 });
});

test('a credit note is mailed as one', async (t) => {
  const { jobs, workspaceId, issued } = await issueIn(t);
  const note = await db.database.withWorkspace(workspaceId, (tx) =>
    issueCreditNote(tx, { workspaceId, invoiceId: issued.invoiceId, refundId: newId(), reason: 'Refund' }),
  );
  await startTestRunner(t, db.database, INVOICE_HANDLERS);
  await untilAllDone(jobs);
  const [mail] = await mailsOf(note);
  assert.equal(mail?.body.subject, `Credit note ${note.number} from ${SELLER.name}`);
  assert.equal(mail?.body.attachments[0]?.filename, `${note.number}.pdf`);
});

test('a job whose worker dies when all is done but the last word is done again, and the buyer gets one mail', async (t) => {
  const { jobs, workspaceId, issued } = await issueIn(t);
  const runs: Record<string, number> = {};
  const dyingOnce =
    (kind: string, handler: JobHandler) =>
    async (job: JobContext): Promise<JobOutcome> => {
      const outcome = await handler(job);
      runs[kind] = (runs[kind] ?? 0) + 1;
      return runs[kind] === 1 ? { kind: 'again', afterMs: 0 } : outcome;
    };
  const handlers = Object.fromEntries(
    Object.entries(INVOICE_HANDLERS).map(([kind, handler]) => [kind, dyingOnce(kind, handler)]),
  );
  await startTestRunner(t, db.database, handlers);
  await untilAllDone(jobs);
  assert.ok((runs['invoice.render'] ?? 0) >= 2 && (runs['invoice.mail'] ?? 0) >= 2, JSON.stringify(runs));
  assert.equal((await mailsOf(issued)).length, 1);
  const documents = await db.database.withWorkspace(workspaceId, (tx) =>
    tx.query(sql`SELECT FROM invoice_document`),
  );
  assert.equal(documents.length, 1);
});

test('two workers that mail the same invoice at the same moment queue one mail', async (t) => {
  const { jobs, workspaceId, issued } = await issueIn(t);
  const runner = await startTestRunner(t, db.database, INVOICE_HANDLERS);
  await untilAllDone(jobs);
  await runner.drain();
  await db.database.withWorkspace(DEFAULT_WORKSPACE_ID, async (tx) => {
    const id = issuedMailId(issued.invoiceId);
    await tx.query(sql`DELETE FROM message WHERE contact_id = ${id}`);
    await tx.query(sql`DELETE FROM transactional_message WHERE id = ${id}`);
  });
  await using scope = Scope.root('both');
  const job: JobContext = {
    ...{ scope, database: db.database, workspaceId, key: issued.invoiceId, args: {}, failures: 0 },
    fence: async () => {},
  };
  const mail = INVOICE_HANDLERS['invoice.mail'];
  assert.ok(mail);
  const outcomes = await Promise.all([mail(job), mail(job)]);
  assert.deepEqual(outcomes, [{ kind: 'done' }, { kind: 'done' }]);
  assert.equal((await mailsOf(issued)).length, 1);
});

test('a buyer whose name tries to add headers gets the PDF, and nobody else does', async (t) => {
  const buyer = { ...BUYER, name: 'Eve\r\nBcc: everybody@example.com', email: 'eve@buyer.example' };
  const { jobs, workspaceId, issued } = await issueIn(t, { buyer });
  await startTestRunner(t, db.database, INVOICE_HANDLERS);
  await untilAllDone(jobs);
  const [mail] = await mailsOf(issued);
  assert.ok(mail);
  const ids = { workspaceId: DEFAULT_WORKSPACE_ID, campaignId: newId() };
  const recipient = { contactId: mail.id, email: mail.to, name: null, attributes: { ...mail.body } };
  const message = transactionalMessages(ids, createSigner(Buffer.alloc(32))).render(recipient);
  assert.ok(message.kind === 'rendered');
  const { attachments, bcc, to } = await simpleParser(message.data);
  assert.equal(bcc, undefined);
  assert.deepEqual(Array.isArray(to) ? to : to?.value, [
    { name: 'Eve Bcc: everybody@example.com', address: 'eve@buyer.example' },
  ]);
  assert.deepEqual(attachments[0]?.content, await documentOf(workspaceId, issued.invoiceId));
});
