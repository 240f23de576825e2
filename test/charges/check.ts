/** What every shop must find in the end, whatever died on the way: one charge, one invoice, one mail, its credits. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../../server/kernel/database.ts';
import { DEFAULT_WORKSPACE_ID } from '../../server/kernel/ids.ts';
import { sql } from '../../server/kernel/sql.ts';
import type { PaymentSandbox } from '../../server/sandbox/payments/payments.ts';
import type { Sink } from '../support/sink.ts';
import type { Shop } from './shop.ts';

const MAIL_MS_MAX = 60_000;
const LOOK_AGAIN_MS = 200;
const VIOLATIONS_MAX = 20;

export interface Count {
  rounds: number;
  charges_wrong: number;
  invoices_wrong: number;
  mails_wrong: number;
  replays_wrong: number;
  credits_wrong: number;
  ledger_sum: number;
  /** Empty when all is well. */
  violations: string[];
}

interface Parts {
  shops: Shop[];
  database: Database;
  provider: PaymentSandbox;
  sink: Sink;
}

export async function check(parts: Parts): Promise<Count> {
  const { shops, database, provider } = parts;
  const { mails, isOver } = await settledMails(parts);
  const { charges } = await provider.truth();
  const chargesOf = countBy(charges, ({ metadata }) => metadata.workspace_id ?? '');
  const violations = isOver ? [] : [`mail was still on its way after ${MAIL_MS_MAX} ms`];
  const wrong = { charges: 0, invoices: 0, mails: 0, replays: 0, credits: 0 };
  let ledgerSum = 0;
  for (const shop of shops) {
    const books = await booksOf(database, shop.workspaceId);
    ledgerSum += Math.abs(books.sum);
    const found = {
      charges: chargesOf.get(shop.workspaceId) ?? 0,
      invoices: books.invoices,
      mails: mails.get(shop.email) ?? 0,
    };
    for (const [what, count] of Object.entries(found))
      if (count !== 1) fail(what as keyof typeof found, shop, String(count));
    if (books.balance !== shop.credits) fail('credits', shop, String(books.balance));
    if (shop.replaysWrong > 0) fail('replays', shop, JSON.stringify(shop.heard ?? 'nothing'));
  }
  return {
    rounds: shops.length,
    charges_wrong: wrong.charges,
    invoices_wrong: wrong.invoices,
    mails_wrong: wrong.mails,
    replays_wrong: wrong.replays,
    credits_wrong: wrong.credits,
    ledger_sum: ledgerSum,
    violations: violations.slice(0, VIOLATIONS_MAX),
  };

  function fail(what: keyof typeof wrong, { workspaceId, email }: Shop, found: string): void {
    wrong[what] += 1;
    violations.push(`${what} of ${email} (${workspaceId}): ${found}`);
  }
}

async function booksOf(database: Database, workspaceId: string) {
  const [books] = await database.withWorkspace(workspaceId, (tx) =>
    tx.query<{ invoices: number; balance: number; sum: number }>(sql`
      SELECT (SELECT count(*)::int FROM invoice) AS invoices,
        (SELECT coalesce(sum(credits), 0)::int FROM ledger_posting WHERE account = 'balance') AS balance,
        (SELECT coalesce(sum(credits), 0)::int FROM ledger_posting) AS sum`),
  );
  if (!books) throw new Error('no row');
  return books;
}

/**
 * By recipient, when every shop has its mail and no other is on its way, or the time is up. One that is `uncertain` counts as
 * its mail.
 */
async function settledMails({ shops, database, sink }: Parts) {
  const giveUpAt = performance.now() + MAIL_MS_MAX;
  for (;;) {
    // Asked before the sink: what is over by then is counted there.
    const isOver = !(await isMailUnderWay(database, shops));
    const recipients = (await sink.records()).map(({ recipient }) => recipient);
    const accepted = new Set(recipients);
    const uncertain = (await uncertainRecipients(database)).filter((email) => !accepted.has(email));
    const mails = countBy([...recipients, ...uncertain], (email) => email);
    const haveAll = shops.every(({ email }) => mails.has(email));
    if ((haveAll && isOver) || performance.now() > giveUpAt) return { mails, isOver };
    await sleep(LOOK_AGAIN_MS);
  }
}

/** A message that a worker has or may take, or an invoice that is not rendered or mailed yet. */
async function isMailUnderWay(database: Database, shops: Shop[]): Promise<boolean> {
  const messages = await database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    tx.query(sql`SELECT FROM message WHERE state IN ('queued', 'deferred', 'claimed', 'committing') LIMIT 1`),
  );
  if (messages.length > 0) return true;
  for (const { workspaceId } of shops) {
    const jobs = await database.withWorkspace(workspaceId, (tx) =>
      tx.query(sql`SELECT FROM job WHERE kind LIKE 'invoice.%' AND finished_at IS NULL LIMIT 1`),
    );
    if (jobs.length > 0) return true;
  }
  return false;
}

async function uncertainRecipients(database: Database): Promise<string[]> {
  const rows = await database.withWorkspace(DEFAULT_WORKSPACE_ID, (tx) =>
    tx.query<{ email: string }>(sql`SELECT email FROM message WHERE state = 'uncertain'`),
  );
  return rows.map(({ email }) => email);
}

function countBy<Item>(items: readonly Item[], key: (item: Item) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
}
